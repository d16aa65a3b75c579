"""Aggregations over a window of events, and the features of a group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace.definitions.schema import is_integer, list_of
from headrace.definitions.window import Duration, default_hop, format_duration, parse_duration

__all__ = [
    "FUNCTIONS",
    "Aggregation",
    "Column",
    "Feature",
    "column",
    "count",
    "count_distinct",
    "first",
    "last",
    "last_n",
    "max",
    "mean",
    "min",
    "result_type",
    "std",
    "sum",
]

FUNCTIONS: tuple[str, ...] = ("count", "sum", "mean", "min", "max", "std", "count_distinct", "first", "last", "last_n")


@dataclass(frozen=True)
class Aggregation:
    """An aggregate of the events of one entity. Made by `hr.count`, `hr.mean`, …; null arguments are skipped.

    Attributes:
        function: one of FUNCTIONS.
        argument: a SQL expression over the source's columns; None for count.
        window: length in microseconds; None means since the beginning.
        hop: the step of the window's tail in microseconds; None if the window is None, or no default divides it.
        where: a SQL condition; only events for which it is true count.
        n: how many values last_n keeps.
        default: the value in place of null, in training and in serving.
    """

    function: str
    argument: str | None = None
    window: int | None = None
    hop: int | None = None
    where: str | None = None
    n: int | None = None
    default: Any = None
    description: str = ""

    def to_spec(self) -> dict[str, Any]:
        """The aggregation as plain JSON values."""
        return {
            "function": self.function,
            "argument": self.argument,
            "window": None if self.window is None else format_duration(self.window),
            "hop": None if self.hop is None else format_duration(self.hop),
            "where": self.where,
            "n": self.n,
            "default": self.default,
            "description": self.description,
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Aggregation:
        """The aggregation that `to_spec` wrote."""
        fields = dict(spec)
        for name in ("window", "hop"):
            fields[name] = None if fields[name] is None else parse_duration(fields[name])
        return cls(**fields)


@dataclass(frozen=True)
class Column:
    """A feature of a table source: a SQL expression over its columns. Made by `hr.column`, or written as plain text."""

    expression: str
    default: Any = None
    description: str = ""

    def to_spec(self) -> dict[str, Any]:
        """The column as plain JSON values."""
        return {"expression": self.expression, "default": self.default, "description": self.description}


@dataclass(frozen=True)
class Feature:
    """A named feature of a group.

    Attributes:
        name: unique in its group.
        value: what computes it.
        dtype: the name of its type; empty until the definition has been validated against its source.
        argument_dtype: the type of the aggregation's argument; empty for count and for columns.
    """

    name: str
    value: Aggregation | Column
    dtype: str = ""
    argument_dtype: str = ""

    @property
    def default(self) -> Any:
        """The value in place of null; None if there is none."""
        return self.value.default

    def to_spec(self) -> dict[str, Any]:
        """The feature as plain JSON values."""
        return {"name": self.name, "type": self.dtype, "argument_type": self.argument_dtype, **self.value.to_spec()}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Feature:
        """The feature that `to_spec` wrote."""
        fields = dict(spec)
        name, dtype, argument_dtype = fields.pop("name"), fields.pop("type"), fields.pop("argument_type")
        value = Aggregation.from_spec(fields) if "function" in fields else Column(**fields)
        return cls(name, value, dtype, argument_dtype)


def result_type(function: str, argument: str) -> str:
    """The name of the type that an aggregation gives for an argument of a type; for count the argument is empty."""
    if function in ("count", "count_distinct"):
        return "int64"
    if function == "sum":
        return "int64" if is_integer(argument) else "float64"
    if function in ("mean", "std"):
        return "float64"
    return list_of(argument) if function == "last_n" else argument


def _aggregation(
    function: str,
    argument: str | None,
    window: Duration | None,
    where: str | None,
    hop: Duration | None,
    default: Any,
    description: str,
    n: int | None = None,
) -> Aggregation:
    length = None if window is None else parse_duration(window)
    step = parse_duration(hop) if hop is not None else default_hop(length) if length is not None else None
    return Aggregation(function, argument, length, step, where, n, default, description)


def count(
    window: Duration | None = None,
    where: str | None = None,
    hop: Duration | None = None,
    default: Any = None,
    description: str = "",
) -> Aggregation:
    """The number of events in the window: int64, 0 if there is none.

    All aggregations take these arguments; those below also take `column`, a column of the source or a SQL expression over its
    columns.

    Args:
        window: how far back it looks, `"10m"` or a timedelta. Default: since the beginning.
        where: a SQL condition over the source's columns; only events for which it is true count.
        hop: the step in which the window's tail moves; it must divide the window. Default: the smallest of HOPS that cuts the
            window into at most 100 tiles.
        default: the value in place of null, in training and in serving.
        description: for people and for search.
    """
    return _aggregation("count", None, window, where, hop, default, description)


def sum(  # noqa: A001 - the field's word
    column: str,
    window: Duration | None = None,
    where: str | None = None,
    hop: Duration | None = None,
    default: Any = None,
    description: str = "",
) -> Aggregation:
    """The sum: exact for integers (int64), rounded once for floats (float64)."""
    return _aggregation("sum", column, window, where, hop, default, description)


def mean(
    column: str,
    window: Duration | None = None,
    where: str | None = None,
    hop: Duration | None = None,
    default: Any = None,
    description: str = "",
) -> Aggregation:
    """The arithmetic mean, float64: the exact sum, rounded once, over the number of values."""
    return _aggregation("mean", column, window, where, hop, default, description)


def min(  # noqa: A001 - the field's word
    column: str,
    window: Duration | None = None,
    where: str | None = None,
    hop: Duration | None = None,
    default: Any = None,
    description: str = "",
) -> Aggregation:
    """The smallest value. NaN counts as larger than any number."""
    return _aggregation("min", column, window, where, hop, default, description)


def max(  # noqa: A001 - the field's word
    column: str,
    window: Duration | None = None,
    where: str | None = None,
    hop: Duration | None = None,
    default: Any = None,
    description: str = "",
) -> Aggregation:
    """The largest value. NaN counts as larger than any number."""
    return _aggregation("max", column, window, where, hop, default, description)


def std(
    column: str,
    window: Duration | None = None,
    where: str | None = None,
    hop: Duration | None = None,
    default: Any = None,
    description: str = "",
) -> Aggregation:
    """The sample standard deviation (n - 1), float64; null for fewer than two values."""
    return _aggregation("std", column, window, where, hop, default, description)


def count_distinct(
    column: str,
    window: Duration | None = None,
    where: str | None = None,
    hop: Duration | None = None,
    default: Any = None,
    description: str = "",
) -> Aggregation:
    """The number of different values, exact: int64; null if there is no event in the window."""
    return _aggregation("count_distinct", column, window, where, hop, default, description)


def first(
    column: str,
    window: Duration | None = None,
    where: str | None = None,
    hop: Duration | None = None,
    default: Any = None,
    description: str = "",
) -> Aggregation:
    """The oldest value; of one event time, the one that came in first."""
    return _aggregation("first", column, window, where, hop, default, description)


def last(
    column: str,
    window: Duration | None = None,
    where: str | None = None,
    hop: Duration | None = None,
    default: Any = None,
    description: str = "",
) -> Aggregation:
    """The newest value; of one event time, the one that came in last."""
    return _aggregation("last", column, window, where, hop, default, description)


def last_n(
    column: str,
    n: int,
    window: Duration | None = None,
    where: str | None = None,
    hop: Duration | None = None,
    default: Any = None,
    description: str = "",
) -> Aggregation:
    """The newest `n` values as a list, oldest first."""
    return _aggregation("last_n", column, window, where, hop, default, description, n)


def column(expression: str, default: Any = None, description: str = "") -> Column:
    """A SQL expression over a table source's columns, for when the feature needs a default or a description."""
    return Column(expression, default, description)
