"""From the cells that a window covers to the value of a feature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from headrace.definitions.aggregation import Aggregation
from headrace.definitions.schema import is_float
from headrace.errors import InvalidInputError
from headrace.kernel.exact import mean_of, std_of
from headrace.kernel.inputs import FeatureInput
from headrace.kernel.partials import (
    Cell,
    Count,
    Distinct,
    Extreme,
    FloatSquares,
    FloatTotal,
    IntTotal,
    Partial,
    Recent,
    exact_total,
    integer_total,
    rounded_total,
    unpack_integer,
)

__all__ = ["Finish", "feature_columns"]

Finish = Callable[[Sequence[Sequence[Cell]]], Any]
"""The cells of each column over the tiles of a window, none of them None → the value."""


def feature_columns(item: FeatureInput) -> tuple[tuple[Partial, ...], Finish]:  # noqa: PLR0911 - one return per function
    """The columns that an aggregation needs, and what makes its value of them."""
    value = item.feature.value
    assert isinstance(value, Aggregation)  # noqa: S101 - only event groups have tiles
    floats = is_float(item.feature.argument_dtype)
    one, where = item.argument, item.where
    total: Partial = FloatTotal(one, where) if floats else IntTotal(one, where)
    match value.function:
        case "count":
            return (Count(None, where),), _count
        case "sum":
            return (total,), _float_sum if floats else _integer_sum(item.feature.name)
        case "mean":
            return (Count(one, where), total), _float_mean if floats else _integer_mean
        case "std":
            squares: Partial = FloatSquares(one, where) if floats else IntTotal(one, where, power=2)
            return (Count(one, where), total, squares), _float_std if floats else _integer_std
        case "min":
            return (Extreme(one, where, largest=False),), _extreme(Extreme(one, where, largest=False))
        case "max":
            return (Extreme(one, where, largest=True),), _extreme(Extreme(one, where, largest=True))
        case "count_distinct":
            return (Distinct(one, where),), _distinct
        case "first":
            return (Recent(one, where, 1, oldest=True),), _first
        case "last":
            return (Recent(one, where, 1),), _last
        case _:
            return (Recent(one, where, value.n or 1),), _last_n(value.n or 1)


def _count(columns: Sequence[Sequence[Cell]]) -> int:
    return sum(columns[0])


def _float_sum(columns: Sequence[Sequence[Cell]]) -> float | None:
    return rounded_total(columns[0]) if columns[0] else None


def _integer_sum(name: str) -> Finish:
    def finish(columns: Sequence[Sequence[Cell]]) -> int | None:
        if not columns[0]:
            return None
        total = integer_total(columns[0])
        if not -(2**63) <= total < 2**63:
            msg = f"feature {name!r}: the sum {total} doesn't fit into an int64; cast its argument to float64"
            raise InvalidInputError(msg)
        return total

    return finish


def _float_mean(columns: Sequence[Sequence[Cell]]) -> float | None:
    return rounded_total(columns[1]) / sum(columns[0]) if columns[0] else None


def _integer_mean(columns: Sequence[Sequence[Cell]]) -> float | None:
    return mean_of(integer_total(columns[1]), sum(columns[0])) if columns[0] else None


def _float_std(columns: Sequence[Sequence[Cell]]) -> float | None:
    count = sum(columns[0])
    if count < 2:
        return None
    _, total = exact_total(columns[1])
    return float("nan") if total is None else std_of(count, total, sum(map(unpack_integer, columns[2])))


def _integer_std(columns: Sequence[Sequence[Cell]]) -> float | None:
    return std_of(sum(columns[0]), integer_total(columns[1]), integer_total(columns[2]), bits=0)


def _extreme(partial: Extreme) -> Finish:
    def finish(columns: Sequence[Sequence[Cell]]) -> Any:
        cells = columns[0]
        if not cells:
            return None
        found = cells[0]
        for cell in cells[1:]:
            found = partial.merge(found, cell)
        return found

    return finish


def _distinct(columns: Sequence[Sequence[Cell]]) -> int | None:
    return len(set().union(*columns[0])) if columns[0] else None


def _first(columns: Sequence[Sequence[Cell]]) -> Any:
    return columns[0][0][0][3] if columns[0] else None


def _last(columns: Sequence[Sequence[Cell]]) -> Any:
    return columns[0][-1][-1][3] if columns[0] else None


def _last_n(n: int) -> Finish:
    def finish(columns: Sequence[Sequence[Cell]]) -> list[Any] | None:
        entries = [entry for cell in columns[0] for entry in cell][-n:]
        return [entry[3] for entry in entries] or None

    return finish
