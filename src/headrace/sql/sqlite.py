"""The catalog in a SQLite file: WAL mode, every write one immediate transaction, so that two writers queue and never deadlock."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar, cast

import sqlalchemy as sa
from sqlalchemy import event

from headrace.errors import StorageError
from headrace.patience import Wait, WouldWaitError, is_impatient
from headrace.sql.packing import Doubles
from headrace.sql.prepared import direct
from headrace.sql.turns import Readers, Turns

__all__ = ["BUSY_SECONDS", "SQLite"]

BUSY_SECONDS = 60
WAL_PAGES = 8000
"""The log is brought into the file once it has so many pages, 32 MB: one that many commits changed is brought there once."""
MOST_WAL_BYTES = 128 << 20
"""A log that grew because somebody read for long is cut to this once it was brought into the file."""
MOST_AT_ONCE = 1000
"""After so many writes that waited for nobody, a patient one looks whether the log is to be brought into the file."""
BRIEF_SECONDS = 1.0
"""So long a reading waits for another process, until what is left can be brought in."""
FORK_SECONDS = 2.0
"""How long a fork waits for a write of another thread."""
MAPPED_BYTES = 4 << 30
"""So much of the file is read where the system has it: a search that looks at thousands of rows copies no page for each."""
_LEFT = "SELECT EXISTS (SELECT 1 FROM briefs WHERE refused IS NULL)"
_ADVICE = {
    "not a database": "it isn't a SQLite file; restore it from a backup, or point 'catalog' at another file",
    "malformed": "it is damaged; restore it from a backup",
    "readonly": "it is read-only; give write permission to the file and its folder",
    "unable to open": "check that the file and its folder can be read and written",
    "locked": f"another process held it for {BUSY_SECONDS} seconds; stop that process or try again",
    "full": "the disk is full; free some space",
}


class SQLite:
    """The Dialect of a SQLite file."""

    nearby: ClassVar[bool] = True
    refusals: ClassVar[tuple[type[Exception], ...]] = ()

    def __init__(self, url: sa.URL) -> None:
        self.bring_in: Callable[[sa.Connection], None] | None = None
        self.shown = str(url.database)
        _make_folder(Path(self.shown).parent)
        self.engine = _engine(url, 5)
        self.writing = _engine(url, 1)
        self._hurried = _engine(url, 1, hurried=True)
        self._quick, self._glances = _Kept(self._hurried), _Kept(self.engine)
        self._glancing = threading.Lock()
        self._since_patient = 0
        self._watch: sqlite3.Connection | None = None
        self._watch_lock = threading.Lock()
        self._turn, self._readers = Turns(), Readers()
        self._brings_in = False
        self._forgotten: list[object] = []

    def turn(self, scope: str) -> AbstractContextManager[object]:  # noqa: ARG002 - a file has one writer
        """Threads of one process queue here: SQLite would have each look again and again, ever more seldom."""
        return self._turn

    def reading(self) -> AbstractContextManager[object]:
        """Known, so that a fork can wait until nobody reads."""
        return self._readers.one()

    def at_once(self) -> AbstractContextManager[sa.Connection]:
        """A write transaction that waits for nobody. Now and then one is refused, so that a patient one brings the log into the
        file in its place, which takes far longer."""
        if self._since_patient >= MOST_AT_ONCE or not self._turn.take_if_free():
            raise WouldWaitError
        self._since_patient += 1
        return self._quick.transaction(self._begin_at_once, self._turn.__exit__)

    def blind(self, scope: str) -> None:
        """None: SQLite is in this process, and there is nothing to wait for."""

    def blind_steps(self, scope: str, work: object) -> Iterator[Wait]:  # noqa: ARG002 - as above
        """None either."""
        raise WouldWaitError

    def glance(self) -> AbstractContextManager[sa.Connection] | None:
        """One on a connection that is kept for it; None while another thread has that. A thread that waits for nobody takes the
        one that it writes with, if that is free: what it has just written is there in the cache."""
        if is_impatient() and self._turn.take_if_free():
            return self._quick.transaction(self._begin_at_once, self._turn.__exit__)
        if self._glancing.acquire(blocking=False):
            return self._glances.transaction(self.begin_read, self._glancing.release)
        return None

    def begin_read(self, connection: sa.Connection, *, of_runs: bool = True) -> None:
        """Begin a transaction that sees one state, after all briefs are brought in. While one is left, only somebody who knows
        nothing of them can hold the file for long; then what is in the tables is seen, for who reads waits for no writer. So it
        is where nothing can be written: the disk is full, or the file is another user's."""
        direct(connection, "BEGIN")
        waits = of_runs
        while waits and self._is_left(connection):
            direct(connection, "ROLLBACK")
            waits = self._bring_in_soon() or self._brings_in  # by another thread, whose disk takes its time
            direct(connection, "BEGIN")

    def _bring_in_soon(self) -> bool:
        """Bring in the briefs; False if that would take long. Raises WouldWaitError in a thread that waits for nobody."""
        if is_impatient():
            with self.at_once():
                return True
        deadline = time.monotonic() + BRIEF_SECONDS
        if not self._turn.take_within(BRIEF_SECONDS):
            return False
        try:
            while time.monotonic() < deadline:
                try:
                    with self._quick.transaction(self._begin_at_once):
                        return True
                except WouldWaitError as error:
                    if not _is_busy(error.__cause__):  # nor will it be any better
                        return False
                time.sleep(BRIEF_SECONDS / 50)
        finally:
            self._turn.__exit__()
        return False

    def begin_write(self, connection: sa.Connection, scope: str) -> None:  # noqa: ARG002 - a file has one writer
        """Begin a transaction that is alone in writing."""
        self._since_patient = 0
        self._begin_alone(connection)

    def _begin_at_once(self, connection: sa.Connection) -> None:
        """Begin one that is alone in writing, if that can be done at once. If not, a thread that may wait finds out why."""
        try:
            self._begin_alone(connection)
        except sqlite3.OperationalError as error:
            raise WouldWaitError from error

    def _begin_alone(self, connection: sa.Connection) -> None:
        """Briefs are brought in by a transaction of their own: the one that begins may be undone."""
        direct(connection, "BEGIN IMMEDIATE")
        while self.bring_in is not None and self._is_left(connection):
            self._brings_in = True
            try:
                self.bring_in(connection)
                direct(connection, "COMMIT")
            finally:
                self._brings_in = False
            direct(connection, "BEGIN IMMEDIATE")

    def _is_left(self, connection: sa.Connection) -> bool:
        """Whether a brief is to be brought in."""
        return self.bring_in is not None and bool(direct(connection, _LEFT).fetchone()[0])

    @contextmanager
    def migrating(self, connection: sa.Connection) -> Iterator[None]:
        """Turn references off while tables are changed: SQLite rebuilds a table by dropping it, which would delete what refers
        to it. They are checked at the end."""
        raw: Any = connection.connection.dbapi_connection
        raw.execute("PRAGMA foreign_keys=OFF")
        try:
            with connection.begin():
                self.begin_write(connection, "")
                yield
                if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
                    msg = f"the catalog {self.shown} has rows that refer to missing ones; it was left as it was"
                    raise StorageError(msg)
        finally:
            raw.execute("PRAGMA foreign_keys=ON")

    def stamp(self) -> int:
        """SQLite's own count of the commits of other connections, asked through one that never writes."""
        with self._watch_lock:
            if self._watch is None:
                self._watch = sqlite3.connect(self.shown, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None)
            return int(self._watch.execute("PRAGMA data_version").fetchone()[0])

    def advice(self, error: BaseException | None) -> str:
        """What to do about an error of SQLite."""
        text = str(error)
        return next((words for mark, words in _ADVICE.items() if mark in text), "check the file, the disk and its permissions")

    def is_bad_input(self, error: BaseException | None) -> bool:
        """Whether it is a whole number beyond 64 bits, which is all that SQLite can't hold."""
        return isinstance(error, OverflowError)

    def learn(self, error: BaseException | None) -> None:
        """Nothing: no error outlives its transaction."""

    def lock(self, name: str) -> None:
        """None: the catalog is one machine's own."""

    def committed(self) -> None:
        """Nothing: the stamp sees commits by itself."""

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()
        self.writing.dispose()
        for kept in (self._quick, self._glances):
            kept.drop()
        self._hurried.dispose()
        with self._watch_lock:
            if self._watch is not None:
                self._watch.close()
                self._watch = None

    @contextmanager
    def forking(self) -> Iterator[None]:
        """Nobody writes or reads meanwhile: SQLite remembers in memory who holds a lock, and in a child that is forked while
        another thread is at it, it is held for ever. What takes longer isn't waited for."""
        with ExitStack() as held:
            if self._turn.take_within(FORK_SECONDS):
                held.push(self._turn)
            for lock in (self._glancing, self._watch_lock):
                if lock.acquire(timeout=FORK_SECONDS):
                    held.callback(lock.release)
            held.enter_context(self._readers.gone(FORK_SECONDS))
            yield

    def forget(self) -> None:
        """Leave a parent process its connections: they are never used again, and never closed, which may be in the middle of
        something and then ends this process."""
        for engine in (self.engine, self.writing, self._hurried):
            self._forgotten.append(engine.pool)
            engine.dispose(close=False)
        for kept in (self._quick, self._glances):
            kept.forget()
        self._glancing = threading.Lock()
        self._forgotten.append(self._watch)
        self._watch = None
        self._watch_lock = threading.Lock()
        self._turn, self._readers = Turns(), Readers()
        self._brings_in = False


