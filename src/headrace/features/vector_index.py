"""An exact index of vectors in memory: the nearest of them by float32 products, settled by distances in float64."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["METRICS", "NEVER", "Found", "Search", "VectorIndex"]

METRICS: tuple[str, ...] = ("cosine", "l2", "dot")
"""cosine: one minus the cosine; l2: the length of the difference; dot: the product, negated, so that less is nearer."""

NEVER = np.iinfo(np.int64).min
"""In place of a time: there is no such record."""

_FEWEST = 1024
_BLOCKS = 16
"""How many blocks of scores there are for each neighbour wanted; more blocks let fewer through that aren't wanted."""
_EPSILON = float(np.finfo(np.float32).eps)
_SAFE = 1e15
"""Products of vectors up to this length stay far inside float32."""

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Found:
    """Some of the nearest, nearest first.

    Attributes:
        keys: of each, as they were put in.
        distances: of each.
        whole: whether these are all that there are.
    """

    keys: Sequence[tuple[Any, ...]]
    distances: NDArray[np.float64]
    whole: bool


class VectorIndex:
    """Vectors of one size under keys, each with a time. Not for several threads at once."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._places: dict[bytes, int] = {}
        self._keys: list[tuple[Any, ...]] = []
        self._matrix = np.zeros((_FEWEST, size), np.float32)
        self._lengths = np.zeros(_FEWEST, np.float32)
        self._times = np.full(_FEWEST, NEVER)

    def __len__(self) -> int:
        return len(self._keys)

    def put(self, codes: Sequence[bytes], keys: Sequence[tuple[Any, ...]], vectors: Floats, times: Ints) -> None:
        """Set the vectors of keys.

        Args:
            codes: what tells the keys apart, each once.
            keys: to give back, and to put equal distances in order.
            vectors: a row for each; one that holds NaN or infinity is never found.
            times: microseconds; NEVER: the key has no vector.
        """
        places = np.empty(len(codes), np.int64)
        for row, code in enumerate(codes):
            place = self._places.get(code)
            if place is None:
                place = self._places[code] = len(self._keys)
                self._keys.append(keys[row])
            places[row] = place
        self._grow()
        finite: NDArray[np.bool_] = np.asarray(np.isfinite(vectors).all(axis=1))
        self._matrix[places] = np.where(finite[:, None], vectors, 0)
        self._lengths[places] = np.linalg.norm(self._matrix[places].astype(np.float64), axis=1)
        self._times[places] = np.where(finite, times, NEVER)

    def search(self, vector: Floats, metric: str, oldest: int | None) -> Search:
        """Compare all vectors with one.

        Args:
            oldest: vectors with an earlier time aren't found. None: all are.
        """
        count = len(self._keys)
        visible = self._times[:count] > NEVER if oldest is None else self._times[:count] >= max(oldest, NEVER + 1)
        if metric == "cosine":
            visible &= self._lengths[:count] > 0  # what has no direction is near to nothing
        return Search(self._matrix[:count], self._lengths[:count], self._keys, visible, vector, metric)

    def _grow(self) -> None:
        room = len(self._times)
        if len(self._keys) <= room:
            return
        room = max(2 * room, len(self._keys))
        matrix, lengths, times = np.zeros((room, self._size), np.float32), np.zeros(room, np.float32), np.full(room, NEVER)
        held = len(self._times)
        matrix[:held], lengths[:held], times[:held] = self._matrix, self._lengths, self._times
        self._matrix, self._lengths, self._times = matrix, lengths, times


class Search:
    """The vectors by their distance from one."""

    def __init__(
        self,
        matrix: Floats,
        lengths: Floats,
        keys: Sequence[tuple[Any, ...]],
        visible: NDArray[np.bool_],
        vector: Floats,
        metric: str,
    ) -> None:
        self._matrix = matrix
        self._keys = keys
        self._vector = vector.astype(np.float64)
        self._metric = metric
        longest = float(lengths.max(initial=0))
        length = float(np.linalg.norm(self._vector))
        wide = np.float32 if max(longest, length) < _SAFE else np.float64
        scores = matrix.astype(wide, copy=False) @ vector.astype(wide)
        if metric == "cosine":
            scores /= np.where(lengths > 0, lengths, 1)
            reach = length
        elif metric == "l2":
            scores *= 2
            scores -= lengths.astype(wide) ** 2
            reach = longest * (2 * length + longest)
        else:
            reach = length * longest
        self._error = 4 * (len(vector) + 4) * _EPSILON * reach
        """By how much two scores may be in the wrong order."""
        scores[~visible] = -np.inf
        self._scores = scores
        self._count = int(visible.sum())

    def nearest(self, count: int) -> Found:
        """The `count` nearest, exactly; of equal distances the lower key comes first."""
        least = self._least(count) if count < self._count else -np.inf
        places = np.flatnonzero(self._scores >= least - self._error if least > -np.inf else self._scores > least)
        distances = self._distances(places)
        keys = [self._keys[place] for place in places.tolist()]
        order = sorted(range(len(keys)), key=lambda row: (distances[row], keys[row]))[:count]
        return Found([keys[row] for row in order], distances[order], count >= self._count)

    def _least(self, count: int) -> float:
        """A score that at least `count` of the others reach, and not many more."""
        scores = self._scores
        block = len(scores) // (_BLOCKS * count)
        if block > 1:  # the maxima of blocks are some of the scores
            scores = scores[: len(scores) // block * block].reshape(-1, block).max(axis=1)
        last = len(scores) - count
        return float(np.partition(scores, last)[last])

    def _distances(self, places: Ints) -> NDArray[np.float64]:
        rows = self._matrix[places].astype(np.float64)
        if self._metric == "l2":
            return np.asarray(np.sqrt(_sums((rows - self._vector) ** 2)))
        products = _sums(rows * self._vector)
        if self._metric == "dot":
            return -products
        lengths = np.sqrt(_sums(rows**2)) * np.sqrt((self._vector**2).sum())
        return np.asarray(1 - products / lengths)


def _sums(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each row's sum: the same for equal rows, wherever they are."""
    return np.asarray(rows.sum(axis=1))
