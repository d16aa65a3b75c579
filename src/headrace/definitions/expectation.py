"""Expectations: what rows of a source, or values of a group's features, must be like. Used as `hr.expect`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from headrace.errors import DefinitionError

__all__ = [
    "ON_FAIL",
    "Expectation",
    "between",
    "expectations",
    "expectations_from_spec",
    "not_null",
    "one_of",
    "sql",
    "unique",
]

ON_FAIL: tuple[str, ...] = ("reject", "quarantine")


@dataclass(frozen=True)
class Expectation:
    """One rule. Made by `hr.expect.not_null`, `between`, `one_of`, `unique`, `sql`. A null breaks only `not_null`.

    Attributes:
        kind: the function that made it.
        column: the column or feature it is about; empty for sql.
        low, high: the bounds of between, both included; None is no bound. Points in time are RFC 3339 text.
        values: what one_of allows.
        condition: the SQL condition.
        name: what reports and metrics call it.
        on_fail: "reject" refuses the whole write or push; "quarantine" sets the bad rows aside and lets the others in.
    """

    kind: str
    column: str = ""
    low: Any = None
    high: Any = None
    values: tuple[Any, ...] = ()
    condition: str = ""
    name: str = ""
    on_fail: str = "reject"

    def to_spec(self) -> dict[str, Any]:
        """The expectation as plain JSON values; what doesn't matter to its kind is left out."""
        said = {"column": self.column, "low": self.low, "high": self.high, "condition": self.condition}
        spec: dict[str, Any] = {"kind": self.kind, "name": self.name, "on_fail": self.on_fail}
        spec |= {field: value for field, value in said.items() if value not in (None, "")}
        return {**spec, "values": list(self.values)} if self.kind == "one_of" else spec

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Expectation:
        """The expectation that `to_spec` wrote."""
        return cls(**{**spec, "values": tuple(spec.get("values", ()))})


def expectations(where: str, value: Any) -> tuple[Expectation, ...]:
    """What stands behind `expect=`. Raises DefinitionError for what isn't an expectation."""
    items = [value] if isinstance(value, Expectation) or not isinstance(value, list | tuple) else value
    wrong = [item for item in items if not isinstance(item, Expectation)]
    if wrong:
        words = "isn't an expectation; write for example expect=[hr.expect.not_null('stars')]"
        raise DefinitionError([f"{where}, expect: {item!r} {words}" for item in wrong])
    return tuple(items)


def expectations_from_spec(spec: Mapping[str, Any]) -> tuple[Expectation, ...]:
    """The expectations of a stored definition; one from before there were any has none."""
    return tuple(Expectation.from_spec(item) for item in spec.get("expect", ()))


def not_null(column: str, *, on_fail: str = "reject", name: str = "") -> Expectation:
    """The column has a value in every row."""
    return Expectation("not_null", column, name=name or f"not_null({column})", on_fail=on_fail)


def between(column: str, low: Any = None, high: Any = None, *, on_fail: str = "reject", name: str = "") -> Expectation:
    """low <= value <= high, for numbers, points in time and dates; None is no bound. NaN lies between nothing."""
    low, high = (None if bound is None else _plain(bound) for bound in (low, high))
    return Expectation("between", column, low, high, name=name or f"between({column}, {low}, {high})", on_fail=on_fail)


def one_of(column: str, values: Sequence[Any], *, on_fail: str = "reject", name: str = "") -> Expectation:
    """The value is one of these."""
    items = values if isinstance(values, Iterable) and not isinstance(values, str) else [values]
    listed = sorted(items, key=repr) if isinstance(items, set | frozenset) else list(items)  # sets have no order of their own
    return Expectation("one_of", column, values=tuple(map(_plain, listed)), name=name or f"one_of({column})", on_fail=on_fail)


def unique(column: str, *, on_fail: str = "reject", name: str = "") -> Expectation:
    """No value comes twice in one write or push. For the `id=` of an event source: nor one that was counted before.

    Messages that others put into the stream aren't asked.
    """
    return Expectation("unique", column, name=name or f"unique({column})", on_fail=on_fail)


def sql(condition: str, *, name: str = "", on_fail: str = "reject") -> Expectation:
    """A SQL condition over the columns of one row. It is broken where it is false, and where it can't be computed."""
    return Expectation("sql", condition=condition, name=name or str(condition), on_fail=on_fail)


def _plain(value: Any) -> Any:
    """A bound or a value as JSON holds it: points in time as RFC 3339 text in UTC, dates as ISO text."""
    value = value.floor("us").to_pydatetime() if hasattr(value, "to_pydatetime") else value  # a pandas Timestamp
    value = value.item() if hasattr(value, "item") else value  # a NumPy scalar
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str | bool | int | float):
        raise DefinitionError([f"an expectation's {value!r} isn't a number, text, a bool, a point in time or a date"])
    return value
