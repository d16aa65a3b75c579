"""Rows and values against expectations: a few vectorised passes, from which the rows that break one are told."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from headrace.clock import to_micros
from headrace.definitions.expectation import Expectation

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["Failure", "Holds", "broken_rows", "failure_of", "failures"]

Holds = Callable[["pa.Table", Mapping[str, str]], Mapping[str, "NDArray[np.bool_]"]]
"""Evaluates SQL conditions over each row: false only where one is false or can't be computed, true where it is null."""


@dataclass(frozen=True)
class Failure:
    """An expectation that some rows break.

    Attributes:
        broken: for each row whether it breaks it.
        rows: how many do.
        first: the first that does, from 0.
        value: what it holds there; None for sql.
    """

    expectation: Expectation
    broken: NDArray[np.bool_]
    rows: int
    first: int
    value: Any = None

    def __str__(self) -> str:
        where = f"column {self.expectation.column!r}: " if self.expectation.column else ""
        rows = "1 row" if self.rows == 1 else f"{self.rows:,} rows"
        holds = f" ({self.value!r})" if self.value is not None else ""
        return f"{where}{self.expectation.name} is broken in {rows}, first at row {self.first}{holds}"


def failures(expectations: Sequence[Expectation], rows: pa.Table, holds: Holds) -> list[Failure]:
    """The expectations that some of the rows break, in order. What holds in every row costs no more than asking."""
    if not rows.num_rows:
        return []
    conditions = {item.name: item.condition for item in expectations if item.kind == "sql"}
    held = holds(rows, conditions) if conditions else {}
    found = []
    for item in expectations:
        column = None if item.kind == "sql" else rows.column(item.column)
        broken = _unless_all_true(held[item.name]) if column is None else _TESTS[item.kind](column, item)
        if broken is not None:
            found.append(failure_of(item, broken, column))
    return found


def broken_rows(found: Sequence[Failure]) -> NDArray[np.bool_]:
    """For each row whether it breaks any of them; there must be at least one."""
    import numpy as np

    broken: NDArray[np.bool_] = np.logical_or.reduce([failure.broken for failure in found])
    return broken


def failure_of(item: Expectation, broken: NDArray[np.bool_], column: pa.ChunkedArray | None) -> Failure:
    """What is told of an expectation that rows break; at least one must.

    Args:
        column: what the rows hold; None if that isn't one column.
    """
    first = int(broken.argmax())
    return Failure(item, broken, int(broken.sum()), first, None if column is None else column[first].as_py())


def _not_null(column: pa.ChunkedArray, _item: Expectation) -> NDArray[np.bool_] | None:
    import pyarrow.compute as pc

    return _mask(pc.is_null(column)) if column.null_count else None


def _between(column: pa.ChunkedArray, item: Expectation) -> NDArray[np.bool_] | None:
    import pyarrow.compute as pc

    held = []
    for bound, test, round_to in ((item.low, pc.greater_equal, math.ceil), (item.high, pc.less_equal, math.floor)):
        limit = None if bound is None else _limit(bound, column.type, round_to)
        if limit is not None:
            held.append(test(column, limit))
        elif bound is not None and (bound > 0) == (test is pc.greater_equal):  # beyond what the type holds: no value reaches it
            held.append(pc.not_equal(column, column))
    if not held:
        return None
    return _unless_all(held[0] if len(held) == 1 else pc.and_(*held))


def _one_of(column: pa.ChunkedArray, item: Expectation) -> NDArray[np.bool_] | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    held = pc.is_in(column, value_set=pa.array(item.values, column.type))
    return _unless_all(pc.or_(held, pc.is_null(column)) if column.null_count else held)


def _unique(column: pa.ChunkedArray, _item: Expectation) -> NDArray[np.bool_] | None:
    """Of equal values the first is fine."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if pc.count_distinct(column, mode="only_valid").as_py() == len(column) - column.null_count:
        return None
    places = pa.array(np.arange(len(column)))
    numbered = pa.table({"value": column, "place": places}).group_by("value", use_threads=False)
    first = numbered.aggregate([("place", "min")]).column("place_min").to_numpy()
    broken = np.ones(len(column), np.bool_)
    broken[first] = False
    valid = _mask(pc.is_valid(column))
    return np.logical_and(broken, valid)


_TESTS = {"not_null": _not_null, "between": _between, "one_of": _one_of, "unique": _unique}


def _unless_all_true(held: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    return None if held.all() else ~held


def _unless_all(held: pa.ChunkedArray) -> NDArray[np.bool_] | None:
    """The rows where it is false; None if it is true or null in all."""
    import pyarrow.compute as pc

    if pc.all(held, min_count=0).as_py():
        return None
    return _mask(pc.invert(held.fill_null(True)))


def _mask(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = column.to_numpy()
    return found


def _limit(bound: Any, kind: pa.DataType, round_to: Callable[[float], int]) -> pa.Scalar | None:
    """The bound as the column's type holds it; None if it lies beyond what the type holds."""
    import pyarrow as pa

    if pa.types.is_timestamp(kind):
        return pa.scalar(to_micros(datetime.fromisoformat(bound)), pa.int64()).cast(kind)
    if pa.types.is_date(kind):
        return pa.scalar(date.fromisoformat(bound), kind)
    if not pa.types.is_integer(kind):
        return pa.scalar(bound, kind)
    whole, most = round_to(bound), 1 << (kind.bit_width - 1)
    return pa.scalar(whole, kind) if -most <= whole < most else None
