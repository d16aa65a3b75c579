"""Writes of many threads share a commit; each is all or nothing, and durable when it returns."""

from __future__ import annotations

import os
import signal
import threading

import pytest
import sqlalchemy as sa

from headrace.errors import InvalidInputError, StorageError
from headrace.patience import leaving
from headrace.sql import groups
from headrace.sql.database import Database
from headrace.sql.groups import GroupCommit
from promises import promise
from waiting import PATIENCE, until


@pytest.fixture
def database(tmp_path):
    opened = Database(f"sqlite:///{tmp_path / 'catalog.db'}")
    with opened.write() as connection:
        connection.execute(sa.text("CREATE TABLE kept (name TEXT)"))
    yield opened
    opened.close()


def keep(name, fail=False):
    def write(connection):
        connection.execute(sa.text("INSERT INTO kept VALUES (:name)"), {"name": name})
        if fail:
            raise InvalidInputError(name)

    return write


def kept(database):
    with database.read() as connection:
        return sorted(connection.execute(sa.text("SELECT name FROM kept")).scalars())


class Held:
    """A leader that waits within its write, until those behind it have gathered."""

    def __init__(self, group):
        self.inside, self.go = threading.Event(), threading.Event()
        self._group = group
        self._thread = threading.Thread(target=group.run, args=(self._write,))

    def _write(self, connection):
        keep("leader")(connection)
        self.inside.set()
        assert self.go.wait(PATIENCE)

    def __enter__(self):
        self._thread.start()
        assert self.inside.wait(PATIENCE)
        return self

    def __exit__(self, *_):
        self.go.set()
        self._thread.join(PATIENCE)


def gathered(group, count):
    """Return once so many wait."""
    until(lambda: len(group._waiting) == count, f"the coming of {count}")


def test_those_who_came_meanwhile_share_a_transaction_and_one_that_fails_is_undone_alone(database):
    group, errors, connections = GroupCommit(database), {}, set()

    def run(name, fail):
        def write(connection):
            connections.add(id(connection.connection.dbapi_connection))
            keep(name, fail)(connection)

        try:
            group.run(write)
        except InvalidInputError as error:
            errors[name] = str(error)

    threads = [threading.Thread(target=run, args=(f"w{place}", place == 2)) for place in range(5)]
    with Held(group):
        for thread in threads:
            thread.start()
        gathered(group, 5)
        assert kept(database) == []
    for thread in threads:
        thread.join(PATIENCE)
    assert kept(database) == ["leader", "w0", "w1", "w3", "w4"]
    assert errors == {"w2": "w2"}
    assert len(connections) == 1


def test_a_write_that_fails_alone_is_undone(database):
    group = GroupCommit(database)
    with pytest.raises(InvalidInputError):
        group.run(keep("a", fail=True))
    group.run(keep("b"))
    assert kept(database) == ["b"]


def test_a_commit_that_fails_is_told_to_all(database):
    group, told = GroupCommit(database), []

    def run(name):
        try:
            group.run(keep(name))
        except OSError as error:
            told.append(str(error))

    def committed():
        raise OSError("the disk is gone")

    threads = [threading.Thread(target=run, args=(name,)) for name in "ab"]
    with Held(group):
        for thread in threads:
            thread.start()
        gathered(group, 2)
        commit = sa.event.listens_for(database.writing, "commit")
        calls = iter([int, committed])
        commit(lambda _connection: next(calls, int)())
    for thread in threads:
        thread.join(PATIENCE)
    assert told == ["the disk is gone"] * 2
    assert kept(database) == ["leader"]


def test_within_a_threads_own_transaction_a_write_is_a_part_of_it(database):
    group = GroupCommit(database)
    with pytest.raises(InvalidInputError), database.together():
        group.run(keep("a"))
        raise InvalidInputError("no")
    assert kept(database) == []


def test_a_write_that_is_left_to_others_shares_their_commit_and_tells_when_it_is_kept(database):
    group, followed = GroupCommit(database), []
    with Held(group):
        with leaving(promise) as left:
            group.run(keep("a"), followed.append)
            group.run(keep("b", fail=True), followed.append)
            group.run(keep("c"), followed.append)
        left.lead(here=True)  # somebody else leads
        assert kept(database) == []
        assert not any(future.done() or future.cancel() for future in left.promises)
    assert [str(future.exception(PATIENCE)) for future in left.promises] == ["None", "b", "None"]
    assert kept(database) == ["a", "c", "leader"]
    group.run(keep("d"))
    database.close()  # ends the thread that they were left to
    assert followed == [None, None]


