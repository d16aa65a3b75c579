"""What is written to PostgreSQL in one round trip: kept whole, or undone whole and told why."""

from __future__ import annotations

import contextlib
import threading
from array import array

import psycopg
import pytest

from headrace.errors import AlreadyExistsError, ConflictError, InvalidInputError, NotFoundError, StorageError
from headrace.sql import points, trips
from headrace.sql.database import Database
from headrace.sql.groups import GroupCommit
from headrace.sql.prepared import Insert, RefusedError, direct, is_blind
from headrace.sql.tracking import tracking_stores
from headrace.tracking.history import Series
from headrace.tracking.run import DELETED, Metric, Run
from waiting import until

PATIENCE = 60
KEEP = Insert("kept", ["name"])


@pytest.fixture(scope="module")
def database(postgres):
    opened = Database(postgres.new_database())
    with opened.write() as connection:
        connection.exec_driver_sql("CREATE TABLE kept (name TEXT PRIMARY KEY)")
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def _nothing_kept(database):
    with database.write() as connection:
        connection.exec_driver_sql("DELETE FROM kept")


@pytest.fixture(scope="module")
def stores(database):
    return tracking_stores(database)


def kept(database):
    with database.read() as connection:
        return sorted(connection.exec_driver_sql("SELECT name FROM kept").scalars())


def new_run(stores, name):
    run = Run(id=name, name=name, experiment_id="0", experiment="Default", status="RUNNING", start=1)
    stores.runs.create(run)
    return run


def test_its_answers_are_there_when_it_is_over(database):
    with database.blind() as connection:
        assert is_blind(connection)
        KEEP.run(connection, [(f"n{place}",) for place in range(250)])
        told = direct(connection, "SELECT count(*) FROM kept WHERE name <> ?", ("n0",))
    assert told.fetchone() == (249,)
    assert len(kept(database)) == 250


@pytest.mark.parametrize("wrong", ["SELECT 1 / count(*) FROM kept WHERE name = 'x'", "INSERT INTO kept VALUES ('a')"])
def test_all_of_it_is_undone_if_one_statement_fails(database, wrong, caplog):
    with pytest.raises(RefusedError), database.blind() as connection:
        KEEP.run(connection, [("a",), ("b",)])
        direct(connection, wrong)
        for name in "cdefgh":
            KEEP.run(connection, [(name,)])
    with pytest.raises(RefusedError), database.blind() as connection:
        KEEP.run(connection, [("nul \0",)])
    with pytest.raises(KeyError), database.blind() as connection:
        KEEP.run(connection, [("a",)])
        raise KeyError
    assert kept(database) == []
    assert not caplog.records
    with database.blind() as connection:
        KEEP.run(connection, [("z",)])
    assert kept(database) == ["z"]


def test_more_is_sent_and_answered_than_a_connection_holds(database):
    with database.blind() as connection:
        KEEP.run(connection, [(f"{place:05}{'x' * 2000}",) for place in range(2000)])
        told = [direct(connection, "SELECT name || ? FROM kept", (mark * 2000,)) for mark in "abc"]
    assert [sum(len(name) for (name,) in answer.fetchall()) for answer in told] == [2000 * 4005] * 3


def test_statements_that_are_kept_ready_are_forgotten_when_they_are_many(database, monkeypatch):
    monkeypatch.setattr(trips, "MOST_PREPARED", 5)
    for place in range(30):
        with database.blind() as connection:
            told = direct(connection, f"SELECT {place} + ?::bigint", (place,))
            again = direct(connection, f"SELECT {place % 3} + ?::bigint", (place,))
        assert (told.fetchone(), again.fetchone()) == ((2 * place,), (place % 3 + place,))


def test_a_connection_that_is_lost_is_told_and_nothing_is_done_twice(database):
    with pytest.raises(StorageError, match="try again"), database.blind() as connection:
        KEEP.run(connection, [("a",)])
        direct(connection, "SELECT pg_terminate_backend(pg_backend_pid())")
    assert kept(database) == []
    with database.blind() as connection:
        KEEP.run(connection, [("b",)])
    assert kept(database) == ["b"]


def test_a_reading_that_fails_leaves_no_transaction_behind(database):
    for _ in range(3):
        with pytest.raises(InvalidInputError), database.glance() as connection:
            direct(connection, "SELECT 1 / count(*) FROM kept WHERE name = ?", ("nobody",))
        with database.glance() as connection:
            told = direct(connection, "SELECT count(*) FROM kept")
        assert told.fetchone() == (0,)


