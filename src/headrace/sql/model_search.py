"""Compiles a search over logged models to one SQL statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from headrace.sql.run_search import OPERATORS, compare
from headrace.sql.tables.tracking import is_id, logged_models, model_metrics, model_params, model_tags
from headrace.tracking.run import ACTIVE
from headrace.tracking.search import Comparison, ModelOrder

__all__ = ["model_search"]

_MILLI = 1000
_ATTRIBUTES: dict[str, sa.ColumnElement[Any]] = {
    "name": logged_models.c.name,
    "model_id": logged_models.c.model_id,
    "model_type": logged_models.c.kind,
    "status": logged_models.c.status,
    "source_run_id": logged_models.c.run_id,
    "creation_timestamp": logged_models.c.created // _MILLI,
    "last_updated_timestamp": logged_models.c.updated // _MILLI,
}
_TEXT_TABLES = {"param": model_params, "tag": model_tags}


def model_search(
    filters: Sequence[Comparison],
    order: Sequence[ModelOrder],
    experiments: Sequence[str],
    datasets: Sequence[tuple[str, str]],
    dialect: str,
) -> sa.Select[Any]:
    """The rows of the logged models that match, in order. The caller adds limit and offset."""
    c = logged_models.c
    on_data = [_on(name, digest) for name, digest in datasets]
    conditions = [_condition(item, on_data, dialect) for item in filters]
    if on_data and not any(item.entity == "metric" for item in filters):
        conditions.append(c.model_id.in_(sa.select(model_metrics.c.model_id).where(sa.or_(*on_data))))
    source: sa.FromClause = logged_models
    keys: list[sa.ColumnElement[Any]] = []
    for index, item in enumerate(order):
        source, columns = _ordered(source, item, index)
        keys.extend(columns)
    inside = c.experiment_id.in_([int(item) for item in experiments if is_id(item)])
    statement = sa.select(logged_models).select_from(source).where(c.lifecycle_stage == ACTIVE, inside, *conditions)
    return statement.order_by(*keys, c.created.desc(), c.model_id)


def _condition(item: Comparison, on_data: Sequence[sa.ColumnElement[bool]], dialect: str) -> sa.ColumnElement[bool]:
    if item.entity == "attribute":
        return compare(_ATTRIBUTES[item.key], item, dialect)
    if item.entity == "metric":
        m = model_metrics.c
        matches = OPERATORS[item.operator](m.value, item.value)
        holds = sa.or_(matches, m.is_nan.is_(True)) if item.operator == "!=" else sa.and_(m.is_nan == sa.false(), matches)
        ids = sa.select(m.model_id).where(m.key == item.key, holds, *([sa.or_(*on_data)] if on_data else []))
        return logged_models.c.model_id.in_(ids)
    table = _TEXT_TABLES[item.entity]
    ids = sa.select(table.c.model_id).where(table.c.key == item.key, compare(table.c.value, item, dialect))
    return logged_models.c.model_id.in_(ids)


def _on(name: str, digest: str) -> sa.ColumnElement[bool]:
    named = model_metrics.c.dataset_name == name
    return sa.and_(named, model_metrics.c.dataset_digest == digest) if digest else named


def _ordered(source: sa.FromClause, item: ModelOrder, index: int) -> tuple[sa.FromClause, list[sa.ColumnElement[Any]]]:
    """The source joined with what it is ordered by, and the sort keys: models without a value come last."""
    if item.key.entity == "attribute":
        column = _ATTRIBUTES[item.key.key]
        return source, [column.asc() if item.key.ascending else column.desc()]
    m = model_metrics.c
    newest = sa.func.row_number().over(partition_by=m.model_id, order_by=[m.time.desc(), m.step.desc(), m.run_id])
    points = sa.select(m.model_id, m.value, m.is_nan, newest.label("place")).where(m.key == item.key.key)
    if item.dataset_name:
        points = points.where(_on(item.dataset_name, item.dataset_digest))
    latest = points.subquery(f"order_{index}")
    joined = source.outerjoin(latest, sa.and_(latest.c.model_id == logged_models.c.model_id, latest.c.place == 1))
    rank = sa.case((latest.c.value.is_(None), 2), (latest.c.is_nan == sa.true(), 1), else_=0)
    return joined, [rank, latest.c.value.asc() if item.key.ascending else latest.c.value.desc()]
