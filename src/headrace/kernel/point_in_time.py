"""Features as of the time of each query: windows over events, and the record that holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.definitions.aggregation import Aggregation
from headrace.kernel.aggregates import AGGREGATES, Ranges, Selection
from headrace.kernel.inputs import FeatureInput
from headrace.kernel.ranges import expand, last_at_most, prefix_counts
from headrace.kernel.timeline import FOREVER, Timeline
from headrace.kernel.window import window_start

__all__ = ["NEVER", "Events", "Queries", "latest_records", "needs_arrival", "window_features"]

Ints = NDArray[np.int64]

NEVER = np.iinfo(np.int64).min
"""In place of a time: there is no such event."""
IN_ORDER = ("first", "last", "last_n")
EXPANDED_ROWS = 4_000_000
"""How many (query, event) pairs are looked at together when availability must be seen row by row."""


@dataclass(frozen=True)
class Events:
    """Events or records, in any order.

    Attributes:
        keys: small non-negative integers, one for each entity.
        times: event times.
        arrival: what orders events of one key and time, the most significant first. Empty if
            that doesn't matter.
        available: when each one was known, in the measure of the queries' bounds; None when that doesn't matter.
        columns: the inputs of the features, by name.
    """

    keys: NDArray[np.integer]
    times: Ints
    arrival: Sequence[NDArray[np.integer]] = ()
    available: Ints | None = None
    columns: Mapping[str, pa.Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Queries:
    """Entities and moments to look at, in any order. Keys are numbered as those of the events.

    Attributes:
        known: what an event's `available` may be at most for the query to see it. None: the query's time.
    """

    keys: NDArray[np.integer]
    times: Ints
    known: Ints | None = None

    def bounds(self, order: Ints) -> Ints:
        """`known`, or the times that stand for it, in an order."""
        return (self.times if self.known is None else self.known)[order]


@dataclass(frozen=True)
class _Batch:
    """Queries that are answered together: their places in the sorted queries, the events they see, the end of each one's."""

    places: Ints
    rows: Ints
    segments: Callable[[], Ints]
    windows: Mapping[tuple[int, int | None] | None, Ranges]


def needs_arrival(features: Sequence[FeatureInput]) -> bool:
    """Whether a feature depends on the order of events of one key and time."""
    return any(isinstance(item.feature.value, Aggregation) and item.feature.value.function in IN_ORDER for item in features)


def window_features(events: Events, queries: Queries, features: Sequence[FeatureInput]) -> tuple[list[pa.Array], Ints]:
    """Each feature's value for each query, and the newest event time that the query sees of its entity (or NEVER).

    Events count if they happened before the query's time; with `events.available`, only those known by then.

    Raises:
        InvalidInputError: an integer sum is beyond int64.
    """
    timeline = Timeline(events.keys, events.times, events.arrival)
    order = np.argsort(timeline.pack(queries.keys, queries.times))
    sorted_queries = Queries(queries.keys[order], queries.times[order])
    start, stop = timeline.starts(sorted_queries.keys), timeline.before(sorted_queries.keys, sorted_queries.times)
    windows = {_window(item): Ranges(start, stop) for item in features} or {None: Ranges(start, stop)}
    for window in windows:
        if window is not None:
            tails = window_start(sorted_queries.times, *window)
            windows[window] = Ranges(np.minimum(timeline.before(sorted_queries.keys, tails), stop), stop)
    newest = stop - 1
    batches: Iterator[_Batch] = iter([_Batch(np.arange(len(order)), timeline.order, timeline.segments, windows)])
    if events.available is not None:
        available = events.available[timeline.order]
        bounds = queries.bounds(order)
        newest = last_at_most(available, start, stop, bounds)
        batches = _known(available, timeline, bounds, Ranges(start, newest + 1), windows)
    places, columns = _gather([(batch.places, _features(batch, events.columns, features)) for batch in batches], len(features))
    back = np.empty(len(order), np.int64)
    back[order[places]] = np.arange(len(order))
    seen = np.full(len(order), NEVER)
    seen[order] = _times_at(events.times, timeline.order, newest, newest >= start)
    return [column.take(pa.array(back)) for column in columns], seen


