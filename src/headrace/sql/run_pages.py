"""Whole runs, many at once: a few statements a page, whose text doesn't grow with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from headrace.sql.database import Database
from headrace.sql.packing import is_one, listed, one_of
from headrace.sql.prepared import Asked, Query, read_each
from headrace.sql.run_cells import POINTS, by_key, texts_of
from headrace.sql.tables.tracking import (
    experiments,
    params,
    run_inputs,
    run_model_inputs,
    run_outputs,
    run_tags,
    runs,
)
from headrace.tracking.page import Form, Head, LatestPoints, Page, RunPage
from headrace.tracking.run import DatasetInput, ModelOutput

__all__ = ["INPUT_FIELDS", "load_page", "load_page_as", "load_runs"]

T = TypeVar("T")
P = TypeVar("P")

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

_Owners = tuple[list[str], list[str], list[str]]
"""The runs that have datasets as inputs, models as inputs, outputs."""
_Linked = tuple[dict[str, list[DatasetInput]], dict[str, list[str]], dict[str, list[ModelOutput]]]
"""Those."""


_HEADS = Query(
    lambda connection: (
        sa.select(*_HEAD, *_HAS).join(experiments).where(is_one(connection, runs.c.run_id, sa.bindparam("run_ids")))
    )
)
_PARAMS, _TAGS = texts_of(params), texts_of(run_tags)
PLAIN = Form(lambda keys, values: by_key((keys, values)), LatestPoints)
"""What a RunPage has."""


def load_page(connection: sa.Connection, run_ids: Sequence[str]) -> RunPage:
    """The runs with these ids; those that aren't there have no head."""
    return RunPage(**_fields(connection, run_ids, PLAIN))


def load_page_as(form: Form[T, P], connection: sa.Connection, run_ids: Sequence[str]) -> Page[T, P]:
    """The same in another form."""
    return Page(**_fields(connection, run_ids, form))


def load_runs(database: Database, run_ids: Sequence[str]) -> RunPage:
    """The same as it is, at a glance; what few runs have, inputs and outputs, is asked for after it."""
    with database.glance() as connection:
        answers = [(query.ask(connection, **values), read) for query, values, read in _asked(connection, run_ids, PLAIN)]

    def linked(owners: _Owners) -> _Linked:
        with database.read() as connection:
            return _linked(connection, owners)

    return RunPage(**_joined(run_ids, [read(rows()) for rows, read in answers], linked))


def _fields(connection: sa.Connection, run_ids: Sequence[str], form: Form[T, P]) -> dict[str, Any]:
    """Those of a Page."""
    found = read_each(connection, _asked(connection, run_ids, form))
    return _joined(run_ids, found, lambda owners: _linked(connection, owners))


def _asked(connection: sa.Connection, run_ids: Sequence[str], form: Form[T, P]) -> list[Asked[Any]]:
    """The metrics, params, tags and heads of runs: what takes longest to read comes first."""
    asked = {"run_ids": listed(connection, sorted(run_ids))}  # in the order of the tables, which cost less so
    texts = (cells.asked(connection, lambda pairs: form.texts(*pairs), **asked) for cells in (_PARAMS, _TAGS))
    return [POINTS.asked(connection, lambda points: form.points(*points), **asked), *texts, (_HEADS, asked, list)]


def _joined(run_ids: Sequence[str], found: Sequence[Any], linked: Callable[[_Owners], _Linked]) -> dict[str, Any]:
    metrics, params, tags, rows = found
    heads: dict[str, Head] = {}
    owners: _Owners = ([], [], [])
    for run_id, name, experiment_id, *rest, has_inputs, has_models, has_outputs in rows:
        heads[run_id] = (name, str(experiment_id), *rest)
        for has, ids in zip((has_inputs, has_models, has_outputs), owners, strict=True):
            if has:
                ids.append(run_id)
    inputs, model_inputs, outputs = linked(owners) if any(owners) else ({}, {}, {})
    cells = {"params": params, "tags": tags, "metrics": metrics}
    links = {"inputs": inputs, "model_inputs": model_inputs, "outputs": outputs}
    return {"ids": run_ids, "heads": heads, **cells, **links}


def _linked(connection: sa.Connection, owners: _Owners) -> _Linked:
    return _inputs(connection, owners[0]), _model_inputs(connection, owners[1]), _outputs(connection, owners[2])


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
