"""Time: UTC microseconds since 1970 as an integer, everywhere inside Headrace."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from headrace.errors import InvalidInputError

__all__ = ["Clock", "from_micros", "isoformat", "system_clock", "to_micros"]

Clock = Callable[[], int]
"""Returns now, in microseconds since 1970 UTC. Services take one as an argument, so tests can hold time still."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000
_FIRST, _LAST = -62_135_596_800 * _SECOND, 253_402_300_800 * _SECOND - 1
"""The ends of what a datetime can say: the years 1 to 9999."""


def system_clock() -> int:
    """Now, by the machine's clock, in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def from_micros(micros: int) -> datetime:
    """The aware UTC datetime of `micros` since 1970; before the year 1 and after 9999, which none can say, the nearest."""
    return _EPOCH + timedelta(microseconds=min(max(micros, _FIRST), _LAST))


def isoformat(micros: int) -> str:
    """`micros` since 1970 as RFC 3339 text with a trailing Z."""
    return from_micros(micros).isoformat().replace("+00:00", "Z")


def to_micros(value: Any) -> int:
    """Microseconds since 1970 UTC of a datetime, a pandas Timestamp or a NumPy datetime64.

    Naive values are UTC; aware ones are converted. Nanoseconds are cut.

    Raises:
        InvalidInputError: the value isn't a point in time (a string, a number, a date, NaT).
    """
    if hasattr(value, "to_pydatetime"):  # pandas.Timestamp, before its datetime base class loses nanoseconds with a warning
        value = value.floor("us").to_pydatetime() if value == value else None  # noqa: PLR0124 - NaT differs from itself
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return (aware - _EPOCH) // timedelta(microseconds=1)
    if type(value).__module__ == "numpy" and type(value).__name__ == "datetime64":
        micros = value.astype("datetime64[us]").astype("int64").item()
        if micros != -(2**63):
            return int(micros)
    msg = f"{value!r} isn't a point in time; give a datetime, for example datetime(2026, 1, 31, 12, tzinfo=UTC)"
    raise InvalidInputError(msg)
