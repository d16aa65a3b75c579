"""Events in order of (key, time, arrival), and the search for the moment of a query among them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["FOREVER", "Timeline"]

Ints = NDArray[np.int64]

FOREVER = np.iinfo(np.int64).max
"""Later than any time."""
PACKED_BITS = 62
"""Key and time share one signed 64-bit integer, with a bit to spare for a time after the last event."""


class Timeline:
    """Events sorted by key, time and arrival.

    A key and a time are packed into one integer, which sorts many times faster than two columns. Where their bits don't
    fit, the time loses its lowest ones; what the packed integers leave undecided is then decided by the whole times.
    """

    def __init__(self, keys: NDArray[np.integer], times: Ints, arrival: Sequence[NDArray[np.integer]] = ()) -> None:
        """Sort the events.

        Args:
            keys: small non-negative integers, one for each entity.
            times: when each event happened.
            arrival: what decides between events of one key and time, the most significant first. None: their order is open.
        """
        self._base = int(times.min()) if len(times) else 0
        last = int(times.max()) if len(times) else 0
        self._beyond = min(last + 1, FOREVER)
        span = (last - self._base).bit_length()
        self._last_key = int(keys.max()) if len(keys) else 0
        self._dropped = max(0, (self._last_key + 1).bit_length() + span - PACKED_BITS)
        self._bits = span - self._dropped
        packed = self.pack(keys, times)
        self.order: Ints = np.argsort(packed)
        """Row of each position."""
        self._packed = packed[self.order]
        if arrival or self._dropped:
            self._settle([times, *arrival])
        self._coarse_times = times[self.order] if self._dropped else None

    def pack(self, keys: NDArray[np.integer], times: Ints) -> Ints:
        """One integer for each key and time that sorts like them, but for the lowest bits of times that don't fit."""
        elapsed = np.clip(times, self._base, self._beyond)
        elapsed -= self._base
        elapsed >>= self._dropped
        packed = self._packed_keys(keys)
        packed += elapsed
        return packed

    def starts(self, keys: NDArray[np.integer]) -> Ints:
        """The position of the first event of each key."""
        return self._packed.searchsorted(self._packed_keys(keys))

    def before(self, keys: NDArray[np.integer], times: Ints) -> Ints:
        """The position that ends the events of each key that happened before each time."""
        needles = self.pack(keys, times)
        low = self._packed.searchsorted(needles)
        if self._coarse_times is not None:
            low = _bisect(self._coarse_times, low, self._packed.searchsorted(needles, "right"), times)
        return low

    def segments(self) -> Ints:
        """The position of the first event of every key, ascending."""
        keys = self._packed >> self._bits
        return np.flatnonzero(np.concatenate([np.ones(min(1, len(keys)), bool), keys[1:] != keys[:-1]]))

    def _packed_keys(self, keys: NDArray[np.integer]) -> Ints:
        packed: Ints = np.minimum(keys, self._last_key + 1).astype(np.int64)  # those beyond have no events, and would not fit
        packed <<= self._bits
        return packed

    def _settle(self, columns: list[NDArray[np.integer]]) -> None:
        same = self._packed[1:] == self._packed[:-1]
        if not same.any():
            return
        tied = np.zeros(len(self._packed), bool)
        tied[1:] = same
        tied[:-1] |= same
        places = np.flatnonzero(tied)
        rows = self.order[places]
        self.order[places] = rows[np.lexsort([column[rows] for column in reversed(columns)] + [self._packed[places]])]


def _bisect(times: Ints, low: Ints, high: Ints, bound: Ints) -> Ints:
    low, high = low.copy(), high.copy()
    while len(open_ := np.flatnonzero(low < high)):
        middle = (low[open_] + high[open_]) >> 1
        later = times[middle] >= bound[open_]
        high[open_[later]] = middle[later]
        low[open_[~later]] = middle[~later] + 1
    return low
