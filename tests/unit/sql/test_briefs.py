"""A write that is kept in brief is one row; whoever reads or writes next, in whatever process, finds it in the tables."""

from __future__ import annotations

import logging
import math
import random
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from headrace.errors import ConflictError, InvalidInputError, NotFoundError, StorageError
from headrace.patience import WouldWaitError, impatient, leaving
from headrace.sql import briefs, groups, points, sqlite
from headrace.sql.accounts import SqlAccountStore
from headrace.sql.database import Database
from headrace.sql.migrations import downgrade
from headrace.sql.tracking import tracking_stores
from headrace.tracking.history import Series
from headrace.tracking.run import DELETED, Metric, Run
from headrace.tracking.store import RunQuery
from promises import promise
from waiting import PATIENCE


@pytest.fixture(autouse=True)
def idle(monkeypatch):
    """However soon one write follows another, there is time to bring the first one in."""
    monkeypatch.setattr(groups, "IDLE_SECONDS", -1.0)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "catalog.db"


@pytest.fixture
def database(file):
    opened = Database(f"sqlite:///{file}")
    yield opened
    opened.close()


@pytest.fixture
def stores(database):
    found = tracking_stores(database)
    found.runs.create(new("a"))
    return found


def new(run_id, **more):
    given = {"experiment_id": "0", **more}
    return Run(id=run_id, name=run_id, experiment="Default", status="RUNNING", start=1, **given)


class Behind:
    """Keeps what is to be done behind the answer, until it is."""

    def __init__(self):
        self.work = []

    def __call__(self, work):
        self.work.append(work)

    def run(self):
        while self.work:
            self.work.pop(0)()


def left_in(file, column="number"):
    """What is left, as somebody sees it who knows nothing of it."""
    with closing(sqlite3.connect(file)) as connection:
        return [row[0] for row in connection.execute(f"SELECT {column} FROM briefs ORDER BY number")]


def rows_of(file, *but):
    """Everything in the tables of tracking."""
    with closing(sqlite3.connect(file)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in names if name not in but}


def test_a_write_that_is_alone_is_kept_in_brief_and_brought_in_behind_the_answer(stores, file):
    behind = Behind()
    with impatient(behind):
        stores.runs.log("a", [Metric("loss", 0.5, 1, 1)])
    assert len(left_in(file)) == 1
    assert rows_of(file)["latest_metrics"] == []
    behind.run()
    assert left_in(file) == []
    assert len(rows_of(file)["latest_metrics"]) == 1


READERS = {
    "a reading": lambda stores: stores.runs.search(RunQuery()).ids,
    "a glance": lambda stores: [run.id for run in stores.runs.get(["b"])],
    "a write": lambda stores: stores.runs.log("b", tags={"t": "x"}) or ["b"],
    "a history": lambda stores: [stores.metrics.history("b", "loss")[0].value] and ["b"],
}


@pytest.mark.parametrize("other", ["the same", "another opening"])
@pytest.mark.parametrize("reader", READERS)
def test_who_comes_before_it_is_brought_in_sees_it(stores, file, reader, other):
    with impatient(Behind()):
        stores.runs.create(new("b", tags={"t": "y"}))
    with impatient(Behind()):
        stores.runs.log("b", [Metric("loss", 0.5, 1, 1)], params={"p": "1"})
    assert len(left_in(file)) == 1, "of two the first is brought in by the second"
    opened = Database(f"sqlite:///{file}") if other == "another opening" else None
    try:
        assert "b" in READERS[reader](stores if opened is None else tracking_stores(opened))
    finally:
        if opened is not None:
            opened.close()
    assert left_in(file) == []
    (run,) = stores.runs.get(["b"])
    assert run.params == {"p": "1"}
    assert run.latest["loss"].value == 0.5


def test_who_waits_for_nobody_sees_it_too(stores, file):
    behind = Behind()
    with impatient(behind):
        stores.runs.log("a", params={"p": "1"})
    with impatient(behind):
        assert stores.runs.get(["a"])[0].params == {"p": "1"}
    assert left_in(file) == []
    behind.run()
    assert stores.runs.get(["a"])[0].params == {"p": "1"}


def test_the_update_of_a_run_tells_what_it_is_then(stores):
    with impatient(Behind()):
        told = stores.runs.update("a", status="FINISHED", end=5, name="other")
    (run,) = stores.runs.get(["a"])
    assert (told.status, told.end, told.name, told.start) == ("FINISHED", 5, "other", 1)
    assert (run.status, run.end, run.name, run.tags["mlflow.runName"]) == ("FINISHED", 5, "other", "other")


