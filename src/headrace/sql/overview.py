"""Reads for looking through many runs, on the catalog database: only the columns that are asked for are read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from headrace.sql.database import Database
from headrace.sql.run_search import search_statement
from headrace.sql.tables.tracking import experiment_tags, experiments, latest_metrics, params, run_tags, runs
from headrace.tracking.overview import Column, ExperimentFigures, Keys, Pulse, RunHead, RunTable
from headrace.tracking.run import ACTIVE, DELETED, PARENT_TAG, Experiment, View
from headrace.tracking.search import Comparison, Order

__all__ = ["SqlOverview"]

_CHUNK = 500
_HEAD = (
    runs.c.run_id,
    runs.c.name,
    runs.c.experiment_id,
    runs.c.status,
    runs.c.start_time,
    runs.c.end_time,
    runs.c.user_id,
    runs.c.lifecycle_stage,
)


class SqlOverview:
    """Overview on the catalog database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: dict[tuple[str, ...], tuple[int, Keys]] = {}

    def experiments(self, view: View = "active") -> list[ExperimentFigures]:
        """All experiments, newest run first."""
        stages = {"active": [ACTIVE], "deleted": [DELETED], "all": [ACTIVE, DELETED]}[view]
        tally = (
            sa.select(
                runs.c.experiment_id,
                sa.func.count().label("runs"),
                sa.func.sum(sa.case((runs.c.status == "RUNNING", 1), else_=0)).label("running"),
                sa.func.sum(sa.case((runs.c.status == "FAILED", 1), else_=0)).label("failed"),
                sa.func.max(runs.c.start_time).label("latest"),
            )
            .where(runs.c.lifecycle_stage == ACTIVE)
            .group_by(runs.c.experiment_id)
            .subquery()
        )
        query = (
            sa.select(experiments, tally.c.runs, tally.c.running, tally.c.failed, tally.c.latest)
            .outerjoin(tally, tally.c.experiment_id == experiments.c.id)
            .where(experiments.c.lifecycle_stage.in_(stages))
            .order_by(sa.func.coalesce(tally.c.latest, experiments.c.created).desc())
        )
        with self._database.read() as connection:
            tags: dict[int, dict[str, str]] = {}
            for experiment_id, key, value in connection.execute(sa.select(experiment_tags)):
                tags.setdefault(experiment_id, {})[key] = value
            return [_figures(row, tags.get(row["id"], {})) for row in connection.execute(query).mappings()]

    def keys(self, experiments: Sequence[str]) -> Keys:
        """What the active runs of these experiments have logged."""
        stamp, asked = self._database.stamp(), tuple(sorted(set(experiments)))
        known = self._keys.get(asked)
        if known is not None and known[0] == stamp:
            return known[1]
        own = sa.select(runs.c.run_id).where(
            runs.c.experiment_id.in_([int(item) for item in asked]), runs.c.lifecycle_stage == ACTIVE
        )
        with self._database.read() as connection:
            counts = [_counted(connection, table, own) for table in (latest_metrics, params, run_tags)]
        found = Keys(*counts)
        if len(self._keys) > 64:
            self._keys.clear()
        self._keys[asked] = (stamp, found)
        return found

    def table(
        self,
        filters: Sequence[Comparison],
        order: Sequence[Order],
        columns: Sequence[Column],
        *,
        experiments: Sequence[str] | None,
        view: View,
        limit: int,
        offset: int,
    ) -> RunTable:
        """A page of the runs that match, with these columns."""
        with self._database.read() as connection:
            dialect = connection.dialect.name
            matching = search_statement(filters, (), experiments, view, dialect).order_by(None).subquery()
            total = connection.execute(sa.select(sa.func.count()).select_from(matching)).scalar_one()
            statement = search_statement(filters, order, experiments, view, dialect).limit(limit).offset(offset)
            ids = list(connection.execute(statement).scalars())
            heads = {head.id: head for chunk in _chunks(ids) for head in _heads(connection, runs.c.run_id.in_(chunk))}
            places = {run_id: place for place, run_id in enumerate(ids)}
            found: dict[str, list[Any]] = {column.name: [None] * len(ids) for column in columns}
            for entity, read in _READS.items():
                wanted: dict[str, list[Column]] = {}
                for column in columns:
                    if column.entity == entity:
                        wanted.setdefault(column.key, []).append(column)
                for keys in _chunks(list(wanted)):
                    for chunk in _chunks(ids):
                        for run_id, key, *values in read(connection, chunk, keys):
                            for column in wanted[key]:
                                found[column.name][places[run_id]] = _shown(column, values)
        return RunTable(total, tuple(heads[run_id] for run_id in ids), found)

    def children(self, run_id: str) -> list[RunHead]:
        """The runs nested in a run, oldest first."""
        value = run_tags.c.value
        nested = sa.select(run_tags.c.run_id).where(
            run_tags.c.key == PARENT_TAG, sa.func.substr(value, 1, 200) == run_id[:200], value == run_id
        )
        with self._database.read() as connection:
            found = _heads(connection, runs.c.run_id.in_(nested), runs.c.lifecycle_stage == ACTIVE)
        return sorted(found, key=lambda head: (head.start, head.id))

    def marks(self, run_ids: Sequence[str], keys: Sequence[str]) -> dict[tuple[str, str], tuple[int, int]]:
        """(run, key) to the number of its points and the time of the last."""
        c = latest_metrics.c
        found: dict[tuple[str, str], tuple[int, int]] = {}
        with self._database.read() as connection:
            for some in _chunks(keys):
                for chunk in _chunks(run_ids):
                    query = sa.select(c.run_id, c.key, c.count, c.last_time).where(c.run_id.in_(chunk), c.key.in_(some))
                    found |= {(run_id, key): (count, last) for run_id, key, count, last in connection.execute(query)}
        return found

    def stamp(self) -> int:
        """A number that differs after any commit."""
        return self._database.stamp()

    def pulse(self, since: int) -> Pulse:
        """Runs that run, or that started or ended after `since`."""
        stamp = self._database.stamp()
        c = latest_metrics.c
        points = sa.select(sa.func.coalesce(sa.func.sum(c.count), 0)).where(c.run_id == runs.c.run_id).scalar_subquery()
        recent = sa.or_(runs.c.status == "RUNNING", runs.c.start_time > since, runs.c.end_time > since)
        query = sa.select(runs.c.run_id, runs.c.status, runs.c.lifecycle_stage, runs.c.name, points).where(recent)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(runs.c.start_time.desc()).limit(2000)).all()
        return Pulse(stamp, {run_id: f"{status} {stage} {count} {name}" for run_id, status, stage, name, count in rows})


