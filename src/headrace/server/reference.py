"""The reference page of the HTTP API, made from the routes themselves: `python -m headrace.server.reference`."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from headrace.server.app import ENDPOINTS
from headrace.server.endpoint import Endpoint
from headrace.server.errors import STATUSES
from headrace.server.openapi import description_of
from headrace.server.schema import Content, Field

__all__ = ["render"]

_HEAD = """# The HTTP API

<!-- Made by `python -m headrace.server.reference`; a test compares. Change the routes, not this page. -->

`headrace server` serves a project. The server shows this page at `/docs`, and for programs at `/openapi.json`.

- Bodies are JSON in UTF-8, or an Arrow IPC stream, uncompressed, where it says so. Times are RFC 3339 and end in Z, dates
  ISO 8601, bytes base64. Whole numbers are exact up to 64 bits. Floats that aren't finite are the texts `NaN`, `Infinity` and
  `-Infinity`.
- A request may name itself with `X-Request-Id`; the answer repeats the name, else bears one made here. The access log and every
  problem document hold it.
- An error is a problem document (RFC 9457, `application/problem+json`) with `type`, `title`, `status`, `detail` and `request_id`;
  on the paths of Feast's and MLflow's protocols it has the shape that their clients know.
- What stands under `/api/2.0/mlflow` and `/api/3.0/mlflow` is MLflow's protocol: its client works with `MLFLOW_TRACKING_URI` set
  to the server's address. The same is served under `/ajax-api`, not listed here.
- A body beyond `--max-body-mb` is refused with 413; one that doesn't arrive within a minute with 408; headers
  beyond 128 KB with 400.
- The `Host` must be a name of the server while it listens on loopback, and an `Origin` the server's own. Elsewhere, as long as
  there are no users, it must be an address, a name without a dot, or one that `--allow-host` names.
- With 503 comes `Retry-After`: a store is down, or the server has too much to do.

| status | means |
|---|---|
"""


def render() -> str:
    """The whole page as Markdown."""
    titles: dict[int, list[str]] = {}
    for _, status, title in STATUSES:
        titles.setdefault(status, []).append(title[0].lower() + title[1:])
    table = "".join(f"| {status} | {'; or '.join(told)} |\n" for status, told in sorted(titles.items()))
    return _HEAD + table + "\n" + "\n".join(_section(item) for item in ENDPOINTS if not item.path.startswith("/ajax-api/"))


def _section(item: Endpoint) -> str:
    summary, more = description_of(item)
    lines = [f"## `{item.method} {item.path}`", "", summary]
    if more:
        lines += ["", *more.splitlines()]
    if item.operation.query:
        lines += ["", "Query parameters:", "", *_rows(item.operation.query)]
    for title, contents in (("Takes", item.operation.takes), ("Gives", item.operation.gives)):
        for content in contents:
            lines += _content(title, content)
    if item.permission:
        lines += ["", f"Permission: `{item.permission}`"]
    return "\n".join([*lines, ""])


def _content(title: str, content: Content) -> list[str]:
    if not content.media_type:
        return ["", f"{title} nothing."]
    fields = [] if content.record is None else ["", *_rows(content.record.fields)]
    return ["", f"{title} `{content.media_type}`{':' if fields else ''}", *fields]


def _rows(fields: Mapping[str, Field]) -> list[str]:
    rows = [
        f"| `{name}` | {' or '.join(member.kinds)}{', required' if member.required else ''} | {_told(member)} |"
        for name, member in fields.items()
    ]
    return ["| | | |", "|---|---|---|", *rows]


def _told(member: Field) -> str:
    """What a member is, and the texts that it may be, unless they are told there already."""
    if all(choice in member.text for choice in member.choices):
        return member.text
    return f"{member.text} One of {', '.join(f'`{choice}`' for choice in member.choices)}."


if __name__ == "__main__":
    sys.stdout.write(render())
