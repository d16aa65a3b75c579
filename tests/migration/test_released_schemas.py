"""A catalog of every schema ever released, with rows in all its tables, is brought to the newest one and loses nothing."""

from __future__ import annotations

from contextlib import closing
from functools import cache

import pytest
import sqlalchemy as sa

from headrace.sql.database import HEAD, Database
from headrace.sql.migrations import upgrade
from headrace.sql.tracking import tracking_stores

REVISIONS = [f"{number:04}" for number in range(1, int(HEAD))]
ROWS = 3
MEANT = {
    ("experiments", "lifecycle_stage"): "active",
    ("experiments", "artifact_location"): "mlflow-artifacts:/1",
    ("runs", "lifecycle_stage"): "active",
    ("runs", "status"): "FINISHED",
    ("logged_models", "lifecycle_stage"): "active",
    ("logged_models", "details"): "{}",
    ("logged_models", "requirements"): "[]",
    ("logged_models", "signature"): "",
    ("logged_models", "status"): "READY",
    ("metrics", "is_nan"): False,
    ("latest_metrics", "is_nan"): False,
    ("model_versions", "stage"): "None",
}
"""Columns whose values mean something to a migration, or to who reads the rows afterwards."""
ALIKE = {"run_id", "model_id", "experiment_id"}
"""Columns that name the same thing in every table, whether the schema says so or not."""


def reflected(connection):
    schema = sa.MetaData()
    schema.reflect(connection)
    return [table for table in schema.sorted_tables if table.name != "alembic_version"]


def value_of(table, column, row):
    """A value of this column for a row, the same for whoever refers to it."""
    if (meant := MEANT.get((table.name, column.name))) is not None:
        return meant
    for key in column.foreign_keys:
        return value_of(key.column.table, key.column, row)
    if isinstance(column.type, sa.Boolean):
        return False
    if isinstance(column.type, (sa.Integer, sa.Float, sa.Numeric)):
        return row
    if isinstance(column.type, sa.JSON):
        return {}
    if isinstance(column.type, sa.LargeBinary):
        return bytes([row])
    if column.name in ALIKE or column.primary_key or column.unique:
        return f"{column.name} {row}"[: getattr(column.type, "length", None) or 99]
    default = "{}" if column.server_default is None else str(column.server_default.arg)
    return "{}" if isinstance(column.type, sa.Text) and "{}" in default else f"v{row}"


def fill(connection):
    """Rows in every table that has none; the default experiment and the revision are there."""
    for table in reflected(connection):
        if table.name == "definition_revision":
            connection.execute(table.update().values(revision=7))
            continue
        if table.name == "metric_chunks":
            continue  # bytes that only the code of its time can write; the points before them are tested as points
        rows = [{column.name: value_of(table, column, row) for column in table.columns} for row in range(1, ROWS + 1)]
        connection.execute(table.insert(), rows)


def held(connection):
    """The rows of every table, as sorted texts, and the columns of which each was made."""
    found = {}
    for table in reflected(connection):
        names = [column.name for column in table.columns]
        rows = [dict(zip(names, row, strict=True)) for row in connection.execute(sa.select(table))]
        found[table.name] = names, rows
    return found


def shape(connection):
    """Every table's columns with types and what may be null, its keys and indexes."""
    inspector = sa.inspect(connection)
    return {
        name: (
            {column["name"]: (str(column["type"]), column["nullable"]) for column in inspector.get_columns(name)},
            inspector.get_pk_constraint(name)["constrained_columns"],
            sorted(str(index["name"]) for index in inspector.get_indexes(name)),
            sorted((key["referred_table"], *key["constrained_columns"]) for key in inspector.get_foreign_keys(name)),
        )
        for name in inspector.get_table_names()
    }


@pytest.fixture(scope="module")
def newest(tmp_path_factory, request):
    """The shape of a catalog made now, by the kind of its database."""

    @cache
    def of(kind):
        places = {"sqlite": lambda: f"sqlite:///{tmp_path_factory.mktemp('newest') / 'catalog.db'}"}
        url = places.get(kind, lambda: request.getfixturevalue("postgres").new_database())()
        with closing(Database(url)) as database, database.read() as connection:
            return shape(connection)

    return of


@pytest.mark.filterwarnings("ignore:.*expression-based index")
@pytest.mark.parametrize("revision", REVISIONS)
def test_a_released_schema_with_rows_comes_to_the_newest_and_loses_nothing(catalog_url, newest, monkeypatch, revision):
    with monkeypatch.context() as patch:  # as the release of that time made it
        patch.setattr(Database, "_migrate", lambda self: upgrade(self, revision))
        with closing(Database(catalog_url)) as database, database.write() as connection:
            fill(connection)
            before = held(connection)
    with closing(Database(catalog_url)) as database:  # opening it is what upgrades it
        with database.read() as connection:
            assert shape(connection) == newest(connection.dialect.name)
            after = held(connection)
        for table, (names, rows) in before.items():
            if table == "metrics":
                continue  # they are in chunks now: `read` finds them
            now_names, now_rows = after[table]
            assert set(names) <= set(now_names), table
            assert sorted(str({name: row[name] for name in names}) for row in now_rows) == sorted(map(str, rows)), table
        if "runs" in before:
            read(database, before)


def read(database, before):
    """What was there is found by the code of today."""
    stores = tracking_stores(database)
    for row in range(1, ROWS + 1):
        run = stores.runs.get([f"run_id {row}"])[0]
        assert (run.status, run.experiment_id) == ("FINISHED", str(row))
        assert len(run.params) == len(run.tags) == 1
        assert stores.models.get(f"model_id {row}").artifact_uri
        if "metrics" in before:
            history = stores.metrics.history(run.id, f"key {row}")
            assert [(point.step, point.value) for point in history] == [(row, float(row))]
    assert stores.experiments.get("0").name == "Default"
