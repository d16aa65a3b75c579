"""Reads of the past, pushes, and how fresh the online values are."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from headrace.clock import isoformat
from headrace.definitions.plain import from_plain
from headrace.definitions.source import Source
from headrace.errors import InvalidInputError
from headrace.server.endpoint import Operation
from headrace.server.errors import BadRequestError
from headrace.server.http import Call, Reply, arrow_reply, json_reply
from headrace.server.schema import ARROW_STREAM, Content, Field, Record, read_query

__all__ = ["FRESHNESS", "HISTORICAL", "PUSH"]

_HISTORICAL = {
    "view": Field("A feature view: `ranking`, or one version of it, `ranking:3`.", required=True),
    "timestamp": Field("The column with each row's moment.", default="timestamp"),
    "as_known": Field("Answer what serving would have said then: only rows that had reached us.", ("boolean",), default=False),
}
_PUSH_QUERY = {"source": Field("The source, where the body is an Arrow stream.")}
_PUSH = Record(
    "Push",
    {
        "source": Field("The source that the rows are of.", required=True),
        "rows": Field("The rows, an object each.", ("array",), nullable=True),
        "columns": Field("Instead of `rows`: each column's values, by its name.", ("object",), nullable=True),
    },
)
_PUSHED = Record(
    "Pushed",
    {
        "source": Field("The source."),
        "rows": Field("Rows that are durable and online now.", ("integer",)),
        "repeats": Field("Rows left out because their id had been counted.", ("integer",)),
        "quarantined": Field("Rows set aside because they break what the source expects.", ("integer",)),
    },
)
_GROUP = Record(
    "GroupFreshness",
    {
        "group": Field("The group version."),
        "keys": Field("Entities with online values.", ("integer",)),
        "newest": Field("Newest event time that an online value reflects, RFC 3339.", nullable=True),
        "age": Field("Now minus newest, in seconds.", ("number",), nullable=True),
        "limit": Field("The limit that the group declares, in seconds.", ("number",), nullable=True),
        "waiting": Field("Whether batch rows wait to be materialized.", ("boolean",)),
        "lag": Field("Offsets of the stream that aren't online yet.", ("integer",)),
        "late": Field("Pushed events that came later than their source's lateness.", ("integer",)),
        "rows": Field("Rows of the source that the lake holds.", ("integer",), nullable=True),
        "written": Field("When rows last came to the lake, RFC 3339.", nullable=True),
        "materialized": Field("When it was last brought up to date, RFC 3339.", nullable=True),
        "stale": Field("Whether it is older than its limit, or empty though it has one.", ("boolean",)),
    },
    whole=True,
)
_FRESHNESS = Record(
    "Freshness", {"groups": Field("Group version to its freshness.", ("object",), of=_GROUP, keyed=True)}, whole=True
)


def _historical(call: Call) -> Reply:
    """The values of a view's features as of each row's own moment.

    The body holds the join keys, the moments and what on-demand features take; the answer has the features alone, row by row.
    """
    asked = read_query(call.query, _HISTORICAL)
    names = call.store.catalog.view(asked["view"]).view.feature_names
    found = call.store.historical_features(asked["view"], call.arrow(), asked["timestamp"], asked["as_known"])
    return arrow_reply(found.select(list(names)))


def _push(call: Call) -> Reply:
    """Take in rows: when this answers, they are durable and online features reflect them."""
    if call.is_arrow:
        name = read_query(call.query, _PUSH_QUERY)["source"]
        if name is None:
            msg = "name the source of the rows: POST /api/v1/push?source=NAME"
            raise BadRequestError(msg)
        rows: Any = call.arrow()
    else:
        asked = _PUSH.read(call.json())
        name = asked["source"]
        rows = _rows(call.store.catalog.source(name), asked)
    pushed = call.store.push(name, rows)
    call.metrics.pushed(pushed.source, pushed.rows)
    return json_reply(asdict(pushed))


def _rows(source: Source, asked: dict[str, Any]) -> Any:
    rows, columns = asked["rows"], asked["columns"]
    if (rows is None) == (columns is None):
        msg = "give either 'rows', a list of objects, or 'columns', an object of lists"
        raise BadRequestError(msg)
    if columns is not None:
        return {
            name: [_value(source, name, value, row) for row, value in enumerate(_list(name, column))]
            for name, column in columns.items()
        }
    for place, row in enumerate(rows):
        if not isinstance(row, dict):
            msg = f"row {place} of 'rows' isn't a JSON object"
            raise BadRequestError(msg)
    return [{name: _value(source, name, value, place) for name, value in row.items()} for place, row in enumerate(rows)]


def _list(name: str, column: Any) -> list[Any]:
    if not isinstance(column, list):
        msg = f"column {name!r} must be a list of values"
        raise BadRequestError(msg)
    return column


def _value(source: Source, name: str, value: Any, row: int) -> Any:
    try:
        return from_plain(value, source.schema.get(name, ""))
    except InvalidInputError as error:
        msg = f"row {row}, {name!r}: {error}"
        raise InvalidInputError(msg) from error


def _freshness(call: Call) -> Reply:
    """How far the online values of each group are behind, and what waits to be brought online."""
    found = {}
    for name, fresh in call.store.freshness().items():
        times = {field: getattr(fresh, field) for field in ("newest", "written", "materialized")}
        moments = {field: None if time is None else isoformat(time) for field, time in times.items()}
        found[name] = {**asdict(fresh), **moments, "stale": fresh.stale}
    return json_reply({"groups": found})


FRESHNESS = Operation(_freshness, gives=(Content(record=_FRESHNESS),))
HISTORICAL = Operation(_historical, takes=(ARROW_STREAM,), gives=(ARROW_STREAM,), query=_HISTORICAL)
PUSH = Operation(_push, takes=(Content(record=_PUSH), ARROW_STREAM), gives=(Content(record=_PUSHED),), query=_PUSH_QUERY)
