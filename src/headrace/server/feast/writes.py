"""What changes something in Feast's protocol: pushes, writes, materialization."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from headrace.definitions.aggregation import Column
from headrace.definitions.group import FeatureGroup
from headrace.definitions.plain import from_plain, parse_time
from headrace.definitions.source import Source
from headrace.errors import InvalidInputError, NotFoundError
from headrace.server.endpoint import Operation
from headrace.server.feast.bodies import FRAME, read_body, require_lists
from headrace.server.feast.errors import not_found, unusable
from headrace.server.http import Call, Reply, json_reply
from headrace.server.schema import NOTHING, Content, Field, Record, read_query

__all__ = ["MATERIALIZE", "MATERIALIZE_INCREMENTAL", "PUSH", "WRITE_TO_ONLINE_STORE"]

MODES = ("online", "offline", "online_and_offline")
EVENT_TIMESTAMP, CREATED = "event_timestamp", "created"
_PUSH = Record(
    "PushFeaturesRequest",
    {
        "push_source_name": Field("A source.", required=True),
        "df": FRAME,
        "to": Field(f"One of {', '.join(MODES)}. Rows go to the lake whatever it says.", default="online"),
    },
    open=True,
)
_WRITE = Record(
    "WriteToFeatureStoreRequest",
    {"feature_view_name": Field("A group of columns of a table source.", required=True), "df": FRAME},
    open=True,
)
_VIEWS = Field("Groups. Default: all.", ("array",), nullable=True)
_END = Field("RFC 3339. What the lake holds is brought online whatever it says.", required=True)
_MATERIALIZE = Record(
    "MaterializeRequest",
    {
        "start_ts": Field("RFC 3339.", nullable=True),
        "end_ts": Field("RFC 3339.", nullable=True),
        "feature_views": _VIEWS,
        "disable_event_timestamp": Field("Whether the times may be left out.", ("boolean",), default=False),
    },
    open=True,
)
_INCREMENTAL = Record("MaterializeIncrementalRequest", {"end_ts": _END, "feature_views": _VIEWS}, open=True)
_QUERY = {
    "async": Field("Answer 202 at once and go on in the background.", ("boolean",), default=False),
    "force": Field("Even if one is under way.", ("boolean",), default=False),
}

_under_way: set[str] = set()
_changing = threading.Lock()


def _push(call: Call) -> Reply:
    """Take rows in. They are durable and online when this answers; `offline` leaves them to the next materialization."""
    asked = read_body(call, _PUSH)
    name, mode = asked["push_source_name"], asked["to"]
    if mode not in MODES:
        raise unusable("FeastError", f"{mode} is not a supported push format. Please specify one of these {list(MODES)}.")
    try:
        source = call.store.catalog.source(name)
    except NotFoundError as error:
        raise unusable("PushSourceNotFoundException", f"Unable to find push source '{name}': {error}") from error
    columns = _typed(source, _renamed(source, asked["df"]))
    if mode == "offline":
        call.store.write(name, columns)
    else:
        call.metrics.pushed(name, call.store.push(name, columns).rows)
    return Reply()


def _write(call: Call) -> Reply:
    """Take rows of a group in: features that are columns of a table source, beside the join keys and `event_timestamp`."""
    asked = read_body(call, _WRITE)
    name = asked["feature_view_name"]
    try:
        group = call.store.catalog.group(name).group
    except NotFoundError as error:
        raise not_found("FeastObjectNotFoundException", f"Can't recognize feast object with a name {name}: {error}") from error
    renames = _source_columns(group)
    columns = _renamed(group.source, {renames.get(column, column): values for column, values in asked["df"].items()})
    call.metrics.pushed(group.source.name, call.store.push(group.source.name, _typed(group.source, columns)).rows)
    return json_reply(None)


def _source_columns(group: FeatureGroup) -> dict[str, str]:
    """Feature and entity key to the column of the source that holds it. Raises NamedError where features are computed."""
    schema = group.source.schema
    texts = {item.name: item.value.expression for item in group.resolved if isinstance(item.value, Column)}
    if len(texts) < len(group.resolved) or any(text not in schema for text in texts.values()):
        text = f"features of {group.name!r} are computed: push rows to its source {group.source.name!r} instead"
        raise unusable("FeastError", text)
    return texts | group.key_columns


def _renamed(source: Source, columns: Mapping[str, Any]) -> dict[str, Any]:
    """Feast's names of the times, where the source has none of that name: the timestamp, and one that we keep ourselves."""
    found = dict(columns)
    if EVENT_TIMESTAMP not in source.schema and EVENT_TIMESTAMP in found:
        found[source.timestamp] = found.pop(EVENT_TIMESTAMP)
    if CREATED not in source.schema:
        found.pop(CREATED, None)
    return found