def refused(stores):
    stores.runs.log("a", params={"p": "1"})
    stores.runs.create(new("gone"))
    stores.runs.set_stage("gone", DELETED, 1)
    yield NotFoundError, lambda: stores.runs.log("none", [Metric("loss", 0.5, 1, 1)])
    yield NotFoundError, lambda: stores.runs.update("none", status="FINISHED")
    yield ConflictError, lambda: stores.runs.log("gone", tags={"t": "x"})
    yield ConflictError, lambda: stores.runs.update("gone", status="FINISHED")
    yield InvalidInputError, lambda: stores.runs.log("a", [Metric("loss", 0.5, 1, 1)], params={"p": "2", "q": "1"})
    yield NotFoundError, lambda: stores.runs.create(new("b", experiment_id="7"))


def test_what_is_wrong_is_told_at_once_and_nothing_is_kept(stores, file):
    for error, write in refused(stores):
        before = rows_of(file)
        with pytest.raises(error), impatient(Behind()):
            write()
        assert rows_of(file) == before


def test_a_param_of_a_write_that_is_left_holds_against_the_next(stores, file):
    with impatient(Behind()):
        stores.runs.log("a", params={"p": "1"})
    with pytest.raises(InvalidInputError, match="'1'"), impatient(Behind()):
        stores.runs.log("a", params={"p": "2"})
    with pytest.raises(InvalidInputError, match="'1'"):
        stores.runs.log("a", params={"p": "2"})
    assert stores.runs.get(["a"])[0].params == {"p": "1"}


def test_a_run_made_twice_is_there_once(stores, file):
    for _ in range(2):
        with impatient(Behind()):
            stores.runs.create(new("b", tags={"t": "x"}))
    assert stores.runs.search(RunQuery()).ids.count("b") == 1


def test_in_brief_or_not_the_tables_hold_the_same(tmp_path, monkeypatch):
    """What any order of writes leaves behind, whichever of them are kept in brief, is what they leave behind without."""
    monkeypatch.setattr(points, "FANOUT", 4)
    seed = random.randrange(10**6)
    files = []
    for share in (0.0, 0.7, 1.0):
        files.append(tmp_path / f"{share}.db")
        opened = Database(f"sqlite:///{files[-1]}")
        behind, writes, choices = Behind(), random.Random(seed), random.Random(share)
        stores = tracking_stores(opened)
        for step in range(120):
            write = one_of(stores, writes, step)
            if choices.random() < share:
                try:
                    with impatient(behind):
                        write()
                except WouldWaitError:  # chunks are being joined, by a thread
                    write()
                if choices.random() < 0.5:
                    behind.run()
            else:
                write()
        opened.close()
    plain, *others = (rows_of(file, "experiments") for file in files)  # whose times differ
    assert plain["runs"], seed
    for other in others:
        assert other == plain, seed


def one_of(stores, writes, step):
    """A write that is drawn by lot."""
    run_id = f"r{writes.randrange(1 + step // 10)}"
    value = writes.choice([0.5, math.nan, math.inf, -1.0, writes.random()])
    keys = writes.sample(["loss", "auc", "f1"], writes.randrange(1, 4))
    time = writes.randrange(50)
    kind = writes.randrange(4)
    if step % 10 == 0:
        return lambda: stores.runs.create(new(f"r{step // 10}", tags={"made": str(step)}, params={"seed": str(step)}))
    if kind == 0:
        return lambda: stores.runs.log(run_id, [Metric(key, value, time, step) for key in keys])
    if kind == 1:
        count = writes.choice([1, 3, 8, 600])
        times = sorted(writes.randrange(10**9) for _ in range(count))
        steps = writes.choice([range(step, step + count), writes.choices(range(9), k=count)])
        series = [Series.of_points(key, times, list(steps), [value] + [writes.random()] * (count - 1)) for key in keys]
        return lambda: stores.runs.log(run_id, series=series, params={f"p{step}": "é"}, tags={"t": str(step)})
    if kind == 2:
        return lambda: stores.runs.log(run_id, [Metric("on", value, time, step, "m-1", "data", "digest")])
    return lambda: stores.runs.update(run_id, status="FINISHED", end=step, name=f"n{step}")


def test_of_writes_that_come_together_none_is_kept_in_brief(stores, file):
    behind = Behind()
    with leaving(promise, behind) as left:
        stores.runs.log("a", [Metric("loss", 0.5, 1, 1)])
        stores.runs.log("a", [Metric("loss", 0.4, 2, 2)])
    left.lead(here=True)
    assert [waits.result() for waits in left.promises] == [None, None]
    assert (behind.work, left_in(file)) == ([], [])


def test_one_that_is_alone_among_those_is(stores, file):
    behind = Behind()
    with leaving(promise, behind) as left:
        stores.runs.log("a", [Metric("loss", 0.5, 1, 1)])
    left.lead(here=True)
    assert left.promises[0].result() is None
    assert len(left_in(file)) == 1
    behind.run()
    assert left_in(file) == []


