"""Metric history: points as columns, the bytes of a chunk of them, chunks joined, and what a chart of some width shows.

A chunk is `<B` format, `<I` count, then the times, the steps and the values as little-endian arrays (int64, int64, float64), the
times and steps as differences when the chunk is packed (format 2, deflated). One whose steps are evenly apart (format 3) is the
first step, their distance and the first time (int64), the differences of the times (int32), the values: half as long. All points
of a chunk have one origin.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from math import isnan
from operator import sub
from typing import TYPE_CHECKING, Any, overload

from headrace.errors import IntegrityError, InvalidInputError
from headrace.tracking.run import Metric

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    import pyarrow as pa

__all__ = [
    "Buckets",
    "Chunk",
    "MetricHistory",
    "Origin",
    "Series",
    "SeriesFacts",
    "buckets",
    "decode",
    "decode_all",
    "encode",
    "pack",
]

Origin = tuple[str, str, str]
"""(model id, dataset name, dataset digest) that a point was measured on; empty texts where nothing was told."""

PLAIN, PACKED, EVEN = 1, 2, 3
_HEAD, _EVEN_HEAD = struct.Struct("<BI"), struct.Struct("<BIqqq")
_FEW = 500
_SOME = 4


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some points of one metric, with one origin, in any order.

    Attributes:
        times: microseconds since 1970, int64.
        steps: int64.
        values: float64; NaN and infinities as they were logged.
    """

    times: npt.NDArray[np.int64]
    steps: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    origin: Origin = ("", "", "")

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True, slots=True)
class Buckets:
    """What a chart shows of a metric: for each stretch of its axis that has points, their extent. Nothing is interpolated.

    Attributes:
        start, end: int64, the lowest and the highest position on the axis among the points of each bucket.
        low, high: float64, over the points that are numbers; NaN if none is.
        last: float64, the value of the last point.
        count, nans: int64, how many points there are, and how many of them are NaN.
    """

    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    last: npt.NDArray[np.float64]
    count: npt.NDArray[np.int64]
    nans: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """What is known of a series without looking at each point.

    Attributes:
        newest: the point of the highest step, then time, then value.
        figures: their number, the first and the last time, the lowest and the highest value (None if all are NaN).
        may_repeat: whether two points have one time and one step.
        data: the bytes of the chunk to keep.
    """

    newest: Metric
    figures: tuple[int, int, int, float | None, float | None]
    may_repeat: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one metric with one origin, as a writer sends them.

    Attributes:
        data: the bytes of a chunk, as `encode` makes them.
        known: its figures, if they are known already.
    """

    key: str
    origin: Origin
    data: bytes
    known: SeriesFacts | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of_points(cls, key: str, times: Sequence[int], steps: Sequence[int], values: Sequence[float]) -> Series:
        """A series of points without an origin, one or more: their times in microseconds, their steps, their values."""
        facts = _facts_of(key, ("", "", ""), times, steps, values)
        return cls(key, ("", "", ""), facts.data, facts)

    @classmethod
    def of(cls, key: str, origin: Origin, times: bytes, steps: bytes, values: bytes) -> Series:
        """A series of three little-endian arrays: int64, int64, float64. Raises InvalidInputError if they don't fit together."""
        count = len(times) // 8
        if not count or not len(times) == len(steps) == len(values) == 8 * count:
            msg = f"the points of metric {key!r} aren't three columns of one length"
            raise InvalidInputError(msg)
        return cls(key, origin, _HEAD.pack(PLAIN, count) + times + steps + values)

    def __len__(self) -> int:
        count: int = _HEAD.unpack_from(self.data)[1]
        return count

    def points(self) -> list[Metric]:
        """Each point."""
        chunk = decode(self.data, self.origin)
        columns = (chunk.values.tolist(), chunk.times.tolist(), chunk.steps.tolist())
        return [Metric(self.key, value, time, step, *self.origin) for value, time, step in zip(*columns, strict=True)]

    def facts(self) -> SeriesFacts:
        """Its figures. A few points are looked at one by one: an array for them would cost more than they do."""
        if self.known is not None:
            return self.known
        count = len(self)
        if count > _FEW:
            return _facts(self.key, decode(self.data, self.origin), self.data)
        found = struct.unpack_from(f"<{2 * count}q{count}d", self.data, _HEAD.size)
        return _facts_of(self.key, self.origin, found[:count], found[count : 2 * count], found[2 * count :])


