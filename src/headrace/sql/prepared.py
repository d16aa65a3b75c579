"""Statements that run thousands of times a second: handed to the driver as they are, past SQLAlchemy, which takes longer to look
at one than SQLite takes to run it. They are part of the transaction that the connection is in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import sqlalchemy as sa

__all__ = ["Prepared", "direct", "pipelined"]


def direct(connection: sa.Connection, text: str, values: Sequence[Any] = ()) -> Any:
    """Run one statement, its values marked by `?`; returns the driver's cursor, whose rows are plain tuples."""
    if connection.dialect.paramstyle != "qmark":
        text = _formatted(text)
    driver: Any = connection.connection.dbapi_connection
    return driver.execute(text, values)


@contextmanager
def pipelined(connection: sa.Connection) -> Iterator[None]:
    """Let PostgreSQL have the statements of the block without waiting for its answer to each: that is asked for where rows are
    read, and at the end. Only `direct` and `Prepared` may be used within."""
    if connection.dialect.name != "postgresql":
        yield
        return
    driver: Any = connection.connection.dbapi_connection
    with driver.pipeline():
        yield


class Prepared:
    """A statement for many rows at once.

    Args:
        make: gives the statement for a kind of database.
        columns: the names that each row has.
    """

    def __init__(self, make: Callable[[str], Any], columns: Sequence[str]) -> None:
        self._make = make
        self._columns = list(columns)
        self._compiled: dict[str, tuple[str, list[str] | None]] = {}

    def run(self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run it for the rows, whose values are what the driver takes."""
        name = connection.dialect.name
        if name not in self._compiled:
            self._compiled[name] = self._compile(connection)
        text, order = self._compiled[name]
        driver: Any = connection.connection.dbapi_connection
        cursor = driver.cursor()
        cursor.executemany(text, rows if order is None else [tuple([row[column] for column in order]) for row in rows])
        cursor.close()

    def _compile(self, connection: sa.Connection) -> tuple[str, list[str] | None]:
        compiled: Any = self._make(connection.dialect.name).compile(dialect=connection.dialect, column_keys=self._columns)
        return str(compiled), list(compiled.positiontup) if compiled.positional else None


@cache
def _formatted(text: str) -> str:
    return text.replace("?", "%s")