def test_a_write_that_follows_at_once_is_not_kept_in_brief(stores, file, monkeypatch):
    monkeypatch.setattr(groups, "IDLE_SECONDS", 1000.0)
    behind = Behind()
    with impatient(behind):
        stores.runs.log("a", [Metric("loss", 0.5, 1, 1)])
    assert (behind.work, left_in(file)) == ([], [])


def test_where_nobody_does_work_behind_an_answer_nothing_is_kept_in_brief(stores, file):
    stores.runs.log("a", [Metric("loss", 0.5, 1, 1)])
    with impatient():
        stores.runs.log("a", [Metric("loss", 0.4, 2, 2)])
    assert left_in(file) == []


def test_chunks_that_are_to_be_joined_are_brought_in_by_a_thread_that_has_time(stores, file, monkeypatch):
    monkeypatch.setattr(points, "FANOUT", 4)
    behind = Behind()
    for step in range(300):
        try:
            with impatient(behind):
                stores.runs.log("a", [Metric("loss", 0.5, step, step)])
        except WouldWaitError:
            stores.runs.log("a", [Metric("loss", 0.5, step, step)])
        behind.run()
    assert [point.step for point in stores.metrics.history("a", "loss")] == list(range(300))
    assert len(rows_of(file)["metric_chunks"]) < 30


KILLED = """
import os, sys
from headrace.patience import impatient
from headrace.sql.database import Database
from headrace.sql.tracking import tracking_stores
from headrace.tracking.run import Metric
stores = tracking_stores(Database(sys.argv[1]))
with impatient(lambda work: None):
    stores.runs.log("a", [Metric("loss", 0.5, 1, 1)])
print("kept", flush=True)
os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_kept_in_brief_is_there_once(stores, file):
    ended = subprocess.run([sys.executable, "-c", KILLED, f"sqlite:///{file}"], capture_output=True, text=True, check=False)
    assert ended.stdout == "kept\n", ended.stderr
    assert len(left_in(file)) == 1
    for _ in range(2):
        assert [point.value for point in stores.metrics.history("a", "loss")] == [0.5]
    assert left_in(file) == []


def test_who_closes_a_catalog_brings_in_what_it_kept(file):
    opened = Database(f"sqlite:///{file}")
    stores = tracking_stores(opened)
    stores.runs.create(new("a"))
    with impatient(Behind()):
        stores.runs.log("a", [Metric("loss", 0.5, 1, 1)])
    opened.close()
    assert left_in(file) == []
    assert len(rows_of(file)["latest_metrics"]) == 1


def test_who_closes_a_catalog_that_somebody_else_has_locked_waits_for_nobody(file, monkeypatch):
    opened = Database(f"sqlite:///{file}")
    stores = tracking_stores(opened)
    stores.runs.create(new("a"))
    with impatient(Behind()):
        stores.runs.log("a", [Metric("loss", 0.5, 1, 1)])
    monkeypatch.setattr(opened._dialect, "begin_write", lambda *_: pytest.fail("it waits for a minute"))
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        opened.close()
        other.execute("COMMIT")
    assert len(left_in(file)) == 1
    with closing(Database(f"sqlite:///{file}")) as again:
        assert [point.value for point in tracking_stores(again).metrics.history("a", "loss")] == [0.5]
    assert left_in(file) == []


def test_a_brief_that_cannot_be_brought_in_is_kept_and_keeps_nobody_out(stores, file, caplog):
    with impatient(Behind()):
        stores.runs.log("a", [Metric("loss", 0.5, 1, 1)])
    with closing(sqlite3.connect(file)) as connection:  # what no release writes
        (brief,) = connection.execute("SELECT brief FROM briefs").fetchone()
        connection.execute("INSERT INTO briefs (brief) VALUES (?)", (b"garbage",))
        connection.execute("INSERT INTO briefs (brief) VALUES (?)", (brief.replace(b"loss", b"more"),))
        connection.commit()
    with caplog.at_level(logging.ERROR):
        assert set(stores.runs.get(["a"])[0].latest) == {"loss", "more"}
    assert "brief 2 can't" in caplog.text
    assert left_in(file, "brief") == [b"garbage"]
    assert "Error" in left_in(file, "refused")[0]
    stores.runs.log("a", [Metric("loss", 0.4, 2, 2)])
    assert len(left_in(file)) == 1


def test_several_that_are_left_are_brought_in_as_they_came(stores, database):
    with database.write() as connection:
        for value in "123":
            briefs.keep(connection, briefs.Log.of("a", [], [], {}, {"t": value}))
    assert stores.runs.get(["a"])[0].tags["t"] == "3"


def test_a_catalog_that_is_taken_back_to_an_older_schema_has_it_in_its_tables(database, stores, file):
    with impatient(Behind()):
        stores.runs.log("a", [Metric("loss", 0.5, 1, 1)])
    downgrade(database, "0019")
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM latest_metrics").fetchone() == (1,)
    assert "briefs" not in rows_of(file)


def test_somebody_else_who_locks_the_file_keeps_no_reader_waiting_for_long(database, stores, file, monkeypatch):
    monkeypatch.setattr(sqlite, "BRIEF_SECONDS", 0.05)
    with impatient(Behind()):
        stores.runs.log("a", params={"p": "1"})
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert stores.runs.get(["a"])[0].params == {}
        with pytest.raises(WouldWaitError), impatient():
            stores.runs.get(["a"])
        with monkeypatch.context() as patched:
            patched.delattr(type(database._dialect), "_bring_in_soon")
            assert SqlAccountStore(database).users() == [], "of users the event loop asks, which may not wait"
    assert stores.runs.get(["a"])[0].params == {"p": "1"}


def test_a_reader_waits_for_a_thread_that_is_bringing_it_in_however_long_that_takes(database, stores, monkeypatch):
    monkeypatch.setattr(sqlite, "BRIEF_SECONDS", 0.01)
    dialect, begun, tried = database._dialect, threading.Event(), threading.Semaphore(0)
    bring_in, bring_in_soon = dialect.bring_in, dialect._bring_in_soon

    def slowly(connection):
        begun.set()
        assert all(tried.acquire(timeout=PATIENCE) for _ in range(3))
        bring_in(connection)

    with impatient(Behind()):
        stores.runs.log("a", params={"p": "1"})
    monkeypatch.setattr(dialect, "bring_in", slowly)
    monkeypatch.setattr(dialect, "_bring_in_soon", lambda: (bring_in_soon(), tried.release())[0])
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(database.bring_in)
        assert begun.wait(PATIENCE)
        assert stores.runs.get(["a"])[0].params == {"p": "1"}
        writing.result(PATIENCE)


FULL = """
import os, resource, signal, sys
from headrace.patience import WouldWaitError, impatient
from headrace.sql import sqlite
from headrace.sql.database import Database
from headrace.sql.tracking import tracking_stores
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
database = Database(sys.argv[1])
stores = tracking_stores(database)
stores.runs.get(["a"])
sqlite.BRIEF_SECONDS = 1000.0  # who reads doesn't wait for what won't change
with impatient(lambda work: None):
    stores.runs.log("a", params={f"p{number}": "x" * 500 for number in range(100)})
