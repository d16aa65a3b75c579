"""A body of several parts: each a letter, its length in eight bytes, its bytes. Tables travel as Arrow streams cut into parts.

A request is its arguments, then perhaps a table. An answer is progress, as often as the work tells, then perhaps a table, then
the result or what went wrong. So whoever waits for a long answer hears something every few seconds, and a cut is seen.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from headrace.errors import InvalidInputError

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
_CHUNK_ROWS = 65_536


def part(kind: bytes, data: bytes | memoryview) -> bytes:
    """One part."""
    return b"".join((_HEAD.pack(kind, len(data)), data))


def table_parts(table: pa.Table) -> Iterator[bytes]:
    """A table as parts, a few tens of thousands of rows each, made as they are asked for."""
    import pyarrow as pa

    sink = _Sink()
    with pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), table.schema) as writer:
        for batch in table.to_batches(max_chunksize=_CHUNK_ROWS):
            writer.write_batch(batch)
            yield part(TABLE, sink.take())
    rest = sink.take()
    if rest:
        yield part(TABLE, rest)


class _Sink:
    """Keeps what Arrow writes until it is taken."""

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

    def take(self) -> bytes:
        held, self._held = self._held, []
        return b"".join(held)


class Parser:
    """Cuts a stream of bytes into its parts, however the network cut it."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The parts that are whole by now.

        Raises:
            InvalidInputError: the bytes aren't parts.
        """
        self._held += data
        while len(self._held) >= _HEAD.size:
            kind, size = _HEAD.unpack_from(self._held)
            if kind not in _KNOWN or size > _MOST_BYTES:
                msg = "the body isn't in parts as Headrace writes them"
                raise InvalidInputError(msg)
            if len(self._held) < _HEAD.size + size:
                return
            found = bytes(memoryview(self._held)[_HEAD.size : _HEAD.size + size])
            del self._held[: _HEAD.size + size]
            yield kind, found

    def end(self) -> None:
        """Say that nothing follows. Raises InvalidInputError if a part is cut off."""
        if self._held:
            msg = "the body ends in the middle of a part"
            raise InvalidInputError(msg)


class TableReader:
    """Puts the parts of a table together."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def add(self, data: bytes) -> None:
        """One more part."""
        self._parts.append(data)

    def table(self) -> pa.Table | None:
        """The table; None if there was none.

        Raises:
            InvalidInputError: the parts aren't an Arrow stream.
        """
        import pyarrow as pa

        if not self._parts:
            return None
        try:
            with pa.ipc.open_stream(pa.py_buffer(b"".join(self._parts))) as reader:
                return reader.read_all()
        except (pa.ArrowException, OSError) as error:
            msg = f"the table in the body isn't an Arrow stream: {str(error).splitlines()[0]}"
            raise InvalidInputError(msg) from error
