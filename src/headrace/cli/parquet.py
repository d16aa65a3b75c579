"""Parquet files that a person names: read with a clear error, written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from headrace.errors import InvalidInputError, StorageError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read_parquet", "write_parquet"]


def read_parquet(path: Path) -> pa.Table:
    """A Parquet file, or a folder of them, as an Arrow table. Raises InvalidInputError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        msg = f"{path} can't be read as Parquet: {error}"
        raise InvalidInputError(msg) from error


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write a table to a file. Raises StorageError where that can't be done; a file that was there is then as it was."""
    import pyarrow.parquet as pq

    partial = path.with_name(f".{path.name}.partial")
    try:
        pq.write_table(table, partial)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        msg = f"{path} can't be written: {error.strerror or error}"
        raise StorageError(msg) from error
