"""A catalog that is made now, at once, is what the migrations make of an empty one."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from contextlib import closing

import pytest
import sqlalchemy as sa

from contract.catalog_workers import open_and_close
from headrace.errors import StorageError
from headrace.sql import migrations, schema
from headrace.sql.database import Database
from waiting import PATIENCE

TOLD = {
    "sqlite": (
        "SELECT t.name, c.* FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table'",
        "SELECT t.name, k.* FROM sqlite_master t, pragma_foreign_key_list(t.name) k WHERE t.type = 'table'",
        "SELECT name, sql FROM sqlite_master WHERE type IN ('index', 'trigger')",
    ),
    "postgresql": (
        (
            "SELECT table_name, ordinal_position, column_name, data_type, character_maximum_length, is_nullable, column_default, "
            "collation_name FROM information_schema.columns WHERE table_schema = 'public'"
        ),
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
        (
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE connamespace = 'public'::regnamespace"
        ),
        "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
        "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
        "SELECT sequencename, data_type, last_value FROM pg_sequences WHERE schemaname = 'public'",
        "SELECT relname, obj_description(oid) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind <> 't'",
    ),
}
"""What a database says of its schema."""


def told(url):
    """What the database says of its schema, and all rows, but for when the default experiment was made."""
    with closing(Database(url)) as database, database.read() as connection:
        shape = [sorted(map(str, connection.exec_driver_sql(query))) for query in TOLD[connection.dialect.name]]
        kept = sa.MetaData()
        kept.reflect(connection)
        rows = {
            table.name: connection.execute(sa.select(*(c for c in table.c if c.name not in ("created", "updated")))).all()
            for table in kept.sorted_tables
        }
    return shape, rows


@pytest.mark.filterwarnings("ignore:.*expression-based index")
def test_a_catalog_made_at_once_is_what_the_migrations_make(catalog_url, request, tmp_path, monkeypatch):
    made, rows = told(catalog_url)
    monkeypatch.setattr(migrations, "upgrade", migrations.migrate)
    postgresql = catalog_url.startswith("postgresql")
    other = request.getfixturevalue("postgres").new_database() if postgresql else f"sqlite:///{tmp_path / 'migrated.db'}"
    migrated, migrated_rows = told(other)
    assert made == migrated
    assert rows == migrated_rows
    assert rows["experiments"]
    assert rows["definition_revision"]
    assert rows["alembic_version"]


def test_making_a_catalog_leaves_alembic_alone(tmp_path):
    code = (
        "import sys; from headrace.sql.database import Database; Database(sys.argv[1]).close(); print('alembic' in sys.modules)"
    )
    command = [sys.executable, "-c", code, f"sqlite:///{tmp_path / 'catalog.db'}"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_catalog_that_cannot_be_made_leaves_nothing(catalog_url, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(schema, "HEAD", None)  # the last thing that is written
        with pytest.raises(sa.exc.IntegrityError):
            open_and_close(catalog_url)
    engine = sa.create_engine(catalog_url.replace("postgresql://", "postgresql+psycopg://"))
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()
    open_and_close(catalog_url)


def test_processes_that_start_at_once_make_one_catalog(catalog_url):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=open_and_close, args=(catalog_url,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE)
    assert [worker.exitcode for worker in workers] == [0] * 4


def test_the_trail_of_a_catalog_made_at_once_is_append_only(catalog_url):
    with closing(Database(catalog_url)) as database:
        with database.write() as connection:
            row = dict.fromkeys(("subject", "action", "before", "after", "reason", "user", "previous", "hash"), "x")
            connection.execute(schema.registry.audit.insert(), {**row, "seq": 1, "time": 1})
        with pytest.raises((StorageError, sa.exc.IntegrityError), match="append-only"), database.write() as connection:
            connection.execute(schema.registry.audit.delete())
