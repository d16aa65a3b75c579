"""Points of a batch as columns. A batch that holds nothing unusual is never looked at point by point."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from headrace.tracking.history import Series

__all__ = ["plain_series"]

Columns = tuple["array[int]", "array[int]", "array[float]"]
"""Times in microseconds, steps, values: what a series holds."""

_MEMBERS = itemgetter("key", "timestamp", "step", "value")
_LATEST = (2**63 - 1) // 1000
_NO_ORIGIN = ("", "", "")


def plain_series(items: Sequence[Any]) -> list[Series] | None:
    """The points as series, one a key; None if one of them has an origin, or a member of a type that needs a closer look."""
    if not items:
        return []
    try:
        if set(map(len, items)) != {4}:
            return None
        keys, times, steps, values = zip(*map(_MEMBERS, items), strict=True)
    except (KeyError, TypeError):
        return None
    columns = _columns(times, steps, values) if set(map(type, keys)) == {str} and "" not in keys else None
    return None if columns is None else _by_key(keys, columns)


def _columns(times: Sequence[Any], steps: Sequence[Any], values: Sequence[Any]) -> Columns | None:
    plain = set(map(type, times)) == set(map(type, steps)) == {int} and set(map(type, values)) <= {int, float}
    if not plain or min(times) < 0 or max(times) > _LATEST:
        return None
    try:
        columns = array("q", [time * 1000 for time in times]), array("q", steps), array("d", values)
    except OverflowError:
        return None
    if sys.byteorder == "big":
        for column in columns:
            column.byteswap()
    return columns


def _by_key(keys: Sequence[str], columns: Columns) -> list[Series]:
    names = list(dict.fromkeys(keys))
    count = len(names)
    if keys == tuple(names) * (len(keys) // count):  # every key at every step, as training loops log
        return [
            Series.of(name, _NO_ORIGIN, *(column[start::count].tobytes() for column in columns))
            for start, name in enumerate(names)
        ]
    groups: dict[str, list[int]] = {name: [] for name in names}
    for place, key in enumerate(keys):
        groups[key].append(place)
    return [
        Series.of(name, _NO_ORIGIN, *(array(column.typecode, [column[place] for place in own]).tobytes() for column in columns))
        for name, own in groups.items()
    ]
