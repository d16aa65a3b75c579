"""POST /get-online-features, as Feast's feature server answers it."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import orjson

from headrace.catalog.service import Catalog
from headrace.definitions.schema import item_type
from headrace.errors import InvalidInputError
from headrace.features.values import PRESENT
from headrace.server.columns import dump_times, dumps, json_column, written_once
from headrace.server.endpoint import Operation, then
from headrace.server.feast.bodies import read_body, require_lists, require_texts
from headrace.server.feast.errors import unusable
from headrace.server.feast.keys import coerced
from headrace.server.feast.selection import Part, Selection, select_features, select_service
from headrace.server.http import Call, Reply
from headrace.server.recent import Recent
from headrace.server.schema import Content, Field, Record

if TYPE_CHECKING:
    from headrace.features.lookup import OnlineFeatures

__all__ = ["GET_ONLINE_FEATURES"]

MOST_SELECTIONS = 1000
NO_TIME = "1970-01-01T00:00:00Z"
_ASKED = Record(
    "GetOnlineFeaturesRequest",
    {
        "features": Field("References `group:feature`.", ("array",), default=()),
        "feature_service": Field("Or the name of a view.", nullable=True),
        "entities": Field("Join keys and request inputs: a list of values each.", ("object",), required=True),
        "full_feature_names": Field("Name features `group__feature`.", ("boolean",), default=False),
        "include_feature_view_version_metadata": Field("Also name the groups.", ("boolean",), default=False),
    },
    open=True,
)
_GIVEN = Record(
    "OnlineFeaturesResponse",
    {
        "results": Field("`values`, `statuses` and `event_timestamps` of each column.", ("array",)),
        "metadata": Field("`feature_names`: the names of the columns, join keys first.", ("object",)),
    },
)

_selections: WeakKeyDictionary[Catalog, dict[Any, Selection]] = WeakKeyDictionary()
_revision: Recent[int] = Recent()


def _get_online_features(call: Call) -> Reply:
    """The values now of features or of a feature service, column by column, join keys first. Feast's protocol.

    The header `X-Max-Staleness` says how old, in seconds, the states behind the answer may be; then the server may answer from
    memory.
    """
    asked, selection, entities = _request(call)
    found = [_read(call, part, entities) for part in selection.parts]
    return _rendered(call, asked, selection, entities, found)


def _at_once(call: Call) -> Reply | Coroutine[Any, Any, Reply | None] | None:
    """The same on the event loop, where one read of the online store answers and the loop can make it."""
    from headrace.features.lookup import Lookup

    lookup = call.store.opened_lookup
    asked, selection, entities = _request(call)
    if len(selection.parts) != 1 or not isinstance(lookup, Lookup):
        return None
    part = selection.parts[0]
    found = lookup.read_at_once(part.view, entities, 0.0 if part.made else None, _staleness(call))
    return then(found, lambda found: _rendered(call, asked, selection, entities, [found]))


def _request(call: Call) -> tuple[dict[str, Any], Selection, dict[str, list[Any]]]:
    asked = read_body(call, _ASKED)
    given = asked["entities"]
    require_lists("entities", given)
    require_texts("features", asked["features"])
    selection = _selected(call, asked)
    missing = [name for name in (*selection.keys, *selection.inputs) if name not in given]
    if missing:
        text = f"Missing values for {missing} in 'entities'; it has {sorted(given)}"
        raise unusable("RequestDataNotFoundInEntityRowsException", text)
    kinds = selection.keys
    entities = {
        name: coerced(name, kinds[name], column) if name in kinds else column
        for name, column in given.items()
        if name in kinds or name in selection.inputs
    }
    lengths = {name: len(column) for name, column in entities.items()}
    if len(set(lengths.values())) > 1:
        raise unusable("FeastError", f"All columns of 'entities' must have one length, not {lengths}")
    return asked, selection, entities


def _selected(call: Call, asked: Mapping[str, Any]) -> Selection:
    """What is asked for, worked out once per revision of the catalog."""
    catalog, service, full_names = call.store.catalog, asked["feature_service"], asked["full_feature_names"]
    references = tuple(asked["features"])
    place = _revision.get(id(catalog), catalog.revision), service, references, full_names
    kept = _selections.setdefault(catalog, {})
    found = kept.get(place)
    if found is None:
        if service:
            found = select_service(catalog, service, full_names=full_names)
        else:
            found = select_features(catalog, references, full_names=full_names)
        if len(kept) >= MOST_SELECTIONS:
            kept.clear()
        kept[place] = found
    return found


def _read(call: Call, part: Part, entities: Mapping[str, Any]) -> OnlineFeatures:
    from headrace.features.lookup import Lookup

    lookup = call.store.lookup
    if part.made and isinstance(lookup, Lookup):
        return lookup.read_made(part.view, entities, _staleness(call))
    return lookup.read(part.view.id, entities, max_staleness=_staleness(call))


def _staleness(call: Call) -> float | None:
    """What the header X-Max-Staleness allows, in seconds: Feast's bodies have no place for it. Raises InvalidInputError."""
    text = call.headers.get("x-max-staleness")
    try:
        return None if text is None else float(text)
    except ValueError as error:
        msg = f"X-Max-Staleness is a number of seconds, for example 0.5, not {text!r}"
        raise InvalidInputError(msg) from error


def _rendered(
    call: Call, asked: Mapping[str, Any], selection: Selection, entities: Mapping[str, list[Any]], found: Sequence[OnlineFeatures]
) -> Reply:
    names = [name for name in entities if name in selection.keys]
    rows = len(entities[names[0]]) if names else 0
    results = [_key_column(entities[name], selection.keys[name]) for name in names]
    columns: dict[str, dict[str, Any]] = {}
    for part, answer in zip(selection.parts, found, strict=True):
        call.metrics.read("features" if part.made else answer.view, rows)
        columns |= _columns(part, answer)
    results += [columns[name] for name in selection.names]
    metadata: dict[str, Any] = {"feature_names": [*names, *selection.names]}
    if asked["include_feature_view_version_metadata"]:
        metadata["feature_view_metadata"] = [{"name": name} for name in selection.groups]
    return Reply(dumps({"results": results, "metadata": metadata}))


def _key_column(column: list[Any], kind: str) -> dict[str, Any]:
    rows = len(column)
    return {"values": _values(column, kind), "statuses": [PRESENT] * rows, "event_timestamps": [NO_TIME] * rows}


def _columns(part: Part, answer: OnlineFeatures) -> dict[str, dict[str, Any]]:
    right = part.shape.columns(answer.values)
    statuses, moments = written_once(answer.statuses, orjson.dumps), written_once(answer.times, dump_times)
    columns = {}
    for column in part.columns:
        place = column.place
        values = [_seconds(value) for value in right[place]] if column.is_time else right[place]
        columns[column.name] = {"values": values, "statuses": statuses[place], "event_timestamps": moments[place]}
    return columns


def _values(column: list[Any], kind: str) -> Any:
    """Feast's forms: as ours, but points in time are whole seconds."""
    if (item_type(kind) or kind) == "timestamp":
        return [_seconds(value) for value in column]
    return json_column(column, kind)


def _seconds(value: Any) -> Any:
    if isinstance(value, list):
        return [_seconds(item) for item in value]
    return int(value.timestamp() // 1) if isinstance(value, datetime) else value


GET_ONLINE_FEATURES = Operation(
    _get_online_features, takes=(Content(record=_ASKED),), gives=(Content(record=_GIVEN),), quick=_at_once
)
