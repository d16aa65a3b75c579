"""The catalog's schema: migrations make what the tables say, keep data, and refuse what isn't theirs."""

from __future__ import annotations

import importlib
import math
import multiprocessing
import os
import pkgutil
import sqlite3
import subprocess
import sys

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import headrace.sql.tables
from contract.catalog_workers import open_and_close
from headrace.errors import SettingsError, StorageError
from headrace.ids import new_id
from headrace.sql import sqlite as sqlite_module
from headrace.sql.database import Database
from headrace.sql.migrations import configuration, downgrade, migrate
from headrace.sql.tables import HEAD
from headrace.sql.tracking import tracking_stores
from headrace.tracking.run import Metric, Run

for module in pkgutil.iter_modules(headrace.sql.tables.__path__):
    importlib.import_module(f"headrace.sql.tables.{module.name}")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "catalog.db"


@pytest.fixture
def database(path):
    database = Database(f"sqlite:///{path}")
    yield database
    database.close()


@pytest.mark.filterwarnings("ignore:.*expression-based index")
def test_all_migrations_make_exactly_the_tables_in_the_code(database):
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, headrace.sql.tables.metadata) == []


def test_all_migrations_make_exactly_the_columns_and_indexes_in_the_code(database):
    """Autogenerate can't see indexes of expressions and misreads empty defaults, so this compares what SQLite keeps of them."""
    declared = sa.create_engine("sqlite://")
    headrace.sql.tables.metadata.create_all(declared)
    query = sa.text(
        'SELECT t.name, c.name, c.type, c."notnull", c.dflt_value, c.pk FROM sqlite_master t, pragma_table_info(t.name) c '
        "WHERE t.type = 'table' AND t.name <> 'alembic_version' "
        "UNION ALL SELECT name, sql, '', 0, '', 0 FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY 1, 2"
    )
    with database.read() as migrated, declared.connect() as expected:
        assert migrated.execute(query).all() == expected.execute(query).all()
    declared.dispose()


def test_the_migrations_are_one_line_that_ends_at_head():
    script = ScriptDirectory.from_config(configuration())
    revisions = [item.revision for item in script.walk_revisions()]
    assert revisions == [f"{number:04}" for number in range(int(HEAD), 0, -1)]
    assert script.get_heads() == [HEAD]


def test_an_upgrade_keeps_the_data(path, database):
    downgrade(database, "0001")
    with database.write() as connection:
        connection.execute(
            sa.text("INSERT INTO definition_versions VALUES ('entity', 'user', 1, 'h', 'c', 1, '{\"refs\":{}}', 5, 'ada')")
        )
        connection.execute(sa.text("INSERT INTO definition_names VALUES ('entity', 'user', 1, 0)"))
        connection.execute(sa.text("UPDATE definition_revision SET revision = 7"))
    database.close()
    reopened = Database(f"sqlite:///{path}")
    with reopened.read() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() == HEAD
        assert connection.execute(sa.text("SELECT name, author FROM definition_versions")).all() == [("user", "ada")]
        assert connection.execute(sa.text("SELECT revision FROM definition_revision")).scalar() == 7
    reopened.close()


