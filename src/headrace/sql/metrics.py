"""Metric points in the catalog: every point, and the latest of each key."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from headrace.sql.database import Database
from headrace.sql.tables.tracking import latest_metrics, metrics, model_metrics
from headrace.tracking.run import Metric, MetricSummary

__all__ = ["SqlMetricStore", "add_points", "insert_new", "metric_of", "upsert"]


class SqlMetricStore:
    """MetricStore on the catalog database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def history(self, run_id: str, key: str) -> list[Metric]:
        """All points ordered by (time, step, value); none for an unknown key."""
        c = metrics.c
        query = sa.select(metrics).where(c.run_id == run_id, c.key == key).order_by(c.time, c.step, c.is_nan, c.value)
        with self._database.read() as connection:
            return [metric_of(row._asdict()) for row in connection.execute(query)]

    def summaries(self, run_id: str) -> dict[str, MetricSummary]:
        """Every metric of the run, summed up."""
        c = metrics.c
        number = sa.case((c.is_nan == sa.false(), c.value))
        columns = (c.key, sa.func.count(), sa.func.min(number), sa.func.max(number))
        query = sa.select(*columns).where(c.run_id == run_id).group_by(c.key)
        with self._database.read() as connection:
            return {key: _summary(count, low, high) for key, count, low, high in connection.execute(query)}


def _summary(count: int, low: float | None, high: float | None) -> MetricSummary:
    return MetricSummary(count, math.nan if low is None else low, math.nan if high is None else high)


def add_points(connection: sa.Connection, run_id: str, points: Sequence[Metric]) -> None:
    """Add points of one run inside the caller's transaction. Repeats are dropped; the latest moves only forward."""
    if not points:
        return
    rows = [_row(run_id, point) for point in points]
    connection.execute(insert_new(connection, metrics), rows)
    newest: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["key"] not in newest or _rank(row) > _rank(newest[row["key"]]):
            newest[row["key"]] = row
    connection.execute(_latest(connection), list(newest.values()))
    on_models = [row for row in rows if row["model_id"]]
    if on_models:
        connection.execute(insert_new(connection, model_metrics), on_models)


def metric_of(row: Mapping[str, Any]) -> Metric:
    """The point that a row holds."""
    value = math.nan if row["is_nan"] else row["value"]
    origin = (row["model_id"], row["dataset_name"], row["dataset_digest"])
    return Metric(row["key"], value, row["time"], row["step"], *origin)


def insert_new(connection: sa.Connection, table: sa.Table) -> Any:
    """An INSERT that skips rows whose primary key exists."""
    return _insert(connection)(table).on_conflict_do_nothing(index_elements=list(table.primary_key))


def upsert(connection: sa.Connection, table: sa.Table, columns: Sequence[str]) -> Any:
    """An INSERT that replaces these columns where the primary key exists."""
    statement = _insert(connection)(table)
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key), set_={name: statement.excluded[name] for name in columns}
    )


def _insert(connection: sa.Connection) -> Any:
    return postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert


def _latest(connection: sa.Connection) -> Any:
    statement = _insert(connection)(latest_metrics)
    new, old = statement.excluded, latest_metrics.c
    newer = sa.tuple_(new.step, new.time, new.value) > sa.tuple_(old.step, old.time, old.value)
    columns = [column.name for column in latest_metrics.c if not column.primary_key]
    return statement.on_conflict_do_update(
        index_elements=list(latest_metrics.primary_key), set_={name: new[name] for name in columns}, where=newer
    )


def _rank(row: Mapping[str, Any]) -> tuple[int, int, float]:
    return row["step"], row["time"], row["value"]


def _row(run_id: str, point: Metric) -> dict[str, Any]:
    """A NaN is stored as 0 with a flag: SQLite has no NaN, and NaN has no order."""
    is_nan = math.isnan(point.value)
    return {
        "run_id": run_id,
        "key": point.key,
        "step": point.step,
        "time": point.time,
        "value": 0.0 if is_nan else point.value,
        "is_nan": is_nan,
        "model_id": point.model_id,
        "dataset_name": point.dataset_name,
        "dataset_digest": point.dataset_digest,
    }
