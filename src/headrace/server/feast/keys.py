"""Join keys as Feast takes them: coerced to their type, and never null."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from headrace.definitions.plain import from_plain
from headrace.errors import InvalidInputError
from headrace.server.feast.errors import unusable

__all__ = ["coerced"]

_NATIVE: Mapping[str, type] = {"int64": int, "int32": int, "string": str, "bool": bool, "float64": float, "float32": float}


def coerced(name: str, kind: str, column: list[Any]) -> list[Any]:
    """The values of a join key as its type: the text "1" is the number 1, and the other way round. Raises NamedError."""
    if set(map(type, column)) == {_NATIVE.get(kind)}:
        return column
    coerce = _COERCIONS[kind]
    found = []
    for row, value in enumerate(column):
        if value is None:
            raise unusable("FeastError", f"join key {name!r} is null in row {row}; leave the row out")
        try:
            found.append(coerce(value))
        except (ValueError, TypeError, OverflowError, OSError, InvalidInputError) as error:
            text = f"join key {name!r} is {kind}; row {row} holds {value!r}, which isn't"
            raise unusable("FeastError", text) from error
    return found


def _integer(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(value)
    return int(value)


def _text(value: Any) -> str:
    if isinstance(value, str | int | float):
        return str(value)
    raise TypeError(value)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise TypeError(value)


def _moment(value: Any) -> Any:
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    return from_plain(value, "timestamp")


_COERCIONS: Mapping[str, Callable[[Any], Any]] = {
    "int64": _integer,
    "int32": _integer,
    "string": _text,
    "bool": _boolean,
    "float64": float,
    "float32": float,
    "timestamp": _moment,
    "date": lambda value: from_plain(value, "date"),
    "bytes": lambda value: from_plain(value, "bytes"),
}
