"""How Parquet files are written: one place for compression, row groups, names and durability."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from headrace.ids import new_id
from headrace.lake.place import Place
from headrace.lake.table import OFFSET, PARTITION

__all__ = ["FILE_ROWS", "IN_ORDER", "write_files", "write_parquet"]

IN_ORDER = r"/[0-9a-f]{32}\.parquet$"
"""The names that `write_files` gives, in which rows are in the order of arrival: tools that rewrite a table give other names."""
FILE_ROWS = 2_000_000
"""Rows at most in a file."""
_ROW_GROUP = 262_144


def write_files(place: Place, day: Mapping[str, str | None], rows: pa.Table, *, fresh: bool = True) -> list[AddAction]:
    """Write a table's rows under `place`, as they are ordered, durable when this returns.

    Args:
        place: the table's place.
        day: the partition column and its value.
        rows: without the partition column. No rows, no files.
        fresh: whether the table didn't hold the rows before.

    Returns:
        What brings the files into the table, with the ranges of PARTITION and OFFSET. If one can't be written, none is left.
    """
    folder = "/".join(f"{name}={value}" for name, value in day.items())
    parts = {f"{folder}/{new_id()}.parquet": rows.slice(start, FILE_ROWS) for start in range(0, rows.num_rows, FILE_ROWS)}
    if not parts:
        return []
    with place.staging() as staging:

        def write(path: str) -> int:
            staged = staging / path.rpartition("/")[2]
            write_parquet(staged, parts[path])
            return place.publish(staged, path)

        try:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                sizes = list(pool.map(write, parts))
        except BaseException:
            with suppress(Exception):  # the error that stopped it says more
                place.delete(list(parts))
            raise
    now = time.time_ns() // 1_000_000
    return [AddAction(path, size, day, now, fresh, _statistics(parts[path])) for path, size in zip(parts, sizes, strict=True)]


def write_parquet(path: Path, rows: pa.Table) -> None:
    """Write a file."""
    texts = [field.name for field in rows.schema if pa.types.is_string(field.type) or pa.types.is_binary(field.type)]
    pq.write_table(rows, path, compression="zstd", row_group_size=_ROW_GROUP, use_dictionary=texts)


def _statistics(rows: pa.Table) -> str:
    """The ranges that let a scan skip the file, as Delta writes them."""
    ranges = {name: pc.min_max(rows.column(name)).as_py() for name in (PARTITION, OFFSET)}
    return json.dumps(
        {
            "numRecords": rows.num_rows,
            "minValues": {name: found["min"] for name, found in ranges.items()},
            "maxValues": {name: found["max"] for name, found in ranges.items()},
            "nullCount": dict.fromkeys(ranges, 0),
        }
    )
