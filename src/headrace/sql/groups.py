"""Writes of many threads in one transaction: while one is being committed the next ones gather, and share a commit."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import sqlalchemy as sa

from headrace.errors import StorageError
from headrace.patience import Behind, Promise, Wait, WouldWaitError, behind, impatient, is_impatient, left
from headrace.sql.database import Database
from headrace.sql.prepared import RefusedError

__all__ = ["GroupCommit"]

Work = Callable[[sa.Connection], Any]
"""Writes in a transaction, and gives something."""
IDLE_SECONDS = 600e-6
"""If nobody has written for so long, there is time between two writes."""
_LEFT = "briefs are left until somebody reads or writes: %s"
log = logging.getLogger("headrace.sql")


def _nothing(_: object) -> None:
    pass


class _Write:
    """One thread's part of a group.

    Attributes:
        way: what is run: `work` or, if nobody else writes, `brief`.
        then: told what it gave, once that is committed.
        behind: takes what is to be done behind the answer.
        promise: told when it is committed or has failed, if no thread waits for it.
        result: what it gave.
        error: what it raised, or what the commit did.
        done: whether it is committed, or has failed.
        leads: whether its thread is to lead the next group.
    """

    def __init__(self, work: Work, brief: Work | None, then: Callable[[Any], None]) -> None:
        self.work = self.way = work
        self.brief = brief
        self.then = then
        self.behind: Behind | None = None
        self.promise: Promise | None = None
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = self.leads = False
        self.turn = threading.Lock()
        self.turn.acquire()

    def tell(self) -> None:
        """Let who waits for it go on."""
        self.done = True
        if self.promise is None:
            self.turn.release()
        elif self.error is None:
            self.promise.set_result(None)
        else:
            self.promise.set_exception(self.error)


class _Said:
    """How far a group's transaction has come: `whole` once nothing but its commit is left."""

    whole = False

    def say(self, group: Sequence[_Write], connection: sa.Connection) -> None:
        """Run the writes of a group."""
        for write in group:
            write.result = write.way(connection)
        self.whole = True


