"""POST /api/v1/features/online: the values now, column by column, as JSON."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from headrace.catalog.service import Catalog
from headrace.clock import from_micros
from headrace.definitions.plain import Readers, parse_time, read_entities, readers_of
from headrace.definitions.version import ViewVersion
from headrace.server.columns import Shape, dumps, written_once
from headrace.server.endpoint import Operation, then
from headrace.server.http import Call, Reply
from headrace.server.recent import Recent
from headrace.server.schema import Content, Field, Record

if TYPE_CHECKING:
    from headrace.features.lookup import OnlineFeatures

__all__ = ["ONLINE"]

_ASKED = Record(
    "OnlineRequest",
    {
        "view": Field("A feature view: `ranking`, or one version of it, `ranking:3`.", required=True),
        "entities": Field(
            "Join keys and request inputs: a list of values each, or one value, which is repeated. Timestamps are RFC 3339, "
            "dates ISO 8601, bytes base64.",
            ("object",),
            required=True,
        ),
        "at": Field("The moment to answer for, RFC 3339. Default: now.", nullable=True),
        "max_staleness_s": Field(
            "How old, in seconds, the states behind the answer may be: then the server may answer from memory.",
            ("number",),
            nullable=True,
        ),
        "statuses": Field("Whether to send `statuses`.", ("boolean",), default=True),
        "ages": Field("Whether to send `ages`.", ("boolean",), default=True),
    },
)
_GIVEN = Record(
    "OnlineFeatures",
    {
        "view": Field("The view version that answered."),
        "at": Field("The moment that the answer is for, RFC 3339."),
        "rows": Field("How many entities were asked for.", ("integer",)),
        "keys": Field("The request's columns, a value per row.", ("object",)),
        "values": Field("Feature to a value per row. Floats that aren't finite are `NaN`, `Infinity`, `-Infinity`.", ("object",)),
        "statuses": Field("Feature to PRESENT, NULL_VALUE, NOT_FOUND or OUTSIDE_MAX_AGE per row.", ("object",)),
        "ages": Field("Feature to the seconds since the newest event or record behind the value, or null.", ("object",)),
    },
)

MOST_SHAPES = 1000
_shapes: dict[int, tuple[Mapping[str, str], Shape, Shape]] = {}
_views: Recent[tuple[ViewVersion, Readers]] = Recent()


def _online(call: Call) -> Reply:
    """The values of a view's features now, for some entities; one row an entity, in the order asked.

    Names in `entities` that the view doesn't know are ignored. A key that is null or unknown gives null with status NOT_FOUND.
    """
    asked = _ASKED.read(call.json())
    view = call.store.catalog.view(asked["view"]).view
    entities = read_entities(readers_of(view.request_keys), asked["entities"])
    at = None if asked["at"] is None else parse_time(asked["at"])
    return _rendered(call, call.store.lookup.read(asked["view"], entities, at, None, asked["max_staleness_s"]), asked)


def _online_at_once(call: Call) -> Reply | Coroutine[Any, Any, Reply | None] | None:
    """The same on the event loop, where one read of the online store answers and the loop can make it."""
    from headrace.features.lookup import Lookup

    lookup = call.store.opened_lookup
    asked = _ASKED.read(call.json())
    if asked["at"] is not None or not isinstance(lookup, Lookup):
        return None
    catalog, name = call.store.catalog, asked["view"]
    view, readers = _views.get((id(catalog), name), lambda: _looked_up(catalog, name))
    found = lookup.read_at_once(view, read_entities(readers, asked["entities"]), None, asked["max_staleness_s"])
    return then(found, lambda found: _rendered(call, found, asked))


def _looked_up(catalog: Catalog, name: str) -> tuple[ViewVersion, Readers]:
    view = catalog.view(name)
    return view, readers_of(view.view.request_keys)


def _rendered(call: Call, found: OnlineFeatures, asked: Mapping[str, Any]) -> Reply:
    rows = len(found)
    call.metrics.read(found.view, rows)
    kept = _shapes.get(id(found.types))
    keys, values = kept[1:] if kept is not None else _keep_shape(found)
    answer: dict[str, Any] = {
        "view": found.view,
        "at": from_micros(found.at),
        "rows": rows,
        "keys": keys.columns(found.keys),
        "values": values.columns(found.values),
    }
    if asked["statuses"]:
        answer["statuses"] = written_once(found.statuses, orjson.dumps)
    if asked["ages"]:
        at = found.at
        answer["ages"] = written_once(
            found.times, lambda times: orjson.dumps([None if time is None else (at - time) / 1e6 for time in times])
        )
    return Reply(dumps(answer))


def _keep_shape(found: OnlineFeatures) -> tuple[Shape, Shape]:
    """The shapes of an answer's keys and values. A view's plan hands out the same types each time: by those they are kept."""
    types = found.types
    shape = Shape({name: types.get(name, "") for name in found.keys}), Shape({name: types[name] for name in found.values})
    if len(_shapes) >= MOST_SHAPES:
        _shapes.clear()
    _shapes[id(types)] = types, *shape
    return shape


ONLINE = Operation(_online, takes=(Content(record=_ASKED),), gives=(Content(record=_GIVEN),), quick=_online_at_once)
