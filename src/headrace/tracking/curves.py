"""Curves of many metrics at the width of a chart, from what is kept of their chunks.

A long history is kept as groups of 64 points that follow each other along an axis: where they begin and end, the lowest, the
highest and the last value. A chart's buckets are made of whole groups, so no point is left out; one that lies within a group's
length of a bucket's edge may count to its neighbour. Where a chart is so near that groups would show, the points themselves are
read. A short history is its points.
"""

from __future__ import annotations

import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from headrace.errors import IntegrityError, InvalidInputError
from headrace.tracking.history import Chunk, decode

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float64]

__all__ = ["AXES", "LARGE", "Curve", "CurveStore", "Curves", "Piece", "Size", "summed_up", "unpacked"]

AXES = ("step", "time", "relative")
METRIC_AXIS = "metric:"
GROUP = 64
EXACT = 16_384
"""Up to so many points, a history is kept as it is."""
LARGE = 4096
"""Chunks of so many points and more stay as they are for long: what sums them up is kept."""
FINE = 4
"""Groups that a bucket must have for its edges to be sharp; else the points are read."""
KEPT_BYTES = 256 << 20
SUMS_FORMAT = 1
_SUMS = struct.Struct("<BI")
IS_NAN, IS_INFINITE, IS_MINUS_INFINITE = 1, 2, 4

T = TypeVar("T")
Size = tuple[int, int]
"""(chunks, points) that a metric of a run has had: a number that grows with every point."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk of a metric: its number and its points, which together name it for ever.

    Attributes:
        data: None where it is known, or summed up.
        sums: what `summed_up` made of it, if that was asked for and is kept.
    """

    number: int
    count: int
    data: bytes | None
    sums: bytes | None = None


class CurveStore(Protocol):
    """What curves are made of."""

    def sizes(self, run_ids: Sequence[str], keys: Sequence[str]) -> dict[tuple[str, str], Size]:
        """How much there is of each metric; what a run lacks is left out."""
        ...

    def pieces(self, run_id: str, key: str, known: Collection[tuple[int, int]], *, summed: bool = False) -> list[Piece]:
        """The chunks of a metric from one state of the catalog, by number; those whose (number, count) is known without data.

        Args:
            summed: of chunks that are summed up, give the sums instead of the data.
        """
        ...

    def starts(self, run_ids: Sequence[str]) -> dict[str, int]:
        """When runs started, microseconds since 1970; what isn't there is left out."""
        ...


@dataclass(frozen=True, slots=True)
class Curve:
    """What a chart shows of one metric of one run: for each stretch of its axis that has points, what they are.

    Attributes:
        count: how many points the metric has, in and out of the chart.
        start, end: float64, where the points of each bucket begin and end on the axis: steps; seconds since 1970, or since the
            run's start; values of another metric.
        low, high: float64, over the finite values; NaN if there is none.
        last: float64, the value of the last point, as it was logged.
        points: float64, how many there are.
        marks: float64, 1 if there is a NaN, plus 2 if there is an infinity, plus 4 if there is a negative one.
    """

    run_id: str
    key: str
    count: int
    start: Floats
    end: Floats
    low: Floats
    high: Floats
    last: Floats
    points: Floats
    marks: Floats

    def __len__(self) -> int:
        return len(self.start)

    @property
    def nbytes(self) -> int:
        """Bytes of its columns."""
        return 7 * self.start.nbytes


