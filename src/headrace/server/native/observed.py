"""What was observed of sources and groups, for the app: statistics over time, materializations, expectations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from headrace.clock import isoformat
from headrace.definitions.plain import plain
from headrace.server.columns import dumps
from headrace.server.endpoint import Operation
from headrace.server.http import JSON, Call, Reply
from headrace.server.schema import Content, Field, Record

if TYPE_CHECKING:
    from headrace.features.observer import Statistics

__all__ = ["MATERIALIZATIONS", "QUALITY", "STATISTICS", "SUMMARIES"]

MOST_RECORDS = 50

_FIGURE = Field("A figure.", ("number", "string"), nullable=True)
_COLUMN = Record(
    "ColumnStatistics",
    {
        "dtype": Field("The name of its type."),
        "count": Field("Rows, nulls included.", ("integer",)),
        "nulls": Field("How many are null.", ("integer",)),
        "nans": Field("How many are NaN.", ("integer",)),
        "min": _FIGURE,
        "max": _FIGURE,
        "mean": _FIGURE,
        "std": _FIGURE,
        "distinct": Field("How many different values.", ("integer",), nullable=True),
        "edges": Field("Edges of the histogram.", ("array",), of=_FIGURE),
        "histogram": Field("Rows from each edge to the next.", ("array",), of=Field("Rows.", ("integer",))),
        "top": Field(
            "The most frequent values, each with how often it is there.",
            ("array",),
            of=Field("A pair.", ("array",), of=Field("Value, then count.", ("any",))),
        ),
        "sampled": Field("Rows that were looked at; 0 if all were.", ("integer",)),
    },
    whole=True,
)
_STATISTICS = Record(
    "Statistics",
    {
        "version": Field("Of the definition.", ("integer",)),
        "kind": Field("write, stream, materialize or online."),
        "at": Field("When, RFC 3339."),
        "rows": Field("How many there were.", ("integer",)),
        "columns": Field("Column or feature to its statistics.", ("object",), of=_COLUMN, keyed=True),
    },
    whole=True,
)
_HISTORY = Record(
    "StatisticsHistory",
    {"subject": Field("source:NAME or group:NAME."), "history": Field("Newest first.", ("array",), of=_STATISTICS)},
    whole=True,
)
_SHARE = Field("A share, 0 to 1; null if no value was looked at.", ("number",), nullable=True)
_SUMMARY = Record(
    "StatisticsSummary",
    {
        "at": Field("When the values were last looked at, RFC 3339."),
        "rows": Field("How many there were.", ("integer",)),
        "nulls": _SHARE,
        "history": Field("The share of nulls over time, the newest last.", ("array",), of=_SHARE),
    },
    whole=True,
)
_SUMMARIES = Record(
    "StatisticsSummaries",
    {
        "groups": Field(
            "Name of a group to what its values look like; without those that nobody looked at.",
            ("object",),
            of=_SUMMARY,
            keyed=True,
        )
    },
    whole=True,
)
_RECORD = Record(
    "Materialization",
    {
        "group": Field("The group version."),
        "started": Field("When, RFC 3339."),
        "seconds": Field("How long it took.", ("number",)),
        "rows": Field("Rows of the lake that were read.", ("integer",)),
        "keys": Field("Entities with online values afterwards.", ("integer",)),
        "author": Field("Who did it."),
        "rebuilt": Field("Built anew from all of the lake.", ("boolean",)),
    },
    whole=True,
)
_RECORDS = Record("Materializations", {"records": Field("Newest first.", ("array",), of=_RECORD)}, whole=True)
_CHECK = Record(
    "QualityCheck",
    {
        "subject": Field("source:NAME or group:NAME."),
        "expectation": Field("What is expected."),
        "outcome": Field("rejected, quarantined or feature."),
        "broken": Field("Rows or values that break it.", ("integer",)),
        "checked": Field("Values that were looked at.", ("integer",), nullable=True),
        "at": Field("When it was last broken or looked at, RFC 3339.", nullable=True),
        "example": Field("A value that broke it.", nullable=True),
    },
    whole=True,
)
_CHECKS = Record("Quality", {"checks": Field("Every expectation.", ("array",), of=_CHECK)}, whole=True)
_SHOWN = ("dtype", "count", "nulls", "nans", "min", "max", "mean", "std", "distinct", "edges", "histogram", "top", "sampled")


def _statistics(call: Call) -> Reply:
    """What the data of a source, or the values of a group, look like over time."""
    found = call.store.statistics(call.path["name"])
    return _reply({"subject": found.subject, "history": [_told(item) for item in found.history[:MOST_RECORDS]]})


def _summaries(call: Call) -> Reply:
    """How many of each group's values are null, now and over time: for a list of all groups."""
    groups = {version.group.name: call.store.statistics(version.group.name).history for version in call.store.catalog.groups()}
    return _reply({"groups": {name: _summary(history) for name, history in groups.items() if history}})


def _summary(history: Sequence[Statistics]) -> dict[str, Any]:
    newest = history[0]
    alike = [item for item in history if item.kind == newest.kind][:MOST_RECORDS]
    shares = [_nulls(item) for item in alike]
    return {"at": isoformat(newest.at), "rows": newest.rows, "nulls": shares[0], "history": shares[::-1]}


def _nulls(item: Statistics) -> float | None:
    count = sum(column.count for column in item.columns.values())
    return sum(column.nulls for column in item.columns.values()) / count if count else None


def _materializations(call: Call) -> Reply:
    """When a group was brought up to date."""
    found = call.store.materializations(call.path["group"], MOST_RECORDS)
    return _reply({"records": [item.to_dict() for item in found]})


def _quality(call: Call) -> Reply:
    """Every expectation and how it fares."""
    checks = [
        {
            "subject": item.subject,
            "expectation": item.expectation,
            "outcome": item.outcome,
            "broken": item.broken,
            "checked": item.checked,
            "at": None if item.at is None else isoformat(item.at),
            "example": item.example,
        }
        for item in call.store.quality()
    ]
    return _reply({"checks": checks})


def _told(item: Statistics) -> dict[str, Any]:
    columns = {name: plain({key: column.to_dict()[key] for key in _SHOWN}) for name, column in item.columns.items()}
    return {"version": item.version, "kind": item.kind, "at": isoformat(item.at), "rows": item.rows, "columns": columns}


def _reply(value: Any) -> Reply:
    return Reply(dumps(value), media_type=JSON)


SUMMARIES = Operation(_summaries, gives=(Content(record=_SUMMARIES),))
STATISTICS = Operation(_statistics, gives=(Content(record=_HISTORY),))
MATERIALIZATIONS = Operation(_materializations, gives=(Content(record=_RECORDS),))
QUALITY = Operation(_quality, gives=(Content(record=_CHECKS),))
