"""Single values as people and as programs read them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from headrace.clock import isoformat
from headrace.definitions.plain import plain

__all__ = ["age", "cell", "moment", "printable", "seconds", "short_time", "size", "sparkline"]

BARS = "▁▂▃▄▅▆▇█"
VECTOR_SHOWN = 4
"""How many numbers of a vector are shown."""
_UNITS = (("d", 86_400.0), ("h", 3_600.0), ("m", 60.0))


def cell(value: Any) -> str:
    """A value on one line: a dash for none, six significant digits for a float, no control characters."""
    if value is None or (isinstance(value, str) and not value):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={cell(item)}" for name, item in value.items()) or "-"
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return ", ".join(cell(item) for item in value) or "-"
    return _vector(value) if getattr(value, "ndim", 0) == 1 else printable(str(plain(value)))


def _vector(value: Any) -> str:
    shown = ", ".join(cell(float(item)) for item in value[:VECTOR_SHOWN])
    return f"[{shown}{', …' if len(value) > VECTOR_SHOWN else ''}] ({len(value)})"


def printable(text: str, keep: str = "") -> str:
    """The text with control characters written out, so that stored data can't drive the terminal."""
    return "".join(char if char.isprintable() or char in keep else repr(char)[1:-1] for char in text)


def moment(micros: int | None) -> str | None:
    """Microseconds since 1970 as RFC 3339 text; None stays."""
    return None if micros is None else isoformat(micros)


def short_time(micros: int | None) -> str:
    """Microseconds since 1970 as `2026-01-31 12:00:05` UTC; a dash for none."""
    return "-" if micros is None else isoformat(micros)[:19].replace("T", " ")


def seconds(value: float | None) -> str:
    """A length of time as people say it: 3.2s, 4m10s, 2h05m, 3d04h; a dash for none."""
    if value is None:
        return "-"
    if abs(value) < 60:
        return f"{value:.3g}s"
    whole = round(abs(value))
    sign = "-" if value < 0 else ""
    if whole < 3_600:
        return f"{sign}{whole // 60}m{whole % 60:02d}s"
    if whole < 86_400:
        return f"{sign}{whole // 3_600}h{whole % 3_600 // 60:02d}m"
    return f"{sign}{whole // 86_400}d{whole % 86_400 // 3_600:02d}h"


def age(value: float | None) -> str:
    """How long ago, for a person; a dash for never, and a word for what lies ahead of the clock."""
    if value is not None and value < 0:
        return f"{seconds(-value)} ahead"
    return seconds(value)


def size(count: float) -> str:
    """A number of bytes: 512 B, 3.4 kB, 1.2 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def sparkline(values: Sequence[float], width: int = 60) -> str:
    """The course of the values as a line of bars, lowest to highest; x for one that isn't finite.

    With more values than `width`, each bar is the last of its share.
    """
    if len(values) > width:
        values = [values[(index + 1) * len(values) // width - 1] for index in range(width)]
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return "x" * len(values)
    low, span = min(finite), max(finite) - min(finite)
    return "".join(_bar(value, low, span) for value in values)


def _bar(value: float, low: float, span: float) -> str:
    if not math.isfinite(value):
        return "x"
    if not math.isfinite(span) or span <= 0:
        return BARS[3]
    return BARS[min(int((value - low) / span * len(BARS)), len(BARS) - 1)]
