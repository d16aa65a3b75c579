"""Statements that run thousands of times a second: handed to the driver as they are, past SQLAlchemy, which takes longer to look
at one than SQLite takes to run it. They are part of the transaction that the connection is in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cache
from typing import Any, TypeVar, cast

import sqlalchemy as sa

__all__ = [
    "AT_ONCE",
    "PLANNED_ANEW",
    "TRIP",
    "Asked",
    "Insert",
    "Query",
    "RefusedError",
    "direct",
    "is_blind",
    "pipelined",
    "read_each",
    "run_text",
]

T = TypeVar("T")

AT_ONCE = 100
"""Rows in one statement."""
PLANNED_ANEW = "headrace_planned_anew"
"""The option of a statement that PostgreSQL plans for the values that it is given: of one that is kept ready it forgets how many
there are."""
TRIP = "headrace_trip"
"""The option of a connection whose statements are sent together: they are told to this."""
_MARK = re.compile(r"\?(\d+)")


class RefusedError(Exception):
    """A blind transaction was undone, for one of its statements failed. Run it again as another one to learn why. Never seen by a
    user."""


def direct(connection: sa.Connection, text: str, values: Sequence[Any] = ()) -> Any:
    """Run one statement, its values marked by `?`; returns the driver's cursor, whose rows are plain tuples."""
    if connection.dialect.name != "postgresql":
        driver: Any = connection.connection.dbapi_connection
        return driver.execute(text, values)
    return run_text(connection, _in_its_words(text), values)


def run_text(connection: sa.Connection, text: bytes, values: Sequence[Any], *, binary: bool = False) -> Any:
    """Run a statement on PostgreSQL, or let it be a part of what is sent together; returns its cursor."""
    trip = connection.get_execution_options().get(TRIP)
    if trip is not None:
        return trip.say(text, values)
    from psycopg import RawCursor

    driver: Any = connection.connection.dbapi_connection
    return RawCursor(driver).execute(text, values, binary=binary)


@contextmanager
def pipelined(connection: sa.Connection) -> Iterator[None]:
    """Let PostgreSQL have the statements of the block without waiting for its answer to each: that is asked for where rows are
    read, and at the end. Only `direct`, `Insert` and `Query` may be used within."""
    if connection.dialect.name != "postgresql" or is_blind(connection):
        yield
        return
    driver: Any = connection.connection.dbapi_connection
    with driver.pipeline():
        yield


def is_blind(connection: sa.Connection) -> bool:
    """Whether the connection's transaction is one that sees no answers before it is committed: `Database.blind`."""
    return TRIP in connection.get_execution_options()


class Insert:
    """An INSERT of many rows. PostgreSQL has them in one statement: each alone would be a message of its own, and an answer.

    Args:
        table, columns: where to.
        row: the values of one row, marked by `?1`, `?2`, … as often as they are needed. Default: one for each column.
        tail: what follows the rows.
        tells: the columns of each row as it is now, which PostgreSQL tells. SQLite's driver has to be asked for them.
    """

    def __init__(self, table: str, columns: Sequence[str], row: str = "", tail: str = "", tells: str = "") -> None:
        self._head = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "
        self._row = f"({row or ', '.join(f'?{place}' for place, _ in enumerate(columns, start=1))})"
        self._tail = f" {tail}"
        self._tells = f" RETURNING {tells}" if tells else ""
        self._width = max(map(int, _MARK.findall(self._row)))
        self._texts: dict[int, bytes] = {}

    def run(self, connection: sa.Connection, rows: Sequence[Sequence[Any]]) -> list[Any]:
        """Run it for the rows, whose values are what the driver takes; returns PostgreSQL's cursors."""
        if connection.dialect.name != "postgresql":
            driver: Any = connection.connection.dbapi_connection
            driver.executemany(self._head + self._row + self._tail, rows)
            return []
        parts = [rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE)]
        return [run_text(connection, self.text(len(some)), [value for row in some for value in row]) for some in parts]

    def text(self, count: int) -> bytes:
        """PostgreSQL's statement for so many rows."""
        found = self._texts.get(count)
        if found is None:
            rows = ", ".join(_renumbered(self._row, self._width * number) for number in range(count))
            found = self._texts[count] = f"{self._head}{rows}{self._tail}{self._tells}".encode()
        return found


