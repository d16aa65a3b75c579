"""The verb that proves served values: computed again from history, equal to the bit or named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli.failures import REFUSED
from headrace.cli.output import Answer, Part, Table
from headrace.cli.values import moment, seconds, short_time
from headrace.cli.verb import Session, verb

if TYPE_CHECKING:
    from headrace.features.verify import ViewVerification

__all__ = ["verify"]


@verb(
    "verify",
    "headrace verify ranking",
    "headrace verify ranking:3 --since 7d --limit 10000",
    "headrace verify ranking --as-known",
)
def verify(
    session: Session,
    view: Annotated[str, typer.Argument(metavar="VIEW", help="A feature view, 'ranking', or one version of it, 'ranking:3'.")],
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="How far to look back, for example 7d. Default: all.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", help="Compare at most this many rows, the newest.")] = None,
    as_known: Annotated[
        bool, typer.Option("--as-known", help="Compare with all rows that had arrived by each moment, visible online or not.")
    ] = False,
) -> Answer:
    """Compute a sample of the served values again from history, and compare them; exit with 1 if one differs."""
    found = session.store.verify(view, since, limit, as_known=as_known)
    return Answer(_data(found), _parts(found), code=0 if found.ok else REFUSED)


def _data(found: ViewVerification) -> dict[str, Any]:
    return {
        "view": found.view,
        "ok": found.ok,
        "rows": found.rows,
        "dropped": found.dropped,
        "as_known": found.as_known,
        "lag_s": found.lag,
        "features": {
            name: {
                "equal": check.equal,
                "differing": check.differing,
                "inherited": check.inherited,
                "missing": check.missing,
                "reason": check.reason,
                "examples": [
                    {
                        "keys": dict(item.keys),
                        "at": moment(item.at),
                        "request": item.request,
                        "served": item.served,
                        "recomputed": item.recomputed,
                    }
                    for item in check.examples
                ],
            }
            for name, check in found.features.items()
        },
    }


def _parts(found: ViewVerification) -> list[Part]:
    if not found.rows:
        text = f'no row of {found.view} has been kept; set sample in headrace.toml, for example sample = "0.01", and serve'
        return [text]
    parts: list[Part] = [_summary(found)]
    columns = ("FEATURE", "EQUAL", "DIFFERING", "OF WHICH INHERITED", "MISSING", "WHY MISSING")
    rows = [
        (name, item.equal, item.differing, item.inherited, item.missing, item.reason) for name, item in found.features.items()
    ]
    parts.append(Table(columns, rows))
    examples = [
        (name, dict(item.keys), short_time(item.at), item.served, item.recomputed)
        for name, check in found.features.items()
        for item in check.examples
    ]
    parts.append(Table(("DIFFERS", "KEYS", "AT (UTC)", "SERVED", "RECOMPUTED"), examples))
    return parts


def _summary(found: ViewVerification) -> str:
    values = sum(item.equal + item.differing for item in found.features.values())
    differing = sum(item.differing for item in found.features.values())
    verdict = "every value is the same to the bit" if not differing else f"{differing:,} of {values:,} values differ"
    lost = f"; {found.dropped:,} more could not be kept" if found.dropped else ""
    lag = "" if found.lag is None else f"; the longest that a row was known and not seen is {seconds(found.lag)}"
    return f"{found.view}: {found.rows:,} served rows computed again, {verdict}{lag}{lost}"
