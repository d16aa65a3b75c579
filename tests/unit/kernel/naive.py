"""What the kernel must compute, written as plain loops over rows: the oracle of its tests."""

from __future__ import annotations

import math
import statistics
from fractions import Fraction


def floor_to(moment, hop):
    return moment if hop is None else moment // hop * hop


def events_seen(rows, key, t, window=None, hop=None, as_known=False):
    """The rows (dicts) of one entity that count as of t, in order."""
    seen = [row for row in rows if row["key"] == key and row["time"] < t]
    if window is not None:
        seen = [row for row in seen if row["time"] >= floor_to(t - window, hop)]
    if as_known:
        seen = [row for row in seen if row["available"] <= t]
    return sorted(seen, key=lambda row: (row["time"], row["offset"], row["partition"]))


def record_held(rows, key, t, as_known=False):
    held = [row for row in rows if row["key"] == key and row["time"] <= t and (not as_known or row["available"] <= t)]
    return max(held, key=lambda row: (row["time"], row["offset"], row["partition"]), default=None)


def aggregate(function, values, n=None):
    """The aggregate of values in order, of which those that are None are skipped."""
    if function == "count":
        return len(values)
    values = [value for value in values if value is not None]
    if not values:
        return None
    return {
        "sum": total,
        "mean": mean,
        "std": deviation,
        "min": lambda items: positive_zero(min(items, key=nan_last)),
        "max": lambda items: positive_zero(max(items, key=nan_last)),
        "count_distinct": lambda items: len({"nan" if item != item else item for item in items}),
        "first": lambda items: items[0],
        "last": lambda items: items[-1],
        "last_n": lambda items: items[-n:],
    }[function](values)


def total(values):
    if isinstance(values[0], int):
        return sum(values)
    if not all(map(math.isfinite, values)):
        return sum(value for value in values if not math.isfinite(value))
    try:
        return float(sum(map(Fraction, values)))
    except OverflowError:
        return math.copysign(math.inf, sum(map(Fraction, values)))


def mean(values):
    return float(Fraction(sum(values), len(values))) if isinstance(values[0], int) else total(values) / len(values)


def deviation(values):
    if len(values) < 2:
        return None
    if not all(map(math.isfinite, values)):
        return math.nan
    try:
        return statistics.stdev(values)
    except OverflowError:
        return math.inf


def nan_last(value):
    return (1, 0) if isinstance(value, float) and math.isnan(value) else (0, value)


def positive_zero(value):
    return value + 0.0 if isinstance(value, float) else value


def same(left, right):
    """Equal bit for bit, but for the payload of NaN."""
    if isinstance(left, float) and isinstance(right, float):
        return repr(left) == repr(right)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right
