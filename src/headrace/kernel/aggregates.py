"""What each aggregation makes of ranges of events: from positions to Arrow columns.

Nulls are skipped; an empty range is null, but for count, which is 0. Min and max take NaN for larger than any number and
give zero as +0.0; count_distinct takes every NaN for one value, and -0.0 for 0.0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.definitions.aggregation import Feature
from headrace.errors import InvalidInputError
from headrace.kernel.exact import mean_of, nonfinite_sum, std_of
from headrace.kernel.ranges import count_distinct, expand, extreme, prefix_counts
from headrace.kernel.sums import PrefixSums, squares

__all__ = ["AGGREGATES", "Ranges", "Selection"]

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ranges:
    """One range of positions [low, high) for each query."""

    low: Ints
    high: Ints

    @property
    def empty(self) -> Mask:
        """Where a range holds nothing."""
        return self.low >= self.high

    @property
    def counts(self) -> Ints:
        """How many positions each range holds."""
        return self.high - self.low


class Selection:
    """The events that one argument and condition let through, in order, and what aggregates derive from them once."""

    def __init__(
        self, rows: Ints, segments: Callable[[], Ints], argument: pa.Array | None, where: Mask | None, longest: int
    ) -> None:
        """Select among the events.

        Args:
            rows: the row of each position.
            segments: gives the first position of every stretch that no range crosses, ascending.
            argument: a value for each row; None for count.
            where: for each row whether it counts; None if all do.
            longest: the most positions that any range will hold.
        """
        self._argument = argument
        self._longest = longest
        passes = _passes(rows, argument, where)
        self._passed = None if passes is None else prefix_counts(passes)
        self._rows = rows if passes is None else rows[passes]
        self._segments = segments

    def within(self, ranges: Ranges) -> Ranges:
        """The same ranges, counted among the selected events only."""
        if self._passed is None:
            return ranges
        return Ranges(self._passed[ranges.low], self._passed[ranges.high])

    @property
    def type(self) -> pa.DataType:
        """The argument's type."""
        return self.argument.type

    @property
    def argument(self) -> pa.Array:
        """The argument, one value for each row."""
        assert self._argument is not None  # noqa: S101 - only count has no argument
        return self._argument

    def values_at(self, positions: Ints, empty: Mask) -> pa.Array:
        """The argument at some positions; null where `empty`."""
        rows = np.zeros(len(positions), np.int64)
        rows[~empty] = self._rows[positions[~empty]]
        return self.argument.take(pa.array(rows, mask=empty))

    @cached_property
    def numbers(self) -> NDArray[Any]:
        """The argument of each position as it is summed: int64 or float64."""
        wide = np.int64 if pa.types.is_integer(self.type) else np.float64
        return self._fixed_width()[self._rows].astype(wide, copy=False)

    @cached_property
    def ranks(self) -> tuple[NDArray[Any], Callable[[NDArray[Any], Mask], pa.Array]]:
        """The argument of each position as numbers that order like it, and the way back to an Arrow column."""
        if pa.types.is_string(self.type) or pa.types.is_binary(self.type):
            return self._text_ranks()
        ordered = self._fixed_width()[self._rows]
        if ordered.dtype.kind == "f":
            ordered = ordered + 0.0  # -0.0 + 0.0 is +0.0
        return ordered, lambda values, empty: pa.array(values, mask=empty).cast(self.type)

    @cached_property
    def codes(self) -> NDArray[np.integer]:
        """A small integer for each position, the same for the same value."""
        if pa.types.is_floating(self.type):
            values = self.numbers + 0.0
            values[np.isnan(values)] = np.nan
            keys = pa.array(values.view(np.int64))
        else:
            keys = self.argument.take(pa.array(self._rows))
        codes: NDArray[np.integer] = keys.dictionary_encode().indices.to_numpy()
        return codes

    @cached_property
    def finite(self) -> tuple[NDArray[Any], tuple[Ints, ...] | None]:
        """The numbers with 0 for those that aren't finite, and how many NaN, +inf and -inf there are before each position."""
        values = self.numbers
        if values.dtype == np.int64 or np.isfinite(values).all():
            return values, None
        marks = (np.isnan(values), values == np.inf, values == -np.inf)
        return np.where(np.isfinite(values), values, 0.0), tuple(map(prefix_counts, marks))

    @cached_property
    def sums(self) -> PrefixSums:
        """The exact sums of the finite numbers."""
        return PrefixSums(self.finite[0], self._longest)

    @cached_property
    def square_sums(self) -> list[PrefixSums]:
        """Exact sums that add up to that of the finite numbers' squares."""
        return squares(self.finite[0], self._longest)

    def distinct(self, ranges: Ranges) -> Ints:
        """How many different values each range holds."""
        segments = self._segments() if self._passed is None else self._passed[self._segments()]
        return count_distinct(self.codes, segments, ranges.low, ranges.high)

    def _fixed_width(self) -> NDArray[Any]:
        argument = self.argument
        integers = {pa.bool_(): pa.int8(), pa.date32(): pa.int32()}
        if pa.types.is_timestamp(self.type):
            argument = argument.cast(pa.int64())
        elif self.type in integers:
            argument = argument.cast(integers[self.type])
        if argument.null_count:
            argument = argument.fill_null(0)
        values: NDArray[Any] = argument.to_numpy(zero_copy_only=False)
        return values

    def _text_ranks(self) -> tuple[NDArray[Any], Callable[[NDArray[Any], Mask], pa.Array]]:
        encoded = self.argument.take(pa.array(self._rows)).dictionary_encode()
        order = pc.sort_indices(encoded.dictionary)
        ranks = np.empty(len(order), np.int32)
        ranks[order.to_numpy()] = np.arange(len(order), dtype=np.int32)
        words = encoded.dictionary.take(order)
        return ranks[encoded.indices.to_numpy()], lambda values, empty: words.take(pa.array(values, mask=empty))


