"""Checks of expectations: their columns exist, their types fit, their SQL is sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

from headrace.definitions.expectation import ON_FAIL, Expectation
from headrace.definitions.expression import Binder, check_expression
from headrace.definitions.faults import default_fault, is_finite, text_fault, type_fault
from headrace.definitions.group import FeatureGroup
from headrace.definitions.schema import Schema, is_number, item_type, vector_size
from headrace.definitions.source import Source
from headrace.errors import nearest

__all__ = ["QUARANTINE_COLUMNS", "feature_expectation_faults", "source_expectation_faults"]

QUARANTINE_COLUMNS: tuple[str, ...] = ("_reasons", "_origin", "_batch_id", "_quarantined_at")
"""What is kept beside a row that was set aside."""

_KINDS = ("not_null", "between", "one_of", "unique", "sql")
_TIMES = ("timestamp", "date")


def source_expectation_faults(source: Source, binder: Binder) -> Iterator[str]:
    """Everything wrong with what is expected of a source's rows."""
    where = f"source {source.name!r}"
    schema = {name: kind for name, kind in source.schema.items() if type_fault(kind) is None}
    yield from _faults(where, source.expect, schema, "column", binder)
    for column in source.schema:
        if str(column).lower() in QUARANTINE_COLUMNS and any(item.on_fail == "quarantine" for item in source.expect):
            yield f"{where}, column {column!r}: the quarantine keeps its reasons under this name; choose another"


def feature_expectation_faults(group: FeatureGroup, binder: Binder) -> Iterator[str]:
    """Everything wrong with what is expected of a group's features; their types must be known."""
    where = f"group {group.name!r}"
    schema = {feature.name: feature.dtype for feature in group.resolved}
    yield from _faults(where, group.expect, schema, "feature", binder)
    for item in group.expect:
        if item.on_fail == "quarantine":
            yield f"{where}, expect {item.name!r}: on_fail='quarantine' is for the rows of a source; a feature raises an alert"
        if item.kind == "unique":
            yield f"{where}, expect {item.name!r}: unique is for the rows of a source; features of two entities may be equal"


def _faults(where: str, expect: Sequence[Expectation], schema: Schema, noun: str, binder: Binder) -> Iterator[str]:
    names = [item.name for item in expect]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield f"{where}, expect: {name!r} is there twice; drop one, or give it a name="
    for item in expect:
        yield from (f"{where}, expect {item.name!r}: {fault}" for fault in _item_faults(item, schema, noun, binder))


def _item_faults(item: Expectation, schema: Schema, noun: str, binder: Binder) -> Iterator[str]:
    if item.kind not in _KINDS:
        yield f"no expectation named {item.kind!r}{nearest(str(item.kind), _KINDS)}"
        return
    if item.on_fail not in ON_FAIL:
        yield f"on_fail={item.on_fail!r} must be 'reject' or 'quarantine'"
    fault = text_fault(item.name)
    if fault is not None or not item.name.strip():
        yield f"name={fault or f'{item.name!r} must be text'}"
    if item.kind == "sql":
        yield from _condition_faults(item, schema, binder)
    elif not isinstance(item.column, str) or item.column not in schema:
        yield f"no {noun} {item.column!r}{nearest(str(item.column), schema)}"
    elif item.kind == "unique" and vector_size(schema[item.column]) is not None:
        yield f"{item.column!r} is {schema[item.column]}; unique is for values that can be equal; name another column"
    elif item.kind == "between":
        yield from _bound_faults(item, schema[item.column])
    elif item.kind == "one_of":
        yield from _value_faults(item, schema[item.column])


def _condition_faults(item: Expectation, schema: Schema, binder: Binder) -> Iterator[str]:
    plain = {name: kind for name, kind in schema.items() if item_type(kind) is None}
    checked = check_expression(item.condition, plain, binder)
    yield from checked.faults
    if checked.dtype not in ("", "bool"):
        yield f"{item.condition!r} is {checked.dtype}, not a condition; compare it with something"


def _bound_faults(item: Expectation, kind: str) -> Iterator[str]:
    if not is_number(kind) and kind not in _TIMES:
        yield f"{item.column!r} is {kind}; between is for numbers, timestamps and dates: use hr.expect.sql or one_of"
        return
    bounds = {name: bound for name, bound in (("low", item.low), ("high", item.high)) if bound is not None}
    if not bounds:
        yield "needs a low or a high bound"
    wrong = [f"{name}={bound!r} isn't a {kind}" for name, bound in bounds.items() if not _is_bound(bound, kind)]
    yield from wrong
    if len(bounds) == 2 and not wrong and _ordered(item.low, kind) > _ordered(item.high, kind):
        yield f"low={item.low!r} is above high={item.high!r}"


def _is_bound(bound: Any, kind: str) -> bool:
    if kind in _TIMES:
        try:
            _ordered(bound, kind)
        except (ValueError, TypeError):
            return False
        return True
    return is_finite(bound)


def _ordered(bound: Any, kind: str) -> Any:
    if kind == "timestamp":
        return datetime.fromisoformat(bound).timestamp()
    return date.fromisoformat(bound) if kind == "date" else bound


def _value_faults(item: Expectation, kind: str) -> Iterator[str]:
    if not item.values:
        yield "needs at least one value"
    if item_type(kind) is not None or kind in ("bytes", *_TIMES):
        yield f"{item.column!r} is {kind}; one_of is for numbers, text and bools: use hr.expect.sql"
        return
    for value in item.values:
        if value is None or default_fault(value, kind) is not None:
            yield f"{value!r} isn't a {kind}"
