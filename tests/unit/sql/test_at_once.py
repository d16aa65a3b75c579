"""A thread that answers everybody waits for no other writer: it is told so, and nothing was done."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing, contextmanager

import pytest
import sqlalchemy as sa

from headrace.patience import WouldWaitError, impatient, is_impatient
from headrace.sql import points, sqlite
from headrace.sql.database import Database
from headrace.sql.groups import GroupCommit
from headrace.sql.tracking import tracking_stores
from headrace.tracking.run import Metric, Run
from waiting import PATIENCE


@pytest.fixture
def database(tmp_path):
    opened = Database(f"sqlite:///{tmp_path / 'catalog.db'}")
    with opened.write() as connection:
        connection.execute(sa.text("CREATE TABLE kept (name TEXT)"))
    yield opened
    opened.close()


def keep(database, name, fail=None):
    """Write in a hurry."""

    def write(connection):
        connection.execute(sa.text("INSERT INTO kept VALUES (:name)"), {"name": name})
        if fail is not None:
            raise fail

    with impatient():
        GroupCommit(database).run(write)


def kept(path):
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM kept ORDER BY rowid")]


@contextmanager
def another_thread(database):
    """Have another thread be in the middle of a write."""
    began, end = threading.Event(), threading.Event()

    def write():
        with database.write():
            began.set()
            end.wait(PATIENCE)

    thread = threading.Thread(target=write)
    thread.start()
    assert began.wait(PATIENCE)
    try:
        yield
    finally:
        end.set()
        thread.join(PATIENCE)


@contextmanager
def another_process(database):
    """Hold the file's lock as another process would."""
    with closing(sqlite3.connect(database.url.database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@pytest.mark.parametrize("other", [another_thread, another_process])
def test_who_would_wait_is_told_and_nothing_is_done(database, other):
    with other(database), pytest.raises(WouldWaitError):
        keep(database, "during")
    assert not is_impatient()
    keep(database, "after")
    assert kept(database.url.database) == ["after"]


def test_a_failed_write_leaves_nothing_and_the_way_free(database):
    keep(database, "first")
    with pytest.raises(ValueError, match="no"):
        keep(database, "second", ValueError("no"))
    keep(database, "third")
    with database.write() as connection:
        connection.execute(sa.text("INSERT INTO kept VALUES ('patient')"))
    assert kept(database.url.database) == ["first", "third", "patient"]


def test_now_and_then_a_patient_write_is_asked_for_and_brings_the_log_into_the_file(database, monkeypatch):
    monkeypatch.setattr(sqlite, "MOST_AT_ONCE", 50)
    for name in range(50):
        keep(database, str(name))
    for _ in range(2):
        with pytest.raises(WouldWaitError):
            keep(database, "refused")
    with database.write():
        pass
    keep(database, "taken")
    assert len(kept(database.url.database)) == 51


def test_chunks_of_many_points_are_joined_by_who_has_time(database, monkeypatch):
    monkeypatch.setattr(points, "FANOUT", 4)
    stores = tracking_stores(database)
    stores.runs.create(Run(id="r", name="r", experiment_id="0", experiment="Default", status="RUNNING", start=1))
    refused = 0
    for step in range(300):
        try:
            with impatient():
                stores.runs.log("r", [Metric("loss", 0.5, step, step)])
        except WouldWaitError:
            refused += 1
            stores.runs.log("r", [Metric("loss", 0.5, step, step)])
    assert 0 < refused < 75
    assert [point.step for point in stores.metrics.history("r", "loss")] == list(range(300))


def test_a_server_elsewhere_is_never_waited_for(postgres):
    database = Database(postgres.new_database())
    try:
        assert not database.nearby
        with impatient(), pytest.raises(WouldWaitError), database.write():
            pass
    finally:
        database.close()
