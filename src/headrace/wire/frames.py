"""A body of several parts: each a letter, its length in eight bytes, its bytes. Tables travel as Arrow streams cut into parts.

A request is its arguments, then perhaps a table. An answer is progress, as often as the work tells, then perhaps a table, then
the result or what went wrong. So whoever waits for a long answer hears something every few seconds, and a cut is seen.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from headrace.errors import InvalidInputError
from headrace.wire.arrow import read_stream

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "ARGUMENTS",
    "FRAMES",
    "PROBLEM",
    "PROGRESS",
    "RESULT",
    "TABLE",
    "Parser",
    "TableReader",
    "part",
    "table_parts",
]

FRAMES = "application/vnd.headrace.parts"

ARGUMENTS, PROGRESS, TABLE, RESULT, PROBLEM = b"A", b"P", b"T", b"R", b"E"
_KNOWN = {ARGUMENTS, PROGRESS, TABLE, RESULT, PROBLEM}
_HEAD = struct.Struct(">cQ")
_MOST_BYTES = 1 << 34
_CHUNK_BYTES = 4 << 20


def part(kind: bytes, data: bytes) -> bytes:
    """One part."""
    return b"".join((_HEAD.pack(kind, len(data)), data))


def table_parts(table: pa.Table) -> Iterator[bytes]:
    """A table as parts of a few MB each, made as they are asked for."""
    import pyarrow as pa

    rows = max(1, table.num_rows * _CHUNK_BYTES // max(1, table.nbytes))
    sink = _Sink()
    with pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), table.schema) as writer:
        for batch in table.to_batches(max_chunksize=rows):
            writer.write_batch(batch)
            yield sink.part()
    yield sink.part()


class _Sink:
    """Keeps what Arrow writes until it is taken as a part."""

    closed = False

    def __init__(self) -> None:
        self._held: list[bytes] = []

    def write(self, data: Any) -> int:
        self._held.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """There is nothing behind."""

    def close(self) -> None:
        """There is nothing behind."""

    def part(self) -> bytes:
        held, self._held = self._held, []
        return b"".join((_HEAD.pack(TABLE, sum(map(len, held))), *held))


class Parser:
    """Cuts a stream of bytes into its parts, however the network cut it. Of a table it gives pieces as they come."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._kind = b""
        self._left = 0
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes | memoryview]]:
        """The parts that are whole by now, and pieces of tables.

        Raises:
            InvalidInputError: the bytes aren't parts.
        """
        view = memoryview(data)
        while view or (self._kind and not self._left):
            if not self._kind:
                view = self._begun(view)
                continue
            piece, view = view[: self._left], view[self._left :]
            self._left -= len(piece)
            if self._kind == TABLE:
                if piece:
                    yield TABLE, piece
            else:
                self._held += piece
                if not self._left:
                    yield self._kind, bytes(self._held)
            if not self._left:
                self._kind, self._held = b"", bytearray()

    def end(self) -> None:
        """Say that nothing follows. Raises InvalidInputError if a part is cut off."""
        if self._kind or self._head:
            msg = "the body ends in the middle of a part"
            raise InvalidInputError(msg)

    def _begun(self, view: memoryview) -> memoryview:
        """Take a part's head, or as much of it as is there; returns what follows."""
        wanted = _HEAD.size - len(self._head)
        self._head += view[:wanted]
        if len(self._head) == _HEAD.size:
            self._kind, self._left = _HEAD.unpack(self._head)
            self._head.clear()
            if self._kind not in _KNOWN or self._left > _MOST_BYTES:
                msg = "the body isn't in parts as Headrace writes them"
                raise InvalidInputError(msg)
        return view[wanted:]


class TableReader:
    """Puts the pieces of a table together."""

    def __init__(self) -> None:
        self._pieces: list[bytes | memoryview] = []

    def add(self, data: bytes | memoryview) -> None:
        """One more piece."""
        self._pieces.append(data)

    def table(self) -> pa.Table | None:
        """The table; None if there was none.

        Raises:
            InvalidInputError: the pieces aren't an Arrow stream.
        """
        import pyarrow as pa

        if not self._pieces:
            return None
        whole = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        try:
            return read_stream(whole)
        except (pa.ArrowException, OSError) as error:
            msg = f"the table in the body isn't an Arrow stream that is taken: {str(error).splitlines()[0]}"
            raise InvalidInputError(msg) from error
