"""The files that batch scoring reads and writes, a part at a time: Parquet, or CSV with a header."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from headrace.errors import InvalidInputError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv

__all__ = ["Rows", "open_rows", "whole_file", "writer_of"]

_CSV = ".csv"
_BLOCK = 1 << 20
"""Bytes that are read together, of CSV scored too."""


class Rows(Protocol):
    """A file of rows."""

    @property
    def count(self) -> int:
        """How many rows."""
        ...

    @property
    def schema(self) -> pa.Schema:
        """Its columns."""
        ...

    def parts(self, rows: int) -> Iterator[pa.Table]:
        """The rows in order, in the same parts at each call, of about so many rows. Raises InvalidInputError."""
        ...


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Where to write what is to appear at a path whole, or not at all. A link is followed, and what is there and isn't a file, as
    /dev/null, is written to: the file put in its place would be in everybody's way. Raises OSError."""
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        yield target
        return
    partial = target.with_name(f".{target.name}.partial")
    try:
        yield partial
        partial.replace(target)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def open_rows(path: Path) -> Rows:
    """A file of rows. Raises InvalidInputError if it can't be read."""
    return _CsvRows(path) if path.suffix.lower() == _CSV else _ParquetRows(path)


class _ParquetRows:
    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            self._file = pq.ParquetFile(path, pre_buffer=False, buffer_size=_BLOCK)  # else all of the file comes into memory
        except (pa.ArrowException, OSError) as error:
            msg = f"{path} can't be read as Parquet: {error}; a file of CSV is named .csv"
            raise InvalidInputError(msg) from error

    @property
    def count(self) -> int:
        return int(self._file.metadata.num_rows)

    @property
    def schema(self) -> pa.Schema:
        return self._file.schema_arrow

    def parts(self, rows: int) -> Iterator[pa.Table]:
        import pyarrow as pa

        for batch in self._file.iter_batches(batch_size=rows):
            yield pa.Table.from_batches([batch])


class _CsvRows:
    """The types of columns are those of the first block: what doesn't fit them later is told."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.schema: pa.Schema = self._reader().schema
        self.count = sum(len(part) for part in self.parts(_BLOCK))

    def parts(self, rows: int) -> Iterator[pa.Table]:
        import pyarrow as pa

        reader = self._reader()
        try:
            for batch in reader:
                for start in range(0, len(batch), rows):
                    yield pa.Table.from_batches([batch.slice(start, rows)])
        except pa.ArrowException as error:
            raise self._unreadable(error) from error

    def _reader(self) -> csv.CSVStreamingReader:
        import pyarrow as pa
        from pyarrow import csv

        try:
            return csv.open_csv(self._path, read_options=csv.ReadOptions(block_size=_BLOCK))
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> InvalidInputError:
        return InvalidInputError(
            f"{self._path} can't be read as CSV with a header, in UTF-8: {error}; Parquet keeps types as they are"
        )


def writer_of(path: Path | BinaryIO, named: Path, schema: pa.Schema) -> pq.ParquetWriter | csv.CSVWriter:
    """What writes tables of a schema to a file, in the format that another name says. Raises InvalidInputError."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv

    if named.suffix.lower() != _CSV:
        return pq.ParquetWriter(path, schema)
    nested = [field.name for field in schema if pa.types.is_nested(field.type)]
    if nested:
        msg = f"the column {nested[0]!r} holds lists, which CSV has no form for; name the output .parquet"
        raise InvalidInputError(msg)
    return csv.CSVWriter(path, schema)
