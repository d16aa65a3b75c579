"""Reads for looking through many runs, on the catalog database: only the columns that are asked for are read."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from headrace.sql.database import Database
from headrace.sql.points import TAKEN_IN
from headrace.sql.prepared import Query
from headrace.sql.rows import tuples
from headrace.sql.run_pages import is_one, listed, load_page, one_of
from headrace.sql.run_plan import count_runs, search_ids
from headrace.sql.run_search import STATE, indexed
from headrace.sql.tables.tracking import experiment_tags, experiments, latest_metrics, metric_chunks, params, run_tags, runs
from headrace.tracking.history import decode
from headrace.tracking.overview import Column, ExperimentFigures, Extremes, Keys, RunHead, RunTable
from headrace.tracking.page import RunPage
from headrace.tracking.run import ACTIVE, DELETED, PARENT_TAG, Experiment, View
from headrace.tracking.search import Comparison, Order

__all__ = ["SqlOverview"]

SLOW_SECONDS, PATIENCE, MOST_KEPT = 0.2, 20, 64
"""Keys whose counting takes longer are counted again only after so many times as long."""
_HEAD = (
    runs.c.run_id,
    runs.c.name,
    runs.c.experiment_id,
    experiments.c.name,
    runs.c.status,
    runs.c.start_time,
    runs.c.end_time,
    runs.c.user_id,
    runs.c.lifecycle_stage,
    runs.c.seen,
)
_HOMES = runs.join(experiments, experiments.c.id == runs.c.experiment_id)
_TEXTS = {"param": params, "tag": run_tags}


class SqlOverview:
    """Overview on the catalog database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: dict[tuple[str, ...], tuple[float, Keys]] = {}

    def experiments(self, view: View = "active") -> list[ExperimentFigures]:
        """All experiments, newest run first."""
        stages = {"active": [ACTIVE], "deleted": [DELETED], "all": [ACTIVE, DELETED]}[view]
        tally = (
            sa.select(
                runs.c.experiment_id,
                sa.func.count().label("runs"),
                sa.func.sum(sa.case((STATE == "RUNNING", 1), else_=0)).label("running"),
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
        """What the active runs of these experiments have logged. Where counting takes long, what was counted shortly before."""
        asked = tuple(sorted(set(experiments)))
        known = self._keys.get(asked)
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        began = time.monotonic()
        inside = sa.and_(runs.c.experiment_id.in_([int(item) for item in asked]), runs.c.lifecycle_stage == ACTIVE)
        with self._database.read() as connection:
            within, in_all = connection.execute(
                sa.select(sa.func.sum(sa.case((inside, 1), else_=0)), sa.func.count()).select_from(runs)
            ).one()
            most = 2 * (within or 0) > in_all
            some = sa.select(runs.c.run_id).where(sa.not_(inside) if most else inside)
            counts = [_counted(connection, table, some, but=most) for table in (latest_metrics, params, run_tags)]
        found, took = Keys(*counts), time.monotonic() - began
        self._keys.pop(asked, None)
        if took > SLOW_SECONDS:
            while len(self._keys) >= MOST_KEPT:
                self._keys.pop(next(iter(self._keys)), None)
            self._keys[asked] = (time.monotonic() + PATIENCE * took, found)
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
        before: int | None = None,
        count: bool = True,
    ) -> RunTable:
        """A page of the runs that match, with these columns."""
        with self._database.read() as connection:
            total = count_runs(connection, filters, experiments, view, before) if count else -1
            ids = search_ids(connection, filters, order, experiments, view, limit=limit, offset=offset, before=before)
            heads = {head.id: head for head in _heads(connection, one_of(connection, runs.c.run_id, ids))}
            found = _cells(connection, ids, columns)
        return RunTable(total, tuple(heads[run_id] for run_id in ids), found)

    def page(
        self,
        filters: Sequence[Comparison],
        order: Sequence[Order],
        *,
        experiments: Sequence[str] | None,
        view: View,
        limit: int,
        offset: int,
    ) -> RunPage:
        """A page of the runs that match, whole."""
        with self._database.read() as connection:
            return load_page(connection, search_ids(connection, filters, order, experiments, view, limit=limit, offset=offset))

    def values(self, entity: str, key: str, prefix: str, limit: int) -> list[str]:
        """Values of a param, a tag or an attribute of runs that start with a prefix, sorted."""
        where: list[sa.ColumnElement[bool]] = []
        if entity in _TEXTS:
            value: sa.ColumnElement[str] = indexed(_TEXTS[entity])
            where = [_TEXTS[entity].c.key == key]
        elif key in ("run_name", "user_id"):
            value = runs.c.name if key == "run_name" else runs.c.user_id
        else:
            return []
        if prefix:
            where += [value >= prefix, value < prefix + "\U0010ffff"]
        query = sa.select(value.label("value")).where(*where).distinct().order_by("value").limit(limit)
        with self._database.read() as connection:
            return [text for (text,) in tuples(connection, query)]

    def extremes(self, run_id: str) -> dict[str, Extremes]:
        """Every metric of a run, summed up, with the steps of its lowest and its highest value."""
        latest, chunk = latest_metrics.c, metric_chunks.c
        figures = sa.select(latest.key, latest.count, latest.low, latest.high, latest.step).where(latest.run_id == run_id)
        many = metric_chunks.join(latest_metrics, sa.and_(latest.run_id == chunk.run_id, latest.key == chunk.key))
        outermost = sa.or_(chunk.low == latest.low, chunk.high == latest.high)
        query = sa.select(chunk.key, chunk.data).select_from(many).order_by(chunk.key, chunk.number)
        with self._database.read() as connection:
            rows = tuples(connection, figures)
            chunks = tuples(connection, query.where(chunk.run_id == run_id, latest.count > 1, outermost))
        data: dict[str, list[bytes]] = {}
        for key, found in chunks:
            data.setdefault(key, []).append(found)
        return {key: _extremes(count, low, high, step, data.get(key, ())) for key, count, low, high, step in rows}

    def children(self, run_id: str) -> list[RunHead]:
        """The runs nested in a run, oldest first."""
        value = run_tags.c.value
        nested = sa.select(run_tags.c.run_id).where(
            run_tags.c.key == PARENT_TAG, sa.func.substr(value, 1, 200) == run_id[:200], value == run_id
        )
        with self._database.read() as connection:
            found = _heads(connection, runs.c.run_id.in_(nested), runs.c.lifecycle_stage == ACTIVE)
        return sorted(found, key=lambda head: (head.start, head.id))

    def running(self) -> int:
        """How many active runs run now."""
        query = sa.select(sa.func.count()).where(STATE == "RUNNING", runs.c.lifecycle_stage == ACTIVE)
        with self._database.read() as connection:
            return connection.execute(query.select_from(runs)).scalar_one()

    def statuses(self) -> dict[str, int]:
        """How many active runs there are of each state."""
        query = sa.select(STATE.label("state"), sa.func.count()).where(runs.c.lifecycle_stage == ACTIVE).group_by("state")
        with self._database.read() as connection:
            return {state: number for state, number in connection.execute(query)}  # noqa: C416 - rows aren't pairs to dict()

    def taken_in(self) -> int:
        """How many points of metrics this process has written since it started."""
        return TAKEN_IN.points


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


def _counted(connection: sa.Connection, table: sa.Table, some: sa.Select[str], *, but: bool) -> dict[str, int]:
    """How many of some runs have each key, or of all but those: an index counts all in a tenth of the time that they take."""
    query = sa.select(table.c.key, sa.func.count()).group_by(table.c.key)
    found = {key: count for key, count in connection.execute(query.where(table.c.run_id.in_(some)))}  # noqa: C416 - rows aren't pairs to dict()
    if not but:
        return found
    return {key: left for key, count in connection.execute(query) if (left := count - found.get(key, 0))}


def _heads(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> list[RunHead]:
    return [
        RunHead(run_id, name, str(experiment_id), *rest)
        for run_id, name, experiment_id, *rest in tuples(connection, sa.select(*_HEAD).select_from(_HOMES).where(*where))
    ]


def _of_keys(table: sa.Table, *columns: sa.ColumnElement[Any]) -> Query:
    """A query for what some runs have of some keys."""

    def make(connection: sa.Connection) -> sa.Select[Any]:
        names = (("run_ids", table.c.run_id), ("keys", table.c.key))
        return sa.select(table.c.run_id, table.c.key, *columns).where(
            *(is_one(connection, column, sa.bindparam(name)) for name, column in names)
        )

    return Query(make)


_LAST = {
    "metric": _of_keys(latest_metrics, sa.case((latest_metrics.c.is_nan, sa.null()), else_=latest_metrics.c.value)),
    "param": _of_keys(params, params.c.value),
    "tag": _of_keys(run_tags, run_tags.c.value),
}
_FIGURES = _of_keys(latest_metrics, latest_metrics.c.low, latest_metrics.c.high, latest_metrics.c.step)
_FIGURE_PLACES = ("low", "high", "step")


def _cells(connection: sa.Connection, ids: Sequence[str], columns: Sequence[Column]) -> dict[str, list[Any]]:
    """Column name to its values, one a run. Of runs with many keys only those that are asked for are read."""
    places = {run_id: place for place, run_id in enumerate(ids)}
    found: dict[str, list[Any]] = {column.name: [None] * len(ids) for column in columns}

    def rows(query: Query, keys: Iterable[str]) -> Iterable[tuple[Any, ...]]:
        return query.rows(connection, run_ids=listed(connection, ids), keys=listed(connection, list(keys)))

    for entity, query in _LAST.items():
        last: dict[str, list[Any]] = {}
        for column in columns:
            if column.entity == entity and column.figure == "last":
                found[column.name] = last.setdefault(column.key, found[column.name])
        none = math.nan if entity == "metric" else None  # a metric that is there and has no number is NaN
        for run_id, key, value in rows(query, last) if last else ():
            last[key][places[run_id]] = none if value is None else value
    figures: dict[str, list[tuple[list[Any], int]]] = {}
    for column in columns:
        if column.figure != "last":
            figures.setdefault(column.key, []).append((found[column.name], _FIGURE_PLACES.index(column.figure)))
    for run_id, key, *values in rows(_FIGURES, figures) if figures else ():
        for cells, place in figures[key]:
            cells[places[run_id]] = values[place]
    return found


def _extremes(count: int, low: float | None, high: float | None, step: int, chunks: Sequence[bytes]) -> Extremes:
    if low is None or high is None:
        return Extremes(count, math.nan, None, math.nan, None)
    if count == 1:
        return Extremes(count, low, step, high, step)
    steps: list[int | None] = [None, None]
    for data in chunks:
        chunk = decode(data)
        for place, value in enumerate((low, high)):
            if steps[place] is None:
                at = (chunk.values == value).nonzero()[0]
                steps[place] = int(chunk.steps[at[0]]) if len(at) else None
    return Extremes(count, low, steps[0], high, steps[1])
