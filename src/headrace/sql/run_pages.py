"""Whole runs, many at once: a few statements a page, whose text doesn't grow with it."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from headrace.sql.database import Database
from headrace.sql.prepared import Query, pipelined
from headrace.sql.tables.tracking import (
    experiments,
    latest_metrics,
    params,
    run_inputs,
    run_model_inputs,
    run_outputs,
    run_tags,
    runs,
)
from headrace.tracking.page import Head, MetricRow, RunPage
from headrace.tracking.run import DatasetInput, ModelOutput

__all__ = ["INPUT_FIELDS", "is_one", "listed", "load_page", "load_runs", "one_of", "paired", "pairs", "value_of"]

INPUT_FIELDS = ("name", "digest", "context", "source_type", "source", "schema", "profile", "urn")
_HEAD = (
    runs.c.run_id,
    runs.c.name,
    runs.c.experiment_id,
    experiments.c.name.label("experiment"),
    runs.c.status,
    runs.c.start_time,
    runs.c.end_time,
    runs.c.seen,
    runs.c.user_id,
    runs.c.artifact_uri,
    runs.c.lifecycle_stage,
)
_HAS = tuple(sa.exists().where(table.c.run_id == runs.c.run_id) for table in (run_inputs, run_model_inputs, run_outputs))
_POINT = ("time", "step", "model_id", "dataset_name", "dataset_digest")

_Asked = tuple[
    Callable[[], list[tuple[Any, ...]]],
    Callable[[], dict[str, dict[str, str]]],
    Callable[[], dict[str, dict[str, str]]],
    Callable[[], dict[str, list[MetricRow]]],
]
"""What gives the heads of runs, their params, tags and metrics."""
_Owners = tuple[list[str], list[str], list[str]]
"""The runs that have datasets as inputs, models as inputs, outputs."""
_Linked = tuple[dict[str, list[DatasetInput]], dict[str, list[str]], dict[str, list[ModelOutput]]]
"""Those."""


def value_of(connection: sa.Connection) -> sa.ColumnElement[Any]:
    """The latest value of a metric; a NaN is null where the database has none."""
    nan: sa.ColumnElement[Any] = sa.literal_column("'NaN'::float8") if _has_arrays(connection) else sa.null()
    return sa.case((latest_metrics.c.is_nan, nan), else_=latest_metrics.c.value)


def of_runs(
    connection: sa.Connection, table: sa.Table, columns: Sequence[sa.ColumnElement[Any]], *where: sa.ColumnElement[bool]
) -> sa.Select[Any]:
    """A query for columns of what the runs of `run_ids` have. PostgreSQL gives a row a run, of arrays, and looks each run up by
    itself: else it reads the whole table for a tenth of its runs."""
    run_id = table.c.run_id
    wanted: sa.BindParameter[Any] = sa.bindparam("run_ids")
    if not _has_arrays(connection):
        return sa.select(run_id, *columns).where(is_one(connection, run_id, wanted), *where)
    ids = sa.func.unnest(sa.cast(wanted, postgresql.ARRAY(sa.Text))).table_valued("run_id", name="ids").render_derived()
    arrays = [sa.func.array_agg(column).label(f"column_{place}") for place, column in enumerate(columns)]
    held = sa.select(*arrays).where(run_id == ids.c.run_id, *where).lateral("held")
    return sa.select(ids.c.run_id, *held.c).select_from(ids.join(held, sa.true())).where(held.c.column_0.is_not(None))


def paired(
    connection: sa.Connection, table: sa.Table, value: sa.ColumnElement[Any], *where: sa.ColumnElement[bool]
) -> sa.Select[Any]:
    """A query for what the runs of `run_ids` have, key and value, all of a run in a row: a row for each would cost several times
    as much. But SQLite's JSON cuts numbers: those come in rows of their own."""
    run_id, key = table.c.run_id, table.c.key
    if _has_arrays(connection) or not isinstance(value.type, sa.String):
        return of_runs(connection, table, [key, value], *where)
    found = sa.select(run_id, sa.func.json_group_object(key, value)).group_by(run_id)
    return found.where(is_one(connection, run_id, sa.bindparam("run_ids")), *where)


def pairs(connection: sa.Connection, rows: Iterable[tuple[Any, ...]], *, numbers: bool = False) -> dict[str, dict[str, Any]]:
    """What a query for texts, or for numbers, that was `paired` found: run → key → value."""
    if _has_arrays(connection):
        return {run_id: dict(zip(keys, values, strict=True)) for run_id, keys, values in rows}
    if not numbers:
        return {run_id: json.loads(held) for run_id, held in rows}
    found: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for run_id, key, value in rows:
        found[run_id][key] = math.nan if value is None else value
    return found


def _texts(table: sa.Table) -> Query:
    """A query for the params or the tags of some runs."""
    return Query(lambda connection: paired(connection, table, table.c.value))


def _points(connection: sa.Connection) -> sa.Select[Any]:
    """The query for the latest metrics of some runs."""
    columns = [latest_metrics.c.key, value_of(connection), *(latest_metrics.c[name] for name in _POINT)]
    return of_runs(connection, latest_metrics, columns)