class GroupCommit:
    """Runs writes, each all or nothing and durable when `run` returns. Nobody waits for more than two groups."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._begin()
        database.after_fork.append(self._begin)
        database.at_close.append(self._end)

    def _begin(self) -> None:
        """Nobody writes and nobody waits: so it is in a child, whose parent's threads it doesn't have."""
        self._lock = threading.Lock()
        self._waiting: list[_Write] = []
        self._busy = False
        self._writer: ThreadPoolExecutor | None = None
        self._ended = 0.0
        self._has_briefs = False

    def _end(self) -> None:
        if self._writer is not None:
            self._writer.shutdown()
        if self._has_briefs:
            with suppress(StorageError, WouldWaitError), impatient():  # or they are brought in by whoever comes next
                self._database.bring_in()
        self._has_briefs = False

    def run(self, work: Work, then: Callable[[Any], None] = _nothing, *, brief: Work | None = None) -> None:
        """Run a write in a transaction, blind if it can be; it may be run again. Within a block of `leaving` it waits to be led.

        Args:
            then: told what the write gives, once that is committed.
            brief: gives the same, and keeps the write in brief, which is brought into the tables behind the answer. Run instead
                where nobody else writes.

        Raises:
            StorageError: it couldn't be committed. And what the write raises.
        """
        mine = _Write(work, brief, then)
        if self._database.joined is not None or is_impatient():  # a part of this thread's own, or nobody's to wait for
            mine.behind = behind()
            self._choose(mine)
            with self._database.write() as connection:
                result = mine.way(connection)
            self._leave(mine)
            then(result)
            return
        leaving = left()
        if leaving is not None:
            mine.promise, mine.behind = leaving.promise(), leaving.behind
            leaving.promises.append(mine.promise)
            leaving.lead = self._lead_those_left
            with self._lock:
                self._waiting.append(mine)
            return
        try:
            with self._lock:
                self._waiting.append(mine)
                mine.leads, self._busy = not self._busy, True
            if not mine.leads:
                mine.turn.acquire()
            if not mine.done:
                self._lead()
        except BaseException:
            self._withdraw(mine)
            raise
        if mine.error is not None:
            raise mine.error
        then(mine.result)

    def _choose(self, write: _Write) -> None:
        """Let a write that is alone be brief if nobody else will want the time that it takes to bring it in."""
        if write.brief is None or write.behind is None or self._database.joined is not None or not self._database.keeps_briefs:
            return
        if time.perf_counter() - self._ended > IDLE_SECONDS:
            write.way = write.brief

    def _leave(self, write: _Write) -> None:
        """Leave a brief to be brought in."""
        self._ended = time.perf_counter()
        if write.way is not write.work and write.behind is not None and write.error is None:
            self._has_briefs = True
            write.behind(self._bring_in)

    def _bring_in(self) -> None:
        """Bring in what is left if nobody else writes, who would have done it; what takes long is our thread's."""
        if not self._has_briefs:  # who closed the catalog has done it
            return
        try:
            with impatient():
                self._database.bring_in()
        except WouldWaitError:
            self._in_our_thread(self._bring_in_patiently)
        except StorageError as error:
            log.warning(_LEFT, error)
        self._has_briefs = False
        self._ended = time.perf_counter()

    def _bring_in_patiently(self) -> None:
        try:
            self._database.bring_in()
        except StorageError as error:
            log.warning(_LEFT, error)

    def _withdraw(self, mine: _Write) -> None:
        """Leave a write undone whose thread was interrupted, and let another one lead if it was to."""
        with self._lock:
            if mine not in self._waiting:
                return
            self._waiting.remove(mine)
        if mine.leads:
            self._hand_on()

    def _lead_those_left(self, *, here: bool) -> Iterator[Wait] | None:
        with self._lock:
            if self._busy or not self._waiting:
                return None
            self._busy = True
        if here and not self._database.nearby:
            return self._lead_in_steps()
        if not (here and self._lead_at_once()):
            self._in_our_thread(self._lead)
        return None

    def _lead_in_steps(self) -> Iterator[Wait]:
        """Lead one group after the other until nobody waits, or one is a thread's."""
        while True:
            group, said = self._take(), _Said()
            try:
                yield from self._database.blind_steps(partial(said.say, group))
            except Exception as error:  # noqa: BLE001 - each of the group is told
                if not said.whole or isinstance(error, RefusedError):  # a thread asks what is wrong, and with which of them
                    self._in_our_thread(self._lead, group)
                    return
                for write in group:
                    write.error = error
            for write in group:
                write.tell()
            with self._lock:
                self._busy = bool(self._waiting)
            for write in group:
                self._go_on_at_once(write)
            if not self._busy:
                return

    def _lead_at_once(self) -> bool:
        """Lead a group, unless that would wait for somebody."""
        group = self._take()
        if len(group) == 1:
            self._choose(group[0])
        try:
            with impatient():
                self._commit(group)
        except WouldWaitError:
            group[0].way = group[0].work
            with self._lock:
                self._waiting[:0] = group
            return False
        except BaseException:
            self._over(group)
            raise
        self._over(group)
        return True

    def _lead(self, group: Sequence[_Write] | None = None) -> None:
        group = group or self._take()
        try:
            self._commit(group)
        finally:
            self._over(group)

    def _take(self) -> Sequence[_Write]:
        with self._lock:
            group, self._waiting = self._waiting, []
        return group

    def _over(self, group: Sequence[_Write]) -> None:
        """Tell everybody that a group is kept or has failed, and let the next one be led."""
        for write in group:
            write.tell()
        self._leave(group[0])
        self._hand_on()
        for write in group:
            self._go_on(write)

    def _hand_on(self) -> None:
        """Let the next group be led: by the thread of its first write, or by ours if that has none."""
        with self._lock:
            following = self._waiting[0] if self._waiting else None
            self._busy = following is not None
            if following is not None:
                following.leads = True
        if following is not None and following.promise is None:
            following.turn.release()
        elif following is not None:
            self._in_our_thread(self._lead)

    def _in_our_thread(self, work: Callable[..., None], *given: Any) -> None:
        if self._writer is None:
            self._writer = ThreadPoolExecutor(1, "headrace-writer")
        self._writer.submit(work, *given)

    def _go_on(self, write: _Write) -> None:
        """Do what follows a write that no thread waits for."""
        if write.promise is None or write.error is not None:
            return
        try:
            write.then(write.result)
        except WouldWaitError:
            raise
        except Exception:
            log.exception("what follows a write that is kept has failed")

    def _go_on_at_once(self, write: _Write) -> None:
        """The same in a thread that waits for nobody; what would wait is left to ours."""
        try:
            with impatient():
                self._go_on(write)
        except WouldWaitError:
            self._in_our_thread(self._go_on, write)

    def _commit(self, group: Sequence[_Write]) -> None:
        try:
            if not self._run_as_one(group):
                with self._database.write() as connection:
                    for write in group:
                        self._run_beside(connection, write)
        except WouldWaitError:
            for write in group:
                write.error = None
            raise
        except Exception as error:  # noqa: BLE001 - each of the group's threads is told
            for write in group:
                write.error = write.error or error
        except BaseException:  # this thread is interrupted; the others only lose what was to be kept with it
            for write in group:
                write.error = write.error or StorageError("a thread was interrupted that wrote for others too; try again")
            raise

    def _run_as_one(self, group: Sequence[_Write]) -> bool:
        """Run a group without savepoints; False if one of several failed, or the database refused it, and nothing was kept.
        A commit that fails is told, and not tried again: it may have come through."""
        said = _Said()
        try:
            with self._database.blind() as connection:
                said.say(group, connection)
        except RefusedError:
            return False
        except Exception:
            if said.whole or len(group) == 1:
                raise
            return False
        return True

    def _run_beside(self, connection: sa.Connection, write: _Write) -> None:
        """Run one of several: if it fails, the others are kept. Raises what it raised if nothing of them can be kept any more."""
        try:
            with self._database.part(connection):
                write.result = write.work(connection)
        except WouldWaitError:
            raise
        except Exception as error:
            if connection.invalidated:  # it is lost, and the transaction with it
                raise
            write.error = error  # told to its own thread
