"""The catalog in PostgreSQL, through psycopg 3 and a pool. Writers of one scope queue at an advisory lock and never deadlock."""

from __future__ import annotations

import hashlib
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, ClassVar

import sqlalchemy as sa
from sqlalchemy import event

from headrace.errors import MissingExtraError
from headrace.patience import Wait, WouldWaitError
from headrace.sql.prepared import PLANNED_ANEW, TRIP, direct, pipelined

if TYPE_CHECKING:
    from headrace.sql.trips import Trip

__all__ = ["PostgreSQL"]

CONNECT_SECONDS = 10
POOL, OVERFLOW = 10, 20
IDLE = 10
"""So many connections at most are kept out of the pool, whose check-out takes as long as a statement."""
_LOST = {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3", "tcp_user_timeout": "60000"}
"""How soon a server that vanished without a word is given up, a minute: by default the system waits for up to two hours, and all
writers of a process with it."""
STAMP_SECONDS = 0.5
"""How long commits of other processes may go unnoticed by `stamp`: it is asked at every online read, and must cost nothing."""

_BEGIN_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_ADVICE = {
    "refused": "start the server, or point 'catalog' at where it listens",
    "could not translate": "check the host's name in 'catalog'",
    "resolve": "check the host's name in 'catalog'",
    "password": "check the user and the password in 'catalog', or set PGPASSWORD",
    "prepared statement": "a pooler between took it away, or gave it to another; try again, or connect to the server itself",
    "cached plan": "its tables were changed meanwhile; try again",
    "does not exist": "create the role or the database: CREATE DATABASE headrace",
    "permission": "grant the role the right to create and change tables there",
    "too many": "too many connections: raise max_connections, or run fewer workers",
    "starting up": "the server is starting; try again in a moment",
    "not yet accepting": "the server is starting; try again in a moment",
    "recovery mode": "the server is starting again after a crash; try again in a moment",
    "user request": "somebody canceled it at the server; try again",
    "timeout": "the server didn't answer in time: check the network and its load",
    "timed out": "the server didn't answer in time: check the network and its load",
    "is lost": "the server closed the connection: it was restarted or stopped; try again",
    "terminat": "the server closed the connection: it was restarted or stopped; try again",
    "pipeline mode": "the server closed the connection: it was restarted or stopped; try again",
    "closed": "the server closed the connection: it was restarted or stopped; try again",
    "disk full": "the server's disk is full; free some space there",
    "No space left": "the server's disk is full; free some space there",
    "read-only": "it is a standby; point 'catalog' at the primary",
}


class PostgreSQL:
    """The Dialect of a PostgreSQL database.

    Raises:
        MissingExtraError: psycopg isn't installed.
    """

    nearby: ClassVar[bool] = False
    bring_in: Callable[[sa.Connection], None] | None = None

    def __init__(self, url: sa.URL) -> None:
        try:
            import psycopg
        except ImportError as error:
            package = "psycopg"
            raise MissingExtraError.of(package, "postgres") from error
        self._error = psycopg.Error
        self._bad_input = (psycopg.DataError, psycopg.errors.UntranslatableCharacter)
        self._stale = (
            psycopg.errors.FeatureNotSupported,  # a cached plan must not change result type
            psycopg.errors.InvalidSqlStatementName,
            psycopg.errors.DuplicatePreparedStatement,
        )
        raced = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
        self.refusals: tuple[type[Exception], ...] = (psycopg.DataError, psycopg.IntegrityError, *raced, *self._stale)
        self.shown = url.set(query={}).render_as_string(hide_password=True).replace("+psycopg", "")
        options = {"connect_timeout": str(CONNECT_SECONDS), "application_name": "headrace", **_LOST, **url.query}
        # Transactions are begun by this class: the driver would wait for an answer to its own BEGIN.
        self.engine = sa.create_engine(
            url.set(drivername="postgresql+psycopg", query=options),
            isolation_level="AUTOCOMMIT",
            pool_size=POOL,
            max_overflow=OVERFLOW,
            pool_use_lifo=True,
        )
        event.listen(self.engine, "connect", _configure)
        event.listen(self.engine, "checkout", _require_alive)
        event.listen(self.engine, "do_execute", _plan_anew)
        self.writing = self.engine
        self._idle: list[sa.Connection] = []
        self._stamped = (0, -1.0)
        self._commits = 0
        self._stamp_lock = threading.Lock()

    def turn(self, scope: str) -> AbstractContextManager[object]:  # noqa: ARG002 - the database makes them queue
        """Nothing to wait for here."""
        return nullcontext()

    def reading(self) -> AbstractContextManager[object]:
        """Nothing either."""
        return nullcontext()

    def at_once(self) -> AbstractContextManager[sa.Connection]:
        """None: each statement waits for a server."""
        raise WouldWaitError

    def begin_read(self, connection: sa.Connection, *, of_runs: bool = True) -> None:  # noqa: ARG002 - there are no briefs
        """Begin a transaction that sees one state."""
        direct(connection, _BEGIN_READ)

    def begin_write(self, connection: sa.Connection, scope: str) -> None:
        """Begin a transaction, and wait until it is alone in writing within the scope."""
        with pipelined(connection):
            direct(connection, "BEGIN")
            direct(connection, "SELECT pg_advisory_xact_lock(?)", (_key(scope),))

    @contextmanager
    def blind(self, scope: str) -> Iterator[sa.Connection]:
        """A write transaction that is sent whole, and answered whole."""
        with self._trip() as (connection, trip):
            direct(connection, "SELECT pg_advisory_xact_lock(?)", (_key(scope),))
            yield connection
            trip.make()

    def blind_steps(self, scope: str, work: Callable[[sa.Connection], None]) -> Iterator[Wait]:
        """The same, for who may not wait for it: on a connection that is there."""
        with self._trip(new=False) as (connection, trip):
            direct(connection, "SELECT pg_advisory_xact_lock(?)", (_key(scope),))
            work(connection)
            yield from trip.steps()

    @contextmanager
    def glance(self) -> Iterator[sa.Connection]:
        """One that reads, in the same way."""
        with self._trip() as (connection, trip):
            yield connection
            trip.make(_BEGIN_READ.encode(), b"COMMIT")

    @contextmanager
    def _trip(self, *, new: bool = True) -> Iterator[tuple[sa.Connection, Trip]]:
        """A connection for statements that are sent together. Raises WouldWaitError if none is there, and none may be made."""
        connection = self._kept()
        if connection is None and not new:
            raise WouldWaitError
        connection = connection or self.engine.connect()
        options = connection.get_execution_options()
        if TRIP not in options:
            from headrace.sql.trips import Trip

            driver: Any = connection.connection.dbapi_connection
            options = connection.execution_options(**{TRIP: Trip(driver)}).get_execution_options()
        trip: Trip = options[TRIP]
        try:
            yield connection, trip
        finally:
            trip.forget()
            if trip.sound and len(self._idle) < IDLE:
                self._idle.append(connection)
            else:
                _end(connection)

    def _kept(self) -> sa.Connection | None:
        """One that is kept out of the pool, and whose server is there."""
        with suppress(IndexError):  # another thread may take the last one
            while True:
                connection = self._idle.pop()
                if _is_quiet(connection.connection.dbapi_connection):
                    return connection
                _end(connection)
        return None

    @contextmanager
    def migrating(self, connection: sa.Connection) -> Iterator[None]:
        """One transaction, alone: PostgreSQL changes tables within transactions."""
        with connection.begin():
            self.begin_write(connection, "migration")
            yield

    def stamp(self) -> int:
        """The revision of the definitions, asked at most every STAMP_SECONDS, and this process's own commits."""
        with self._stamp_lock:
            revision, asked = self._stamped
            if time.monotonic() - asked > STAMP_SECONDS:
                with self.engine.connect() as connection:
                    revision = int(connection.exec_driver_sql("SELECT revision FROM definition_revision").scalar_one())
                self._stamped = revision, time.monotonic()
            return (revision << 24) + self._commits

    def advice(self, error: BaseException | None) -> str:
        """What to do about an error of the server or the connection."""
        text = str(error)
        return next((words for mark, words in _ADVICE.items() if mark in text), "check the server and its log, then try again")

    def is_bad_input(self, error: BaseException | None) -> bool:
        """Whether the value is one that PostgreSQL can't hold, such as a text with a NUL character."""
        return isinstance(error, self._bad_input) or "NUL" in str(error)

    def learn(self, error: BaseException | None) -> None:
        """Drop the connections that wait if what a server kept ready for one isn't what it was: it would fail each time. The
        tables were changed, or somebody between has taken it away."""
        if isinstance(error, self._stale):
            self._drop_idle()
            self.engine.dispose()

    @contextmanager
    def _held(self, name: str) -> Iterator[None]:
        with self.engine.connect() as connection:
            key = {"key": _key(f"lock/{name}")}
            connection.exec_driver_sql("SELECT pg_advisory_lock(%(key)s)", key)
            try:
                yield
            finally:
                connection.exec_driver_sql("SELECT pg_advisory_unlock(%(key)s)", key)

    def lock(self, name: str) -> AbstractContextManager[None]:
        """An advisory lock of a session of its own: the server frees it when its holder dies."""
        return self._held(name)

    def committed(self) -> None:
        """Let this process see its own commits at once."""
        self._commits += 1

    def close(self) -> None:
        """Close all connections."""
        self._drop_idle()
        self.engine.dispose()

    def _drop_idle(self) -> None:
        with suppress(IndexError):  # another thread may take the last one
            while True:
                _end(self._idle.pop())

    def forking(self) -> AbstractContextManager[object]:
        """Nothing to wait for: what a connection is in the middle of is on the server."""
        return nullcontext()

    def forget(self) -> None:
        """Leave a parent process its connections."""
        self._idle = []
        self.engine.dispose(close=False)
        self._stamp_lock = threading.Lock()


def _configure(connection: Any, _record: object) -> None:
    """Have whole numbers all be of one type: a statement is prepared anew for each combination of the types of its values."""
    from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper

    connection.adapters.register_dumper(int, Int8BinaryDumper)
    connection.adapters.register_dumper(int, Int8Dumper)


def _plan_anew(cursor: Any, statement: str, values: Any, context: Any) -> bool:
    """Run a statement that asks for it without keeping it ready; returns whether it did."""
    asked = PLANNED_ANEW in context.execution_options
    if asked:
        cursor.execute(statement, values, prepare=False)
    return asked


def _require_alive(connection: Any, _record: object, _proxy: object) -> None:
    """Let the pool replace its connections if this one's server isn't there."""
    if not _is_quiet(connection):
        raise sa.exc.InvalidatePoolError


def _is_quiet(connection: Any) -> bool:
    """Whether a connection's server has said nothing unasked: that it ends. To ask it for a sign of life would be one more round
    trip for each transaction."""
    look = select.poll()
    look.register(connection.fileno(), select.POLLIN)
    return not look.poll(0)


def _end(connection: sa.Connection) -> None:
    """End a connection, which the pool isn't to have: the statements that its server keeps ready are nobody else's."""
    connection.invalidate()
    connection.close()


def _key(name: str) -> int:
    """PostgreSQL names advisory locks by numbers of 64 bits."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8, person=b"headrace").digest(), "big", signed=True)
