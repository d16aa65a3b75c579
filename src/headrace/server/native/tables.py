"""Pages of files that are tables, read by ranges: a page takes the same memory whatever the size of the file."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from headrace.errors import InvalidInputError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Page", "RangedFile", "parquet_page", "text_page"]

PIECE = 1 << 20
"""Bytes that are read at once."""
MOST_BYTES = 8 << 20
"""A page ends before it has so many bytes; no row may have as many."""
COUNTED = 16 << 20
"""Of a file of so many bytes the rows are counted; of a larger one that would keep whoever looks waiting."""
SAMPLED = 1000
"""Rows at the start that say of what types the columns are, on every page."""
_BATCH = 4096


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a table.

    Attributes:
        rows: how many the file has; None if they weren't counted.
        following: where in the file the row after the page begins, in bytes; None after the last, and where rows have no place.
    """

    table: pa.Table
    rows: int | None
    following: int | None = None


class RangedFile(io.RawIOBase):
    """A file to read from anywhere, by ranges.

    Args:
        read: gives the bytes from one position to before another.
    """

    def __init__(self, size: int, read: Callable[[int, int], bytes]) -> None:
        self.size = size
        self._read = read
        self._at = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to another position."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read as many bytes as there is room for, or as there are."""
        data = self.span(self._at, self._at + len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def span(self, start: int, end: int) -> bytes:
        """The bytes from `start` to before `end`, as far as there are any."""
        end = min(end, self.size)
        return self._read(start, end) if start < end else b""


def parquet_page(file: RangedFile, offset: int, limit: int) -> Page:
    """Rows of a Parquet file. Only the row groups that hold the page are read, and of those no more than is passed on the way.

    Raises:
        pyarrow.ArrowException, OSError: it is no Parquet file.
    """
    import pyarrow as pa
    from pyarrow import parquet

    source = parquet.ParquetFile(pa.PythonFile(file, mode="r"), buffer_size=PIECE, pre_buffer=False)
    total, first, passed, groups = source.metadata.num_rows, 0, 0, []
    for group in range(source.num_row_groups):
        rows = source.metadata.row_group(group).num_rows
        if first + rows <= offset:
            passed += rows
        elif first < offset + limit:
            groups.append(group)
        first += rows
    found: list[pa.RecordBatch] = []
    skip, wanted = offset - passed, min(limit, max(0, total - offset))
    batches = source.iter_batches(_BATCH, row_groups=groups, use_threads=False) if groups else iter(())
    for batch in batches:
        part = batch.slice(skip, wanted)
        skip = max(0, skip - batch.num_rows)
        if part.num_rows:
            found.append(part)
            wanted -= part.num_rows
        if not wanted:
            break
    return Page(pa.Table.from_batches(found, found[0].schema if found else source.schema_arrow), total)


def text_page(file: RangedFile, separator: str, start: int, offset: int, limit: int) -> Page:
    """Rows of a file of separated values whose first line has the names of its columns.

    Args:
        start: where to begin, as a page before this one told it; 0 for the first row.
        offset: rows to leave out from there.

    Raises:
        InvalidInputError: a row is too long.
        pyarrow.ArrowException: it is no such file.
    """
    mark = separator.encode()
    head_end, head = next(((at + len(line), line) for at, line in _lines(file, 0, mark)), (0, b""))
    start = max(start, head_end)
    taken, following = _first(islice(_lines(file, start, mark), offset, None), limit)
    count = sum(1 for _ in _lines(file, head_end, mark)) if file.size <= COUNTED else None
    sample = _first(_lines(file, head_end, mark), SAMPLED)[0] if start > head_end or offset else taken
    return Page(_parsed(head, taken, sample, separator), count, following)


def _first(lines: Iterator[tuple[int, bytes]], limit: int) -> tuple[list[bytes], int | None]:
    """Some rows, and where the one after them begins."""
    taken: list[bytes] = []
    size = 0
    for at, line in lines:
        size += len(line)
        if len(taken) == limit or (taken and size > MOST_BYTES):
            return taken, at
        taken.append(line)
    return taken, None


def _lines(file: RangedFile, start: int, separator: bytes) -> Iterator[tuple[int, bytes]]:
    """Each row with its position, its line end included. A line end between quotes doesn't end a row; an empty line is none."""
    place = at = start
    begun, rest, within = b"", b"", False
    while piece := file.span(at, at + PIECE):
        at += len(piece)
        *whole, rest = (rest + piece).split(b"\n")
        for part in whole:
            line = part + b"\n"
            begun += line
            if within or b'"' in line:
                within = _goes_on(line, separator, within=within)
            if not within:
                if begun.strip(b"\r\n"):
                    yield place, begun
                place, begun = place + len(begun), b""
        if len(begun) + len(rest) > MOST_BYTES:
            msg = f"a row is longer than {MOST_BYTES >> 20} MB; download the file to look at it"
            raise InvalidInputError(msg)
    if (begun + rest).strip(b"\r\n"):
        yield place, begun + rest


def _goes_on(line: bytes, separator: bytes, *, within: bool) -> bool:
    """Whether a line ends within quotes. A quote opens at the start of a value alone; two of them between quotes are one."""
    at, fresh = 0, True
    while True:
        if within:
            at = line.find(b'"', at) + 1
            if not at:
                return True
            if line[at : at + 1] == b'"':
                at += 1
            else:
                within = fresh = False
        elif fresh and line[at : at + 1] == b'"':
            at += 1
            within = True
        else:
            at = line.find(separator, at) + 1
            if not at:
                return False
            fresh = True


def _parsed(head: bytes, lines: list[bytes], sample: list[bytes], separator: str) -> pa.Table:
    """Rows as a table; the columns are of the types that the sample has, where the rows let them."""
    import pyarrow as pa
    from pyarrow import csv

    def parse(rows: list[bytes], types: dict[str, pa.DataType]) -> pa.Table:
        body = head + (b"" if head.endswith(b"\n") else b"\n") + b"".join(rows)
        return csv.read_csv(
            io.BytesIO(body),
            read_options=csv.ReadOptions(use_threads=False, block_size=len(body) + 1),
            parse_options=csv.ParseOptions(delimiter=separator, newlines_in_values=True),
            convert_options=csv.ConvertOptions(column_types=types),
        )

    if sample is lines:
        return parse(lines, {})
    with_types = parse(sample, {}).schema
    types = {field.name: field.type for field in with_types if not pa.types.is_null(field.type)}
    try:
        return parse(lines, types)
    except pa.ArrowInvalid:  # further down there is something else
        return parse(lines, {})
