"""The verbs that tell what data and features are like: statistics, drift, expectations, what was set aside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli.failures import REFUSED
from headrace.cli.files import write_rows
from headrace.cli.output import Answer, Fields, Part, Table
from headrace.cli.values import moment, seconds, short_time, sparkline
from headrace.cli.verb import Session, Verb, verb

if TYPE_CHECKING:
    from headrace.features.observer import Statistics
    from headrace.features.quality import Check
    from headrace.features.statistics import ColumnStatistics

__all__ = ["VERBS"]

Fail = Annotated[bool, typer.Option("--fail", help="Exit with 1 if so, for cron and CI.")]
_AGAINST = {"served": "it was served in the last 7 days", "online": "a sample of its groups has it online"}
_SHOWN = ("COLUMN", "TYPE", "NULL", "MIN", "P50", "MAX", "MEAN", "STD", "DISTINCT", "HISTOGRAM", "TOP")


@verb("stats", "headrace features stats ratings", "headrace features stats user_taste --column stars_avg_7d")
def stats(
    session: Session,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A source, or a group; source:NAME, group:NAME where both have it.")
    ],
    column: Annotated[str | None, typer.Option("--column", help="One column or feature in full, and how it changed.")] = None,
) -> Answer:
    """Show the newest statistics of a source's rows or a group's values, column by column."""
    found = session.store.statistics(name)
    if column is None:
        return Answer(_statistics_data(found.latest), _statistics_parts(found.latest))
    found.latest[column]  # raises if there is none
    points = [(item, item[column]) for item in found.history if column in item.columns]
    data = {"subject": found.subject, "column": column, "history": [_column_data(*point) for point in points]}
    return Answer(data, [_column_fields(points[0][1]), _history_table(points)])


@verb("profile", "headrace features profile user_taste")
def profile(session: Session, group: Annotated[str, typer.Argument(metavar="GROUP", help="A group.")]) -> Answer:
    """Take a sample of a group's online values now: keep its statistics, and check the group's expectations."""
    found = session.store.profile(group)
    return Answer(_statistics_data(found), _statistics_parts(found))


@verb("drift", "headrace features drift ranking ranking-2026-11", "headrace features drift ranking ranking-2026-11:2 --fail")
def drift(
    session: Session,
    view: Annotated[str, typer.Argument(metavar="VIEW", help="A feature view, perhaps with a version: ranking:3.")],
    training_set: Annotated[str, typer.Argument(metavar="TRAINING_SET", help="A training set, also with a version: NAME:2.")],
    fail: Fail = False,
) -> Answer:
    """Measure how far the online values have drifted from a training set: PSI and Jensen-Shannon distance per feature.

    With --fail, exit with 1 if the drift of a feature is strong.
    """
    found = session.store.drift(view, training_set=training_set)
    columns = ("FEATURE", "DRIFT", "PSI", "JS", "NULL THEN", "NULL NOW", "ROWS THEN", "ROWS NOW")
    rows = [
        (d.column, d.level, d.psi, d.js, d.reference_nulls, d.current_nulls, d.reference, d.current)
        for d in found.columns.values()
    ]
    said = f"{found.view} as {_AGAINST[found.against]}, against training set {found.training_set}"
    parts: list[Part] = [said, Table(columns, rows)]
    if found.left_out:
        parts.append(f"not compared: {', '.join(found.left_out)}")
    strong = [d.column for d in found.columns.values() if d.level == "strong"]
    levels = {name: d.level for name, d in found.columns.items()}
    return Answer({"report": found, "levels": levels, "strong": strong}, parts, code=REFUSED if fail and strong else 0)


@verb("quality", "headrace features quality", "headrace features quality --fail")
def quality(session: Session, fail: Fail = False) -> Answer:
    """Show every expectation with its results: rows refused or quarantined so far, and online values that break one.

    With --fail, exit with 1 if values that are online now break an expectation.
    """
    found = session.store.quality()
    columns = ("SUBJECT", "EXPECTATION", "STATE", "ROWS", "OF", "LAST (UTC)", "EXAMPLE")
    rows = [
        (check.subject, check.expectation, _state(check), check.broken, check.checked, short_time(check.at), check.example)
        for check in found
    ]
    data = [
        {
            "subject": check.subject,
            "expectation": check.expectation,
            "state": _state(check),
            "broken": check.broken,
            "checked": check.checked,
            "at": moment(check.at),
            "example": check.example,
        }
        for check in found
    ]
    empty = "nothing is expected yet; write for example EventSource(…, expect=[hr.expect.not_null('user_id')])"
    code = REFUSED if fail and any(check.alert for check in found) else 0
    return Answer(data, [Table(columns, rows, empty)], code=code)


@verb("quarantine", "headrace features quarantine ratings", "headrace features quarantine ratings --export bad.parquet")
def quarantine(
    session: Session,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A source of the catalog.")],
    export: Annotated[
        Path | None, typer.Option("--export", metavar="OUT.parquet", help="Write all of them to this file.", dir_okay=False)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show at most this many, the newest.")] = 20,
) -> Answer:
    """Show the quarantined rows of a source, the newest last, each with the reasons, and how and when it came."""
    found = session.store.quarantine(source)
    if export is not None:
        import pyarrow as pa

        write_rows(pa.Table.from_pandas(found, preserve_index=False), export)
        said = f"wrote {len(found):,} rows to {export}"
        return Answer({"source": source, "rows": len(found), "path": str(export)}, [said])
    shown = found.tail(limit).astype(object).where(lambda frame: frame.notna(), None).to_dict("records")
    rows = [(*row.values(),) for row in shown]
    table = Table([name.lstrip("_").upper() for name in found.columns], rows, empty=f"no row of {source} was set aside")
    counts = f"{len(found):,} rows set aside" + (f"; the newest {limit}" if len(found) > limit else "")
    return Answer({"source": source, "rows": len(found), "newest": shown}, [table, counts] if rows else [table])


@verb("materializations", "headrace features materializations user_taste")
def materializations(
    session: Session,
    group: Annotated[str, typer.Argument(metavar="GROUP", help="A group, perhaps with a version: user_taste:2.")],
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show at most this many, the newest.")] = 20,
) -> Answer:
    """List when a group was brought up to date, newest first: how many rows, how long it took, by whom."""
    found = session.store.materializations(group, limit)
    columns = ("GROUP", "STARTED (UTC)", "TOOK", "ROWS", "KEYS", "BY", "REBUILT")
    rows = [
        (item.group, short_time(item.started), seconds(item.seconds), item.rows, item.keys, item.author, item.rebuilt)
        for item in found
    ]
    return Answer([item.to_dict() for item in found], [Table(columns, rows, empty=f"{group} hasn't been materialized yet")])


VERBS: tuple[Verb[...], ...] = (stats, profile, drift, quality, quarantine, materializations)


def _state(check: Check) -> str:
    if check.at is None:
        return "ok" if check.outcome != "feature" else "not looked at"
    if check.broken == 0:
        return "ok"
    return "fail" if check.outcome == "feature" else str(check.outcome)


def _statistics_data(found: Statistics) -> dict[str, Any]:
    columns = {name: column.to_dict() for name, column in found.columns.items()}
    said = {"subject": found.subject, "version": found.version, "kind": found.kind, "at": moment(found.at), "rows": found.rows}
    return {**said, "columns": columns}


def _statistics_parts(found: Statistics) -> list[Part]:
    head = f"{found.subject}:{found.version}, {found.kind}, {short_time(found.at)} UTC, {found.rows:,} rows"
    return [head, Table(_SHOWN, [_row(name, column) for name, column in found.columns.items()], empty="no rows, no statistics")]


def _row(name: str, column: ColumnStatistics) -> tuple[Any, ...]:
    bars = sparkline([float(count) for count in column.histogram]) if column.histogram else ""
    top = [f"{value} ({count})" for value, count in column.top[:3]]
    null = f"{column.null_share:.1%}" if column.nulls else "0"
    middle = column.quantiles.get("p50")
    return (name, column.dtype, null, column.min, middle, column.max, column.mean, column.std, column.distinct, bars, top)


def _column_data(item: Statistics, column: ColumnStatistics) -> dict[str, Any]:
    return {"at": moment(item.at), "kind": item.kind, "version": item.version, **column.to_dict()}


def _column_fields(column: ColumnStatistics) -> Fields:
    figures = column.to_dict()
    edges, histogram = figures.pop("edges"), figures.pop("histogram")
    shown = {**figures, "null_share": column.null_share, "top": [f"{value} ({count})" for value, count in column.top]}
    if edges:
        shown["histogram"] = f"{sparkline([float(count) for count in histogram])}  {edges[0]:.6g} … {edges[-1]:.6g}"
    return Fields([(name.replace("_", " "), value) for name, value in shown.items()])


def _history_table(points: list[tuple[Statistics, ColumnStatistics]]) -> Table:
    columns = ("AT (UTC)", "KIND", "VERSION", "ROWS", "NULL", "MIN", "P50", "MAX", "MEAN")
    rows = [
        (
            short_time(item.at),
            item.kind,
            item.version,
            item.rows,
            f"{column.null_share:.1%}",
            column.min,
            column.quantiles.get("p50"),
            column.max,
            column.mean,
        )
        for item, column in points
    ]
    return Table(columns, rows)
