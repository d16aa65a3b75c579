"""How far the writers of runs have come, and what they send in bulk: WriterStore."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import sqlalchemy as sa

from headrace.errors import NotFoundError
from headrace.sql.database import Database
from headrace.sql.metrics import upsert
from headrace.sql.points import TAKEN_IN, add_series, join_apart, join_many
from headrace.sql.prepared import Insert, RefusedError, direct, pipelined
from headrace.sql.run_writes import require_active_run
from headrace.sql.tables.tracking import run_writers, runs
from headrace.tracking.history import Series

__all__ = ["SqlWriterStore"]

_INSIST_ON_NEXT = (
    "SELECT 1 / CASE WHEN coalesce((SELECT seq FROM run_writers WHERE run_id = ? AND writer = ?), 0) < ? THEN 1 ELSE 0 END"
)
"""Fails on PostgreSQL, which divides by nothing, if a writer has come so far already."""
_HEARD = "UPDATE runs SET seen = ? WHERE run_id = ?"
_REACH = Insert("run_writers", ("run_id", "writer", "seq"), tail="ON CONFLICT (run_id, writer) DO UPDATE SET seq = excluded.seq")


class SqlWriterStore:
    """WriterStore on the catalog database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def together(self) -> AbstractContextManager[None]:
        """Make everything that the catalog's stores do within the block, in this thread, one transaction."""
        return self._database.together()

    def reached(self, run_id: str, writer: str) -> int:
        """The number of the last entry of a writer that is kept; 0 if there is none."""
        c = run_writers.c
        with self._database.read() as connection:
            found = connection.execute(sa.select(c.seq).where(c.run_id == run_id, c.writer == writer)).scalar()
        return found or 0

    def advance(self, run_id: str, writer: str, seq: int, time: int) -> None:
        """Note that a writer has come to this entry and was heard of now. Raises NotFoundError for the run."""
        with self._database.write() as connection:
            done = connection.execute(runs.update().where(runs.c.run_id == run_id).values(seen=time))
            if done.rowcount == 0:
                msg = f"Run with id={run_id} not found; list the runs with: store.runs.search()"
                raise NotFoundError(msg)
            connection.execute(upsert(connection, run_writers, ["seq"]), {"run_id": run_id, "writer": writer, "seq": seq})

    def add_series(self, run_id: str, series: Sequence[Series]) -> None:
        """Add points to the histories of a run. Raises NotFoundError, ConflictError for a deleted run."""
        with self._database.write() as connection:
            require_active_run(connection, run_id)
            with pipelined(connection):
                added = add_series(connection, run_id, series)
            join_many(connection, run_id, added.grown())
        TAKEN_IN.points += sum(map(len, series))

    def take_next(self, run_id: str, writer: str, seqs: range, series: Sequence[Series], time: int) -> bool:
        """Add the points of a writer's entries of these numbers and advance to the last, in one round trip; False, and nothing is
        changed, if SQLite is asked, if one of them came before, or if there is no such active run."""
        if self._database.nearby or self._database.joined is not None:
            return False
        try:
            with self._database.blind() as connection:
                direct(connection, _INSIST_ON_NEXT, (run_id, writer, seqs[0]))
                require_active_run(connection, run_id)
                added = add_series(connection, run_id, series)
                direct(connection, _HEARD, (time, run_id))
                _REACH.run(connection, [(run_id, writer, seqs[-1])])
        except RefusedError:
            return False
        grown = added.grown()
        if grown:
            join_apart(self._database, run_id, grown)
        TAKEN_IN.points += sum(map(len, series))
        return True
