"""Durations and hops: how a window of length w is cut into tiles."""

from __future__ import annotations

import re
from datetime import timedelta

from headrace.errors import InvalidInputError

__all__ = ["HOPS", "Duration", "clean_duration", "default_hop", "format_duration", "parse_duration"]

Duration = str | timedelta
"""A length of time as a user writes it: `"10m"`, `"7d"`, `"1h30m"` or a timedelta."""

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
_UNITS = {"us": 1, "ms": 1_000, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_PART = re.compile(r"(\d+)(us|ms|s|m|h|d|w)")

HOPS: tuple[int, ...] = (
    *(number * SECOND for number in (1, 5, 10, 30)),
    *(number * MINUTE for number in (1, 5, 10, 15, 30)),
    *(number * HOUR for number in (1, 2, 3, 6, 12)),
    *(number * DAY for number in (1, 2, 5, 10)),
)
"""The hops that a default is chosen from, in microseconds, ascending."""

MOST_TILES = 100
LONGEST = 2**61
"""73,000 years, in microseconds: times are 64 bits, and any of them less this must be one too."""


def parse_duration(value: Duration) -> int:
    """Microseconds of `"10m"`, `"1h30m"` or a timedelta.

    Raises:
        InvalidInputError: it isn't a duration, it isn't positive, or no time lies so far back.
    """
    if isinstance(value, timedelta):
        micros = value // timedelta(microseconds=1)
    else:
        text = str(value).strip()
        if not re.fullmatch(rf"(?:{_PART.pattern})+", text):
            msg = f"{value!r} isn't a duration; write for example '10m', '7d' or '1h30m' (units: us ms s m h d w)"
            raise InvalidInputError(msg)
        micros = sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    if micros <= 0:
        msg = f"{value!r} isn't a positive duration"
        raise InvalidInputError(msg)
    if micros > LONGEST:
        msg = f"{value!r} is longer than times can tell: give {LONGEST // DAY}d at most, or leave it out where that is for ever"
        raise InvalidInputError(msg)
    return micros


def clean_duration(value: Duration) -> str:
    """The shortest text for a length of time. Raises InvalidInputError as `parse_duration` does."""
    return format_duration(parse_duration(value))


def format_duration(micros: int) -> str:
    """The shortest text that `parse_duration` reads back as `micros`."""
    parts = []
    rest = micros
    for unit in ("d", "h", "m", "s", "ms", "us"):
        number, rest = divmod(rest, _UNITS[unit])
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"


def default_hop(window: int) -> int | None:
    """The smallest of HOPS that divides `window` and cuts it into at most 100 tiles; None if there is none."""
    return next((hop for hop in HOPS if window % hop == 0 and window // hop <= MOST_TILES), None)
