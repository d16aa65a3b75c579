"""Whole runs, many at once: a few statements a page, whose text doesn't grow with it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from headrace.sql.rows import tuples
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

__all__ = ["INPUT_FIELDS", "load_page", "one_of"]

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


def one_of(connection: sa.Connection, column: sa.ColumnElement[str], values: Sequence[str]) -> sa.ColumnElement[bool]:
    """Whether a column is one of these texts, all of them in one parameter: the statement is the same for any number of them."""
    if connection.dialect.name == "postgresql":
        return column == sa.any_(sa.bindparam(None, list(values), type_=postgresql.ARRAY(sa.Text)))
    listed = sa.func.json_each(json.dumps(list(values))).table_valued("value")
    return column.in_(sa.select(listed.c.value))


def load_page(connection: sa.Connection, run_ids: Sequence[str]) -> RunPage:
    """The runs with these ids; those that aren't there have no head."""
    linked = [sa.exists().where(table.c.run_id == runs.c.run_id) for table in (run_inputs, run_model_inputs, run_outputs)]
    query = sa.select(*_HEAD, *linked).join(experiments).where(one_of(connection, runs.c.run_id, run_ids))
    heads: dict[str, Head] = {}
    owners: tuple[list[str], list[str], list[str]] = ([], [], [])
    for run_id, name, experiment_id, *rest, has_inputs, has_models, has_outputs in tuples(connection, query):
        heads[run_id] = (name, str(experiment_id), *rest)
        for has, ids in zip((has_inputs, has_models, has_outputs), owners, strict=True):
            if has:
                ids.append(run_id)
    return RunPage(
        run_ids,
        heads,
        params=_pairs(connection, params, run_ids),
        tags=_pairs(connection, run_tags, run_ids),
        metrics=_points(connection, run_ids),
        inputs=_inputs(connection, owners[0]),
        model_inputs=_model_inputs(connection, owners[1]),
        outputs=_outputs(connection, owners[2]),
    )


def _pairs(connection: sa.Connection, table: sa.Table, run_ids: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    query = sa.select(table.c.run_id, table.c.key, table.c.value).where(one_of(connection, table.c.run_id, run_ids))
    found: dict[str, list[tuple[str, str]]] = {run_id: [] for run_id in run_ids}
    for run_id, key, value in tuples(connection, query):
        found[run_id].append((key, value))
    return found


def _points(connection: sa.Connection, run_ids: Sequence[str]) -> dict[str, list[MetricRow]]:
    columns = [latest_metrics.c[name] for name in _POINT]
    query = sa.select(*columns).where(one_of(connection, latest_metrics.c.run_id, run_ids))
    found: dict[str, list[MetricRow]] = {run_id: [] for run_id in run_ids}
    for run_id, key, value, is_nan, *rest in tuples(connection, query):
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