size = os.path.getsize(database.url.database + "-wal")
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
try:
    with impatient():
        stores.runs.get(["a"])
except WouldWaitError:
    print(len(stores.runs.get(["a"])[0].params))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(len(stores.runs.get(["a"])[0].params))
"""


def test_where_nothing_can_be_written_any_more_what_is_in_the_tables_is_read(stores, file):
    ended = subprocess.run([sys.executable, "-c", FULL, f"sqlite:///{file}"], capture_output=True, text=True, check=False)
    assert ended.stdout.split() == ["0", "100"], ended.stderr


@pytest.mark.parametrize(
    ("error", "told"), [(MemoryError(), MemoryError), (sqlite3.DatabaseError("database disk image is malformed"), StorageError)]
)
def test_a_brief_that_something_else_keeps_out_is_not_set_aside(stores, file, monkeypatch, error, told):
    def fail(*_):
        raise error

    with impatient(Behind()):
        stores.runs.log("a", params={"p": "1"})
    with monkeypatch.context() as patched:
        patched.setattr(briefs, "add_to_run", fail)
        with pytest.raises(told):
            stores.runs.get(["a"])
    assert left_in(file, "refused") == [None]
    assert stores.runs.get(["a"])[0].params == {"p": "1"}


def test_an_older_schema_is_refused_while_something_could_not_be_brought_in(database, stores, file):
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("INSERT INTO briefs (brief) VALUES (?)", (b"garbage",))
        connection.commit()
    with pytest.raises(StorageError, match="1 writes"):
        downgrade(database, "0019")
    assert left_in(file, "brief") == [b"garbage"]
    with impatient(Behind()):
        stores.runs.log("a", params={"p": "1"})
    assert stores.runs.get(["a"])[0].params == {"p": "1"}


def test_what_was_left_to_be_done_behind_an_answer_opens_no_catalog_that_was_closed(file):
    opened, behind = Database(f"sqlite:///{file}"), Behind()
    stores = tracking_stores(opened)
    stores.runs.create(new("a"))
    with impatient(behind):
        stores.runs.log("a", params={"p": "1"})
    opened.close()
    behind.run()
    assert not file.with_name("catalog.db-wal").exists()
