"""How Parquet files are written: one place for compression, row groups and durability."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["write_parquet"]

_ROW_GROUP = 262_144


def write_parquet(path: Path, rows: pa.Table) -> int:
    """Write a file, durable when this returns; returns its size in bytes. Half a file is removed."""
    texts = [field.name for field in rows.schema if pa.types.is_string(field.type) or pa.types.is_binary(field.type)]
    try:
        with path.open("wb") as file:
            pq.write_table(rows, file, compression="zstd", row_group_size=_ROW_GROUP, use_dictionary=texts)
            file.flush()
            os.fsync(file.fileno())
            return file.tell()
    except BaseException:
        path.unlink(missing_ok=True)
        raise
