"""Questions about many ranges `[low, high)` of one array at once, each answered in a few passes over the array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["count_distinct", "expand", "extreme", "last_at_most", "prefix_counts"]

Ints = NDArray[np.int64]


def prefix_counts(mask: NDArray[np.bool_]) -> Ints:
    """How many are true before each position; one longer than the mask."""
    counts = np.zeros(len(mask) + 1, np.int64)
    np.cumsum(mask, out=counts[1:])
    return counts


def expand(low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """The positions of all ranges, one range after the other, and where in that list each range begins."""
    lengths = high - low
    begins = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum())) + np.repeat(low - begins, lengths), begins


def extreme(values: NDArray[Any], low: Ints, high: Ints, choose: Callable[..., NDArray[Any]]) -> NDArray[Any]:
    """`choose` (a ufunc like np.minimum) over each range; what an empty range gets is arbitrary.

    Two overlapping stretches of 2^level values cover a range. The stretches of one level replace those of the level below.
    """
    result = np.zeros(len(low), values.dtype)
    levels = np.frexp(np.maximum(high - low, 0).astype(np.float64))[1] - 1
    table = values
    for level in range(int(levels.max(initial=-1)) + 1):
        if level:
            half = 1 << (level - 1)
            table = choose(table[:-half], table[half:])
        asked = np.flatnonzero(levels == level)
        result[asked] = choose(table[low[asked]], table[high[asked] - (1 << level)])
    return result


def last_at_most(values: Ints, low: Ints, high: Ints, bound: Ints) -> Ints:
    """The last position of each range whose value is at most the bound; `low - 1` if there is none."""
    levels = [values]
    while len(levels[-1]) > 1:
        pairs = levels[-1]
        even = len(pairs) & ~1
        halved = np.minimum(pairs[0:even:2], pairs[1:even:2])
        levels.append(np.append(halved, pairs[even:]))
    found = np.full(len(low), -1)
    ends, searching = high.copy(), np.flatnonzero(low < high)
    for level, minima in enumerate(levels):
        odd = searching[(ends[searching] & 1) == 1]
        hit = odd[minima[ends[odd] - 1] <= bound[odd]]
        found[hit] = _descend(levels[:level], ends[hit] - 1, bound[hit])
        searching = searching[(found[searching] < 0) & (ends[searching] << level > low[searching])]
        ends[searching] >>= 1
    last: Ints = np.maximum(found, low - 1)
    return last


def _descend(levels: list[Ints], blocks: Ints, bound: Ints) -> Ints:
    for minima in reversed(levels):
        right = np.minimum(2 * blocks + 1, len(minima) - 1)
        blocks = np.where(minima[right] <= bound, right, 2 * blocks)
    return blocks


def count_distinct(codes: NDArray[np.integer], segments: Ints, low: Ints, high: Ints) -> Ints:
    """How many different codes each range holds. No range crosses a segment; `segments` begin at these positions.

    A value is new in a range if its previous occurrence lies before it. Positions count from their segment's start, so that
    small segments need few passes.
    """
    if not len(codes):
        return np.zeros(len(low), np.int64)
    starts = np.repeat(segments, np.diff(np.append(segments, len(codes))))
    previous = np.maximum(_previous(codes) - starts + 1, 0)
    begins = segments[np.maximum(segments.searchsorted(low, "right") - 1, 0)]
    return _count_less(previous, low, high, low - begins + 1)


def _previous(codes: NDArray[np.integer]) -> Ints:
    bits = len(codes).bit_length()
    packed = np.sort((codes.astype(np.int64) << bits) | np.arange(len(codes)))
    places = packed & ((1 << bits) - 1)
    same = packed[1:] >> bits == packed[:-1] >> bits
    previous = np.full(len(codes), -1)
    previous[places[1:][same]] = places[:-1][same]
    return previous


def _count_less(values: Ints, low: Ints, high: Ints, bound: Ints) -> Ints:
    # Radix by radix from the top bit: each pass moves the values with a 0 before those with a 1, keeping their order, and
    # follows every range to the half where its bound's bit leads. The zeros left behind under a 1 are the smaller values.
    counts = np.zeros(len(low), np.int64)
    bits = int(max(values.max(initial=0), bound.max(initial=0))).bit_length()
    for bit in reversed(range(bits)):
        zero = (values >> bit & 1) == 0
        zeros = prefix_counts(zero)
        low_zeros, high_zeros = zeros[low], zeros[high]
        up = (bound >> bit & 1) == 1
        counts += np.where(up, high_zeros - low_zeros, 0)
        low = np.where(up, zeros[-1] + low - low_zeros, low_zeros)
        high = np.where(up, zeros[-1] + high - high_zeros, high_zeros)
        values = np.concatenate([values[zero], values[~zero]])
    return counts
