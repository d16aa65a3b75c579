"""Arrow streams that somebody sent: read if what they hold takes no more memory than they took on the way."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read_stream"]

_HEADER, _DATA, _COMPRESSION = 2, 1, 3
"""Where Arrow's format has a message's header, a dictionary's batch, and the compression of a batch."""


def read_stream(data: bytes | memoryview) -> pa.Table:
    """The table in an Arrow stream.

    A compressed stream of a few kilobytes may hold gigabytes, and one column of nulls any number of rows; neither is read.

    Raises:
        pyarrow.ArrowException, OSError: it is no Arrow stream, it is compressed, or has more rows than bytes.
    """
    import pyarrow as pa

    for message in pa.ipc.MessageReader.open_stream(data):
        if _is_compressed(message):
            msg = "it is compressed; send it uncompressed"
            raise pa.ArrowInvalid(msg)
    with pa.ipc.open_stream(data) as reader:
        table = reader.read_all()
    if table.num_rows > len(data):
        msg = f"it has {table.num_rows:,} rows in {len(data):,} bytes"
        raise pa.ArrowInvalid(msg)
    return table


def _is_compressed(message: pa.ipc.Message) -> bool:
    """Whether the buffers of a batch are compressed. Arrow has verified the message's metadata when it gave it."""
    if message.type not in ("record batch", "dictionary"):
        return False
    metadata = memoryview(message.metadata)
    batch = _child(metadata, _root(metadata), _HEADER)
    if message.type == "dictionary":
        batch = _child(metadata, batch, _DATA)
    return bool(_field(metadata, batch, _COMPRESSION))


def _root(buffer: memoryview) -> int:
    return int(struct.unpack_from("<I", buffer)[0])


def _child(buffer: memoryview, table: int, number: int) -> int:
    """Where the table in a field of a FlatBuffers table begins."""
    at = table + _field(buffer, table, number)
    return at + int(struct.unpack_from("<I", buffer, at)[0])


def _field(buffer: memoryview, table: int, number: int) -> int:
    """Where a field is, from the beginning of its FlatBuffers table; 0 if it isn't there."""
    fields = table - int(struct.unpack_from("<i", buffer, table)[0])
    place = 4 + 2 * number
    size = int(struct.unpack_from("<H", buffer, fields)[0])
    return int(struct.unpack_from("<H", buffer, fields + place)[0]) if place < size else 0
