"""How keys and states are written as bytes. Stable: other processes and later releases read what is stored."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from operator import index
from typing import Any

import msgpack

from headrace.clock import to_micros
from headrace.errors import InvalidInputError

__all__ = ["KeyCodec", "pack", "packer", "unpack"]

_INT = struct.Struct(">q")
_LENGTH = struct.Struct(">I")
_EPOCH_DAY = date(1970, 1, 1)


def pack(state: Any) -> bytes:
    """A state of plain values (None, bool, int64, float, str, bytes, list) as bytes."""
    packed: bytes = msgpack.packb(state)
    return packed


def packer() -> Callable[[Any], bytes]:
    """`pack` for many states in a row: faster, but for one thread alone."""
    many: Callable[[Any], bytes] = msgpack.Packer().pack
    return many


unpack: Callable[..., Any] = msgpack.unpackb
"""The state that `pack` packed."""


class KeyCodec:
    """Writes an entity's key as bytes: equal keys give equal bytes, different keys different ones, in every process.

    Args:
        keys: key names and their types, in the entity's order.
    """

    def __init__(self, keys: Sequence[tuple[str, str]]) -> None:
        self._names = [name for name, _ in keys]
        self._encoders = [_ENCODERS[kind] for _, kind in keys]
        self._variable = [kind in ("string", "bytes") for _, kind in keys]
        self._is_int = [kind for _, kind in keys] in (["int64"], ["int32"])

    def key(self, values: Sequence[Any]) -> bytes | None:
        """The key of one entity; None if any part is null.

        Raises:
            InvalidInputError: a part isn't of its type.
        """
        return self.keys([[value] for value in values])[0]

    def keys(self, columns: Sequence[Sequence[Any]]) -> list[bytes | None]:
        """The keys of many entities, given a sequence of values for each part."""
        if self._is_int:
            try:
                return [*map(_INT.pack, columns[0])]
            except (struct.error, TypeError):
                pass  # a null among them, or a value to complain about: the slow way tells
        parts = [self._parts(place, column) for place, column in enumerate(columns)]
        if len(parts) == 1:
            return parts[0]
        last = len(parts) - 1
        for place, part in enumerate(parts):
            if place < last and self._variable[place]:
                parts[place] = [None if item is None else _LENGTH.pack(len(item)) + item for item in part]
        return [None if None in row else b"".join(row) for row in zip(*parts, strict=True)]

    def _parts(self, place: int, column: Sequence[Any]) -> list[bytes | None]:
        encode = self._encoders[place]
        parts: list[bytes | None] = []
        for value in column:
            try:
                parts.append(None if _is_null(value) else encode(value))
            except (TypeError, ValueError, AttributeError, OverflowError, struct.error, InvalidInputError) as error:
                msg = f"key {self._names[place]!r}: {value!r} isn't {_WANTED[encode]}"
                raise InvalidInputError(msg) from error
        return parts


def _is_null(value: Any) -> bool:
    if value is None:
        return True
    differs = value != value  # noqa: PLR0124 - NaN and NaT differ from themselves; pandas.NA gives itself
    return differs if isinstance(differs, bool) else repr(differs) == "<NA>" or bool(differs)


def _integer(value: Any) -> bytes:
    return _INT.pack(index(value))


def _boolean(value: Any) -> bytes:
    if value not in (True, False):
        raise ValueError(value)
    return b"\1" if value else b"\0"


def _text(value: Any) -> bytes:
    encoded: bytes = value.encode("utf-8")
    return encoded


def _binary(value: Any) -> bytes:
    return bytes(memoryview(value))


def _moment(value: Any) -> bytes:
    return _INT.pack(value if isinstance(value, int) else to_micros(value))


def _day(value: Any) -> bytes:
    if isinstance(value, datetime):
        value = value.astimezone(UTC).date() if value.tzinfo else value.date()
    return _INT.pack((value - _EPOCH_DAY).days if isinstance(value, date) else index(value))


_ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "bool": _boolean,
    "int32": _integer,
    "int64": _integer,
    "string": _text,
    "bytes": _binary,
    "timestamp": _moment,
    "date": _day,
}
_WANTED: dict[Callable[[Any], bytes], str] = {
    _boolean: "a bool",
    _integer: "an integer of 64 bits",
    _text: "a string",
    _binary: "bytes",
    _moment: "a point in time: give a datetime, or microseconds since 1970 as an int",
    _day: "a date: give a date, or days since 1970 as an int",
}
