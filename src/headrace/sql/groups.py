"""Writes of many threads in one transaction: while one is being committed the next ones gather, and share a commit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import sqlalchemy as sa

from headrace.patience import is_impatient
from headrace.sql.database import Database
from headrace.sql.prepared import RefusedError

__all__ = ["GroupCommit"]

T = TypeVar("T")


class _Write:
    """One thread's part of a group.

    Attributes:
        result: what it gave.
        error: what it raised, or what the commit did.
        done: whether it is committed, or has failed.
    """

    def __init__(self, work: Callable[[sa.Connection], Any]) -> None:
        self.work = work
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = False
        self.turn = threading.Lock()
        self.turn.acquire()


class GroupCommit:
    """Runs writes, each all or nothing and durable when `run` returns. Nobody waits for more than two groups."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._begin()
        database.after_fork.append(self._begin)

    def _begin(self) -> None:
        """Nobody writes and nobody waits: so it is in a child, whose parent's threads it doesn't have."""
        self._lock = threading.Lock()
        self._waiting: list[_Write] = []
        self._busy = False

    def run(self, work: Callable[[sa.Connection], T]) -> T:
        """Run a write in a transaction, blind if it can be; it may be run again. Returns what it gives.

        Raises:
            StorageError: it couldn't be committed. And what the write raises.
        """
        if self._database.joined is not None or is_impatient():  # a part of this thread's own, or nobody's to wait for
            with self._database.write() as connection:
                return work(connection)
        mine = _Write(work)
        with self._lock:
            self._waiting.append(mine)
            leads, self._busy = not self._busy, True
        if not leads:
            mine.turn.acquire()
        if not mine.done:
            self._lead(mine)
        if mine.error is not None:
            raise mine.error
        return cast("T", mine.result)

    def _lead(self, mine: _Write) -> None:
        with self._lock:
            group, self._waiting = self._waiting, []
        try:
            self._commit(group)
        finally:
            with self._lock:
                if self._waiting:
                    self._waiting[0].turn.release()
                else:
                    self._busy = False
            for write in group:
                write.done = True
                if write is not mine:
                    write.turn.release()

    def _commit(self, group: Sequence[_Write]) -> None:
        try:
            if not self._run_as_one(group):
                with self._database.write() as connection:
                    for write in group:
                        self._run_beside(connection, write)
        except BaseException as error:  # noqa: BLE001 - each of the group's threads is told
            for write in group:
                write.error = write.error or error

    def _run_as_one(self, group: Sequence[_Write]) -> bool:
        """Run a group without savepoints; False if one of several failed, or the database refused it, and nothing was kept.
        A commit that fails is told, and not tried again: it may have come through."""
        committing = False
        try:
            with self._database.blind() as connection:
                for write in group:
                    write.result = write.work(connection)
                committing = True
        except RefusedError:
            return False
        except Exception:
            if committing or len(group) == 1:
                raise
            return False
        return True

    def _run_beside(self, connection: sa.Connection, write: _Write) -> None:
        """Run one of several: if it fails, the others are kept."""
        try:
            with self._database.part(connection):
                write.result = write.work(connection)
        except Exception as error:  # noqa: BLE001 - it is told to its own thread
            write.error = error