def test_points_of_metrics_are_brought_into_chunks_and_back(catalog_url):
    database = Database(catalog_url)
    stores = tracking_stores(database)
    run = Run(id=new_id(), name="r", experiment_id="0", experiment="Default", status="RUNNING", start=1)
    stores.runs.create(run)
    origins = [("", "", ""), ("", "films", "ab")]
    points = [Metric("m", [0.5, math.nan, math.inf][n % 3], n // 7, n % 5, *origins[n % 2]) for n in range(200)]
    stores.runs.log(run.id, [*points, Metric("other", 1.0, 1)])
    before = {key: list(map(str, stores.metrics.history(run.id, key))) for key in ("m", "other")}
    sums = stores.metrics.summaries(run.id)
    downgrade(database, "0005")
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM metrics")).scalar() == sum(map(len, before.values()))
    migrate(database)
    assert {key: list(map(str, stores.metrics.history(run.id, key))) for key in ("m", "other")} == before
    assert stores.metrics.summaries(run.id) == sums
    stores.runs.log(run.id, [Metric("m", 2.0, 1000, 9)])
    assert len(stores.metrics.history(run.id, "m")) == len(before["m"]) + 1
    database.close()


def test_points_of_a_models_metrics_stay_when_their_dataset_comes_to_count(catalog_url):
    database = Database(catalog_url)
    rows = [{"step": step, "name": name} for step in range(3) for name in ("books", "films")]
    insert = "INSERT INTO model_metrics VALUES ('m-1', 'auc', :step, 7, 'r', 0.5, :is_nan, :name, 'd')"
    query = sa.text("SELECT step, dataset_name, value FROM model_metrics ORDER BY step, dataset_name")

    def kept():
        with database.read() as connection:
            return [tuple(row) for row in connection.execute(query)]

    with database.write() as connection:
        connection.execute(sa.text(insert), [{**row, "is_nan": False} for row in rows])
    assert len(kept()) == 6
    downgrade(database, "0011")
    assert kept() == [(step, "books", 0.5) for step in range(3)]
    migrate(database)
    assert kept() == [(step, "books", 0.5) for step in range(3)]
    with database.write() as connection:
        connection.execute(sa.text(insert), {**rows[1], "is_nan": False})
    assert kept()[:2] == [(0, "books", 0.5), (0, "films", 0.5)]
    database.close()


def test_every_migration_can_be_taken_back_and_done_again(database):
    downgrade(database, "base")
    with database.read() as connection:
        assert sa.inspect(connection).get_table_names() == ["alembic_version"]
    migrate(database)
    with database.read() as connection:
        assert "definition_versions" in sa.inspect(connection).get_table_names()


def test_a_migration_that_fails_leaves_nothing(path, monkeypatch):
    def fail(*_arguments):
        msg = "power cut"
        raise RuntimeError(msg)

    with monkeypatch.context() as patch:
        patch.setattr("alembic.operations.Operations.bulk_insert", fail)
        with pytest.raises(RuntimeError, match="power cut"):
            open_and_close(f"sqlite:///{path}")
    raw = sqlite3.connect(path)
    assert raw.execute("SELECT name FROM sqlite_master").fetchall() == []
    raw.close()
    open_and_close(f"sqlite:///{path}")


def test_processes_that_start_at_once_migrate_once(path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=open_and_close, args=(f"sqlite:///{path}",)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(100)
    assert [worker.exitcode for worker in workers] == [0] * 4


def test_opening_an_up_to_date_catalog_leaves_alembic_alone(path, database):
    code = (
        "import sys; from headrace.sql.database import Database; Database(sys.argv[1]).close(); print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, f"sqlite:///{path}"], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_newer_catalog_is_refused_untouched(path, database):
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError, match=r"written by a newer release \(schema 9999.*upgrade headrace"):
        open_and_close(f"sqlite:///{path}")


@pytest.mark.parametrize("statement", ["CREATE TABLE runs (id)", "CREATE TABLE alembic_version (version_num)"])
def test_a_database_of_something_else_is_refused_untouched(path, statement):
    raw = sqlite3.connect(path)
    raw.execute(statement)
    if "alembic" in statement:
        raw.execute("INSERT INTO alembic_version VALUES ('3500859a5d39')")
    raw.commit()
    with pytest.raises(StorageError, match="a database of something else"):
        open_and_close(f"sqlite:///{path}")
    assert len(raw.execute("SELECT name FROM sqlite_master").fetchall()) == 1
    raw.close()


def test_a_file_that_is_no_database_is_refused_untouched(path):
    path.write_bytes(b"name,stars\n" * 100)
    with pytest.raises(StorageError, match="isn't a SQLite file; restore it from a backup"):
        open_and_close(f"sqlite:///{path}")
    assert path.read_bytes() == b"name,stars\n" * 100


def test_a_damaged_catalog_says_so(path, database):
    database.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StorageError, match="it is damaged; restore it from a backup"):
        open_and_close(f"sqlite:///{path}")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions don't bind this user")
def test_a_read_only_folder_says_so(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o500)
    with pytest.raises(StorageError, match="can be read and written"):
        open_and_close(f"sqlite:///{folder / 'catalog.db'}")
    with pytest.raises(StorageError, match="can't be made"):
        open_and_close(f"sqlite:///{folder / 'inner' / 'catalog.db'}")
    folder.chmod(0o700)


def test_a_read_only_file_says_so(path, database):
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only=ON")
        with pytest.raises(StorageError, match="it is read-only; give write permission"), database._errors():
            connection.exec_driver_sql("DELETE FROM definition_names")
        connection.invalidate()


def test_a_folder_in_the_way_says_so(tmp_path):
    (tmp_path / "catalog.db").mkdir()
    with pytest.raises(StorageError, match="check that the file and its folder can be read and written"):
        open_and_close(f"sqlite:///{tmp_path / 'catalog.db'}")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="can't be made"):
        open_and_close(f"sqlite:///{tmp_path / 'file' / 'inner' / 'catalog.db'}")


def test_a_catalog_that_stays_locked_says_so(path, database, monkeypatch):
    monkeypatch.setattr(sqlite_module, "BUSY_SECONDS", 0.05)
    impatient = Database(f"sqlite:///{path}")
    with database.write(), pytest.raises(StorageError, match="another process held it"), impatient.write():
        pass
    impatient.close()


@pytest.mark.parametrize("url", ["mysql://db/headrace", "postgresql://db", "sqlite://", "sqlite:///:memory:", "catalog.db"])
def test_what_is_no_place_for_a_catalog_is_refused(url):
    with pytest.raises(SettingsError, match="setting 'catalog'"):
        Database(url)


def test_an_exception_in_a_write_undoes_it(database):
    def half_done():
        with database.write() as connection:
            connection.execute(sa.text("UPDATE definition_revision SET revision = 5"))
            msg = "stop"
            raise ValueError(msg)

    with pytest.raises(ValueError, match="stop"):
        half_done()
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT revision FROM definition_revision")).scalar() == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_opens_connections_of_its_own(database):
    database.stamp()
    with database.read() as connection:
        connection.execute(sa.text("SELECT 1"))
    child = os.fork()
    if child == 0:
        try:
            with database.write() as connection:
                connection.execute(sa.text("UPDATE definition_revision SET revision = 5"))
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT revision FROM definition_revision")).scalar() == 5