def change_a_table(database):
    with database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE kept ADD COLUMN more INTEGER")


def forget_what_is_ready(database):
    kept_out = [item.connection.dbapi_connection for item in database._dialect._idle]
    assert kept_out
    for driver in kept_out:
        driver.execute("DISCARD ALL")


@pytest.mark.parametrize("happen", [change_a_table, forget_what_is_ready])
def test_statements_that_the_server_no_longer_has_ready_are_made_ready_again(database, happen):
    """Written at once, since nothing was changed; read the next time."""
    query, group = "SELECT * FROM kept", GroupCommit(database)

    def read(way):
        with way() as connection:
            direct(connection, query)

    acts = [
        lambda: group.run(lambda connection: direct(connection, query)),
        lambda: read(database.glance),
        lambda: read(database.read),
    ]
    for act in acts * 7:  # the driver makes ready what comes often
        act()
    try:
        happen(database)
        for act in acts:
            with contextlib.suppress(StorageError) if act is not acts[0] else contextlib.nullcontext():
                act()
            act()
    finally:
        with database.write() as connection:
            connection.exec_driver_sql("ALTER TABLE kept DROP COLUMN IF EXISTS more")


def test_that_no_connection_is_free_is_told_as_what_it_is(database, monkeypatch):
    monkeypatch.setattr(database.engine.pool, "_timeout", 0.05)
    with contextlib.ExitStack() as held, pytest.raises(StorageError, match="in use for too long"):
        for _ in range(100):
            held.enter_context(database.read())
    assert kept(database) == []


def test_of_those_written_together_who_may_not_is_told_why_and_the_others_are_kept(stores, postgres, database):
    for name in ("there", "deleted", "fixed"):
        new_run(stores, name)
    stores.runs.set_stage("deleted", DELETED, 1)
    stores.runs.log("fixed", params={"depth": "1", "rate": "2"})
    point = [Metric("loss", 0.5, 1, 1)]
    attempts = {
        "there": lambda: stores.runs.log("there", point, {"depth": "3"}, {"a": "b"}),
        "missing": lambda: stores.runs.log("missing", point),
        "deleted": lambda: stores.runs.log("deleted", point),
        "fixed": lambda: stores.runs.log("fixed", point, {"depth": "1", "rate": "3"}),
        "text": lambda: stores.runs.log("there", tags={"nul": "\0"}),
        "again": lambda: new_run(stores, "there"),
        "another": lambda: stores.runs.create(
            Run(id="there", name="x", experiment_id="0", experiment="Default", status="RUNNING", start=2)
        ),
        "nowhere": lambda: stores.runs.create(
            Run(id="lost", name="x", experiment_id="99", experiment="", status="RUNNING", start=2)
        ),
    }
    told = {}

    def attempt(name):
        try:
            attempts[name]()
        except Exception as error:  # noqa: BLE001 - looked at below
            told[name] = error

    threads = [threading.Thread(target=attempt, args=(name,)) for name in attempts]
    with psycopg.connect(database.url.set(drivername="postgresql").render_as_string(hide_password=False)) as other:
        other.execute("LOCK TABLE runs, run_tags, latest_metrics IN ACCESS EXCLUSIVE MODE")  # the first waits, the others gather
        for thread in threads:
            thread.start()
        deadline = threading.Event()
        while len(stores.runs._group._waiting) < len(attempts) - 1:
            assert not deadline.wait(0.01)
            assert all(thread.is_alive() for thread in threads)
    for thread in threads:
        thread.join(PATIENCE)
    assert {name: type(error) for name, error in told.items()} == {
        "missing": NotFoundError,
        "deleted": ConflictError,
        "fixed": InvalidInputError,
        "text": InvalidInputError,
        "another": AlreadyExistsError,
        "nowhere": NotFoundError,
    }
    assert "already logged with value='2'" in str(told["fixed"])
    (there, fixed) = stores.runs.get(["there", "fixed"])
    assert (there.params, there.metrics, there.tags["a"]) == ({"depth": "3"}, {"loss": 0.5}, "b")
    assert (fixed.params, fixed.metrics) == ({"depth": "1", "rate": "2"}, {})
    assert [len(stores.metrics.history(name, "loss")) for name in ("there", "missing", "deleted")] == [1, 0, 0]


