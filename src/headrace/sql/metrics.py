"""Metric histories in the catalog, as they are read: MetricStore."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from headrace.sql.database import Database
from headrace.sql.rows import tuples
from headrace.sql.tables.tracking import latest_metrics, metric_chunks
from headrace.tracking.history import Chunk, MetricHistory, decode
from headrace.tracking.run import Metric, MetricSummary

__all__ = ["SqlMetricStore", "insert_new", "metric_of", "upsert"]

SHORT, LONG, MOST_LONG = 20_000, 2_000_000, 4
"""Histories of so many points are kept, and so many of them: less than 200 MB in all."""


class SqlMetricStore:
    """MetricStore on the catalog database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._long: dict[tuple[str, str], tuple[tuple[int, int], MetricHistory]] = {}

    def history(self, run_id: str, key: str) -> MetricHistory:
        """All points ordered by (time, step, value); none for an unknown key. A few long ones are kept: pages come."""
        c = latest_metrics.c
        size = sa.select(c.chunks, c.count).where(c.run_id == run_id, c.key == key)
        with self._database.read() as connection:
            found = [(chunks, count) for chunks, count in tuples(connection, size)]
            held = self._long.get((run_id, key))
            if held is not None and [held[0]] == found:
                return held[1]
            history = MetricHistory(key, _chunks(connection, run_id, key))
        if found and SHORT < len(history) <= LONG:
            while len(self._long) >= MOST_LONG:
                self._long.pop(next(iter(self._long), (run_id, key)), None)
            self._long[run_id, key] = found[0], history
        return history

    def summaries(self, run_id: str) -> dict[str, MetricSummary]:
        """Every metric of the run, summed up. Where points may be repeats of others, they are looked at."""
        c = latest_metrics.c
        query = sa.select(c.key, c.count, c.low, c.high, c.mixed).where(c.run_id == run_id)
        with self._database.read() as connection:
            found = {}
            for key, count, low, high, mixed in connection.execute(query):
                known = len(MetricHistory(key, _chunks(connection, run_id, key))) if mixed else count
                found[key] = MetricSummary(known, math.nan if low is None else low, math.nan if high is None else high)
        return found


def metric_of(row: Mapping[str, Any]) -> Metric:
    """The point that a row holds."""
    value = math.nan if row["is_nan"] else row["value"]
    origin = (row["model_id"], row["dataset_name"], row["dataset_digest"])
    return Metric(row["key"], value, row["time"], row["step"], *origin)


def insert_new(connection: sa.Connection, table: sa.Table) -> Any:
    """An INSERT that skips rows whose primary key exists."""
    return _insert_new(connection.dialect.name, table)


def upsert(connection: sa.Connection, table: sa.Table, columns: Sequence[str]) -> Any:
    """An INSERT that replaces these columns where the primary key exists."""
    return _upsert(connection.dialect.name, table, tuple(columns))


@cache
def _insert_new(dialect: str, table: sa.Table) -> Any:
    return _insert(dialect)(table).on_conflict_do_nothing(index_elements=list(table.primary_key))


@cache
def _upsert(dialect: str, table: sa.Table, columns: tuple[str, ...]) -> Any:
    """Made once: to make it takes longer than to run it."""
    statement = _insert(dialect)(table)
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key), set_={name: statement.excluded[name] for name in columns}
    )


def _insert(dialect: str) -> Any:
    return postgresql.insert if dialect == "postgresql" else sqlite.insert


def _chunks(connection: sa.Connection, run_id: str, key: str) -> list[Chunk]:
    c = metric_chunks.c
    query = sa.select(c.data, c.model_id, c.dataset_name, c.dataset_digest)
    found = connection.execute(query.where(c.run_id == run_id, c.key == key).order_by(c.number))
    return [decode(data, (model, name, digest)) for data, model, name, digest in found]
