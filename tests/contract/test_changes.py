"""The sequence of changes, on every kind of catalog: nothing is seen before it is done, nothing is passed over."""

from __future__ import annotations

import pytest

from headrace.ids import new_id
from headrace.sql import changes as sequence
from headrace.sql.changes import SqlChanges, note
from headrace.sql.database import Database
from headrace.sql.tracking import tracking_stores
from headrace.tracking.changes import Change
from headrace.tracking.run import Metric, Run


@pytest.fixture
def database(catalog_url):
    opened = Database(catalog_url)
    yield opened
    opened.close()


def add(database, *subjects):
    for subject in subjects:
        with database.write() as connection:
            note(connection, "changed", subject)


def subjects(found):
    return [change.subject for change in found[0]]


def test_what_a_run_does_is_told_in_order(database):
    changes, stores = SqlChanges(database), tracking_stores(database)
    cursor = changes.end()
    run = Run(id=new_id(), name="r", experiment_id="0", experiment="Default", status="RUNNING", start=1)
    stores.runs.create(run)
    stores.runs.log(run.id, [Metric("loss", 1.0, 1), Metric("auc", 1.0, 1)])
    stores.runs.log(run.id, params={"a": "1"})
    stores.runs.update(run.id, status="FINISHED", end=5)
    found, end = changes.since(cursor, 100)
    assert found == [
        Change("created", run.id),
        Change("points", run.id, ("loss", "auc")),
        Change("changed", run.id),
        Change("ended", run.id),
    ]
    assert end == changes.end()
    assert changes.since(end, 100) == ([], end)


def test_a_reader_goes_on_from_its_cursor(database):
    changes = SqlChanges(database)
    add(database, "a")
    cursor = changes.end()
    add(database, "b", "c", "d")
    first = changes.since(cursor, 2)
    assert subjects(first) == ["b", "c"]
    assert subjects(changes.since(first[1], 100)) == ["d"]


def test_several_changes_of_one_transaction_are_all_there(database):
    changes = SqlChanges(database)
    cursor = changes.end()
    with database.write() as connection:
        for subject in "abc":
            note(connection, "changed", subject)
    assert subjects(changes.since(cursor, 100)) == ["a", "b", "c"]


def test_what_was_undone_is_never_told(database):
    changes = SqlChanges(database)
    with pytest.raises(RuntimeError), database.write() as connection:
        note(connection, "changed", "a")
        raise RuntimeError
    assert subjects(changes.since((0, 0), 100)) == []


def test_a_slow_transaction_is_not_passed_over(database):
    if database.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    changes = SqlChanges(database)
    cursor = changes.end()
    with database.write("slow") as slow:
        note(slow, "changed", "slow")
        with database.write("fast") as fast:
            note(fast, "changed", "fast")
        waiting = changes.since(cursor, 100)
        assert subjects(waiting) == []
    assert subjects(changes.since(waiting[1], 100)) == ["slow", "fast"]


def test_who_missed_too_much_is_told_so(database, monkeypatch):
    monkeypatch.setattr(sequence, "KEPT", 20)
    monkeypatch.setattr(sequence, "TIDY_EVERY", 1)
    monkeypatch.setattr(sequence, "_FORGET", sequence._FORGET.replace("50000", "20"))
    changes = SqlChanges(database)
    add(database, "first")
    cursor = changes.end()
    add(database, *map(str, range(40)))
    assert changes.since(cursor, 100) is None
    assert len(changes.since(changes.end(), 100)[0]) == 0
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM changes").scalar_one() <= 21


def test_the_cursor_of_another_catalog_is_refused(database):
    add(database, "a")
    assert SqlChanges(database).since((1 << 50, 1), 100) is None


def test_very_many_keys_are_told_as_none(database):
    changes, stores = SqlChanges(database), tracking_stores(database)
    run = Run(id=new_id(), name="r", experiment_id="0", experiment="Default", status="RUNNING", start=1)
    stores.runs.create(run)
    cursor = changes.end()
    stores.runs.log(run.id, [Metric(f"m{number}", 1.0, 1) for number in range(100)])
    assert changes.since(cursor, 10)[0] == [Change("points", run.id)]