class MetricHistory(Sequence[Metric]):
    """Every point of one metric of one run, ordered by (time, step, value), NaN last; an exact repeat is there once."""

    def __init__(self, key: str, chunks: Sequence[Chunk] = ()) -> None:
        import numpy as np

        self.key = key
        self._origins = list(dict.fromkeys(chunk.origin for chunk in chunks))
        self.times = np.concatenate([np.empty(0, np.int64), *[chunk.times for chunk in chunks]])
        self.steps = np.concatenate([np.empty(0, np.int64), *[chunk.steps for chunk in chunks]])
        self.values = np.concatenate([np.empty(0, np.float64), *[chunk.values for chunk in chunks]])
        numbers = [np.full(len(chunk), self._origins.index(chunk.origin), np.int32) for chunk in chunks]
        self._numbers = np.concatenate([np.empty(0, np.int32), *numbers])
        self._settle()

    @overload
    def __getitem__(self, index: int) -> Metric: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Metric]: ...
    def __getitem__(self, index: int | slice) -> Metric | Sequence[Metric]:
        """One point, or a part."""
        if isinstance(index, slice):
            return list(self._points(index))
        place = range(len(self))[index]
        return next(self._points(slice(place, place + 1)))

    def __len__(self) -> int:
        return len(self.times)

    def __iter__(self) -> Iterator[Metric]:
        return self._points(slice(None))

    def __repr__(self) -> str:
        return f"MetricHistory({len(self)} points)"

    def to_pandas(self) -> pd.DataFrame:
        """Columns step, time (UTC), value, dataset."""
        import pandas as pd

        names = [name for _, name, _ in self._origins]
        return pd.DataFrame(
            {
                "step": self.steps,
                "time": pd.to_datetime(self.times, unit="us", utc=True),
                "value": self.values,
                "dataset": pd.Series([names[number] for number in self._numbers.tolist()], dtype="str"),
            }
        )

    def to_arrow(self) -> pa.Table:
        """Columns step, time (UTC), value, dataset, by (step, time)."""
        import numpy as np
        import pyarrow as pa

        rises = (np.diff(self.steps) > 0).all()
        order = np.arange(len(self)) if rises else np.lexsort((self.values, self.times, self.steps))
        names = pa.array([name for _, name, _ in self._origins], pa.string())
        numbers = pa.array(self._numbers[order])
        columns = {
            "step": pa.array(self.steps[order]),
            "time": pa.array(self.times[order], pa.timestamp("us", "UTC")),
            "value": pa.array(self.values[order]),
            "dataset": names.take(numbers) if len(numbers) else pa.array([], pa.string()),
        }
        return pa.table(columns)

    def buckets(self, count: int, axis: str = "step", start: int | None = None, end: int | None = None) -> Buckets:
        """What a chart of `count` pixels shows; see `buckets`."""
        return buckets(self.steps, self.times, self.values, count, axis, start, end)

    @property
    def origins(self) -> list[Origin]:
        """What its points were measured on, each once."""
        return list(self._origins)

    def chunks(self) -> list[Chunk]:
        """The points as columns, those of one origin together."""
        found = [(self._numbers == number, origin) for number, origin in enumerate(self._origins)]
        return [Chunk(self.times[own], self.steps[own], self.values[own], origin) for own, origin in found]

    def sample(self, count: int, start: int | None = None, end: int | None = None) -> list[Metric]:
        """Up to `count` points by (step, time, value), evenly spread over those from step `start` to step `end`, both included:
        the first of each of so many equal parts, as MLflow's store picks them, and the last in place of the last part's."""
        import numpy as np

        order = np.lexsort((self.values, self.times, self.steps))
        steps = self.steps[order]
        first = 0 if start is None else int(np.searchsorted(steps, start, "left"))
        last = len(steps) if end is None else int(np.searchsorted(steps, end, "right"))
        inside = order[first:last]
        if len(inside) > count:
            part, longer = divmod(len(inside), count)  # the first parts are one longer, as SQL's NTILE cuts
            starts = np.arange(count - 1)
            inside = inside[np.append(starts * part + np.minimum(starts, longer), -1)]
        return [self[place] for place in inside.tolist()]

    def _points(self, places: slice) -> Iterator[Metric]:
        columns = (self.values[places], self.times[places], self.steps[places], self._numbers[places])
        for value, time, step, number in zip(*[column.tolist() for column in columns], strict=True):
            yield Metric(self.key, value, time, step, *self._origins[number])

    def _settle(self) -> None:
        """Put the points in order and drop exact repeats, of which the first logged stays."""
        import numpy as np

        if (self.times[1:] > self.times[:-1]).all():  # nearly always: they are, and none is a repeat
            return
        order = np.lexsort((self.values, self.steps, self.times))  # stable, and NaN sorts last
        times, steps, values = self.times[order], self.steps[order], self.values[order]
        same = (times[1:] == times[:-1]) & (steps[1:] == steps[:-1])
        same &= (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
        keep = np.concatenate([[True], ~same])
        self.times, self.steps, self.values, self._numbers = times[keep], steps[keep], values[keep], self._numbers[order][keep]


def _rank(time: int, value: float) -> tuple[int, bool, float]:
    """Of one step, the latest point is that of the highest time, then value; a NaN comes before every number."""
    number = not math.isnan(value)
    return time, number, value if number else 0.0


def _facts_of(key: str, origin: Origin, times: Sequence[int], steps: Sequence[int], values: Sequence[float]) -> SeriesFacts:
    """The figures of points, looked at one by one."""
    numbers = [value for value in values if not isnan(value)] if isnan(sum(values)) else values  # infinities may add up to one
    low, high = (min(numbers), max(numbers)) if numbers else (None, None)
    figures = (len(times), min(times), max(times), low, high)
    if even := _even(times, steps, values):
        place = -1 if steps[-1] > steps[0] else 0
        return SeriesFacts(Metric(key, values[place], times[place], steps[place], *origin), figures, False, even)
    last = max(steps)
    places = [place for place, step in enumerate(steps) if step == last]
    if len(places) > 1:
        places.sort(key=lambda place: _rank(times[place], values[place]))
    newest = Metric(key, values[places[-1]], times[places[-1]], last, *origin)
    repeats = len(set(steps)) < len(steps) and len(set(zip(times, steps, strict=True))) < len(steps)
    return SeriesFacts(newest, figures, repeats, _plain(times, steps, values))


def _facts(key: str, chunk: Chunk, data: bytes) -> SeriesFacts:
    import numpy as np

    times, steps, values = chunk.times, chunk.steps, chunk.values
    is_number = ~np.isnan(values)
    numbers = values[is_number]
    low, high = (float(numbers.min()), float(numbers.max())) if len(numbers) else (None, None)
    place = np.lexsort((np.where(is_number, values, 0.0), is_number, times, steps))[-1]
    newest = Metric(key, float(values[place]), int(times[place]), int(steps[place]), *chunk.origin)
    repeats = False
    if not (np.diff(times) > 0).all() and not (np.diff(steps) > 0).all():
        repeats = len(np.unique(np.stack([times, steps]), axis=1)[0]) < len(times)
    return SeriesFacts(newest, (len(times), int(times.min()), int(times.max()), low, high), repeats, data)


def buckets(
    steps: Any, times: Any, values: Any, count: int, axis: str = "step", start: int | None = None, end: int | None = None
) -> Buckets:
    """Points summed up in at most `count` stretches of equal length along an axis; those without points are left out.

    Args:
        axis: `step` or `time` (microseconds).
        start, end: the stretch of the axis that is shown, both ends included. Default: all of it.

    Raises:
        InvalidInputError: there is no such axis, or the count isn't positive.
    """
    import numpy as np

    if axis not in ("step", "time") or count < 1:
        msg = f"a curve has buckets along 'step' or 'time', one or more of them, not {count} along {axis!r}"
        raise InvalidInputError(msg)
    positions = steps if axis == "step" else times
    inside = np.ones(len(positions), bool)
    if start is not None:
        inside &= positions >= start
    if end is not None:
        inside &= positions <= end
    order = np.flatnonzero(inside)
    if not (np.diff(positions[order]) >= 0).all():
        order = order[np.lexsort((values[order], times[order], positions[order]))]
    at, shown = positions[order], values[order]
    if not len(at):
        none, nothing = np.empty(0, np.int64), np.empty(0, np.float64)
        return Buckets(none, none, nothing, nothing, nothing, none, none)
    low, high = (int(at[0]) if start is None else start), (int(at[-1]) if end is None else end)
    width = max(1, -(-(high - low + 1) // count))
    begins = np.flatnonzero(np.concatenate([[True], np.diff((at - low) // width) != 0]))
    ends = np.append(begins[1:], len(at))
    nan = np.isnan(shown)
    nans = np.add.reduceat(nan.astype(np.int64), begins)
    lowest = np.minimum.reduceat(np.where(nan, np.inf, shown), begins)
    highest = np.maximum.reduceat(np.where(nan, -np.inf, shown), begins)
    empty_ones = nans == ends - begins
    lowest[empty_ones], highest[empty_ones] = np.nan, np.nan
    return Buckets(at[begins], at[ends - 1], lowest, highest, shown[ends - 1], ends - begins, nans)


def encode(points: Sequence[Metric]) -> bytes:
    """The bytes of a chunk with these points. Needs no NumPy: a point at a time is what training loops log."""
    times, steps, values = zip(*[(point.time, point.step, point.value) for point in points], strict=True)
    return _even(times, steps, values) or _plain(times, steps, values)


def _plain(times: Sequence[int], steps: Sequence[int], values: Sequence[float]) -> bytes:
    count = len(times)
    return _HEAD.pack(PLAIN, count) + struct.pack(f"<{2 * count}q{count}d", *times, *steps, *values)


def _even(times: Sequence[int], steps: Sequence[int], values: Sequence[float]) -> bytes | None:
    """The bytes of a chunk whose steps are evenly apart; None for one whose aren't, or whose times are too far apart."""
    count = len(steps)
    if count < _SOME:
        return None
    apart = steps[1] - steps[0]
    if not apart or [*steps] != [*range(steps[0], steps[0] + apart * count, apart)]:
        return None
    try:
        columns = struct.pack(f"<{count - 1}i{count}d", *map(sub, times[1:], times), *values)
        return _EVEN_HEAD.pack(EVEN, count, steps[0], apart, times[0]) + columns
    except struct.error:
        return None


def pack(chunk: Chunk) -> bytes:
    """The bytes of a large chunk, smaller than they would be one after the other."""
    import numpy as np

    columns = [np.diff(column, prepend=np.int64(0)).astype("<i8").tobytes() for column in (chunk.times, chunk.steps)]
    body = b"".join([*columns, chunk.values.astype("<f8").tobytes()])
    return _HEAD.pack(PACKED, len(chunk)) + zlib.compress(body, 1)


def decode(data: bytes, origin: Origin = ("", "", "")) -> Chunk:
    """The chunk that `encode` or `pack` wrote. Raises IntegrityError if the bytes aren't whole."""
    import numpy as np

    try:
        form, count = _HEAD.unpack_from(data)
        if form == EVEN:
            return _decode_even(data, count, origin)
        body = zlib.decompress(data[_HEAD.size :]) if form == PACKED else data[_HEAD.size :]
        times, steps = (np.frombuffer(body, "<i8", count, place * 8 * count) for place in range(2))
        values = np.frombuffer(body, "<f8", count, 16 * count)
    except (struct.error, zlib.error, ValueError) as error:
        raise _damaged(error) from error
    if form == PACKED:
        times, steps = np.cumsum(times), np.cumsum(steps)
    whole = np.int64
    return Chunk(times.astype(whole, copy=False), steps.astype(whole, copy=False), values.astype(np.float64, copy=False), origin)


def decode_all(items: Sequence[bytes], origin: Origin = ("", "", "")) -> list[Chunk]:
    """Chunks of one origin, in order; small ones of one form that follow each other come as one. Raises IntegrityError."""
    found: list[Chunk] = []
    for form, group in groupby(items, key=lambda item: item[:1]):
        several = list(group)
        together = _TOGETHER.get(form) if len(several) > 1 else None
        if together is None:
            found += [decode(item, origin) for item in several]
        else:
            found.append(together(several, origin))
    return found


def _decode_plains(items: Sequence[bytes], origin: Origin) -> Chunk:
    """Chunks of the plain form as one: to look at each by itself would cost more than its points do."""
    import numpy as np

    counts = [count for _, count in _heads(items, _HEAD, 24, 0)]
    columns = [
        b"".join([item[_HEAD.size + 8 * place * count : _HEAD.size + 8 * (place + 1) * count] for count, item in pairs])
        for place, pairs in ((place, zip(counts, items, strict=True)) for place in range(3))
    ]
    times, steps = (np.frombuffer(column, "<i8").astype(np.int64, copy=False) for column in columns[:2])
    return Chunk(times, steps, np.frombuffer(columns[2], "<f8").astype(np.float64, copy=False), origin)


def _decode_evens(items: Sequence[bytes], origin: Origin) -> Chunk:
    """Chunks of the even form as one."""
    import numpy as np

    heads = _heads(items, _EVEN_HEAD, 12, -4)
    _, counts, first_steps, apart, first_times = np.array(heads, np.int64).T
    begin = _EVEN_HEAD.size
    middles = [begin + 4 * (head[1] - 1) for head in heads]
    gaps = b"".join([b"\0\0\0\0" + item[begin:middle] for middle, item in zip(middles, items, strict=True)])
    values = b"".join([item[middle:] for middle, item in zip(middles, items, strict=True)])
    starts = np.cumsum(counts) - counts
    since = np.cumsum(np.frombuffer(gaps, "<i4"), dtype=np.int64)
    times = since + np.repeat(first_times - since[starts], counts)
    places = np.arange(len(times)) - np.repeat(starts, counts)
    steps = np.repeat(first_steps, counts) + places * np.repeat(apart, counts)
    return Chunk(times, steps, np.frombuffer(values, "<f8").astype(np.float64, copy=False), origin)


def _heads(items: Sequence[bytes], head: struct.Struct, each: int, beside: int) -> list[tuple[Any, ...]]:
    """The heads of chunks that are followed by so many bytes for each point."""
    found = [head.unpack_from(item) for item in items if len(item) >= head.size]
    if [len(item) for item in items] != [head.size + each * count + beside for _, count, *_ in found]:
        raise _damaged("it has another length than its points")
    return found


_TOGETHER = {bytes([PLAIN]): _decode_plains, bytes([EVEN]): _decode_evens}


def _damaged(how: object) -> IntegrityError:
    return IntegrityError(f"a chunk of metric points is damaged ({how}); restore the catalog from a backup")


def _decode_even(data: bytes, count: int, origin: Origin) -> Chunk:
    import numpy as np

    _, _, step, apart, time = _EVEN_HEAD.unpack_from(data)
    gaps = np.frombuffer(data, "<i4", count - 1, _EVEN_HEAD.size)
    values = np.frombuffer(data, "<f8", count, _EVEN_HEAD.size + 4 * (count - 1))
    times = np.empty(count, np.int64)
    times[0] = 0
    np.cumsum(gaps, out=times[1:])
    return Chunk(times + time, step + apart * np.arange(count, dtype=np.int64), values.astype(np.float64, copy=False), origin)
