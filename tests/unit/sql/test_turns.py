"""Threads that use a SQLite file, and those of them that fork: what another thread is at must be over before."""

from __future__ import annotations

import gc
import os
import signal
import threading
from contextlib import closing
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from headrace.sql import sqlite
from headrace.sql import turns as turns_module
from headrace.sql.database import Database
from headrace.sql.turns import Readers, Turns
from waiting import PATIENCE


@pytest.fixture
def database(tmp_path):
    with closing(Database(f"sqlite:///{tmp_path / 'catalog.db'}")) as opened:
        yield opened


def started(work):
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_a_thread_that_is_interrupted_while_it_waits_for_its_turn_gets_none(monkeypatch):
    class Interrupted:
        def acquire(self, timeout=None):
            if timeout is not None:
                raise KeyboardInterrupt

        def release(self):
            raise AssertionError("nobody waits")

    turns = Turns()
    turns.__enter__()
    monkeypatch.setattr(turns_module, "threading", SimpleNamespace(Lock=Interrupted))
    with pytest.raises(KeyboardInterrupt):
        turns.take_within(1)
    turns.__exit__()
    assert turns.take_if_free()


def test_a_turn_that_comes_just_as_its_thread_waits_no_more_is_the_next_ones(monkeypatch):
    class Late:
        def acquire(self, timeout=None):
            if timeout is not None:
                turns.__exit__()
            return False

        def release(self):
            pass

    turns = Turns()
    turns.__enter__()
    monkeypatch.setattr(turns_module, "threading", SimpleNamespace(Lock=Late))
    assert not turns.take_within(1)
    assert turns.take_if_free()


def test_a_fork_waits_until_no_other_thread_reads(database, monkeypatch):
    monkeypatch.setattr(sqlite, "FORK_SECONDS", PATIENCE)
    reads, may_end, forks, may_fork, reads_again = (threading.Event() for _ in range(5))

    def read():
        with database.read():
            reads.set()
            may_end.wait(PATIENCE)

    def fork():
        with database.read(), database.forking():  # what it reads itself isn't waited for
            forks.set()
            may_fork.wait(PATIENCE)

    def read_again():
        with database.read():
            reads_again.set()

    started(read)
    assert reads.wait(PATIENCE)
    started(fork)
    assert not forks.wait(0.2)
    may_end.set()
    assert forks.wait(PATIENCE)
    last = started(read_again)
    assert not reads_again.wait(0.2)
    may_fork.set()
    last.join(PATIENCE)
    assert reads_again.is_set()


def test_a_fork_waits_for_so_long_only(database, monkeypatch):
    monkeypatch.setattr(sqlite, "FORK_SECONDS", 0.01)
    reads, forked = threading.Event(), threading.Event()

    def read():
        with database.read():
            reads.set()
            forked.wait(PATIENCE)

    reader = started(read)
    assert reads.wait(PATIENCE)
    with database.forking():
        forked.set()
    reader.join(PATIENCE)
    assert not reader.is_alive()


def test_a_reading_may_be_ended_by_another_thread():
    readers = Readers()
    reading = readers.one()
    reading.__enter__()
    other = started(lambda: reading.__exit__(None, None, None))
    other.join(PATIENCE)
    with readers.gone(0):
        assert readers._depths == {}


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_children_that_are_forked_while_threads_read_can_read(database):
    """SQLite's own locks would be held for ever in some of them."""
    stop = threading.Event()

    def names():
        with database.read() as connection:
            return connection.execute(sa.text("SELECT name FROM sqlite_master")).all()

    def read():
        while not stop.is_set():
            names()

    gc.freeze()  # what earlier tests left has threads that aren't in a child: there it must not be collected
    readers = [started(read) for _ in range(3)]
    for _ in range(50):
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            failed = 1
            try:
                failed = not names()
            finally:
                os._exit(failed)
        assert os.waitpid(child, 0)[1] == 0
    gc.unfreeze()
    stop.set()
    for reader in readers:
        reader.join(PATIENCE)
