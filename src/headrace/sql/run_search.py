"""Compiles a search over runs to one SQL statement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from headrace.sql.tables.tracking import INDEXED_TEXT, experiments, is_id, latest_metrics, params, run_inputs, run_tags, runs
from headrace.tracking.run import ACTIVE, DELETED, View
from headrace.tracking.search import Comparison, Order

__all__ = ["OPERATORS", "compare", "search_statement"]

_MILLI = 1000
_ATTRIBUTE_COLUMNS: dict[str, sa.Column[Any]] = {
    "run_id": runs.c.run_id,
    "run_name": runs.c.name,
    "status": runs.c.status,
    "user_id": runs.c.user_id,
    "artifact_uri": runs.c.artifact_uri,
    "start_time": runs.c.start_time,
    "end_time": runs.c.end_time,
}
_TIMES = ("start_time", "end_time")
_TEXT_TABLES = {"param": params, "tag": run_tags}


def search_statement(
    filters: Sequence[Comparison], order: Sequence[Order], experiment_ids: Sequence[str] | None, view: View, dialect: str
) -> sa.Select[str]:
    """The ids of the runs that match, in order. The caller adds limit and offset."""
    statement = sa.select(runs.c.run_id).where(*_scope(experiment_ids, view), *(_condition(item, dialect) for item in filters))
    keys: list[sa.ColumnElement[Any]] = []
    source: sa.FromClause = runs
    for index, item in enumerate(order):
        source, columns = _ordered(source, item, index)
        keys.extend(columns)
    if not any(item.entity == "attribute" and item.key == "start_time" for item in order):
        keys.append(runs.c.start_time.desc())
    return statement.select_from(source).order_by(*keys, runs.c.run_id)


def _scope(experiment_ids: Sequence[str] | None, view: View) -> list[sa.ColumnElement[bool]]:
    stages = {"active": [ACTIVE], "deleted": [DELETED], "all": [ACTIVE, DELETED]}[view]
    scope: list[sa.ColumnElement[bool]] = [runs.c.lifecycle_stage.in_(stages)]
    if experiment_ids is not None:
        scope.append(runs.c.experiment_id.in_([int(item) for item in experiment_ids if is_id(item)]))
    elif view == "active":
        scope.append(runs.c.experiment_id.in_(sa.select(experiments.c.id).where(experiments.c.lifecycle_stage == ACTIVE)))
    return scope


def _condition(item: Comparison, dialect: str) -> sa.ColumnElement[bool]:
    if item.entity == "attribute":
        return compare(_attribute(item.key), item, dialect)
    if item.entity == "metric":
        return runs.c.run_id.in_(_metric_ids(item))
    if item.entity == "dataset":
        column = run_inputs.c[item.key]
        has_context = [column != ""] if item.key == "context" else []  # a dataset without a context has none to compare
        return runs.c.run_id.in_(sa.select(run_inputs.c.run_id).where(compare(column, item, dialect), *has_context))
    return _text_condition(_TEXT_TABLES[item.entity], item, dialect)


def _text_condition(table: sa.Table, item: Comparison, dialect: str) -> sa.ColumnElement[bool]:
    ids = sa.select(table.c.run_id).where(table.c.key == item.key)
    if item.operator == "IS NULL":
        return runs.c.run_id.not_in(ids)
    if item.operator == "IS NOT NULL":
        return runs.c.run_id.in_(ids)
    if item.operator == "=":
        indexed = sa.func.substr(table.c.value, 1, INDEXED_TEXT)
        ids = ids.where(indexed == str(item.value)[:INDEXED_TEXT])
    return runs.c.run_id.in_(ids.where(compare(table.c.value, item, dialect)))


def _metric_ids(item: Comparison) -> sa.Select[str]:
    """NaN is stored as 0 beside a flag: it satisfies `!=` and nothing else."""
    named = sa.select(latest_metrics.c.run_id).where(latest_metrics.c.key == item.key)
    matches = OPERATORS[item.operator](latest_metrics.c.value, item.value)
    is_nan = latest_metrics.c.is_nan
    return named.where(sa.or_(matches, is_nan.is_(True))) if item.operator == "!=" else named.where(is_nan == sa.false(), matches)


def _attribute(key: str) -> sa.ColumnElement[Any]:
    column = _ATTRIBUTE_COLUMNS[key]
    return column // _MILLI if key in _TIMES else column


def compare(column: sa.ColumnElement[Any], item: Comparison, dialect: str) -> sa.ColumnElement[bool]:
    """The comparison of a column, as this kind of database says it."""
    if item.operator == "LIKE" and dialect == "sqlite":  # whose LIKE ignores case
        return column.op("GLOB", is_comparison=True)(_glob(str(item.value)))
    return OPERATORS[item.operator](column, item.value)


def _glob(pattern: str) -> str:
    return "".join({"%": "*", "_": "?"}.get(char, f"[{char}]" if char in "*?[" else char) for char in pattern)


OPERATORS: dict[str, Callable[[sa.ColumnElement[Any], Any], sa.ColumnElement[bool]]] = {
    "=": lambda column, value: column == value,
    "!=": lambda column, value: column != value,
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
    "LIKE": lambda column, value: column.like(value),
    "ILIKE": lambda column, value: column.ilike(value),
    "IN": lambda column, value: column.in_(value),
    "NOT IN": lambda column, value: column.not_in(value),
}


def _ordered(source: sa.FromClause, item: Order, index: int) -> tuple[sa.FromClause, list[sa.ColumnElement[Any]]]:
    """The source joined with what it is ordered by, and the sort keys: numbers, then NaN, then runs without a value."""
    if item.entity == "attribute":
        column: sa.ColumnElement[Any] = _ATTRIBUTE_COLUMNS[item.key]
        missing: sa.ColumnElement[Any] = column.is_(None)
        return source, [missing, column if item.ascending else column.desc()]
    table = (latest_metrics if item.entity == "metric" else _TEXT_TABLES[item.entity]).alias(f"order_{index}")
    joined = source.outerjoin(table, sa.and_(table.c.run_id == runs.c.run_id, table.c.key == item.key))
    value = table.c.value
    rank = (
        sa.case((value.is_(None), 2), (table.c.is_nan == sa.true(), 1), else_=0) if item.entity == "metric" else value.is_(None)
    )
    return joined, [rank, value if item.ascending else value.desc()]