def _figures(row: Any, tags: dict[str, str]) -> ExperimentFigures:
    experiment = Experiment(
        id=str(row["id"]),
        name=row["name"],
        created=row["created"],
        updated=row["updated"],
        lifecycle_stage=row["lifecycle_stage"],
        artifact_location=row["artifact_location"],
        tags=tags,
    )
    return ExperimentFigures(experiment, row["runs"] or 0, row["running"] or 0, row["failed"] or 0, row["latest"])


def _counted(connection: sa.Connection, table: sa.Table, own: sa.Select[str]) -> dict[str, int]:
    query = sa.select(table.c.key, sa.func.count()).where(table.c.run_id.in_(own)).group_by(table.c.key)
    return {key: count for key, count in connection.execute(query)}  # noqa: C416 - rows aren't pairs to dict()


def _heads(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> list[RunHead]:
    return [
        RunHead(run_id, name, str(experiment_id), status, start, end, user, stage)
        for run_id, name, experiment_id, status, start, end, user, stage in connection.execute(sa.select(*_HEAD).where(*where))
    ]


def _read_metrics(connection: sa.Connection, run_ids: Sequence[str], keys: Sequence[str]) -> Iterable[Any]:
    c = latest_metrics.c
    columns = (c.run_id, c.key, c.value, c.is_nan, c.low, c.high, c.step)
    return connection.execute(sa.select(*columns).where(c.run_id.in_(run_ids), c.key.in_(keys)))


def _read_texts(table: sa.Table) -> Callable[[sa.Connection, Sequence[str], Sequence[str]], Iterable[Any]]:
    def read(connection: sa.Connection, run_ids: Sequence[str], keys: Sequence[str]) -> Iterable[Any]:
        query = sa.select(table.c.run_id, table.c.key, table.c.value)
        return connection.execute(query.where(table.c.run_id.in_(run_ids), table.c.key.in_(keys)))

    return read


_READS = {"metric": _read_metrics, "param": _read_texts(params), "tag": _read_texts(run_tags)}


def _shown(column: Column, values: Sequence[Any]) -> Any:
    if column.entity != "metric":
        return values[0]
    value, is_nan, low, high, step = values
    return {"last": math.nan if is_nan else value, "low": low, "high": high, "step": step}[column.figure]


def _chunks(items: Sequence[str]) -> Iterable[Sequence[str]]:
    return (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))