def test_chunks_of_many_writers_of_one_run_are_numbered_and_joined(stores):
    new_run(stores, "busy")

    def write(first):
        for step in range(first, first + 40):
            stores.runs.log("busy", [Metric("loss", step, step, step), Metric(f"own{first}", step, step, step)])

    threads = [threading.Thread(target=write, args=(first,)) for first in range(0, 320, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert [point.value for point in stores.metrics.history("busy", "loss")] == list(range(320))
    assert stores.metrics.summaries("busy")["loss"].count == 320
    assert stores.runs.get(["busy"])[0].metrics["loss"] == 319


def test_chunks_that_another_one_joins_meanwhile_are_joined_once(stores, database, monkeypatch):
    new_run(stores, "raced")
    monkeypatch.setattr(points, "FANOUT", 1000)
    for step in range(70):
        stores.runs.log("raced", [Metric("loss", step, step, step)])
    monkeypatch.undo()
    joined = points._joined_levels

    def after_another(key, rows):
        monkeypatch.undo()
        points.join_apart(database, "raced", [key])
        return joined(key, rows)

    monkeypatch.setattr(points, "_joined_levels", after_another)
    points.join_apart(database, "raced", ["loss"])
    with database.read() as connection:
        chunks = connection.exec_driver_sql("SELECT level, number, count FROM metric_chunks WHERE run_id = 'raced'").fetchall()
    assert [tuple(row) for row in chunks] == [(1, 70, 70)]
    assert [point.step for point in stores.metrics.history("raced", "loss")] == list(range(70))


def test_points_are_kept_and_acknowledged_even_if_their_chunks_cannot_be_joined(stores, monkeypatch, caplog):
    new_run(stores, "unjoined")
    monkeypatch.setattr(points, "FANOUT", 2)
    monkeypatch.setattr(points, "_ask_small", lambda connection, *_: direct(connection, "SELECT * FROM nowhere"))
    for step in range(4):
        stores.runs.log("unjoined", [Metric("loss", step, step, step)])
    assert [point.step for point in stores.metrics.history("unjoined", "loss")] == [0, 1, 2, 3]
    assert "left as they are, for now" in caplog.text


def test_the_next_points_of_a_writer_are_kept_once_or_left_to_be_asked_about(stores):
    new_run(stores, "heard")
    new_run(stores, "gone")
    stores.runs.set_stage("gone", DELETED, 1)

    def take(run_id, first, last, writer="w"):
        whole, values = array("q", range(first, last + 1)).tobytes(), array("d", range(first, last + 1)).tobytes()
        series = [Series.of("loss", ("", "", ""), whole, whole, values)]
        return stores.writers.take_next(run_id, writer, range(first, last + 1), series, last)

    took = [take("heard", 1, 3), take("heard", 1, 3), take("heard", 3, 5), take("heard", 4, 5), take("heard", 9, 9, "other")]
    assert took == [True, False, False, True, True]
    assert [take("gone", 1, 1), take("missing", 1, 1)] == [False, False]
    assert (stores.writers.reached("heard", "w"), stores.writers.reached("gone", "w")) == (5, 0)
    assert [point.step for point in stores.metrics.history("heard", "loss")] == [1, 2, 3, 4, 5, 9]
    assert stores.runs.get(["heard"])[0].seen == 9
    with stores.writers.together():
        assert not take("heard", 6, 7)
    assert stores.writers.reached("heard", "w") == 5


def test_a_plan_that_was_made_while_the_tables_were_small_goes_through_none(postgres):
    """Of a few rows a server would rather read all than an index, and it would keep that plan while they grow."""
    url = postgres.new_database()
    with contextlib.closing(Database(url)) as database, psycopg.connect(url, autocommit=True) as connection:
        stores = tracking_stores(database)

        def make(run_id):
            run = Run(id=run_id, name="r", experiment_id="0", experiment="Default", status="RUNNING", start=1)
            stores.runs.create(run)
            stores.runs.log(run_id, [Metric("loss", 0.5, 1)], {"depth": "6"}, {"tag": "x"})
            return stores.runs.get([run_id])

        make("a")
        connection.execute("ANALYZE")
        connection.execute("SELECT pg_stat_reset()")
        for number in range(50):
            assert make(f"b{number}")
    names = ("changes", "experiments", "latest_metrics", "params", "run_inputs", "run_tags", "runs")
    query = "SELECT relname, seq_scan, idx_scan FROM pg_stat_user_tables WHERE relname = ANY(%s) AND seq_scan + idx_scan >= 50"
    with psycopg.connect(url, autocommit=True) as connection:  # what a connection counted is told when it ends
        counts = until(
            lambda: (found := connection.execute(query, [list(names)]).fetchall()) and len(found) == len(names) and found
        )
    assert [row for row in counts if row[1] > 5] == []
