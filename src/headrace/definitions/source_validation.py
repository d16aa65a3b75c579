"""Checks of entities and sources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headrace.definitions.entity import Entity
from headrace.definitions.faults import column_fault, metadata_faults, name_faults, text_fault, type_fault
from headrace.definitions.schema import is_float, vector_size
from headrace.definitions.source import EventSource, Source
from headrace.errors import nearest

__all__ = ["entity_faults", "source_faults"]

_ID_TYPES = ("int32", "int64", "string", "bytes")


def entity_faults(entity: Entity) -> Iterator[str]:
    """Everything wrong with an entity."""
    where = f"entity {entity.name!r}"
    yield from name_faults(where, entity.name)
    yield from metadata_faults(where, entity)
    if not entity.keys:
        yield f"{where}: has no keys; name at least one, for example keys={{'user_id': 'int64'}}"
    for key, kind in entity.keys.items():
        fault = column_fault(key) or type_fault(kind)
        if fault is None and is_float(kind):
            fault = f"a key can't be {kind}: equal floats aren't the same key everywhere; use int64 or string"
        if fault is None and vector_size(kind) is not None:
            fault = f"a key can't be {kind}; use int64 or string"
        if fault is not None:
            yield f"{where}, key {key!r}: {fault}"


def source_faults(source: Source) -> Iterator[str]:
    """Everything wrong with a source."""
    where = f"source {source.name!r}"
    yield from name_faults(where, source.name)
    yield from metadata_faults(where, source)
    for column, kind in source.schema.items():
        fault = _column_fault(source, column) or type_fault(kind)
        if fault is not None:
            yield f"{where}, column {column!r}: {fault}"
    yield from (f"{where}: {words}" for words in _case_faults(source))
    yield from _role_faults(where, source, "timestamp", source.timestamp, ("timestamp",))
    if source.available is not None:
        yield from _role_faults(where, source, "available", source.available, ("timestamp",))
    if source.stream is not None and (text_fault(source.stream) is not None or not source.stream.strip()):
        yield f"{where}, stream: {source.stream!r} isn't a topic; leave it out for batch only"
    if isinstance(source, EventSource) and source.id is not None:
        yield from _role_faults(where, source, "id", source.id, _ID_TYPES)


def _column_fault(source: Source, column: Any) -> str | None:
    if (column, column) in ((source.timestamp, "event_time"), (source.available, "available_time")):
        return None
    return column_fault(column)


def _case_faults(source: Source) -> Iterator[str]:
    seen: dict[str, str] = {}
    for column in source.schema:
        first = seen.setdefault(str(column).lower(), column)
        if first != column:
            yield f"columns {first!r} and {column!r} differ only in case, which SQL doesn't see; rename one"


def _role_faults(where: str, source: Source, role: str, column: Any, types: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with the column that plays a role in the source."""
    if not isinstance(column, str) or column not in source.schema:
        yield f"{where}, {role}: no column {column!r} in its schema{nearest(str(column), source.schema)}"
    elif source.schema[column] not in types and type_fault(source.schema[column]) is None:
        yield f"{where}, {role}: column {column!r} is {source.schema[column]}; it must be {' or '.join(types)}"
