"""Columns of values as orjson writes them right, and its options."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from math import isfinite
from typing import Any

import orjson

from headrace.definitions.plain import plain
from headrace.definitions.schema import is_float, item_type

__all__ = ["dumps", "json_column"]


def dumps(value: Any) -> bytes:
    """JSON text: aware times as RFC 3339 with Z, bytes as base64. Floats must be finite: `json_column` sees to that."""
    return orjson.dumps(value, default=_bytes, option=orjson.OPT_UTC_Z)


def json_column(column: Sequence[Any], kind: str) -> Any:
    """A column of a type so that `dumps` writes it right. orjson makes null of floats that aren't finite: those become text."""
    if is_float(kind):
        return column if _all_finite(column) else [plain(value) for value in column]
    if not kind or is_float(item_type(kind) or ""):
        return plain(column)
    return column


def _all_finite(column: Sequence[Any]) -> bool:
    try:
        return isfinite(sum(column))  # an overflow of finite numbers only costs the slow way
    except TypeError:  # a null among them
        return isfinite(sum([value for value in column if value is not None]))


def _bytes(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(value)
