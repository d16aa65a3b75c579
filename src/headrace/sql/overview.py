"""Reads for looking through many runs, on the catalog database: only the columns that are asked for are read."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import sqlalchemy as sa

from headrace.sql.database import Database
from headrace.sql.packing import is_one, listed, one_of
from headrace.sql.points import TAKEN_IN
from headrace.sql.prepared import Asked, Query, read_each
from headrace.sql.rows import tuples
from headrace.sql.run_cells import NUMBERS, Cells, by_key, texts_of
from headrace.sql.run_plan import count_runs, search_ids
from headrace.sql.run_search import STATE, indexed
from headrace.sql.run_tree import Trees
from headrace.sql.tables.tracking import experiment_tags, experiments, latest_metrics, metric_chunks, params, run_tags, runs
from headrace.tracking.history import decode_all
from headrace.tracking.overview import Column, ExperimentFigures, Extremes, Keys, RunHead, RunTable, RunTree
from headrace.tracking.run import ACTIVE, DELETED, PARENT_TAG, Experiment, View
from headrace.tracking.store import RunQuery

__all__ = ["SqlOverview"]

SLOW_SECONDS, PATIENCE, MOST_KEPT = 0.2, 20, 64
"""Keys whose counting takes longer are counted again only after so many times as long."""
NEWEST, FEW_CELLS = 50, 100_000
"""So many of the newest runs speak for all, unless all together have less than so many params, metrics and tags."""
MOST_POINTS = 1_000_000
"""So many points are decoded at once."""
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
_KEYED = (latest_metrics, params, run_tags)


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

    def keys(self, experiments: Sequence[str], *, exact: bool = True) -> Keys:
        """What the active runs of these experiments have logged. Where counting takes long, what was counted shortly before."""
        asked = tuple(sorted(set(experiments)))
        until, known = self._keys.get(asked, (0.0, None))
        if known is not None and time.monotonic() < until:
            return known
        inside = sa.and_(runs.c.experiment_id.in_([int(item) for item in asked]), runs.c.lifecycle_stage == ACTIVE)
        if not exact:
            soon = self._of_the_newest(inside) if known is None else replace(known, exact=False)
            if soon is not None:
                return soon
        began = time.monotonic()
        with self._database.read() as connection:
            within, in_all = connection.execute(
                sa.select(sa.func.sum(sa.case((inside, 1), else_=0)), sa.func.count()).select_from(runs)
            ).one()
            most = 2 * (within or 0) > in_all
            some = sa.select(runs.c.run_id).where(sa.not_(inside) if most else inside)
            metrics, given, tags = (_counted(connection, table, some, but=most) for table in _KEYED)
        found, took = Keys(metrics, given, tags), time.monotonic() - began
        self._keys.pop(asked, None)
        if took > SLOW_SECONDS:
            while len(self._keys) >= MOST_KEPT:
                self._keys.pop(next(iter(self._keys)), None)
            self._keys[asked] = (time.monotonic() + PATIENCE * took, found)
        return found

    def _of_the_newest(self, inside: sa.ColumnElement[bool]) -> Keys | None:
        """The keys of the newest runs, as if all others were like them; None if all have so few that they are counted soon."""
        newest = sa.select(runs.c.run_id).where(inside).order_by(runs.c.start_time.desc()).limit(NEWEST)
        with self._database.read() as connection:
            ids = [run_id for (run_id,) in tuples(connection, newest)]
            if len(ids) < NEWEST:
                return None
            in_all = connection.execute(sa.select(sa.func.count()).select_from(runs).where(inside)).scalar_one()
            counts = [_counted(connection, table, ids, but=False) for table in _KEYED]
        if sum(sum(found.values()) for found in counts) * in_all < NEWEST * FEW_CELLS:
            return None
        metrics, given, tags = ({key: round(count * in_all / NEWEST) for key, count in found.items()} for found in counts)
        return Keys(metrics, given, tags, exact=False)

    def table(
        self, query: RunQuery, columns: Sequence[Column] = (), *, before: int | None = None, count: bool = True
    ) -> RunTable:
        """The runs that match, with these columns."""
        with self._database.read() as connection:
            total = count_runs(connection, query, before) if count else -1
            ids = search_ids(connection, query, before)
            heads, found = _rows(connection, ids, columns)
        return RunTable(total, heads, found)

    def tree(
        self, query: RunQuery, columns: Sequence[Column] = (), *, opened: Sequence[str] | None, before: int | None = None
    ) -> RunTree:
        """A page of the runs, each below the one that it is nested in."""
        with self._database.read() as connection:
            total = count_runs(connection, query, before)
            page = Trees(connection, query, before).page(opened)
            heads, found = _rows(connection, page.ids, columns)
        nested = (tuple(page.depths), tuple(page.children), tuple(page.opened))
        return RunTree(total, page.rows, heads, *nested, found)

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
        query = sa.select(chunk.key, chunk.count, latest.low, latest.high, chunk.data).select_from(many)
        query = query.where(chunk.run_id == run_id, latest.count > 1, outermost).order_by(chunk.key, chunk.number)
        steps: dict[str, list[int | None]] = {}
        with self._database.read() as connection:
            rows = tuples(connection, figures)
            for some in _at_once(tuples(connection, query)):
                _find_steps(some, steps)
        return {key: _extremes(count, low, high, steps.get(key, [step, step])) for key, count, low, high, step in rows}

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


def _counted(connection: sa.Connection, table: sa.Table, some: sa.Select[str] | Sequence[str], *, but: bool) -> dict[str, int]:
    """How many of some runs have each key, or of all but those: an index counts all in a tenth of the time that they take."""
    query = sa.select(table.c.key, sa.func.count()).group_by(table.c.key)
    within = table.c.run_id.in_(some) if isinstance(some, sa.Select) else one_of(connection, table.c.run_id, some)
    found = dict(sorted(tuples(connection, query.where(within))))
    if not but:
        return found
    return {key: left for key, count in sorted(tuples(connection, query)) if (left := count - found.get(key, 0))}


def _heads(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> list[RunHead]:
    return _told_heads(tuples(connection, sa.select(*_HEAD).select_from(_HOMES).where(*where)))


def _told_heads(rows: Sequence[tuple[Any, ...]]) -> list[RunHead]:
    return [RunHead(run_id, name, str(experiment_id), *rest) for run_id, name, experiment_id, *rest in rows]


_HEADS = Query(
    lambda connection: sa.select(*_HEAD).select_from(_HOMES).where(is_one(connection, runs.c.run_id, sa.bindparam("run_ids")))
)
_LAST: dict[str, Cells[Any]] = {"metric": NUMBERS, "param": texts_of(params, keyed=True), "tag": texts_of(run_tags, keyed=True)}
_FIGURE_NAMES = ("low", "high", "step")
_FIGURES = Query(
    lambda connection: sa.select(*(latest_metrics.c[name] for name in ("run_id", "key", *_FIGURE_NAMES))).where(
        *(is_one(connection, latest_metrics.c[name], sa.bindparam(f"{name}s")) for name in ("run_id", "key"))
    )
)


def _rows(
    connection: sa.Connection, ids: Sequence[str], columns: Sequence[Column]
) -> tuple[tuple[RunHead, ...], dict[str, list[Any]]]:
    """The heads of runs, and column name to its values, one a run. Of runs with many keys only those that are asked for are
    read."""
    found: dict[str, list[Any]] = {column.name: [None] * len(ids) for column in columns}
    asked = {"run_ids": listed(connection, sorted(ids))}
    queries: list[Asked[Any]] = []
    for entity, cells in _LAST.items():
        last = {column.name: column.key for column in columns if column.entity == entity and column.figure == "last"}
        if last:
            keys = listed(connection, list(set(last.values())))
            query, given, read = cells.asked(connection, by_key, **asked, keys=keys)
            queries.append((query, given, partial(_last, ids, last, read)))
    *parts, heads = read_each(connection, [*queries, (_HEADS, asked, _told_heads)])
    for part in parts:
        found |= part
    figures: dict[str, list[tuple[list[Any], int]]] = {}
    for column in columns:
        if column.figure != "last":
            figures.setdefault(column.key, []).append((found[column.name], _FIGURE_NAMES.index(column.figure)))
    places = {run_id: place for place, run_id in enumerate(ids)}
    for run_id, key, *extent in _FIGURES.rows(connection, **asked, keys=listed(connection, list(figures))) if figures else ():
        for values, place in figures[key]:
            values[places[run_id]] = extent[place]
    by_id = {head.id: head for head in heads}
    return tuple(by_id[run_id] for run_id in ids), found


def _last(
    ids: Sequence[str], keys: Mapping[str, str], read: Callable[[list[Any]], Mapping[str, Mapping[str, Any]]], rows: list[Any]
) -> dict[str, list[Any]]:
    """Column name to its values, one a run, of the rows of what runs have by key. `keys` are those of the columns."""
    held = read(rows)
    values = [map(held.get(run_id, {}).get, keys.values()) for run_id in ids]
    return {name: list(column) for name, column in zip(keys, zip(*values, strict=True), strict=False)}  # no ids, no rows


def _extremes(count: int, low: float | None, high: float | None, steps: Sequence[int | None]) -> Extremes:
    if low is None or high is None:
        return Extremes(count, math.nan, None, math.nan, None)
    return Extremes(count, low, steps[0], high, steps[1])


_Outermost = tuple[str, int, float, float, bytes]
"""A chunk that has the lowest or the highest value of a metric: key, points, that lowest and highest value, data."""


def _at_once(chunks: Sequence[Any]) -> Iterator[list[_Outermost]]:
    """As many chunks at a time as memory is for."""
    some: list[_Outermost] = []
    points = 0
    for chunk in chunks:
        if some and points + chunk[1] > MOST_POINTS:
            yield some
            some, points = [], 0
        some.append(chunk)
        points += chunk[1]
    if some:
        yield some


def _find_steps(chunks: Sequence[_Outermost], steps: dict[str, list[int | None]]) -> None:
    """Add for each key the first steps in these chunks at which it was lowest and highest, unless they are known. All chunks as
    one column: a run may have thousands of them with a few points each."""
    import numpy as np

    keys, counts, lows, highs, data = zip(*chunks, strict=True)
    decoded = decode_all(data)
    values, places = (np.concatenate([getattr(chunk, name) for chunk in decoded]) for name in ("values", "steps"))
    owners = np.repeat(np.arange(len(keys)), counts)
    for way, extreme in enumerate((lows, highs)):
        hits = np.flatnonzero(values == np.array(extreme)[owners])
        found, first = np.unique(owners[hits], return_index=True)
        for owner, step in zip(found.tolist(), places[hits[first]].tolist(), strict=True):
            known = steps.setdefault(keys[owner], [None, None])
            if known[way] is None:
                known[way] = step