def latest_records(events: Events, queries: Queries) -> Ints:
    """The row of the record that holds as of each query: the newest `time <= t`, of one time the last to arrive; -1 if none.

    With `events.available`, only among those known by then.
    """
    timeline = Timeline(events.keys, events.times, events.arrival)
    order = np.argsort(timeline.pack(queries.keys, queries.times))
    keys, times = queries.keys[order], queries.times[order]
    start, newest = timeline.starts(keys), timeline.before(keys, np.minimum(times, FOREVER - 1) + 1) - 1
    if events.available is not None:
        newest = last_at_most(events.available[timeline.order], start, newest + 1, queries.bounds(order))
    rows = np.full(len(order), -1)
    found = newest >= start
    rows[order[found]] = timeline.order[newest[found]]
    return rows


def _window(item: FeatureInput) -> tuple[int, int | None] | None:
    value = item.feature.value
    if not isinstance(value, Aggregation) or value.window is None:
        return None
    return value.window, value.hop


def _known(
    available: Ints, timeline: Timeline, bounds: Ints, seen: Ranges, windows: Mapping[tuple[int, int | None] | None, Ranges]
) -> Iterator[_Batch]:
    """Batches that hold only what was known: first the queries to which every event they see was known, then the others."""
    low = np.minimum.reduce([ranges.low for ranges in windows.values()])
    high = np.maximum(seen.high, low)
    unknown = last_at_most(-available, low, high, -bounds - 1) >= low
    whole = np.flatnonzero(~unknown)
    ends = {window: Ranges(np.minimum(ranges.low, high), high) for window, ranges in windows.items()}
    yield _Batch(whole, timeline.order, timeline.segments, _at(ends, whole))
    partly = np.flatnonzero(unknown)
    for places in np.split(partly, _cuts((high - low)[partly])) if len(partly) else ():
        positions, begins = expand(low[places], high[places])
        known = available[positions] <= np.repeat(bounds[places], (high - low)[places])
        before, shift = prefix_counts(known), begins - low[places]
        inside = {
            window: Ranges(before[ranges.low + shift], before[ranges.high + shift])
            for window, ranges in _at(ends, places).items()
        }
        yield _Batch(places, timeline.order[positions[known]], partial(before.__getitem__, begins), inside)


def _at(windows: Mapping[tuple[int, int | None] | None, Ranges], places: Ints) -> dict[tuple[int, int | None] | None, Ranges]:
    return {window: Ranges(ranges.low[places], ranges.high[places]) for window, ranges in windows.items()}


def _cuts(lengths: Ints) -> Ints:
    """Where to cut so that a piece holds about EXPANDED_ROWS."""
    return np.flatnonzero(np.diff(np.cumsum(lengths) // EXPANDED_ROWS)) + 1


def _features(batch: _Batch, columns: Mapping[str, pa.Array], features: Sequence[FeatureInput]) -> list[pa.Array]:
    longest = max((int(ranges.counts.max(initial=0)) for ranges in batch.windows.values()), default=0)
    selections: dict[tuple[str | None, str | None], Selection] = {}
    results = []
    for item in features:
        key = (item.argument, item.where)
        if key not in selections:
            argument = None if item.argument is None else columns[item.argument]
            where = None if item.where is None else columns[item.where].to_numpy(zero_copy_only=False)
            selections[key] = Selection(batch.rows, batch.segments, argument, where, longest)
        selection = selections[key]
        assert isinstance(item.feature.value, Aggregation)  # noqa: S101 - events have no column features
        aggregate = AGGREGATES[item.feature.value.function]
        results.append(aggregate(selection, selection.within(batch.windows[_window(item)]), item.feature))
    return results


def _gather(parts: Sequence[tuple[Ints, list[pa.Array]]], width: int) -> tuple[Ints, list[pa.Array]]:
    places = np.concatenate([places for places, _ in parts])
    if len(parts) == 1:
        return places, parts[0][1]
    return places, [pa.concat_arrays([columns[i] for _, columns in parts]) for i in range(width)]


def _times_at(times: Ints, order: Ints, positions: Ints, found: NDArray[np.bool_]) -> Ints:
    result = np.full(len(positions), NEVER)
    result[found] = times[order[positions[found]]]
    return result
