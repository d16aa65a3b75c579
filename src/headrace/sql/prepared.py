"""Statements that run thousands of times a second: handed to the driver as they are, past SQLAlchemy, which takes longer to look
at one than SQLite takes to run it. They are part of the transaction that the connection is in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import sqlalchemy as sa

__all__ = ["Prepared", "Query", "direct", "pipelined"]


def direct(connection: sa.Connection, text: str, values: Sequence[Any] = ()) -> Any:
    """Run one statement, its values marked by `?`; returns the driver's cursor, whose rows are plain tuples."""
    if connection.dialect.paramstyle != "qmark":
        text = _formatted(text)
    driver: Any = connection.connection.dbapi_connection
    return driver.execute(text, values)


@contextmanager
def pipelined(connection: sa.Connection) -> Iterator[None]:
    """Let PostgreSQL have the statements of the block without waiting for its answer to each: that is asked for where rows are
    read, and at the end. Only `direct`, `Prepared` and `Query` may be used within."""
    if connection.dialect.name != "postgresql":
        yield
        return
    driver: Any = connection.connection.dbapi_connection
    with driver.pipeline():
        yield


class Prepared:
    """A statement for many rows at once.

    Args:
        make: gives the statement for the kind of database that a connection is to.
        columns: the names that each row has.
    """

    def __init__(self, make: Callable[[sa.Connection], Any], columns: Sequence[str]) -> None:
        self._text = _Text(make, list(columns))

    def run(self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run it for the rows, whose values are what the driver takes."""
        text, order, _ = self._text.of(connection)
        driver: Any = connection.connection.dbapi_connection
        cursor = driver.cursor()
        cursor.executemany(text, rows if order is None else [tuple([row[column] for column in order]) for row in rows])
        cursor.close()


class Query:
    """A query that is put into words once: to build one of a few columns takes longer than to run it.

    Args:
        make: gives the query for the kind of database that a connection is to; its values are bind parameters with names.
    """

    def __init__(self, make: Callable[[sa.Connection], Any]) -> None:
        self._text = _Text(make, None)

    def start(self, connection: sa.Connection, **values: Any) -> Any:
        """Run it; returns the driver's cursor, whose rows are plain tuples of what the driver gives: a boolean of SQLite is 0
        or 1."""
        text, order, fixed = self._text.of(connection)
        held = {**fixed, **values}
        driver: Any = connection.connection.dbapi_connection
        if order is None:  # PostgreSQL, whose numbers come as they are: to read them from text took half the time of a page
            return driver.execute(text, held, binary=True)
        return driver.execute(text, [held[name] for name in order])

    def rows(self, connection: sa.Connection, **values: Any) -> list[tuple[Any, ...]]:
        """All its rows."""
        found: list[tuple[Any, ...]] = self.start(connection, **values).fetchall()
        return found


class _Text:
    """A statement in the words of each kind of database, with the order of its values where they have no names, and those that
    it has already."""

    def __init__(self, make: Callable[[sa.Connection], Any], columns: list[str] | None) -> None:
        self._make = make
        self._columns = columns
        self._compiled: dict[str, tuple[str, list[str] | None, Mapping[str, Any]]] = {}

    def of(self, connection: sa.Connection) -> tuple[str, list[str] | None, Mapping[str, Any]]:
        found = self._compiled.get(connection.dialect.name)
        if found is None:
            made: Any = self._make(connection).compile(dialect=connection.dialect, column_keys=self._columns)
            order = list(made.positiontup) if made.positional else None
            found = self._compiled[connection.dialect.name] = str(made), order, made.params
        return found


@cache
def _formatted(text: str) -> str:
    return text.replace("?", "%s")
