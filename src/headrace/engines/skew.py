"""Keys with too many events for one task: their queries are cut by time, and each piece gets only what it can see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headrace.definitions.aggregation import Aggregation
from headrace.definitions.group import FeatureGroup
from headrace.kernel.inputs import GroupInputs
from headrace.kernel.window import window_start

__all__ = ["Slice", "cut"]

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]

EVER = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Slice:
    """Queries of one hot key that are neighbours in time.

    Attributes:
        key: the key's hash.
        bucket: where the queries and what they see are brought together.
        first, last: the time of the first and of the last query.
        low: rows before it matter only as the newest that the key has; EVER if all matter.
        end: rows from then on aren't seen.
    """

    key: int
    bucket: int
    first: int
    last: int
    low: int
    end: int

    def sees(self, times: Ints, available: Ints | None) -> NDArray[np.bool_]:
        """Which rows of the key its queries need: the values and the newest time come out as from all rows.

        Before `low` those are the newest row that the first query knows, those tied with it, and newer ones that became
        known later.
        """
        before = times < self.low
        if available is not None:
            before &= available <= self.first
        floor = times[before].max(initial=EVER)
        seen: NDArray[np.bool_] = (times >= floor) & (times < self.end)
        return seen if available is None else seen & (available <= self.last)


def cut(
    group: FeatureGroup, inputs: GroupInputs, hashes: Hashes, times: Ints, hot: Mapping[int, int], most: int, bucket: int
) -> tuple[list[Slice], dict[int, Ints]]:
    """Cut the queries of each hot key into so many slices that an even share of its rows, and of them, is at most `most`.

    Args:
        group, inputs: what is read.
        hashes, times: of each query.
        hot: hash of a key to the number of its rows.
        bucket: the first free one.

    Returns:
        The slices, and the places of the queries of each by its bucket.
    """
    slices: list[Slice] = []
    places: dict[int, Ints] = {}
    for key, rows in hot.items():
        mine = np.flatnonzero(hashes == np.uint64(key))
        mine = mine[np.argsort(times[mine])]
        for part in np.array_split(mine, min(-(-max(rows, len(mine)) // most), len(mine))) if len(mine) else ():
            first, last = int(times[part[0]]), int(times[part[-1]])
            end = last + 1 if group.source.is_table else last
            slices.append(Slice(key, bucket + len(slices), first, last, _low(group, inputs, first), end))
            places[slices[-1].bucket] = part
    return slices, places


def _low(group: FeatureGroup, inputs: GroupInputs, first: int) -> int:
    """From when on the first query's windows need every row."""
    if group.source.is_table:
        return first
    lows = [first]
    for item in inputs.features:
        value = item.feature.value
        if isinstance(value, Aggregation):
            lows.append(EVER if value.window is None else int(window_start(np.array([first]), value.window, value.hop)[0]))
    return min(lows)