@dataclass(frozen=True, slots=True)
class _Groups:
    """Points that follow each other along an axis, some at a time."""

    first: Any
    final: Any
    low: Floats
    high: Floats
    last: Floats
    points: Ints
    marks: npt.NDArray[np.uint8]

    @property
    def nbytes(self) -> int:
        return sum(getattr(self, name).nbytes for name in self.__slots__)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A metric as it was at one size: its groups, and which chunk has which stretch of the axis."""

    size: Size
    groups: _Groups
    exact: bool
    stretches: tuple[tuple[int, int, int, int], ...]
    """(number, count, first, final) of each chunk."""

    @property
    def nbytes(self) -> int:
        return self.groups.nbytes + 64 * len(self.stretches)


class Curves:
    """Reads curves. What it has read, it keeps, up to a size; the least recently asked for goes first. Safe for many threads.

    Attributes:
        store: what they are made of.
    """

    def __init__(self, store: CurveStore, most_bytes: int = KEPT_BYTES) -> None:
        self.store = store
        self._cache = _Cache(most_bytes)

    def read(
        self,
        run_ids: Sequence[str],
        keys: Sequence[str],
        *,
        width: int,
        axis: str = "step",
        start: float | None = None,
        end: float | None = None,
    ) -> list[Curve]:
        """The curves of every run and key that there are, in this order, on one axis of `width` buckets.

        Args:
            axis: step; time, in seconds since 1970; relative, in seconds since each run's start; or `metric:KEY`, the value that
                another metric had at the same step.
            start, end: the stretch that is shown, both ends included. Default: all of it.

        Raises:
            InvalidInputError: there is no such axis, or the width isn't positive.
        """
        across = axis.removeprefix(METRIC_AXIS) if axis.startswith(METRIC_AXIS) else None
        if width < 1 or (across is None and axis not in AXES) or across == "":
            msg = f"a curve has one or more buckets along {', '.join(AXES)} or {METRIC_AXIS}KEY, not {width} along {axis!r}"
            raise InvalidInputError(msg)
        sizes = self.store.sizes(run_ids, keys if across is None else [*keys, across])
        found = [(run_id, key) for run_id in run_ids for key in keys if (run_id, key) in sizes]
        if across is not None:
            found = [(run_id, key) for run_id, key in found if (run_id, across) in sizes]
            kept = [self._against(run_id, key, across, sizes) for run_id, key in found]
        else:
            kept = [self._along(run_id, key, "step" if axis == "step" else "time", sizes[run_id, key]) for run_id, key in found]
        return self._drawn(found, kept, width, axis, start, end)

    def _drawn(
        self,
        found: Sequence[tuple[str, str]],
        kept: Sequence[_Kept],
        width: int,
        axis: str,
        start: float | None,
        end: float | None,
    ) -> list[Curve]:
        scale = 1_000_000 if axis in ("time", "relative") else 1
        begun = self.store.starts([run_id for run_id, _ in found]) if axis == "relative" else {}
        shifts = [begun.get(run_id, 0) for run_id, _ in found]
        full = [(item, shift) for item, shift in zip(kept, shifts, strict=True) if len(item.groups.first)]
        low = min((item.groups.first[0] - shift for item, shift in full), default=0) if start is None else start * scale
        high = max((item.groups.final.max() - shift for item, shift in full), default=0) if end is None else end * scale

        def draw(run_id: str, key: str, item: _Kept, shift: int) -> Curve:
            place = (low + shift, high + shift)

            def make() -> Curve:
                groups = self._within(run_id, key, item, width, axis, *place)
                return Curve(run_id, key, item.size[1], *_bucketed(groups, *place, width, shift, scale))

            return self._cache.get(("drawn", run_id, key, axis), (item.size, width, place), make)

        return [draw(run_id, key, item, shift) for (run_id, key), item, shift in zip(found, kept, shifts, strict=True)]

    def _within(self, run_id: str, key: str, item: _Kept, width: int, axis: str, low: float, high: float) -> _Groups:
        """The groups in a stretch of the axis, or its points, if the groups would show."""
        groups = item.groups
        inside = (groups.final >= low) & (groups.first <= high)
        seen = int(inside.sum())
        if item.exact or seen >= FINE * width:
            return groups if seen == len(inside) else _picked(groups, inside)
        wanted = {(number, count) for number, count, first, final in item.stretches if final >= low and first <= high}
        others = {(number, count) for number, count, *_ in item.stretches} - wanted
        points = _points(self._chunks(run_id, key, others), "step" if axis == "step" else "time")
        return _picked(points, (points.first >= low) & (points.first <= high))

    def _chunks(self, run_id: str, key: str, without: Collection[tuple[int, int]]) -> list[Chunk]:
        return [decode(piece.data) for piece in self.store.pieces(run_id, key, without) if piece.data is not None]

    def _along(self, run_id: str, key: str, axis: str, size: Size) -> _Kept:
        def make() -> _Kept:
            parts = self._cache.parts(run_id, key, axis)
            pieces = self.store.pieces(run_id, key, parts, summed=size[1] > EXACT)
            made, new = _assembled(size, pieces, parts, axis)
            if new:
                self._cache.keep_parts(run_id, key, axis, new)
            return made

        return self._cache.get((run_id, key, axis), size, make)

    def _against(self, run_id: str, key: str, other: str, sizes: Mapping[tuple[str, str], Size]) -> _Kept:
        mine, theirs = sizes[run_id, key], sizes[run_id, other]

        def make() -> _Kept:
            points, places = (self._chunks(run_id, name, ()) for name in (key, other))
            return _Kept((mine[0] + theirs[0], mine[1]), _joined(points, places), True, ())

        return self._cache.get((run_id, key, METRIC_AXIS + other), (mine[0] + theirs[0], mine[1]), make)


class _Cache:
    """Kept metrics, how they were drawn last, and kept chunks of those that grow."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._bytes = 0
        self._held: OrderedDict[Any, tuple[Any, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: Any, version: Any, make: Callable[[], T]) -> T:
        """What is kept under a name, made if it isn't there or is of another version."""
        with self._lock:
            held = self._held.get(name)
            if held is not None and held[0] == version:
                self._held.move_to_end(name)
                found: T = held[1]
                return found
        made = make()
        self._put(name, version, made)
        return made

    def parts(self, run_id: str, key: str, axis: str) -> dict[tuple[int, int], _Groups]:
        """What is kept of the chunks of a metric."""
        with self._lock:
            _, parts = self._held.get(("parts", run_id, key, axis), (None, _Parts({})))
            return dict(parts.groups)

    def keep_parts(self, run_id: str, key: str, axis: str, new: Mapping[tuple[int, int], _Groups]) -> None:
        known = self.parts(run_id, key, axis)
        self._put(("parts", run_id, key, axis), None, _Parts({**known, **new}))

    def _put(self, name: Any, version: Any, made: Any) -> None:
        with self._lock:
            before = self._held.pop(name, None)
            self._bytes += made.nbytes - (before[1].nbytes if before is not None else 0)
            self._held[name] = version, made
            while self._bytes > self._most and len(self._held) > 1:
                self._bytes -= self._held.popitem(last=False)[1][1].nbytes


@dataclass(frozen=True, slots=True)
class _Parts:
    groups: Mapping[tuple[int, int], _Groups]

    @property
    def nbytes(self) -> int:
        return sum(groups.nbytes for groups in self.groups.values())


def _assembled(
    size: Size,
    pieces: Sequence[Piece],
    parts: Mapping[tuple[int, int], _Groups],
    axis: str,
) -> tuple[_Kept, dict[tuple[int, int], _Groups]]:
    """The groups of a metric, from those of its large chunks and the points of the others; and which of them are new."""
    exact = sum(piece.count for piece in pieces) <= EXACT and not any(piece.sums for piece in pieces)
    found, small, stretches = [], [], []
    new: dict[tuple[int, int], _Groups] = {}
    for piece in pieces:
        name = (piece.number, piece.count)
        groups = parts.get(name)
        if groups is None and piece.sums is not None:
            groups = new[name] = unpacked(piece.sums, axis)
        if groups is None:
            chunk = decode(piece.data or b"")
            if exact or piece.count < LARGE:
                small.append(chunk)
                places = chunk.steps if axis == "step" else chunk.times
                stretches.append((*name, int(places.min()), int(places.max())))
                continue
            groups = new[name] = _grouped(_points([chunk], axis))
        found.append(groups)
        stretches.append((*name, int(groups.first.min()), int(groups.final.max())))
    if small or not found:
        points = _points(small, axis)
        edges = [edge for groups in found for edge in (groups.first.min(), groups.final.max() + 1)]
        found.append(points if exact else _grouped(points, edges))
    return _Kept(size, _sorted(_chained(found)), exact, tuple(stretches)), new


def summed_up(data: bytes, count: int) -> bytes | None:
    """The groups of a large chunk as bytes, a tenth of its own: what a chart reads instead. None for a small chunk, and for
    one whose points are in another order by step than by time.

    They are `<B` format, `<I` number, then for each group, little-endian: the first and the final step, the first and the final
    time (int64), low, high and last value (float64), how many points, and the marks (uint8).
    """
    if count < LARGE:
        return None
    chunk = decode(data)
    if not (_rises(chunk.steps, chunk.times) and _rises(chunk.times, chunk.steps)):
        return None
    by_step, by_time = (_grouped(_points([chunk], axis)) for axis in ("step", "time"))
    places = (by_step.first, by_step.final, by_time.first, by_time.final)
    columns = [column.astype("<i8") for column in places]
    columns += [column.astype("<f8") for column in (by_step.low, by_step.high, by_step.last)]
    columns += [column.astype("u1") for column in (by_step.points, by_step.marks)]
    return _SUMS.pack(SUMS_FORMAT, len(by_step.first)) + b"".join([column.tobytes() for column in columns])


def unpacked(data: bytes, axis: str) -> _Groups:
    """The groups that `summed_up` wrote. Raises IntegrityError if the bytes aren't whole."""
    import numpy as np

    try:
        form, count = _SUMS.unpack_from(data)
        count = count if form == SUMS_FORMAT else len(data)  # of another format there is never enough
        wide = [np.frombuffer(data, "<i8" if place < 4 else "<f8", count, _SUMS.size + 8 * count * place) for place in range(7)]
        points, marks = (np.frombuffer(data, "u1", count, _SUMS.size + count * (56 + place)) for place in range(2))
    except (struct.error, ValueError) as error:
        msg = f"what sums up a chunk of metric points is damaged ({error}); restore the catalog from a backup"
        raise IntegrityError(msg) from error
    first, final = wide[:2] if axis == "step" else wide[2:4]
    return _Groups(first, final, wide[4], wide[5], wide[6], points.astype(np.int64), marks)


def _points(chunks: Sequence[Chunk], axis: str) -> _Groups:
    """Points in order along an axis, each a group of its own; exact repeats are there once."""
    import numpy as np

    times = np.concatenate([np.empty(0, np.int64), *[chunk.times for chunk in chunks]])
    steps = np.concatenate([np.empty(0, np.int64), *[chunk.steps for chunk in chunks]])
    values = np.concatenate([np.empty(0, np.float64), *[chunk.values for chunk in chunks]])
    first, second = (steps, times) if axis == "step" else (times, steps)
    if not _rises(first, second):
        order = np.lexsort((values, second, first))
        first, second, values = first[order], second[order], values[order]
        if len(values) > 1:
            same = (first[1:] == first[:-1]) & (second[1:] == second[:-1])
            same &= (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
            kept = np.concatenate([[True], ~same])
            first, values = first[kept], values[kept]
    return _each(first, values)


def _rises(first: Ints, second: Ints) -> bool:
    """Whether points are in order already, none at the place of another."""
    return bool(((first[1:] > first[:-1]) | ((first[1:] == first[:-1]) & (second[1:] > second[:-1]))).all())


def _each(places: Any, values: Floats) -> _Groups:
    import numpy as np

    finite = np.isfinite(values)
    marks = np.zeros(len(values), np.uint8)
    plain = values
    if not finite.all():
        marks[np.isnan(values)] |= IS_NAN
        marks[values == np.inf] |= IS_INFINITE
        marks[values == -np.inf] |= IS_MINUS_INFINITE
        plain = np.where(finite, values, np.nan)
    return _Groups(places, places, plain, plain, values, np.ones(len(values), np.int64), marks)


def _grouped(points: _Groups, edges: Sequence[Any] = ()) -> _Groups:
    """Points some at a time. None of them are together across an edge: between them lie points of others."""
    import numpy as np

    begins = np.arange(0, len(points.first), GROUP)
    if edges:
        begins = np.union1d(begins, np.searchsorted(points.first, edges))
        begins = begins[begins < len(points.first)]
    return _summed(points, begins)


def _summed(groups: _Groups, begins: npt.NDArray[np.intp]) -> _Groups:
    import numpy as np

    ends = np.append(begins[1:], len(groups.first)) - 1
    return _Groups(
        groups.first[begins],
        np.maximum.reduceat(groups.final, begins),
        np.fmin.reduceat(groups.low, begins),
        np.fmax.reduceat(groups.high, begins),
        groups.last[ends],
        np.add.reduceat(groups.points, begins),
        np.bitwise_or.reduceat(groups.marks, begins),
    )


def _chained(found: Sequence[_Groups]) -> _Groups:
    import numpy as np

    if len(found) == 1:
        return found[0]
    return _Groups(*(np.concatenate([getattr(groups, name) for groups in found]) for name in _Groups.__slots__))


def _sorted(groups: _Groups) -> _Groups:
    import numpy as np

    if (groups.first[1:] >= groups.first[:-1]).all():
        return groups
    return _picked(groups, np.argsort(groups.first, kind="stable"))


def _picked(groups: _Groups, places: Any) -> _Groups:
    return _Groups(*(getattr(groups, name)[places] for name in _Groups.__slots__))


def _joined(chunks: Sequence[Chunk], others: Sequence[Chunk]) -> _Groups:
    """Points along the values that another metric had at their steps; those where it has no finite one are left out."""
    import numpy as np

    mine, theirs = _points(chunks, "step"), _points(others, "step")
    if not len(mine.first) or not len(theirs.first):
        return _each(np.empty(0), np.empty(0))
    at = np.searchsorted(theirs.first, mine.first, "right") - 1  # the last one at the step
    places = theirs.last[np.maximum(at, 0)]
    there = (at >= 0) & (theirs.first[np.maximum(at, 0)] == mine.first) & np.isfinite(places)
    places, values = places[there], mine.last[there]
    order = np.argsort(places, kind="stable")
    return _each(places[order], values[order])


def _bucketed(groups: _Groups, low: float, high: float, width: int, shift: int, scale: int) -> tuple[Floats, ...]:
    """The columns of a curve: groups in `width` buckets of equal length; those without points are left out."""
    import numpy as np

    if len(groups.first):
        if groups.first.dtype == np.int64:
            low = int(low)
            number = np.maximum((groups.first - low) // max(1, -(-(int(high) - low + 1) // width)), 0)
        else:
            number = np.minimum(((groups.first - low) * (width / ((high - low) or 1.0))).astype(np.int64), width - 1)
        begins = np.flatnonzero(np.concatenate([[True], number[1:] != number[:-1]]))
        groups = groups if len(begins) == len(number) else _summed(groups, begins)
    first, final = ((places - shift) / scale for places in (groups.first, groups.final))
    columns = (first, final, groups.low, groups.high, groups.last, groups.points, groups.marks)
    return tuple(np.asarray(column, np.float64) for column in columns)
