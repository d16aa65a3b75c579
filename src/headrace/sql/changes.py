"""The sequence of changes in the catalog. Writers add to it within their transaction; readers see it in the order of commits.

SQLite has one writer at a time, so numbers that count up are in order. On PostgreSQL a change has its transaction's number, and a
reader stops before the first transaction that is still under way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import count

import sqlalchemy as sa

from headrace.sql.database import Database
from headrace.sql.prepared import direct
from headrace.sql.rows import tuples
from headrace.sql.tables.tracking import changes
from headrace.tracking.changes import Change, Cursor

__all__ = ["KEPT", "SqlChanges", "note"]

KEPT = 50_000
"""Changes older than so many numbers are forgotten: who missed more reads everything again."""
TIDY_EVERY = 500
MOST_KEYS = 50
_SEPARATOR = "\n"  # no key has one

_COLUMNS = "number, part, kind, subject, metric_keys"
_NOTE = {
    "sqlite": f"INSERT INTO changes ({_COLUMNS}) SELECT coalesce(max(number), 0) + 1, 0, ?, ?, ? FROM changes",
    "postgresql": f"INSERT INTO changes ({_COLUMNS}) SELECT txid_current(), coalesce(max(part), 0) + 1, ?, ?, ? FROM changes "
    "WHERE number = txid_current()",
}
_FORGET = "DELETE FROM changes WHERE number < (SELECT max(number) FROM changes) - " + str(KEPT)
_written = count(1)


def note(connection: sa.Connection, kind: str, subject: str, keys: Collection[str] = ()) -> None:
    """Add a change to the sequence, in the transaction that makes it."""
    told = _SEPARATOR.join(keys) if len(keys) <= MOST_KEYS else ""
    direct(connection, _NOTE[connection.dialect.name], (kind, subject, told))
    if next(_written) % TIDY_EVERY == 0:
        direct(connection, _FORGET)


class SqlChanges:
    """Changes on the catalog database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def end(self) -> Cursor:
        """Where the sequence ends now."""
        query = sa.select(changes.c.number, changes.c.part).order_by(changes.c.number.desc(), changes.c.part.desc()).limit(1)
        with self._database.read() as connection:
            found = tuples(connection, query.where(*_settled(connection)))
        return (found[0][0], found[0][1]) if found else (0, 0)

    def since(self, cursor: Cursor, limit: int) -> tuple[list[Change], Cursor] | None:
        """At most so many changes after a cursor, in order, and how far that is; None if some were forgotten already."""
        c = changes.c
        after = sa.or_(c.number > cursor[0], sa.and_(c.number == cursor[0], c.part > cursor[1]))
        query = sa.select(c.number, c.part, c.kind, c.subject, c.metric_keys).where(c.number >= cursor[0], after)
        with self._database.read() as connection:
            first, last = connection.execute(sa.select(sa.func.min(c.number), sa.func.max(c.number))).one()
            rows = tuples(connection, query.where(*_settled(connection)).order_by(c.number, c.part).limit(limit))
        if cursor[0] and (last is None or cursor[0] > last or cursor[0] < min(first, last - KEPT)):
            return None  # forgotten, or of another catalog
        return [_change(*row[2:]) for row in rows], (rows[-1][0], rows[-1][1]) if rows else cursor


def _change(kind: str, subject: str, keys: str) -> Change:
    return Change(kind, subject, tuple(keys.split(_SEPARATOR)) if keys else ())


def _settled(connection: sa.Connection) -> Iterable[sa.ColumnElement[bool]]:
    """What no transaction that is still under way can come before."""
    if connection.dialect.name == "postgresql":
        yield changes.c.number < sa.text("txid_snapshot_xmin(txid_current_snapshot())")