def _passes(rows: Ints, argument: pa.Array | None, where: Mask | None) -> Mask | None:
    passes = where
    if argument is not None and argument.null_count:
        valid = argument.is_valid().to_numpy(zero_copy_only=False)
        passes = valid if passes is None else passes & valid
    return None if passes is None else passes[rows]


def _count(_selection: Selection, ranges: Ranges, _feature: Feature) -> pa.Array:
    return pa.array(ranges.counts)


def _sum(selection: Selection, ranges: Ranges, feature: Feature) -> pa.Array:
    if selection.numbers.dtype == np.float64:
        return pa.array(_float_sums(selection, ranges), mask=ranges.empty)
    totals, beyond = selection.sums.between(ranges.low, ranges.high).wrapped()
    if beyond.any():
        msg = f"the sum of feature {feature.name!r} is beyond int64; cast to float64 in its argument, or shorten its window"
        raise InvalidInputError(msg)
    return pa.array(totals, mask=ranges.empty)


def _mean(selection: Selection, ranges: Ranges, _feature: Feature) -> pa.Array:
    sums = _float_sums(selection, ranges)
    means = sums / np.maximum(ranges.counts, 1)
    large = np.flatnonzero(np.abs(sums) >= 2**53) if selection.numbers.dtype != np.float64 else ()
    if len(large):  # integers that no float holds: divide them exactly, then round once
        totals = selection.sums.between(ranges.low[large], ranges.high[large]).integers()
        means[large] = [mean_of(total, count) for total, count in zip(totals, ranges.counts[large].tolist(), strict=True)]
    return pa.array(means, mask=ranges.empty)


def _float_sums(selection: Selection, ranges: Ranges) -> NDArray[np.float64]:
    sums = selection.sums.between(ranges.low, ranges.high).rounded()
    for place, value in _nonfinite(selection, ranges).items():
        sums[place] = value
    return sums


def _nonfinite(selection: Selection, ranges: Ranges) -> dict[int, float]:
    marks = selection.finite[1]
    if marks is None:
        return {}
    counts = np.stack([before[ranges.high] - before[ranges.low] for before in marks])
    places = np.flatnonzero(counts.any(axis=0))
    sums = (nonfinite_sum(*triple) for triple in counts[:, places].T.tolist())
    return {place: value for place, value in zip(places.tolist(), sums, strict=True) if value is not None}


def _std(selection: Selection, ranges: Ranges, _feature: Feature) -> pa.Array:
    totals = selection.sums.between(ranges.low, ranges.high)
    parts = [sums.between(ranges.low, ranges.high) for sums in selection.square_sums]
    bits = max([totals.unit, 0, *(-(-part.unit // 2) for part in parts)])
    firsts = _in_units(totals.integers(), bits - totals.unit)
    seconds = [0] * len(firsts)
    for part in parts:
        seconds = [a + b for a, b in zip(seconds, _in_units(part.integers(), 2 * bits - part.unit), strict=True)]
    deviations = [std_of(n, s, q, bits) for n, s, q in zip(ranges.counts.tolist(), firsts, seconds, strict=True)]
    for place in _nonfinite(selection, ranges):
        deviations[place] = None if deviations[place] is None else float("nan")
    return pa.array(deviations, pa.float64())


def _in_units(totals: list[int], shift: int) -> list[int]:
    return [total << shift for total in totals] if shift else totals


def _min(selection: Selection, ranges: Ranges, _feature: Feature) -> pa.Array:
    values, to_arrow = selection.ranks
    choose = np.fmin if values.dtype.kind == "f" else np.minimum  # fmin passes NaN over for any number
    return to_arrow(extreme(values, ranges.low, ranges.high, choose), ranges.empty)


def _max(selection: Selection, ranges: Ranges, _feature: Feature) -> pa.Array:
    values, to_arrow = selection.ranks
    return to_arrow(extreme(values, ranges.low, ranges.high, np.maximum), ranges.empty)


def _count_distinct(selection: Selection, ranges: Ranges, _feature: Feature) -> pa.Array:
    return pa.array(selection.distinct(ranges), mask=ranges.empty)


def _first(selection: Selection, ranges: Ranges, _feature: Feature) -> pa.Array:
    return selection.values_at(ranges.low, ranges.empty)


def _last(selection: Selection, ranges: Ranges, _feature: Feature) -> pa.Array:
    return selection.values_at(ranges.high - 1, ranges.empty)


def _last_n(selection: Selection, ranges: Ranges, feature: Feature) -> pa.Array:
    n: int = feature.value.n  # type: ignore[union-attr,assignment]  # last_n is an aggregation with n
    positions, _ = expand(np.maximum(ranges.low, ranges.high - n), ranges.high)
    items = selection.values_at(positions, np.zeros(len(positions), bool))
    offsets = np.concatenate([[0], np.cumsum(np.minimum(ranges.counts, n))])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), items, mask=pa.array(ranges.empty))


AGGREGATES: Mapping[str, Callable[[Selection, Ranges, Feature], pa.Array]] = {
    "count": _count,
    "sum": _sum,
    "mean": _mean,
    "min": _min,
    "max": _max,
    "std": _std,
    "count_distinct": _count_distinct,
    "first": _first,
    "last": _last,
    "last_n": _last_n,
}
"""Function name to what computes it: from a selection and the ranges within it, a value for each range."""
