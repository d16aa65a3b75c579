"""How Parquet files are written: one place for compression, row groups, names and durability."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from headrace.ids import new_id
from headrace.lake.table import OFFSET, PARTITION

__all__ = ["IN_ORDER", "sync", "write_files", "write_parquet"]

IN_ORDER = r"/[0-9a-f]{32}\.parquet$"
"""The names that `write_files` gives, in which rows are in the order of arrival: tools that rewrite a table give other names."""
_FILE_ROWS = 2_000_000
_ROW_GROUP = 262_144


def write_files(root: Path, day: Mapping[str, str], rows: pa.Table) -> list[AddAction]:
    """Write a table's rows under `root`, as they are ordered, durable when this returns.

    Args:
        root: the table's folder.
        day: the partition column and its value.
        rows: without the partition column. No rows, no files.

    Returns:
        What brings the files into the table, with the ranges of PARTITION and OFFSET. If one can't be written, none is left.
    """
    folder = "/".join(f"{name}={value}" for name, value in day.items())
    parts = {f"{folder}/{new_id()}.parquet": rows.slice(start, _FILE_ROWS) for start in range(0, rows.num_rows, _FILE_ROWS)}
    if parts:
        (root / folder).mkdir(parents=True, exist_ok=True)
    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            sizes = list(pool.map(lambda path: write_parquet(root / path, parts[path]), parts))
        if parts:
            sync(root / folder, root)
    except BaseException:
        for path in parts:
            (root / path).unlink(missing_ok=True)
        raise
    now = time.time_ns() // 1_000_000
    return [AddAction(path, size, day, now, True, _statistics(parts[path])) for path, size in zip(parts, sizes, strict=True)]


def write_parquet(path: Path, rows: pa.Table) -> int:
    """Write a file, durable when this returns; returns its size in bytes. Half a file is removed."""
    texts = [field.name for field in rows.schema if pa.types.is_string(field.type) or pa.types.is_binary(field.type)]
    try:
        pq.write_table(rows, path, compression="zstd", row_group_size=_ROW_GROUP, use_dictionary=texts)
        sync(path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path.stat().st_size


def sync(*paths: Path) -> None:
    """Make files durable, and the names in folders."""
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


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
