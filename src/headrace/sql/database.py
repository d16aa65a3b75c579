"""The catalog database: connections, transactions and the schema's version."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from headrace.errors import SettingsError, StorageError

__all__ = ["HEAD", "Database"]

HEAD = "0004"
"""The newest migration. Kept here so that opening an up-to-date catalog doesn't import Alembic."""

BUSY_SECONDS = 60
_ADVICE = {
    "not a database": "it isn't a SQLite file; restore it from a backup, or point 'catalog' at another file",
    "malformed": "it is damaged; restore it from a backup",
    "readonly": "it is read-only; give write permission to the file and its folder",
    "unable to open": "check that the file and its folder can be read and written",
    "locked": f"another process held it for {BUSY_SECONDS} seconds; stop that process or try again",
    "full": "the disk is full; free some space",
}


class Database:
    """A catalog: SQLite in WAL mode, every write one immediate transaction, so that two writers queue and never deadlock.

    Safe to use from many threads, and after a fork.

    Args:
        url: SQLAlchemy URL, for example `sqlite:////project/.headrace/catalog.db`.

    Raises:
        SettingsError: the URL isn't one of a SQLite file.
        StorageError: the file can't be opened, isn't a catalog, or was written by a newer release.
    """

    def __init__(self, url: str) -> None:
        self.url = _parse_url(url)
        self._file = str(self.url.database)
        self._make_folder(Path(self._file).parent)
        self.engine = sa.create_engine(self.url, connect_args={"timeout": BUSY_SECONDS}, max_overflow=-1)
        event.listen(self.engine, "connect", _configure)
        event.listen(self.engine, "begin", _begin)
        self._watch: sqlite3.Connection | None = None
        self._watch_lock = threading.Lock()
        _OPEN.add(self)
        try:
            self._migrate()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection that sees one consistent state; nothing it does is kept."""
        with self._errors(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that is alone in writing from its first statement; committed at the end, undone on an exception."""
        with self._errors(), self.engine.connect().execution_options(headrace_write=True) as connection, connection.begin():
            yield connection

    @contextmanager
    def migration(self) -> Iterator[sa.Connection]:
        """A write transaction for changing tables: references aren't enforced inside it, and are checked at its end."""
        with self._errors(), self.engine.connect().execution_options(headrace_write=True) as connection:
            raw: Any = connection.connection.dbapi_connection
            raw.execute("PRAGMA foreign_keys=OFF")  # SQLite rebuilds a table by dropping it, which would delete what refers to it
            try:
                with connection.begin():
                    self._refuse_strangers(connection)
                    yield connection
                    if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
                        msg = f"the catalog {self._file} has rows that refer to missing ones; it was left as it was"
                        raise StorageError(msg)
            finally:
                raw.execute("PRAGMA foreign_keys=ON")

    def stamp(self) -> int:
        """A number that changes with every commit of any process or thread, this one included; costs microseconds.

        Numbers of different Database objects can't be compared.
        """
        with self._watch_lock:
            if self._watch is None:
                with self._errors():
                    self._watch = sqlite3.connect(self._file, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None)
            try:  # SQLite counts the commits of all connections but the asking one, and this one never writes
                return int(self._watch.execute("PRAGMA data_version").fetchone()[0])
            except sqlite3.Error as error:
                raise self._storage_error(error) from error

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()
        with self._watch_lock:
            if self._watch is not None:
                self._watch.close()
                self._watch = None

    def forget_connections(self) -> None:
        """Leave a parent process its connections: SQLite's can't be used on both sides of a fork."""
        self.engine.dispose(close=False)
        self._watch = None
        self._watch_lock = threading.Lock()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.IntegrityError:
            raise
        except sa.exc.DBAPIError as error:
            raise self._storage_error(error.orig) from error
        except sqlite3.Error as error:  # raised while a connection is made, where SQLAlchemy doesn't wrap it
            raise self._storage_error(error) from error

    def _storage_error(self, error: BaseException | None) -> StorageError:
        text = str(error)
        advice = next((words for mark, words in _ADVICE.items() if mark in text), "check the file, the disk and its permissions")
        return StorageError(f"the catalog {self._file} can't be used ({text}): {advice}")

    def _make_folder(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"the catalog's folder {folder} can't be made: {error.strerror}; create it, or point 'catalog' at another place"
            raise StorageError(msg) from error

    def _migrate(self) -> None:
        with self.read() as connection:
            revision = self._refuse_strangers(connection)
        if revision != HEAD:
            from headrace.sql.migrations import upgrade

            upgrade(self)

    def _refuse_strangers(self, connection: sa.Connection) -> str | None:
        """The schema's revision; None if the file is empty."""
        names = connection.execute(sa.text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars()
        tables = {name for name in names if not name.startswith("sqlite_")}
        revision = None
        if "alembic_version" in tables:
            revision = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
        if revision is None and tables <= {"alembic_version"}:
            return None
        if revision is None or len(revision) != len(HEAD) or not revision.isdigit():
            msg = f"{self._file} is a database of something else, not a Headrace catalog; point 'catalog' at another file"
            raise StorageError(msg)
        if revision > HEAD:
            schemas = f"schema {revision}, this release knows {HEAD}"
            msg = f"the catalog {self._file} was written by a newer release ({schemas}); upgrade headrace"
            raise StorageError(msg)
        return str(revision)


def _parse_url(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        msg = f"setting 'catalog': {url!r} isn't a database URL; write for example sqlite:////data/catalog.db"
        raise SettingsError(msg) from error
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        msg = f"setting 'catalog': {parsed.render_as_string()} isn't a SQLite file; write for example sqlite:////data/catalog.db"
        raise SettingsError(msg)
    return parsed


def _configure(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun by _begin
    try:
        with closing(connection.cursor()) as cursor:
            _enter_wal(cursor)
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute("PRAGMA foreign_keys=ON")
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


def _begin(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get("headrace_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


_OPEN: weakref.WeakSet[Database] = weakref.WeakSet()


def _forget_all() -> None:
    for database in list(_OPEN):
        database.forget_connections()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
