"""Whole runs, many at once: a few statements a page, whose text doesn't grow with it."""

from __future__ import annotations

import json
import math
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

__all__ = ["INPUT_FIELDS", "is_one", "listed", "load_page", "load_runs", "one_of"]

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
_POINT = ("run_id", "key", "value", "is_nan", "time", "step", "model_id", "dataset_name", "dataset_digest")
_HAS = tuple(sa.exists().where(table.c.run_id == runs.c.run_id) for table in (run_inputs, run_model_inputs, run_outputs))

_Owners = tuple[list[str], list[str], list[str]]
"""The runs that have datasets as inputs, models as inputs, outputs."""
_Linked = tuple[dict[str, list[DatasetInput]], dict[str, list[str]], dict[str, list[ModelOutput]]]
"""Those."""


def _of(column: sa.ColumnElement[str], query: sa.Select[Any]) -> Query:
    """A query for the rows of some runs."""
    return Query(lambda connection: query.where(is_one(connection, column, sa.bindparam("run_ids"))))


_HEADS = _of(runs.c.run_id, sa.select(*_HEAD, *_HAS).join(experiments))
_PARAMS = _of(params.c.run_id, sa.select(params.c.run_id, params.c.key, params.c.value))
_TAGS = _of(run_tags.c.run_id, sa.select(run_tags.c.run_id, run_tags.c.key, run_tags.c.value))
_POINTS = _of(latest_metrics.c.run_id, sa.select(*(latest_metrics.c[name] for name in _POINT)))


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


def _ask(connection: sa.Connection, run_ids: Sequence[str]) -> list[Callable[[], list[tuple[Any, ...]]]]:
    wanted = listed(connection, run_ids)
    return [query.ask(connection, run_ids=wanted) for query in (_HEADS, _PARAMS, _TAGS, _POINTS)]


def _page(
    run_ids: Sequence[str], asked: Iterable[Callable[[], list[tuple[Any, ...]]]], linked: Callable[[_Owners], _Linked]
) -> RunPage:
    found, params_of, tags_of, points = [rows() for rows in asked]
    heads: dict[str, Head] = {}
    owners: _Owners = ([], [], [])
    for run_id, name, experiment_id, *rest, has_inputs, has_models, has_outputs in found:
        heads[run_id] = (name, str(experiment_id), *rest)
        for has, ids in zip((has_inputs, has_models, has_outputs), owners, strict=True):
            if has:
                ids.append(run_id)
    inputs, model_inputs, outputs = linked(owners) if any(owners) else ({}, {}, {})
    return RunPage(
        run_ids,
        heads,
        params=_pairs(params_of, run_ids),
        tags=_pairs(tags_of, run_ids),
        metrics=_metrics(points, run_ids),
        inputs=inputs,
        model_inputs=model_inputs,
        outputs=outputs,
    )


def _linked(connection: sa.Connection, owners: _Owners) -> _Linked:
    return _inputs(connection, owners[0]), _model_inputs(connection, owners[1]), _outputs(connection, owners[2])


def listed(connection: sa.Connection, values: Sequence[str]) -> Any:
    """Texts as the one value that `is_one` looks in."""
    return list(values) if connection.dialect.name == "postgresql" else json.dumps(list(values))


def is_one(connection: sa.Connection, column: sa.ColumnElement[str], value: sa.BindParameter[Any]) -> sa.ColumnElement[bool]:
    """Whether a column is one of the texts in a value that `listed` made."""
    if connection.dialect.name == "postgresql":
        return column == sa.any_(sa.cast(value, postgresql.ARRAY(sa.Text)))
    return column.in_(sa.select(sa.func.json_each(value).table_valued("value").c.value))


def _pairs(rows: Iterable[tuple[str, str, str]], run_ids: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {run_id: [] for run_id in run_ids}
    for run_id, key, value in rows:
        found[run_id].append((key, value))
    return found


def _metrics(rows: Iterable[tuple[Any, ...]], run_ids: Sequence[str]) -> dict[str, list[MetricRow]]:
    found: dict[str, list[MetricRow]] = {run_id: [] for run_id in run_ids}
    for run_id, key, value, is_nan, *rest in rows:
        found[run_id].append((key, math.nan if is_nan else value, *rest))
    return found


def _of_runs(connection: sa.Connection, table: sa.Table, run_ids: Sequence[str], *order: sa.ColumnElement[Any]) -> list[Any]:
    if not run_ids:
        return []
    query = sa.select(table).where(one_of(connection, table.c.run_id, run_ids)).order_by(*order)
    return list(connection.execute(query).mappings())


def _inputs(connection: sa.Connection, run_ids: Sequence[str]) -> dict[str, list[DatasetInput]]:
    found: dict[str, list[DatasetInput]] = {}
    for row in _of_runs(connection, run_inputs, run_ids, run_inputs.c.position):
        item = DatasetInput(**{name: row[name] for name in INPUT_FIELDS}, tags=json.loads(row["tags"]))
        found.setdefault(row["run_id"], []).append(item)
    return found


def _model_inputs(connection: sa.Connection, run_ids: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in _of_runs(connection, run_model_inputs, run_ids):
        found.setdefault(row["run_id"], []).append(row["model_id"])
    return found


def _outputs(connection: sa.Connection, run_ids: Sequence[str]) -> dict[str, list[ModelOutput]]:
    found: dict[str, list[ModelOutput]] = {}
    for row in _of_runs(connection, run_outputs, run_ids):
        found.setdefault(row["run_id"], []).append(ModelOutput(row["model_id"], row["step"]))
    return found