def test_what_fails_after_a_write_that_was_left_to_others_is_in_the_log(database, caplog):
    group = GroupCommit(database)

    def follow(_):
        raise InvalidInputError("of what follows")

    with leaving(promise) as left:
        group.run(keep("a"), follow)
    left.lead(here=False)
    assert left.promises[0].exception(PATIENCE) is None
    database.close()
    assert "of what follows" in caplog.text
    assert kept(database) == ["a"]


def interrupt_when(waiting):
    """Press Ctrl-C once the main thread has come to wait."""

    def press():
        until(waiting, "a thread that waits")
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press).start()


@pytest.fixture
def interruptible():
    """A process whose Ctrl-C is heard: workers of the tests ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class _Interrupted(groups._Write):
    """A write whose thread is interrupted just as it is its turn."""

    def __init__(self, *given):
        super().__init__(*given)
        self._lock, self.turn = self.turn, self
        self.release = self._lock.release

    def acquire(self):
        self._lock.acquire()
        raise KeyboardInterrupt


def test_a_thread_that_is_interrupted_as_it_is_to_lead_lets_the_next_one_lead(database, monkeypatch):
    group = GroupCommit(database)

    def interrupted():
        with pytest.raises(KeyboardInterrupt):
            group.run(keep("interrupted"))

    writes = {_Interrupted: interrupted, groups._Write: lambda: group.run(keep("next"))}
    threads = [threading.Thread(target=work, daemon=True) for work in writes.values()]
    with Held(group):
        for count, (kind, thread) in enumerate(zip(writes, threads, strict=True), start=1):
            monkeypatch.setattr(groups, "_Write", kind)
            thread.start()
            gathered(group, count)
    for thread in threads:
        thread.join(PATIENCE)
    assert kept(database) == ["leader", "next"]


@pytest.mark.usefixtures("interruptible")
def test_a_thread_that_is_interrupted_while_it_waits_holds_up_nobody(database):
    group = GroupCommit(database)
    with Held(group):
        interrupt_when(lambda: group._waiting)
        with pytest.raises(KeyboardInterrupt):
            group.run(keep("given up"))
    with Held(group):
        interrupt_when(lambda: database._dialect._turn._waiting)
        with pytest.raises(KeyboardInterrupt), database.write():
            pass
    group.run(keep("after"))
    assert kept(database) == ["after", "leader", "leader"]


def test_those_whose_leader_is_interrupted_are_told_and_the_next_ones_are_kept(database):
    group = GroupCommit(database)

    def interrupted(connection):
        keep("interrupted")(connection)
        raise KeyboardInterrupt

    with leaving(promise) as left:
        group.run(keep("with it"))
    with pytest.raises(KeyboardInterrupt):
        group.run(interrupted)
    with pytest.raises(StorageError, match="try again"):
        left.promises[0].result(PATIENCE)
    group.run(keep("after"))
    assert kept(database) == ["after"]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_is_forked_between_two_writes_and_writes(database):
    """SQLite would hold the lock of a write for ever in a child that was forked in its middle."""
    group = GroupCommit(database)

    def write():
        while not stop.is_set():
            group.run(keep("parent"))
            wrote.set()

    for _ in range(5):
        stop, wrote = threading.Event(), threading.Event()
        thread = threading.Thread(target=write)
        thread.start()
        assert wrote.wait(PATIENCE)
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            failed = 1
            try:
                group.run(keep("child"))
                failed = 0
            finally:
                os._exit(failed)
        stop.set()
        thread.join(PATIENCE)
        assert os.waitpid(child, 0)[1] == 0
    assert kept(database).count("child") == 5


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_in_the_middle_of_a_group_writes(database):
    group = GroupCommit(database)
    with Held(group):
        child = os.fork()
        if child == 0:
            os._exit(0 if not group._busy and not group._waiting else 1)
        assert os.waitpid(child, 0)[1] == 0
    group.run(keep("after"))
    assert kept(database) == ["after", "leader"]


def test_what_was_left_is_led_by_a_thread_that_waits_for_nobody(database):
    group = GroupCommit(database)
    with leaving(promise) as left:
        for name, fail in (("a", False), ("b", True), ("c", False)):
            group.run(keep(name, fail))
    left.lead(here=True)
    assert [str(future.exception(0)) for future in left.promises] == ["None", "b", "None"]
    left.lead(here=True)  # nothing is left
    assert kept(database) == ["a", "c"]


def test_what_was_left_goes_to_another_thread_where_it_would_have_to_wait(database):
    group = GroupCommit(database)
    with leaving(promise) as left:
        group.run(keep("a"))
    with database.write() as connection:
        left.lead(here=True)
        keep("b")(connection)
        assert not left.promises[0].done()
    assert left.promises[0].result(PATIENCE) is None
    assert kept(database) == ["a", "b"]
