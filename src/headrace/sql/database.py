"""The catalog database: connections, transactions and the schema's version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event

from headrace.errors import StorageError

__all__ = ["HEAD", "Database"]

HEAD = "0003"
"""The newest migration. Kept here so that opening an up-to-date catalog doesn't import Alembic."""


class Database:
    """A catalog: SQLite in WAL mode, every write one immediate transaction, so that two writers queue and never deadlock.

    Args:
        url: SQLAlchemy URL, for example `sqlite:////project/.headrace/catalog.db`.

    Raises:
        StorageError: the file can't be opened, isn't a catalog, or was written by a newer release.
    """

    def __init__(self, url: str) -> None:
        self.url = sa.make_url(url)
        if self.url.database and self.url.database != ":memory:":
            self._make_folder(Path(self.url.database).parent)
        self.engine = sa.create_engine(self.url, connect_args={"timeout": 60})
        event.listen(self.engine, "connect", _configure)
        event.listen(self.engine, "begin", _begin)
        self._migrate()

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

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DBAPIError as error:
            if isinstance(error, sa.exc.IntegrityError):
                raise
            msg = f"the catalog {self.url.render_as_string()} can't be used: {error.orig}; check the file, the disk and its permissions"
            raise StorageError(msg) from error

    def _make_folder(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"the catalog's folder {folder} can't be made: {error.strerror}"
            raise StorageError(msg) from error

    def _migrate(self) -> None:
        with self._errors():
            version = self._version()
            if version == HEAD:
                return
            from headrace.sql.migrations import upgrade

            upgrade(self)

    def _version(self) -> str | None:
        with self.engine.connect() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _configure(connection: object, _record: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    connection.isolation_level = None  # type: ignore[attr-defined]  # transactions are begun by _begin
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get("headrace_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