def _nothing() -> None:
    pass


class _Kept:
    """A connection that is kept for transactions one after the other: to borrow one of a pool for each takes as long as SQLite
    takes for a point. They are begun and committed by statements; SQLAlchemy takes them all for one."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._connection: sa.Connection | None = None
        self._forgotten: list[sa.Connection | None] = []

    @contextmanager
    def transaction(
        self, begin: Callable[[sa.Connection], None], release: Callable[[], None] = _nothing
    ) -> Iterator[sa.Connection]:
        """A transaction, committed at the end, undone on an exception; then released is what was taken for it."""
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
                self._connection.begin()
            begin(self._connection)
            yield self._connection
            direct(self._connection, "COMMIT")
        except WouldWaitError:
            self._undo()
            raise
        except BaseException:
            self.drop()
            raise
        finally:
            release()

    def _undo(self) -> None:
        """Undo what it is in the middle of, and keep it: nothing is wrong with it."""
        if self._connection is not None and cast("Any", self._connection.connection.dbapi_connection).in_transaction:
            direct(self._connection, "ROLLBACK")

    def drop(self) -> None:
        """Close it, and undo what it is in the middle of."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()

    def forget(self) -> None:
        """Leave a parent process what it may be in the middle of: it is never used again, and never closed."""
        self._forgotten.append(self._connection)
        self._connection = None


