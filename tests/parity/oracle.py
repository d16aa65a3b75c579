"""What every feature should be, by the plainest loop over the rule of time. Shares no code with the product."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Any

SECOND = 1_000_000


@dataclass(frozen=True)
class Event:
    """One row that came in: its place in the order of arrival is `offset`."""

    key: Any
    time: int
    available: int
    offset: int
    x: float | None
    n: int | None
    s: str | None


@dataclass(frozen=True)
class Spec:
    """One aggregation: `argument` names a field of Event; `where` is a Python condition."""

    function: str
    argument: str | None = None
    window: int | None = None
    hop: int | None = None
    where: Any = None
    n: int = 0


def floor(value: int, step: int) -> int:
    return (value // step) * step


def visible(events: list[Event], key: Any, t: int, spec: Spec, as_known: bool) -> list[Event]:
    found = []
    for event in events:
        if key is None or event.key != key or event.time >= t:
            continue
        if as_known and event.available > t:
            continue
        if spec.window is not None and event.time < floor(t - spec.window, spec.hop):
            continue
        if spec.where is not None and not spec.where(event):
            continue
        found.append(event)
    return sorted(found, key=lambda event: (event.time, event.offset))


def aggregate(events: list[Event], key: Any, t: int, spec: Spec, as_known: bool = False) -> Any:
    found = visible(events, key, t, spec, as_known)
    if spec.function == "count":
        return len(found)
    values = [getattr(event, spec.argument) for event in found if getattr(event, spec.argument) is not None]
    if not values:
        return None
    if spec.function == "sum":
        return exact_sum(values)
    if spec.function == "mean":
        return exact_sum(values) / len(values)
    if spec.function == "std":
        return statistics.stdev(values) if len(values) > 1 else None
    if spec.function == "count_distinct":
        return len(set(values))
    return {"min": min, "max": max, "first": lambda v: v[0], "last": lambda v: v[-1], "last_n": lambda v: v[-spec.n :]}[
        spec.function
    ](values)


def exact_sum(values: list[Any]) -> Any:
    return sum(values) if isinstance(values[0], int) else math.fsum(values)


def newest(events: list[Event], key: Any, t: int, as_known: bool = False) -> int | None:
    times = [e.time for e in events if key is not None and e.key == key and e.time < t and (not as_known or e.available <= t)]
    return max(times, default=None)


def record(records: list[Event], key: Any, t: int, as_known: bool = False) -> Event | None:
    found = [r for r in records if key is not None and r.key == key and r.time <= t and (not as_known or r.available <= t)]
    return max(found, key=lambda r: (r.time, r.offset), default=None)
