"""Single values as people and as programs read them."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, date, datetime
from typing import Any

from headrace.clock import isoformat

__all__ = ["age", "cell", "moment", "plain", "printable", "seconds", "short_time", "size", "sparkline"]

BARS = "▁▂▃▄▅▆▇█"
_UNITS = (("d", 86_400.0), ("h", 3_600.0), ("m", 60.0))


def cell(value: Any) -> str:
    """A value on one line: a dash for none, six significant digits for a float, no control characters."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={cell(item)}" for name, item in value.items()) or "-"
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return ", ".join(cell(item) for item in value) or "-"
    return printable(str(plain(value)))


def printable(text: str, keep: str = "") -> str:
    """The text with control characters written out, so that stored data can't drive the terminal."""
    return "".join(char if char.isprintable() or char in keep else repr(char)[1:-1] for char in text)


def plain(value: Any) -> Any:
    """The value as JSON can hold it: times as RFC 3339, bytes as base64, floats that aren't finite as text."""
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