def _engine(url: sa.URL, kept: int, *, hurried: bool = False) -> sa.Engine:
    """Connections that are configured; the one used last is used next, so that it finds in its cache what it looks for."""
    patience = 0 if hurried else BUSY_SECONDS
    engine = sa.create_engine(url, connect_args={"timeout": patience}, pool_size=kept, max_overflow=-1, pool_use_lifo=True)
    event.listen(engine, "connect", _configure)
    if hurried:
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA wal_autocheckpoint=0"))
    return engine


def _is_busy(error: BaseException | None) -> bool:
    """Whether somebody else has the file locked."""
    code = getattr(error, "sqlite_errorcode", None) or sqlite3.SQLITE_OK
    return code & 0xFF == sqlite3.SQLITE_BUSY  # the lower byte is the kind


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"the catalog's folder {folder} can't be made: {error.strerror}; create it, or point 'catalog' at another place"
        raise StorageError(msg) from error


def _configure(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun by SQLite.begin
    connection.create_aggregate(Doubles.NAME, 1, Doubles)
    try:
        with closing(connection.cursor()) as cursor:
            _enter_wal(cursor)
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
            cursor.execute(f"PRAGMA journal_size_limit={MOST_WAL_BYTES}")
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.execute(f"PRAGMA mmap_size={MAPPED_BYTES}")
    except BaseException:  # the pool hasn't taken it yet, so nobody else would close it
        connection.close()
        raise


def _enter_wal(cursor: sqlite3.Cursor) -> None:
    """Switch a new file to WAL. SQLite doesn't wait for its lock here, so two processes that start at once need patience."""
    deadline = time.monotonic() + BUSY_SECONDS
    while cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            mode = cursor.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            if mode != "wal":
                msg = "the catalog's file system has no shared memory, which SQLite's WAL needs; put 'catalog' on a local disk"
                raise StorageError(msg)
