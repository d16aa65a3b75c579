"""Files of rows that a person names, Parquet or CSV: read with a clear error, written whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.cli.reading import csv_table, is_csv
from headrace.errors import InvalidInputError, StorageError
from headrace.serving.files import whole_file, writer_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read_rows", "write_rows"]


def read_rows(path: Path, types: Mapping[str, str]) -> pa.Table:
    """A Parquet file, a folder of them, or a CSV file with a header, as an Arrow table.

    Args:
        types: the types of some columns. CSV's others have the types that their values look like.

    Raises:
        InvalidInputError: it can't be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if is_csv(path):
        return csv_table(path, types)
    try:
        return pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        msg = f"{path} can't be read as Parquet: {error}; a file of CSV is named .csv"
        raise InvalidInputError(msg) from error


def write_rows(table: pa.Table, path: Path) -> None:
    """Write a table to a file, as CSV if it is named .csv, else as Parquet.

    Raises:
        InvalidInputError: CSV has no form for one of the columns.
        StorageError: it can't be written; a file that was there is then as it was.
    """
    try:  # opened here: pyarrow takes a name that looks like an address for one
        with whole_file(path) as place, place.open("wb") as file, writer_of(file, path, table.schema) as writer:
            writer.write_table(table)
    except OSError as error:
        msg = f"{path} can't be written: {error.strerror or error}"
        raise StorageError(msg) from error
