"""The catalog database: connections, transactions and the schema's version. What SQLite and PostgreSQL do in their own ways
stands in files of their own."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import ClassVar, Protocol

import sqlalchemy as sa

from headrace.errors import InvalidInputError, SettingsError, StorageError
from headrace.patience import Wait, is_impatient
from headrace.sql.prepared import RefusedError
from headrace.sql.tables import HEAD

__all__ = ["Database", "Dialect"]


class Dialect(Protocol):
    """How one kind of database is connected to, locked and watched."""

    shown: str
    """The catalog's name in messages, without a password."""
    engine: sa.Engine
    writing: sa.Engine
    """Whose connections write: SQLite's keeps its pages, which it would read again after another one's commit."""

    @property
    def refusals(self) -> tuple[type[Exception], ...]:
        """Errors of the driver after which nothing of a blind transaction is kept."""
        ...

    nearby: ClassVar[bool]
    """Whether it is this machine's own, and answers so soon that an event loop may wait for it."""
    bring_in: Callable[[sa.Connection], None] | None
    """Brings briefs into the tables, in a transaction that is alone in writing: `headrace.sql.briefs`. Once it is known, every
    transaction that begins looks whether any are left."""

    def turn(self, scope: str) -> AbstractContextManager[object]:
        """What a thread holds while it writes within `scope`, from before it has a connection."""
        ...

    def reading(self) -> AbstractContextManager[object]:
        """The same while it reads."""
        ...

    def at_once(self) -> AbstractContextManager[sa.Connection]:
        """A write transaction that waits for nobody. Raises WouldWaitError, unless it is nearby and nobody else writes."""
        ...

    def blind(self, scope: str) -> AbstractContextManager[sa.Connection] | None:
        """A write transaction as `Database.blind` says; None if it would save nothing."""
        ...

    def blind_steps(self, scope: str, work: Callable[[sa.Connection], None]) -> Iterator[Wait]:
        """The same in steps, as `Database.blind_steps` says. Raises WouldWaitError where they would save nothing, too."""
        ...

    def glance(self) -> AbstractContextManager[sa.Connection] | None:
        """A transaction that reads as `Database.glance` says; None if it would save nothing."""
        ...

    def begin_read(self, connection: sa.Connection, *, of_runs: bool = True) -> None:
        """Begin a transaction that sees one state."""
        ...

    def begin_write(self, connection: sa.Connection, scope: str) -> None:
        """Begin a transaction that is alone in writing within `scope`."""
        ...

    def migrating(self, connection: sa.Connection) -> AbstractContextManager[None]:
        """Surround the change of tables in a write transaction; the transaction is committed or undone inside."""
        ...

    def stamp(self) -> int:
        """A number that differs after any commit."""
        ...

    def advice(self, error: BaseException | None) -> str:
        """What to do about an error of the driver."""
        ...

    def is_bad_input(self, error: BaseException | None) -> bool:
        """Whether the error is about a value that this kind of database can't hold."""
        ...

    def learn(self, error: BaseException | None) -> None:
        """Told of each error of the driver, after which some connections may be of no use."""
        ...

    def lock(self, name: str) -> AbstractContextManager[object] | None:
        """A lock by name across all machines that use the catalog; None if it is one machine's own."""
        ...

    def committed(self) -> None:
        """Told after each write that was committed."""
        ...

    def close(self) -> None:
        """Close all connections."""
        ...

    def forking(self) -> AbstractContextManager[object]:
        """Surround a fork, in the parent: what must not be in the middle of something is not."""
        ...

    def forget(self) -> None:
        """Leave a parent process its connections."""
        ...


