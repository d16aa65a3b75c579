"""What is left to be written to PostgreSQL is led in steps, by a thread that waits for nobody between them."""

from __future__ import annotations

import select
from contextlib import contextmanager

import psycopg
import pytest

from headrace.errors import NotFoundError, StorageError
from headrace.patience import leaving
from headrace.sql.database import Database
from headrace.sql.points import FANOUT
from headrace.sql.tracking import tracking_stores
from headrace.tracking.history import Series
from headrace.tracking.run import Run
from promises import promise
from waiting import PATIENCE, until


@pytest.fixture(scope="module")
def database(postgres):
    opened = Database(postgres.new_database())
    yield opened
    opened.close()


@pytest.fixture
def stores(database):
    found = tracking_stores(database)
    for name in ("a", "b"):
        found.runs.create(Run(id=name, name=name, experiment_id="0", experiment="Default", status="RUNNING", start=1))
    yield found
    with database.write() as connection:
        for table in ("latest_metrics", "metric_chunks", "run_tags", "runs"):
            connection.exec_driver_sql(f"DELETE FROM {table}")


def log(stores, run, step, **more):
    stores.runs.log(run, series=[Series.of_points("loss", [step], [step], [0.5])], **more)


def steps_of(stores, run):
    return [point.step for point in stores.metrics.history(run, "loss")]


def through(steps):
    """Go through the rest of the steps; returns how often there was something to be waited for."""
    waits = 0
    for wait in steps:
        look = select.poll()
        look.register(wait.socket, select.POLLIN | (select.POLLOUT if wait.writes else 0))
        assert look.poll(PATIENCE * 1000)
        waits += 1
    return waits


@contextmanager
def held(database):
    """A connection of somebody else whose transaction keeps writers waiting."""
    with psycopg.connect(database.url.set(drivername="postgresql").render_as_string(hide_password=False)) as other:
        other.execute("LOCK TABLE latest_metrics IN ACCESS EXCLUSIVE MODE")
        yield other


def end_one_that_waits(other):
    waiting = "application_name = 'headrace' AND wait_event_type = 'Lock'"
    until(
        lambda: other.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {waiting}").fetchall(),
        "a writer that waits",
    )


def test_who_comes_meanwhile_is_the_next_group_of_the_same_steps(stores, database):
    with leaving(promise) as first:
        log(stores, "a", 1)
        log(stores, "b", 1)
    with held(database):
        steps = first.lead(here=True)
        assert not next(steps).writes
        with leaving(promise) as second:
            log(stores, "a", 2)
        assert second.lead(here=True) is None
        assert not any(future.done() for future in first.promises)
    assert through(steps) >= 1
    assert [future.result(0) for future in (*first.promises, *second.promises)] == [None] * 3
    assert (steps_of(stores, "a"), steps_of(stores, "b")) == ([1, 2], [1])
    with leaving(promise) as third:
        log(stores, "b", 2)
    assert through(third.lead(here=True)) >= 1
    assert steps_of(stores, "b") == [1, 2]


def test_of_those_left_who_may_not_is_told_why_and_the_others_are_kept(stores):
    with leaving(promise) as left:
        for run in ("a", "missing", "b"):
            log(stores, run, 1)
    through(left.lead(here=True))
    assert [type(future.exception(PATIENCE)) for future in left.promises] == [type(None), NotFoundError, type(None)]
    assert (steps_of(stores, "a"), steps_of(stores, "b")) == ([1], [1])


def test_a_connection_that_is_lost_between_two_steps_is_told_and_nothing_is_done_twice(stores, database):
    with leaving(promise) as left:
        log(stores, "a", 1)
        log(stores, "b", 1)
    with held(database) as other:
        steps = left.lead(here=True)
        next(steps)
        end_one_that_waits(other)
        through(steps)
    assert [type(future.exception(0)) for future in left.promises] == [StorageError] * 2
    assert (steps_of(stores, "a"), steps_of(stores, "b")) == ([], [])
    log(stores, "a", 1)
    assert steps_of(stores, "a") == [1]


def test_a_connection_that_is_lost_beside_one_who_may_not_is_told_to_all_others(stores, database):
    with leaving(promise) as left:
        for run in ("missing", "a", "b"):
            log(stores, run, 1)
    with held(database) as other:
        through(left.lead(here=True))
        end_one_that_waits(other)
        errors = [future.exception(PATIENCE) for future in left.promises]
    assert [type(error) for error in errors] == [NotFoundError, StorageError, StorageError]
    assert (steps_of(stores, "a"), steps_of(stores, "b")) == ([], [])


def test_more_than_a_socket_takes_is_sent_as_it_is_read(stores, database):
    with leaving(promise) as left:
        for step in range(1000):
            log(stores, "a", step, tags={f"t{step}": "x" * 8000})
    with held(database):
        steps = left.lead(here=True)
        assert next(steps).writes
    assert through(steps) > 1
    assert {future.result(0) for future in left.promises} == {None}
    assert steps_of(stores, "a") == list(range(1000))


def test_where_no_connection_is_ready_a_thread_makes_one(postgres):
    opened = Database(postgres.new_database())
    try:
        stores = tracking_stores(opened)
        with leaving(promise) as left:
            stores.runs.create(Run(id="a", name="a", experiment_id="0", experiment="Default", status="RUNNING", start=1))
        assert through(left.lead(here=True)) == 0
        assert left.promises[0].result(PATIENCE) is None
    finally:
        opened.close()


def test_chunks_are_joined_by_a_thread_that_may_wait(stores, database):
    for step in range(2 * FANOUT):
        with leaving(promise) as left:
            log(stores, "a", step)
        through(left.lead(here=True) or ())  # the thread that joins may still be at it
        assert left.promises[0].result(PATIENCE) is None

    def chunks():
        with database.read() as connection:
            return connection.exec_driver_sql("SELECT count(*) FROM metric_chunks WHERE run_id = 'a'").scalar()

    until(lambda: chunks() < FANOUT + 2, "the joining of chunks")
    assert steps_of(stores, "a") == list(range(2 * FANOUT))
