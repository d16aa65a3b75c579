"""Statistics of columns: what their values look like, in a form that can be kept and compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from headrace.clock import isoformat
from headrace.definitions.schema import is_float, is_integer, is_number, item_type, vector_size

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["QUANTILES", "SAMPLE_ROWS", "ColumnStatistics", "column_statistics", "norms", "table_statistics"]

SAMPLE_ROWS = 50_000
"""Of more rows than this, quantiles, histogram, top values, distinct values and lengths come from a sample of so many."""
QUANTILES: Mapping[str, float] = {"p1": 0.01, "p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99}
BINS = 20
TOP = 20
FEW = 50
"""Numbers with at most so many different values are counted one by one."""
LONGEST_TEXT = 200


@dataclass(frozen=True)
class ColumnStatistics:
    """What the values of a column look like. What has no meaning for its type is None or empty.

    Attributes:
        dtype: the name of its type.
        count: rows, nulls included.
        nulls, nans, infinite: how many are null, NaN, and plus or minus infinity. The other figures leave them out.
        min, max: of numbers; of points in time as RFC 3339 text; of text, bytes and lists the shortest and longest length; of
            vectors the smallest and largest norm.
        mean, std: of numbers (std over n - 1); of bools the share that is true; of text, bytes and lists of the length; of
            vectors of the norm.
        quantiles: p1, p5, p25, p50, p75, p95, p99; each a value that is there.
        edges, histogram: the rows from each edge to the next: the first bin is from the minimum to p1, the last from p99 to the
            maximum, those between them are equally wide.
        top: the most frequent values and how often each is there, for text, bools and numbers of few values.
        complete: whether `top` holds every value that was looked at.
        distinct: how many different values; an estimate if `sampled`.
        sampled: rows that quantiles, histogram, top, distinct and lengths were computed from; 0 if all were.
    """

    dtype: str
    count: int
    nulls: int = 0
    nans: int = 0
    infinite: int = 0
    min: Any = None
    max: Any = None
    mean: float | None = None
    std: float | None = None
    quantiles: Mapping[str, float] = field(default_factory=dict)
    edges: Sequence[float] = ()
    histogram: Sequence[int] = ()
    top: Sequence[tuple[Any, int]] = ()
    complete: bool = False
    distinct: int | None = None
    sampled: int = 0

    @property
    def null_share(self) -> float:
        """Nulls as a share of all rows; 0 of no rows."""
        return self.nulls / self.count if self.count else 0.0

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return {**asdict(self), "top": [list(item) for item in self.top]}

    @classmethod
    def from_dict(cls, figures: Mapping[str, Any]) -> ColumnStatistics:
        """What `to_dict` gave; figures that this release doesn't know are left out."""
        known = {name: value for name, value in figures.items() if name in {item.name for item in fields(cls)}}
        return cls(**{**known, "top": tuple((value, count) for value, count in figures["top"])})


def table_statistics(rows: pa.Table, types: Mapping[str, str]) -> dict[str, ColumnStatistics]:
    """The statistics of the columns named in `types` (column to the name of its type), in one pass each."""
    picked = _sample(rows.num_rows)
    return {name: column_statistics(rows.column(name), kind, picked) for name, kind in types.items()}


def column_statistics(column: pa.ChunkedArray, kind: str, picked: NDArray[np.int64] | None = None) -> ColumnStatistics:
    """The statistics of one column.

    Args:
        kind: the name of its type.
        picked: rows to compute from what would take long for all. Default: all of up to SAMPLE_ROWS, else as many at random.
    """
    import pyarrow as pa

    picked = _sample(len(column)) if picked is None else picked
    rows, nulls = len(column), column.null_count
    part = column if picked is None else column.take(pa.array(picked))
    figures: dict[str, Any] = {} if picked is None else {"sampled": len(part)}
    if is_number(kind):
        figures |= _of_numbers(column, part, kind)
    elif kind == "bool":
        figures |= {**_moments(column, kind), **_top(part, FEW), "min": None, "max": None}
    elif kind in ("timestamp", "date"):
        figures |= {**_range(column), "distinct": _distinct(part)}
    elif vector_size(kind) is not None:
        column, figures["nans"], figures["infinite"] = _finite(norms(part))
        figures |= _moments(column, "float64")
    else:
        figures |= _of_lengths(part)
        if item_type(kind) is None:
            figures |= _top(part, TOP) if kind == "string" else {"distinct": _distinct(part)}
    if picked is not None and figures.get("distinct") is not None:
        figures["distinct"] = _estimate(part, figures["distinct"], rows)
    return ColumnStatistics(kind, rows, nulls, **figures)