def _renumbered(row: str, before: int) -> str:
    """The values of a row that has so many before it, marked as PostgreSQL does."""
    return _MARK.sub(lambda mark: f"${before + int(mark[1])}", row)


class Query:
    """A query that is put into words once: to build one of a few columns takes longer than to run it.

    Args:
        make: gives the query for the kind of database that a connection is to; its values are bind parameters with names.
    """

    def __init__(self, make: Callable[[sa.Connection], Any]) -> None:
        self._text = _Text(make)

    def start(self, connection: sa.Connection, **values: Any) -> Any:
        """Run it; returns the driver's cursor, whose rows are plain tuples of what the driver gives: a boolean of SQLite is 0
        or 1."""
        text, given = self.said(connection, values)
        if isinstance(text, bytes):  # PostgreSQL, whose numbers come as they are: from text took half the time of a page
            return run_text(connection, text, given, binary=True)
        driver: Any = connection.connection.dbapi_connection
        return driver.execute(text, given)

    def said(self, connection: sa.Connection, values: Mapping[str, Any]) -> tuple[str | bytes, list[Any]]:
        """Its text, as bytes for PostgreSQL, and its values in order."""
        text, order, fixed = self._text.of(connection)
        held = {**fixed, **values}
        return text, [held[name] for name in order]

    def rows(self, connection: sa.Connection, **values: Any) -> list[tuple[Any, ...]]:
        """All its rows."""
        found: list[tuple[Any, ...]] = self.start(connection, **values).fetchall()
        return found

    def ask(self, connection: sa.Connection, **values: Any) -> Callable[[], list[tuple[Any, ...]]]:
        """Run it; returns what gives all its rows, once the block of `pipelined` or `Database.glance` is over."""
        cursor = self.start(connection, **values)
        if connection.dialect.name == "postgresql":
            return cast("Callable[[], list[tuple[Any, ...]]]", cursor.fetchall)
        found = cursor.fetchall()
        return lambda: found


Asked = tuple[Query, Mapping[str, Any], Callable[[list[tuple[Any, ...]]], T]]
"""A query, its values, and what reads its rows."""


def read_each(connection: sa.Connection, asked: Sequence[Asked[Any]]) -> list[Any]:
    """What is made of the rows of each of some queries, many rows each. PostgreSQL is sent all of them at once, and works on the
    next while the rows of one are read; it plans each for its values, since of a query that is kept ready it forgets how many
    there are."""
    if connection.dialect.name != "postgresql":
        return [read(query.rows(connection, **values)) for query, values, read in asked]
    from headrace.sql.trips import one_by_one

    driver: Any = connection.connection.dbapi_connection
    said = [cast("tuple[bytes, list[Any]]", query.said(connection, values)) for query, values, _ in asked]
    with closing(one_by_one(driver, said)) as answers:
        return [read(rows) for (*_, read), rows in zip(asked, answers, strict=True)]


class _Text:
    """A statement in the words of each kind of database, as bytes for PostgreSQL; with the order of its values, and those that it
    has already."""

    def __init__(self, make: Callable[[sa.Connection], Any]) -> None:
        self._make = make
        self._compiled: dict[str, tuple[str | bytes, list[str], Mapping[str, Any]]] = {}

    def of(self, connection: sa.Connection) -> tuple[str | bytes, list[str], Mapping[str, Any]]:
        dialect = connection.dialect
        found = self._compiled.get(dialect.name)
        if found is None:
            raw, kind = dialect.name == "postgresql", cast("Any", type(dialect))
            made: Any = self._make(connection).compile(dialect=kind(paramstyle="numeric_dollar") if raw else dialect)
            text = str(made).encode() if raw else str(made)
            found = self._compiled[dialect.name] = text, list(made.positiontup), made.params
        return found


@cache
def _in_its_words(text: str) -> bytes:
    """A statement with its values marked as PostgreSQL does: the driver has nothing left to look for."""
    first, *rest = text.split("?")
    return "".join([first, *(f"${place}{part}" for place, part in enumerate(rest, start=1))]).encode()