def _typed(source: Source, columns: dict[str, Any]) -> dict[str, list[Any]]:
    require_lists("df", columns)
    return {name: [_value(name, row, value, source.schema.get(name, "")) for row, value in enumerate(column)]
            for name, column in columns.items()}  # fmt: skip


def _value(name: str, row: int, value: Any, kind: str) -> Any:
    try:
        if kind == "timestamp" and isinstance(value, int):
            return datetime.fromtimestamp(value, UTC)
        return from_plain(value, kind)
    except (InvalidInputError, OverflowError, ValueError, OSError) as error:
        raise unusable("FeastError", f"column {name!r}, row {row}: {error}") from error


def _materialize(call: Call) -> Reply:
    """Bring groups online with everything that the lake holds; the times are checked, and don't limit it."""
    asked = read_body(call, _MATERIALIZE)
    if not asked["disable_event_timestamp"]:
        start, end = asked["start_ts"], asked["end_ts"]
        if not start or not end:
            raise unusable("FeastError", "start_ts and end_ts are required when disable_event_timestamp is False")
        if _time(start) >= _time(end):
            raise unusable("FeastError", f"start_ts ({start}) must be before end_ts ({end})")
    return _bring_online(call, asked["feature_views"])


def _materialize_incremental(call: Call) -> Reply:
    """Bring groups online with what the lake holds beyond the last time."""
    asked = read_body(call, _INCREMENTAL)
    _time(asked["end_ts"])
    return _bring_online(call, asked["feature_views"])


def _time(text: str) -> Any:
    try:
        return parse_time(text)
    except InvalidInputError as error:
        raise unusable("FeastError", f"Invalid timestamp format: {error}") from error


def _bring_online(call: Call, names: Sequence[str] | None) -> Reply:
    how = read_query(call.query, _QUERY)
    groups = _named(call, names)
    busy = _reserve(groups, force=how["force"])
    if busy:
        text = f"the following feature views are already in MATERIALIZING state: {busy}. Use ?force=true to override."
        return json_reply({"error": f"Cannot start materialization: {text}", "feature_views": busy}, 409)

    def work() -> None:
        try:
            call.store.materialize(groups)
        finally:
            _release(groups)

    if how["async"]:
        return replace(json_reply({"status": "accepted", "feature_views": groups}, 202), afterwards=work)
    work()
    return json_reply(None)


def _named(call: Call, names: Sequence[str] | None) -> list[str]:
    known = [version.group.name for version in call.store.catalog.groups()]
    for name in names or ():
        if name not in known:
            raise not_found("FeatureViewNotFoundException", f"Feature view {name} does not exist")
    return list(names or known)


def _reserve(groups: Sequence[str], *, force: bool) -> list[str]:
    """Note that groups are brought online, one at a time in this process; returns those that are being already.

    Clients expect it. Right answers don't depend on it: offsets see to those.
    """
    with _changing:
        busy = sorted(_under_way & set(groups))
        if force or not busy:
            _under_way.update(groups)
            return []
        return busy


def _release(groups: Sequence[str]) -> None:
    with _changing:
        _under_way.difference_update(groups)


MATERIALIZE = Operation(_materialize, takes=(Content(record=_MATERIALIZE),), query=_QUERY)
MATERIALIZE_INCREMENTAL = Operation(_materialize_incremental, takes=(Content(record=_INCREMENTAL),), query=_QUERY)
PUSH = Operation(_push, takes=(Content(record=_PUSH),), gives=(NOTHING,))
WRITE_TO_ONLINE_STORE = Operation(_write, takes=(Content(record=_WRITE),))