class Database:
    """A catalog, in SQLite or PostgreSQL. Safe to use from many threads, and after a fork.

    Args:
        url: SQLAlchemy URL, for example `sqlite:////project/.headrace/catalog.db` or `postgresql://headrace@db/headrace`.

    Attributes:
        after_fork: run in a child, for what its parent's threads were in the middle of.
        at_close: run before the connections are closed.

    Raises:
        SettingsError: the URL names neither a SQLite file nor a PostgreSQL database.
        StorageError: it can't be opened or reached, isn't a catalog, or was written by a newer release.
    """

    def __init__(self, url: str) -> None:
        self.url = _parse_url(url)
        self._dialect = _dialect(self.url)
        self.engine, self.writing = self._dialect.engine, self._dialect.writing
        self._local = threading.local()
        self.after_fork: list[Callable[[], None]] = []
        self.at_close: list[Callable[[], None]] = []
        _OPEN.add(self)
        try:
            self._migrate()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def read(self, *, of_runs: bool = True) -> Iterator[sa.Connection]:
        """A connection that sees one consistent state; nothing it does is kept. Within this thread's `together`, it is that
        transaction, which sees what it wrote.

        Args:
            of_runs: whether anything is read that the writes of runs change. If not, none that is left has to be brought in.
        """
        if self.joined is not None:
            yield self.joined
            return
        with self._errors(), self._dialect.reading(), self.engine.connect() as connection, connection.begin():
            self._dialect.begin_read(connection, of_runs=of_runs)
            yield connection

    @contextmanager
    def glance(self) -> Iterator[sa.Connection]:
        """As `read`, for what `Query.ask` asks alone: PostgreSQL is asked all of it at once, and the rows are there when it is
        over."""
        glance = None if self.joined is not None else self._dialect.glance()
        if glance is None:
            with self.read() as connection:
                yield connection
            return
        with self._errors(), glance as connection:
            yield connection

    @contextmanager
    def write(self, scope: str = "catalog") -> Iterator[sa.Connection]:
        """A transaction that is alone in writing within a scope from its first statement; committed at the end, undone on an
        exception. SQLite knows one scope alone. Within this thread's `together`, it is a part of that transaction.

        Raises:
            WouldWaitError: the thread is impatient, and somebody else writes.
        """
        if self.joined is not None:
            with self.part(self.joined):
                yield self.joined
            return
        if is_impatient():
            with self._errors(), self._dialect.at_once() as connection:
                yield connection
            self._dialect.committed()
            return
        with self._errors(), self._dialect.turn(scope), self.writing.connect() as connection, connection.begin():
            self._dialect.begin_write(connection, scope)
            yield connection
        self._dialect.committed()

    def keep_briefs(self, bring_in: Callable[[sa.Connection], None]) -> None:
        """Let writes be kept in brief, where that saves anything: this brings them into the tables."""
        if self.nearby:
            self._dialect.bring_in = bring_in

    @property
    def keeps_briefs(self) -> bool:
        """Whether somebody brings them in."""
        return self._dialect.bring_in is not None

    def bring_in(self) -> None:
        """Bring in the briefs that are left, as any transaction does that begins."""
        with self.write():
            pass

    @contextmanager
    def part(self, connection: sa.Connection) -> Iterator[None]:
        """A part of a transaction that is undone alone if it fails."""
        with self._errors(), connection.begin_nested():
            yield

    @contextmanager
    def blind(self, scope: str = "catalog") -> Iterator[sa.Connection]:
        """As `write`, for statements of `prepared` alone: PostgreSQL is sent them and the commit without a wait for its answers,
        which can be read when it is over. So instead of asking whether something holds, they fail where it doesn't. SQLite
        answers at once; who asks `is_blind` knows.

        Raises:
            RefusedError: a statement failed, and nothing was changed.
        """
        blind = self._dialect.blind(scope)
        if blind is None:
            with self.write(scope) as connection:
                yield connection
            return
        with self._errors(), self._refusals(), blind as connection:
            yield connection
        self._dialect.committed()

    def blind_steps(self, work: Callable[[sa.Connection], None], scope: str = "catalog") -> Iterator[Wait]:
        """Such a transaction for who may not wait: `work` is run in it, and what comes is to be waited for before the next step.

        Raises:
            WouldWaitError: it can't be begun at once, and nothing was done.
            RefusedError: a statement failed, and nothing was changed.
        """
        with self._errors(), self._refusals():
            yield from self._dialect.blind_steps(scope, work)
        self._dialect.committed()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except self._dialect.refusals as error:
            self._dialect.learn(error)
            raise RefusedError from error

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make everything that this thread reads and writes within the block one write transaction: all of it or nothing."""
        with self.write() as connection:
            self._local.connection = connection
            try:
                yield
            finally:
                self._local.connection = None

    @property
    def nearby(self) -> bool:
        """Whether it is this machine's own, and answers so soon that an event loop may wait for it."""
        return self._dialect.nearby

    @property
    def joined(self) -> sa.Connection | None:
        """The transaction that this thread's `together` is."""
        return getattr(self._local, "connection", None)

    @contextmanager
    def migration(self) -> Iterator[sa.Connection]:
        """A write transaction for changing tables: references aren't enforced inside it, and are checked at its end."""
        with self._errors(), self.engine.connect() as connection, self._dialect.migrating(connection):
            self._refuse_strangers(connection)
            yield connection
            self._dialect.bring_in = None  # nothing is left, and the table of what is may be gone now
        self._dialect.committed()

    def stamp(self) -> int:
        """A number that changes with every commit of any process or thread, this one included; costs microseconds.

        Numbers of different Database objects can't be compared. PostgreSQL tells commits of other processes within half a second.
        """
        with self._errors():
            return self._dialect.stamp()

    def lock(self, name: str) -> AbstractContextManager[object] | None:
        """A lock by name that holds across all machines that use the catalog; None where the catalog is one machine's file."""
        found = self._dialect.lock(name)
        return None if found is None else self._locked(found)

    @contextmanager
    def _locked(self, lock: AbstractContextManager[object]) -> Iterator[None]:
        with self._errors(), lock:
            yield

    def close(self) -> None:
        """Close all connections."""
        for end in self.at_close:
            end()
        self._dialect.close()

    def forking(self) -> AbstractContextManager[object]:
        """Surround a fork of this process. What this thread itself is in the middle of isn't waited for."""
        return self._dialect.forking() if self.joined is None else nullcontext()

    def forget_connections(self) -> None:
        """Leave a parent process its connections: they can't be used on both sides of a fork."""
        self._dialect.forget()
        self._local = threading.local()
        for forget in self.after_fork:
            forget()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.IntegrityError:
            raise
        except sa.exc.DBAPIError as error:
            raise self._explained(error.orig) from error
        except OverflowError as error:  # SQLAlchemy doesn't wrap it, and it may be anybody's
            if "SQLite INTEGER" not in str(error):
                raise
            raise self._explained(error) from error
        except self._dialect.engine.dialect.loaded_dbapi.Error as error:  # while a connection is made, SQLAlchemy doesn't wrap it
            raise self._explained(error) from error
        except sa.exc.TimeoutError as error:
            pool = f"all connections of this process to the catalog {self._dialect.shown} have been in use for too long"
            msg = f"{pool}: look for what holds locks there, then try again"
            raise StorageError(msg) from error

    def _explained(self, error: BaseException | None) -> StorageError | InvalidInputError:
        self._dialect.learn(error)
        text = " ".join(str(error).split())
        if self._dialect.is_bad_input(error):
            return InvalidInputError(f"the catalog {self._dialect.shown} can't keep a value ({text}); nothing was changed")
        return StorageError(f"the catalog {self._dialect.shown} can't be used ({text}): {self._dialect.advice(error)}")

    def _migrate(self) -> None:
        with self.read() as connection:
            revision = self._refuse_strangers(connection)
        if revision != HEAD:
            from headrace.sql.migrations import upgrade

            upgrade(self)

    def _refuse_strangers(self, connection: sa.Connection) -> str | None:
        """The schema's revision; None if the database is empty."""
        tables = set(sa.inspect(connection).get_table_names())
        shown, revision = self._dialect.shown, None
        if "alembic_version" in tables:
            revision = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
        if revision is None and tables <= {"alembic_version"}:
            return None
        if revision is None or len(revision) != len(HEAD) or not revision.isdigit():
            msg = f"{shown} is a database of something else, not a Headrace catalog; point 'catalog' at another one"
            raise StorageError(msg)
        if revision > HEAD:
            schemas = f"schema {revision}, this release knows {HEAD}"
            msg = f"the catalog {shown} was written by a newer release ({schemas}); upgrade headrace"
            raise StorageError(msg)
        return str(revision)


