"""Messages between the service and the processes of its models: a length, then MessagePack. Neither side runs what it reads."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

import msgpack

__all__ = ["LENGTH", "LOAD", "METHODS", "PREDICT", "framed", "messages", "pack", "pack_list", "unpack"]

LENGTH = struct.Struct("!Q")
LOAD, PREDICT = "load", "predict"
"""What a model's process is asked for: the first member of each message to it."""
METHODS = ("predict", "predict_proba")
"""What may be asked of a model: never what else its object can do."""


def pack(value: Any) -> bytes:
    """A value as MessagePack. Aware times stay times; other types that have no form of their own become text."""
    return msgpack.packb(value, datetime=True, default=_plain)  # type: ignore[no-any-return]


def pack_list(packed: Sequence[bytes]) -> bytes:
    """A list whose members are packed already."""
    return b"".join([msgpack.Packer().pack_array_header(len(packed)), *packed])


def unpack(data: bytes | bytearray | memoryview) -> Any:
    """What `pack` packed."""
    return msgpack.unpackb(data, timestamp=3, strict_map_key=False)


def framed(pieces: Iterable[bytes]) -> bytes:
    """A message of these bytes as it goes over the wire."""
    body = b"".join(pieces)
    return LENGTH.pack(len(body)) + body


def messages(channel: socket.socket) -> Iterator[Any]:
    """The messages that come through a socket, until the other end closes it."""
    while True:
        head = _exactly(channel, LENGTH.size)
        if head is None:
            return
        body = _exactly(channel, LENGTH.unpack(head)[0])
        if body is None:
            return
        yield unpack(body)


def _exactly(channel: socket.socket, count: int) -> bytearray | None:
    data = bytearray(count)
    view, done = memoryview(data), 0
    while done < count:
        read = channel.recv_into(view[done:])
        if not read:
            return None
        done += read
    return data


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if hasattr(value, "tolist"):  # NumPy
        return value.tolist()
    return str(value)
