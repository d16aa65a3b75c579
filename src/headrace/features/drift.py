"""Drift: how far present values lie from earlier ones, column by column."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from headrace.definitions.schema import is_number, item_type, vector_size
from headrace.features.statistics import ColumnStatistics, norms

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["MODERATE", "STRONG", "Drift", "DriftReport", "column_drift", "statistics_drift"]

MODERATE, STRONG = 0.1, 0.25
"""The PSI from which drift is called moderate, and strong, by convention."""
BINS = 10
CATEGORIES = 50
HALF = 0.5  # a bin that is empty on one side counts as half a row, or PSI would be infinite

Counts = tuple["NDArray[np.float64]", "NDArray[np.float64]"]


@dataclass(frozen=True, slots=True)
class Drift:
    """How two samples of one column differ. Nulls and NaN count as values of their own.

    Attributes:
        psi: the population stability index over at most ten bins of equally many reference rows; for text, bools and few distinct
            numbers, over the values.
        js: the Jensen-Shannon distance over the same bins, base 2: 0 if they are equal, 1 if they have nothing in common.
        noise: about the PSI that two samples of this size have by chance.
        reference, current: the number of rows of each.
        reference_nulls, current_nulls: the share of nulls of each.
    """

    column: str
    psi: float
    js: float
    noise: float
    reference: int
    current: int
    reference_nulls: float
    current_nulls: float

    @property
    def level(self) -> Literal["none", "moderate", "strong"]:
        """`strong` from a PSI of 0.25, `moderate` from 0.1, `none` below that or if chance explains it."""
        if self.psi < max(MODERATE, 3 * self.noise):
            return "none"
        return "moderate" if self.psi < STRONG else "strong"


@dataclass(frozen=True)
class DriftReport:
    """How far the online values have drifted from a training set.

    Attributes:
        view: the view version, `ranking:3`.
        training_set: `ranking-2026-11:1`.
        columns: feature to its drift, the strongest first.
        left_out: features that can't be compared: timestamps, those that the training set lacks, and, with samples of groups,
            on-demand features.
        against: "served" if the values are kept answers (setting `sample`), "online" if they are samples of the view's groups.
    """

    view: str
    training_set: str
    columns: Mapping[str, Drift]
    left_out: Sequence[str] = ()
    against: Literal["served", "online"] = "online"

    def to_pandas(self) -> pd.DataFrame:
        """One row per feature, the strongest drift first."""
        import pandas as pd

        return pd.DataFrame([{**asdict(drift), "level": drift.level} for drift in self.columns.values()])


def column_drift(name: str, kind: str, reference: pa.ChunkedArray, current: pa.ChunkedArray) -> Drift | None:
    """The drift between two samples of one column; None where there is nothing to compare: no rows, or points in time.

    Args:
        kind: the name of its type. Lists and bytes are compared by their length, vectors by their norm.
    """
    if kind in ("timestamp", "date") or not len(reference) or not len(current):
        return None
    before, after = _comparable(reference, kind), _comparable(current, kind)
    counts = _by_bin(before, after) if is_number(kind) or kind not in ("string", "bool") else None
    counts = _by_value(before, after) if counts is None else counts
    nulls = [float(reference.null_count), float(current.null_count)]
    counts = _beside(counts, *nulls)
    sizes = len(reference), len(current)
    return Drift(name, *_figures(counts), *sizes, nulls[0] / sizes[0], nulls[1] / sizes[1])


def statistics_drift(name: str, reference: ColumnStatistics, current: ColumnStatistics) -> Drift | None:
    """The drift between two kept statistics of one column, from their values if both know all, else from their histograms."""
    import numpy as np

    if not reference.count or not current.count or reference.dtype != current.dtype:
        return None
    if reference.complete and current.complete:
        before, after = dict(map(tuple, reference.top)), dict(map(tuple, current.top))
        values = list(dict.fromkeys([*before, *after]))
        counts = tuple(np.array([side.get(value, 0) for value in values], np.float64) for side in (before, after))
    elif reference.edges and current.edges:
        edges = np.array(reference.edges)
        counts = np.array(reference.histogram, np.float64), _rebinned(current, edges)
        counts = _beside(counts, 0.0, sum(current.histogram) - float(counts[1].sum()))
    else:
        return None
    scale = [side.count - side.nulls - side.nans - side.infinite for side in (reference, current)]
    parts = [part * (rows / part.sum()) if part.sum() else part for part, rows in zip(counts, scale, strict=True)]
    found = _beside((parts[0], parts[1]), reference.nulls, current.nulls)
    found = _beside(_beside(found, reference.nans, current.nans), reference.infinite, current.infinite)
    return Drift(name, *_figures(found), reference.count, current.count, reference.null_share, current.null_share)


def _comparable(column: pa.ChunkedArray, kind: str) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    if vector_size(kind) is not None:
        return norms(column)
    if item_type(kind) is not None:
        return pc.list_value_length(column)
    return pc.binary_length(column) if kind == "bytes" else column


def _by_bin(before: pa.ChunkedArray, after: pa.ChunkedArray) -> Counts | None:
    """Counts by bins of equally many reference values, NaN apart; None if there are so few values that each is its own bin."""
    import numpy as np

    sides = [column.drop_null().to_numpy().astype(np.float64) for column in (before, after)]
    nans = [np.isnan(values) for values in sides]
    old, new = (np.sort(values[~gaps]) for values, gaps in zip(sides, nans, strict=True))
    if len(np.unique(old)) <= BINS * 2 and len(np.unique(new)) <= CATEGORIES:
        return None
    cuts = np.unique(old[np.arange(1, BINS) * len(old) // BINS]) if len(old) else np.array([])
    counts = [np.diff(np.searchsorted(values, cuts, "right"), prepend=0, append=len(values)) for values in (old, new)]
    return _beside((counts[0].astype(np.float64), counts[1].astype(np.float64)), float(nans[0].sum()), float(nans[1].sum()))


def _by_value(before: pa.ChunkedArray, after: pa.ChunkedArray) -> Counts:
    """Counts by value: those most frequent in the reference, and the others together."""
    import numpy as np
    import pyarrow.compute as pc

    sides = []
    for column in (before, after):
        found = pc.value_counts(column.drop_null())
        sides.append(dict(zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True)))
    known = sorted(sides[0], key=lambda value: -sides[0][value])[:CATEGORIES]
    counts = [np.array([side.get(value, 0) for value in known], np.float64) for side in sides]
    others = [sum(side.values()) - float(part.sum()) for side, part in zip(sides, counts, strict=True)]
    return _beside((counts[0], counts[1]), *others)


def _beside(counts: Sequence[NDArray[np.float64]], before: float, after: float) -> Counts:
    """One more bin."""
    import numpy as np

    return np.append(counts[0], before), np.append(counts[1], after)


def _rebinned(statistics: ColumnStatistics, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """A histogram over other edges, as if the rows of a bin were spread evenly over it. What lies outside isn't in it."""
    import numpy as np

    below = np.concatenate([[0.0], np.cumsum(np.array(statistics.histogram, np.float64))])
    found: NDArray[np.float64] = np.diff(np.interp(edges, np.array(statistics.edges), below))
    return found


def _figures(counts: Counts) -> tuple[float, float, float]:
    """PSI, Jensen-Shannon distance and noise."""
    there = (counts[0] > 0) | (counts[1] > 0)
    before, after = counts[0][there], counts[1][there]
    sizes = float(before.sum()), float(after.sum())
    noise = (len(before) - 1) * sum(1 / size if size else 1.0 for size in sizes)
    return _psi(before, after), _js(before, after), noise


def _psi(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    import numpy as np

    p, q = np.maximum(before, HALF), np.maximum(after, HALF)
    p, q = p / p.sum(), q / q.sum()
    return float(np.sum((q - p) * np.log(q / p)))


def _js(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    import numpy as np

    if not before.sum() or not after.sum():
        return 0.0 if not before.sum() and not after.sum() else 1.0
    p, q = before / before.sum(), after / after.sum()
    middle = (p + q) / 2
    parts = [float(np.sum(side[side > 0] * np.log2(side[side > 0] / middle[side > 0]))) for side in (p, q)]
    return math.sqrt(max(0.0, sum(parts) / 2))
