"""Rows for lake tables, here and in other processes: they say by their offset what they hold."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable

__all__ = ["SCHEMA", "STREAM", "TESTS", "TIME", "foreign", "offsets", "place_of", "rows"]

SCHEMA = pa.schema([("user_id", pa.int64()), ("title", pa.string())])
STREAM = 0
TESTS = str(Path(__file__).parents[1])
TIME = pa.timestamp("us", tz="UTC")


def rows(first, count, schema=SCHEMA):
    offsets = list(range(first, first + count))
    columns = {
        "user_id": pa.array([offset % 3 for offset in offsets], pa.int64()),
        "title": pa.array([f"t{offset}" for offset in offsets], pa.string()),
        "event_time": pa.array(offsets, pa.int64()).cast(TIME),
        "available_time": pa.array(offsets, pa.int64()).cast(TIME),
        "_offset": pa.array(offsets, pa.int64()),
    }
    extra = {name: pa.nulls(count, schema.field(name).type) for name in schema.names if name not in columns}
    return pa.table(columns | extra)


def offsets(snapshot, **bounds):
    return [offset for batch in snapshot.scan(["_offset"], **bounds) for offset in batch.column("_offset").to_pylist()]


def place_of(lake, source="ratings"):
    """Where a table of the lake has its files."""
    return lake.place.under("tables").under(source)


def foreign(lake, source="ratings"):
    """A table of the lake as another tool opens it."""
    place = place_of(lake, source)
    return DeltaTable(place.url, storage_options=place.options)
