"""Typed values in the forms that JSON has: times as RFC 3339, bytes as base64, floats that aren't finite as text."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, date, datetime
from typing import Any

from headrace.definitions.schema import item_type
from headrace.errors import InvalidInputError

__all__ = ["Readers", "from_plain", "parse_time", "plain", "read_entities", "reader_of", "readers_of"]


def plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return _plain_many(value)


def from_plain(value: Any, kind: str) -> Any:
    """What JSON holds as a value of a column type; null stays. A type that JSON has itself isn't checked here.

    Raises:
        InvalidInputError: it isn't written as the type is.
    """
    read = reader_of(kind)
    return value if read is None or value is None else read(value)


def reader_of(kind: str) -> Callable[[Any], Any] | None:
    """What reads one value, not null, of a column type; None if JSON has the type itself. It raises InvalidInputError."""
    item = item_type(kind)
    if item is None:
        return _READERS.get(kind)
    inner = _READERS.get(item)
    return None if inner is None else lambda items: [None if value is None else inner(value) for value in _list(items)]


def parse_time(text: Any) -> datetime:
    """The aware UTC datetime of RFC 3339 text, cut to microseconds; without a zone it is UTC.

    Raises:
        InvalidInputError: it isn't such text. A number isn't either: seconds and milliseconds look alike.
    """
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError) as error:
        msg = f"{text!r} isn't a time; write it as RFC 3339, for example 2026-01-31T12:00:00Z"
        raise InvalidInputError(msg) from error


Readers = Sequence[tuple[str, Callable[[Any], Any]]]
"""Names of columns, each with what reads its values."""


def readers_of(kinds: Mapping[str, str]) -> Readers:
    """What reads the columns of which JSON doesn't have the type.

    Args:
        kinds: column name to type.
    """
    found = [(name, reader_of(kind)) for name, kind in kinds.items()]
    return [(name, reader) for name, reader in found if reader is not None]


def read_entities(readers: Readers, entities: Mapping[str, Any]) -> Mapping[str, Any]:
    """A request's columns, lists or scalars as JSON has them, as values of their types. Raises InvalidInputError."""
    read: dict[str, Any] = {}
    for name, reader in readers:
        if name in entities:
            given = entities[name]
            read[name] = [_read(reader, item) for item in given] if isinstance(given, list) else _read(reader, given)
    return {**entities, **read} if read else entities


def _read(reader: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else reader(value)


def _plain_many(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [plain(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if hasattr(value, "tolist"):  # NumPy arrays and scalars
        return plain(value.tolist())
    return str(value)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        msg = f"{value!r} isn't a list"
        raise InvalidInputError(msg)
    return value


def _float(value: Any) -> Any:
    return float(value) if value in ("NaN", "Infinity", "-Infinity") else value


def _date(value: Any) -> date:
    try:
        return date.fromisoformat(value)
    except (ValueError, TypeError) as error:
        msg = f"{value!r} isn't a date, for example 2026-01-31"
        raise InvalidInputError(msg) from error


def _bytes(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (ValueError, TypeError, binascii.Error) as error:
        msg = f"{value!r} isn't bytes in base64"
        raise InvalidInputError(msg) from error


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "timestamp": parse_time,
    "date": _date,
    "bytes": _bytes,
    "float32": _float,
    "float64": _float,
}
