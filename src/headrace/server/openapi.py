"""What /openapi.json and /docs say, made from the routes themselves."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

from headrace.server.columns import dumps
from headrace.server.endpoint import Endpoint, Operation
from headrace.server.errors import PROBLEM, STATUSES
from headrace.server.http import JSON, Call, Reply
from headrace.server.schema import Content, Record

__all__ = ["description_of", "docs_of", "document", "openapi_of"]

Routes = Callable[[], Sequence[Endpoint]]
HTML = "text/html; charset=utf-8"
_PROBLEM = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string", "description": "`urn:headrace:error:` and the name of the error"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what was wrong, where, and what to do"},
        "request_id": {"type": "string"},
        "faults": {"type": "array", "items": {"type": "string"}, "description": "every fault of definitions"},
        "query": {
            "type": "object",
            "description": "where a search text has its fault",
            "required": ["reason", "text", "start", "length", "suggestion"],
            "properties": {
                "reason": {"type": "string"},
                "text": {"type": "string"},
                "start": {"type": "integer", "description": "the token's first character"},
                "length": {"type": "integer", "description": "its length; 0 at the end of the text"},
                "suggestion": {"type": ["string", "null"], "description": "what to put in its place"},
            },
        },
    },
}
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "h2{border-top:1px solid #ccc;padding-top:1rem;font-size:1.05rem}code{background:#f3f3f3;padding:.1em .3em}"
    "table{border-collapse:collapse;margin:.5rem 0}td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}code{background:#222}}"
)


def openapi_of(routes: Routes) -> Operation:
    """GET /openapi.json of these routes."""

    def openapi(_call: Call) -> Reply:
        """This API as an OpenAPI 3.1 document."""
        return Reply(dumps(document(routes())))

    return Operation(openapi, gives=(Content(JSON),))


def docs_of(routes: Routes) -> Operation:
    """GET /docs of these routes."""

    def docs(_call: Call) -> Reply:
        """This API as a page to read. It loads nothing from elsewhere."""
        return Reply(_page(routes()).encode(), media_type=HTML)

    return Operation(docs, gives=(Content(HTML),))


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The OpenAPI document."""
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Any] = {"Problem": _PROBLEM}
    for item in endpoints:
        paths.setdefault(item.path.replace("...}", "}"), {})[item.method.lower()] = _operation(item)
        for record in _records(item):
            schemas |= {inner.name: inner.schema() for inner in record.records()}
    about = {
        "title": "Headrace",
        "version": version("headrace"),
        "description": "A feature store, experiment tracking and a model registry over HTTP.",
    }
    return {"openapi": "3.1.0", "info": about, "paths": paths, "components": {"schemas": schemas}}


def description_of(item: Endpoint) -> tuple[str, str]:
    """The first sentence of what a route does, and the rest."""
    first, _, rest = item.operation.description.partition("\n\n")
    return " ".join(first.split()), rest.strip()


def _operation(item: Endpoint) -> dict[str, Any]:
    summary, more = description_of(item)
    described: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{item.method} {item.path}".lower()).strip("_"),
        "summary": summary,
        "tags": [item.dialect],
        "x-permission": item.permission or "everybody",
        "responses": {"200": {"description": "The answer."} | _content(item.operation.gives), **_failures(item)},
    }
    if more:
        described["description"] = more
    parameters = [_parameter(name, "path", {"type": "string"}) for name in re.findall(r"\{(\w+)(?:\.\.\.)?\}", item.path)]
    for name, member in item.operation.query.items():
        parameters.append(_parameter(name, "query", member.schema(), required=member.required))
    if parameters:
        described["parameters"] = parameters
    if item.operation.takes:
        described["requestBody"] = {"required": True, **_content(item.operation.takes)}
    return described


def _parameter(name: str, where: str, schema: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    return {"name": name, "in": where, "required": required, "schema": schema}


def _content(contents: Sequence[Content]) -> dict[str, Any]:
    shapes = {item.media_type: {} if item.record is None else {"schema": item.record.reference()} for item in contents}
    return {"content": {kind: shape for kind, shape in shapes.items() if kind}} if any(shapes) else {}


def _failures(item: Endpoint) -> dict[str, Any]:
    """Every status that an error may have, with the titles of those that have it."""
    titles: dict[int, list[str]] = {}
    for _, status, title in STATUSES:
        titles.setdefault(status, []).append(title)
    body = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}} if item.dialect == "native" else {JSON: {}}
    return {str(status): {"description": "; ".join(told) + ".", "content": body} for status, told in sorted(titles.items())}


def _records(item: Endpoint) -> list[Record]:
    return [content.record for content in (*item.operation.takes, *item.operation.gives) if content.record is not None]


def _page(endpoints: Sequence[Endpoint]) -> str:
    sections = "".join(map(_section, endpoints))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Headrace API</title><style>{_STYLE}</style>'
        f'<h1>Headrace {version("headrace")}</h1><p>For programs: <a href="openapi.json">openapi.json</a>. Errors are problem '
        f"documents (RFC 9457), on the paths of Feast's and MLflow's protocols in theirs.</p>{sections}</html>"
    )


def _section(item: Endpoint) -> str:
    summary, more = description_of(item)
    told = "".join(f"<p>{_text(part)}</p>" for part in (summary, *filter(None, more.split("\n\n"))))
    tables = _table("Query", item.operation.query)
    for title, contents in (("Takes", item.operation.takes), ("Gives", item.operation.gives)):
        for content in contents:
            told += f"<p>{title} <code>{_text(content.media_type)}</code></p>" if content.media_type else ""
            told += _table("", content.record.fields) if content.record is not None else ""
    permission = f"<p>Permission: <code>{_text(item.permission)}</code></p>" if item.permission else ""
    return f"<h2><code>{item.method} {_text(item.path)}</code></h2>{told}{tables}{permission}"


def _table(title: str, fields: Any) -> str:
    rows = "".join(
        f"<tr><th><code>{_text(name)}</code></th><td>{' or '.join(member.kinds)}{', required' if member.required else ''}</td>"
        f"<td>{_text(member.text)}</td></tr>"
        for name, member in fields.items()
    )
    return f"{f'<p>{title}</p>' if title else ''}<table>{rows}</table>" if rows else ""


def _text(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