def norms(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The Euclidean norm of each vector of a column."""
    import numpy as np
    import pyarrow as pa

    chunks = []
    for chunk in column.chunks:
        valid = chunk.is_valid().to_numpy(zero_copy_only=False)
        found = np.zeros(len(chunk))
        whole = chunk.drop_null()
        found[valid] = np.linalg.norm(whole.flatten().to_numpy().reshape(-1, column.type.list_size).astype(np.float64), axis=1)
        chunks.append(pa.array(found, mask=~valid))
    return pa.chunked_array(chunks, pa.float64())


def _sample(rows: int) -> NDArray[np.int64] | None:
    """Rows picked at random, the same of equally many rows each time; None means all."""
    import numpy as np

    if rows <= SAMPLE_ROWS:
        return None
    return np.sort(np.random.default_rng(rows).integers(0, rows, SAMPLE_ROWS))


def _of_numbers(column: pa.ChunkedArray, part: pa.ChunkedArray, kind: str) -> dict[str, Any]:
    import numpy as np

    figures: dict[str, Any] = {}
    if is_float(kind):
        column, figures["nans"], figures["infinite"] = _finite(column)
        part, _, _ = _finite(part)
    figures |= _moments(column, kind)
    figures |= {"complete": True, "distinct": 0}
    values = np.sort(part.drop_null().to_numpy().astype(np.float64, copy=False))
    if len(values):
        found = values[np.round(np.array(list(QUANTILES.values())) * (len(values) - 1)).astype(np.int64)]
        figures["quantiles"] = dict(zip(QUANTILES, found.tolist(), strict=True))
        figures["edges"], figures["histogram"] = _histogram(values, figures["min"], figures["max"], found[0], found[-1])
        figures["distinct"] = 1 + int(np.count_nonzero(values[1:] != values[:-1]))
        figures |= _top(part, FEW) if figures["distinct"] <= FEW else {"complete": False}
    return figures


def _finite(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, int, int]:
    """The column without NaN and infinities, and how many there were."""
    import pyarrow.compute as pc

    good = pc.is_finite(column)
    if pc.all(good, min_count=0).as_py():
        return column, 0, 0
    nans = pc.sum(pc.is_nan(column)).as_py() or 0
    bad = pc.sum(pc.invert(good)).as_py() or 0
    return column.filter(good), nans, bad - nans


def _moments(column: pa.ChunkedArray, kind: str) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    found = _range(column)
    if is_integer(kind) and max(abs(found["min"] or 0), abs(found["max"] or 0)) > 2**53:
        values = column.drop_null().to_numpy().astype("float64")
        column = pa.chunked_array([values])
    elif kind == "bool":
        column = column.cast(pa.int8())
    return {**found, "mean": _number(pc.mean(column).as_py()), "std": _number(pc.stddev(column, ddof=1).as_py())}


def _range(column: pa.ChunkedArray) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_floating(kind) and not column.null_count and len(column):  # NumPy is many times as fast
        values = column.to_numpy()
        return {"min": float(values.min()), "max": float(values.max())}
    found = pc.min_max(column.cast(pa.int64()) if pa.types.is_timestamp(kind) else column).as_py()
    if pa.types.is_timestamp(kind):
        return {name: None if value is None else _time(value) for name, value in found.items()}
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in found.items()}


def _time(micros: int) -> str:
    try:
        return isoformat(micros)
    except OverflowError:  # beyond the years that have a name
        return f"{micros} µs"


def _histogram(values: NDArray[np.float64], low: float, high: float, first: float, last: float) -> tuple[list[float], list[int]]:
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):  # from -1e308 to 1e308 is further than a float can tell
        inner = np.linspace(first, last, BINS - 1)
    edges = np.unique(np.concatenate([[float(low)], inner[np.isfinite(inner)], [float(high)]]))
    if len(edges) < 2:
        return [float(low), float(high)], [len(values)]
    counts, _ = np.histogram(values, edges)
    return edges.tolist(), counts.tolist()


def _of_lengths(column: pa.ChunkedArray) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_list(column.type):
        lengths = pc.list_value_length(column)
    else:
        lengths = pc.utf8_length(column) if pa.types.is_string(column.type) else pc.binary_length(column)
    return _moments(lengths, "int64")


def _top(part: pa.ChunkedArray, most: int) -> dict[str, Any]:
    """The most frequent values; of equally frequent ones the smaller first, so that it is the same each time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.value_counts(part.drop_null())
    counted = pa.table({"value": found.field("values"), "count": found.field("counts")})
    order = [("count", "descending"), ("value", "ascending")]
    ordered = counted.take(pc.select_k_unstable(counted, most, order))
    top = [(_short(value), count) for value, count in zip(*(column.to_pylist() for column in ordered.columns), strict=True)]
    return {"top": tuple(top), "complete": counted.num_rows <= most, "distinct": counted.num_rows}


def _distinct(part: pa.ChunkedArray) -> int:
    import pyarrow.compute as pc

    return int(pc.count_distinct(part, mode="only_valid").as_py())


def _estimate(part: pa.ChunkedArray, seen: int, rows: int) -> int:
    """About how many different values there are, from those of the sample: if all of it differ, the column's may well too."""
    valid = len(part) - part.null_count
    if not valid or seen < 0.1 * valid:  # most came again and again: the sample has nearly all
        return seen
    return _solve(seen, valid, rows * valid // len(part))


def _solve(seen: int, valid: int, rows: int) -> int:
    """The number of values D, equally frequent, of which a sample of `valid` rows shows `seen`: D (1 - exp(-valid / D))."""
    low, high = float(seen), float(rows)
    if high * -math.expm1(-valid / high) <= seen:
        return rows
    for _ in range(60):
        middle = (low + high) / 2
        if middle * -math.expm1(-valid / middle) < seen:
            low = middle
        else:
            high = middle
    return round(high)


def _short(value: Any) -> Any:
    return value[: LONGEST_TEXT - 1] + "…" if isinstance(value, str) and len(value) > LONGEST_TEXT else value


def _number(value: float | None) -> float | None:
    """A figure as JSON holds it: None for what isn't finite."""
    return None if value is None or not math.isfinite(value) else float(value)
