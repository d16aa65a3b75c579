"""A catalog of every schema ever released, with rows in all its tables, is brought to the newest one and loses nothing."""

from __future__ import annotations

from contextlib import closing

import pytest
import sqlalchemy as sa

from headrace.sql.database import Database
from headrace.sql.migrations import migrate
from headrace.sql.tables import HEAD
from headrace.sql.tracking import tracking_stores

REVISIONS = [f"{number:04}" for number in range(1, int(HEAD))]
ROWS = 3
CHUNKS = "0006"
"""Which schema brought points into chunks."""
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


def fill(connection, era):
    """New rows in every table; the numbers of an era's rows are its own."""
    for table in reflected(connection):
        if table.name == "definition_revision":
            connection.execute(table.update().values(revision=era))
        elif table.name != "metric_chunks":  # bytes that only the code of its time can write: the points come before them
            rows = [{column.name: value_of(table, column, row) for column in table.columns} for row in numbers(era)]
            connection.execute(table.insert(), rows)


def numbers(era):
    return range(10 * era + 1, 10 * era + 1 + ROWS)


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


def lost(before, after):
    """The tables of which rows are gone or changed, in columns that they had."""
    found = []
    for table, (names, rows) in before.items():
        if table == "metrics" and table not in after:
            continue  # its points are in chunks now: `read` finds them
        kept = sorted(str({name: row[name] for name in names}) for row in after[table][1])
        if kept != sorted(map(str, rows)):
            found.append(table)
    return found


@pytest.mark.filterwarnings("ignore:.*expression-based index")
def test_a_catalog_of_every_released_schema_with_rows_in_all_its_tables_loses_nothing(
    catalog_url, tmp_path, request, monkeypatch
):
    with monkeypatch.context() as patch:  # as the first release made it
        patch.setattr(Database, "_migrate", lambda self: migrate(self, REVISIONS[0]))
        with closing(Database(catalog_url)) as database:
            for era, following in enumerate([*REVISIONS[1:], HEAD], start=1):
                with database.write() as connection:
                    fill(connection, era)
                    before = held(connection)
                if following != HEAD:
                    migrate(database, following)
                    with database.read() as connection:
                        assert lost(before, held(connection)) == [], following
    with closing(Database(catalog_url)) as database:  # opening it is what upgrades it
        with database.read() as connection:
            assert lost(before, held(connection)) == [], HEAD
            upgraded = shape(connection)
        for era in range(2, len(REVISIONS) + 1):  # the second release brought runs
            read(database, era)
    postgresql = catalog_url.startswith("postgresql")
    fresh = request.getfixturevalue("postgres").new_database() if postgresql else f"sqlite:///{tmp_path / 'fresh.db'}"
    with closing(Database(fresh)) as database, database.read() as connection:
        assert upgraded == shape(connection)


def read(database, era):
    """What was logged in an era is found by the code of today."""
    stores = tracking_stores(database)
    for row in numbers(era):
        run = stores.runs.get([f"run_id {row}"])[0]
        assert (run.status, run.experiment_id) == ("FINISHED", str(row))
        assert len(run.params) == len(run.tags) == 1
        assert stores.models.get(f"model_id {row}").artifact_uri
        if era < int(CHUNKS):
            history = stores.metrics.history(run.id, f"key {row}")
            assert [(point.step, point.value) for point in history] == [(row, float(row))]
    assert stores.experiments.get("0").name == "Default"