_HEADS = Query(
    lambda connection: (
        sa.select(*_HEAD, *_HAS).join(experiments).where(is_one(connection, runs.c.run_id, sa.bindparam("run_ids")))
    )
)
_PARAMS, _TAGS, _POINTS = _texts(params), _texts(run_tags), Query(_points)


def one_of(connection: sa.Connection, column: sa.ColumnElement[str], values: Sequence[str]) -> sa.ColumnElement[bool]:
    """Whether a column is one of these texts, all of them in one parameter: the statement is the same for any number of them."""
    return is_one(connection, column, sa.bindparam(None, listed(connection, values)))


def load_page(connection: sa.Connection, run_ids: Sequence[str]) -> RunPage:
    """The runs with these ids; those that aren't there have no head."""
    with pipelined(connection):
        asked = _ask(connection, run_ids)
    return _page(run_ids, asked, lambda owners: _linked(connection, owners))


def load_runs(database: Database, run_ids: Sequence[str]) -> RunPage:
    """The same, at a glance; what few runs have, inputs and outputs, is asked for after it."""
    with database.glance() as connection:
        asked = _ask(connection, run_ids)

    def linked(owners: _Owners) -> _Linked:
        with database.read() as connection:
            return _linked(connection, owners)

    return _page(run_ids, asked, linked)


def _ask(connection: sa.Connection, run_ids: Sequence[str]) -> _Asked:
    wanted = listed(connection, run_ids)
    heads, given, tags, points = (query.ask(connection, run_ids=wanted) for query in (_HEADS, _PARAMS, _TAGS, _POINTS))
    return heads, lambda: pairs(connection, given()), lambda: pairs(connection, tags()), lambda: _metrics(connection, points())


def _page(run_ids: Sequence[str], asked: _Asked, linked: Callable[[_Owners], _Linked]) -> RunPage:
    found, params_of, tags_of, points = asked
    heads: dict[str, Head] = {}
    owners: _Owners = ([], [], [])
    for run_id, name, experiment_id, *rest, has_inputs, has_models, has_outputs in found():
        heads[run_id] = (name, str(experiment_id), *rest)
        for has, ids in zip((has_inputs, has_models, has_outputs), owners, strict=True):
            if has:
                ids.append(run_id)
    inputs, model_inputs, outputs = linked(owners) if any(owners) else ({}, {}, {})
    return RunPage(
        run_ids,
        heads,
        params=params_of(),
        tags=tags_of(),
        metrics=points(),
        inputs=inputs,
        model_inputs=model_inputs,
        outputs=outputs,
    )


def _linked(connection: sa.Connection, owners: _Owners) -> _Linked:
    return _inputs(connection, owners[0]), _model_inputs(connection, owners[1]), _outputs(connection, owners[2])


def listed(connection: sa.Connection, values: Sequence[str]) -> Any:
    """Texts as the one value that `is_one` looks in."""
    return list(values) if _has_arrays(connection) else json.dumps(list(values))


def is_one(connection: sa.Connection, column: sa.ColumnElement[str], value: sa.BindParameter[Any]) -> sa.ColumnElement[bool]:
    """Whether a column is one of the texts in a value that `listed` made."""
    if _has_arrays(connection):
        return column == sa.any_(sa.cast(value, postgresql.ARRAY(sa.Text)))
    return column.in_(sa.select(sa.func.json_each(value).table_valued("value").c.value))


def _has_arrays(connection: sa.Connection) -> bool:
    return connection.dialect.name == "postgresql"


def _metrics(connection: sa.Connection, rows: Iterable[tuple[Any, ...]]) -> dict[str, list[MetricRow]]:
    if _has_arrays(connection):
        return {row[0]: list(zip(*row[1:], strict=True)) for row in rows}
    found: defaultdict[str, list[MetricRow]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(row[1:] if row[2] is not None else (row[1], math.nan, *row[3:]))
    return found


def _rows_of(connection: sa.Connection, table: sa.Table, run_ids: Sequence[str], *order: sa.ColumnElement[Any]) -> list[Any]:
    if not run_ids:
        return []
    query = sa.select(table).where(one_of(connection, table.c.run_id, run_ids)).order_by(*order)
    return list(connection.execute(query).mappings())


def _inputs(connection: sa.Connection, run_ids: Sequence[str]) -> dict[str, list[DatasetInput]]:
    found: dict[str, list[DatasetInput]] = {}
    for row in _rows_of(connection, run_inputs, run_ids, run_inputs.c.position):
        item = DatasetInput(**{name: row[name] for name in INPUT_FIELDS}, tags=json.loads(row["tags"]))
        found.setdefault(row["run_id"], []).append(item)
    return found


def _model_inputs(connection: sa.Connection, run_ids: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in _rows_of(connection, run_model_inputs, run_ids):
        found.setdefault(row["run_id"], []).append(row["model_id"])
    return found


def _outputs(connection: sa.Connection, run_ids: Sequence[str]) -> dict[str, list[ModelOutput]]:
    found: dict[str, list[ModelOutput]] = {}
    for row in _rows_of(connection, run_outputs, run_ids):
        found.setdefault(row["run_id"], []).append(ModelOutput(row["model_id"], row["step"]))
    return found
