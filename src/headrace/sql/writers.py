"""How far the writers of runs have come, and what they send in bulk: WriterStore."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import sqlalchemy as sa

from headrace.errors import NotFoundError
from headrace.sql.database import Database
from headrace.sql.metrics import upsert
from headrace.sql.points import TAKEN_IN, add_series, join_many
from headrace.sql.prepared import pipelined
from headrace.sql.runs import require_active_run
from headrace.sql.tables.tracking import run_writers, runs
from headrace.tracking.history import Series

__all__ = ["SqlWriterStore"]


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