def _parse_url(url: str) -> sa.URL:
    try:
        return sa.make_url(url.replace("postgres://", "postgresql://", 1) if url.startswith("postgres://") else url)
    except sa.exc.ArgumentError as error:
        msg = f"setting 'catalog': {url!r} isn't a database URL; write for example sqlite:////data/catalog.db"
        raise SettingsError(msg) from error


def _dialect(url: sa.URL) -> Dialect:
    kind = url.drivername.partition("+")[0]
    if kind == "sqlite" and url.database and url.database != ":memory:":
        from headrace.sql.sqlite import SQLite

        return SQLite(url)
    if kind == "postgresql" and url.database:
        from headrace.sql.postgresql import PostgreSQL

        return PostgreSQL(url)
    msg = (
        f"setting 'catalog': {url.render_as_string()} is neither a SQLite file nor a PostgreSQL database; write for example "
        "sqlite:////data/catalog.db or postgresql://user@host/headrace"
    )
    raise SettingsError(msg)


_OPEN: weakref.WeakSet[Database] = weakref.WeakSet()


_forks = threading.local()


def _before_fork() -> None:
    _forks.surrounding = ExitStack()
    for database in list(_OPEN):
        _forks.surrounding.enter_context(database.forking())


def _after_fork_in_parent() -> None:
    _forks.surrounding.close()


def _after_fork_in_child() -> None:
    for database in list(_OPEN):
        database.forget_connections()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
