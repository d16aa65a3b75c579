"""Statements that run thousands of times a second: compiled once, their rows handed to the driver as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

__all__ = ["Prepared"]


class Prepared:
    """A statement for many rows at once. SQLAlchemy would look at each value of each row.

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
        if order is None:
            connection.exec_driver_sql(text, [dict(row) for row in rows])
        else:
            connection.exec_driver_sql(text, [tuple([row[column] for column in order]) for row in rows])

    def _compile(self, connection: sa.Connection) -> tuple[str, list[str] | None]:
        compiled: Any = self._make(connection.dialect.name).compile(dialect=connection.dialect, column_keys=self._columns)
        return str(compiled), list(compiled.positiontup) if compiled.positional else None
