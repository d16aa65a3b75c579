"""Tables of what was answered, in the lake beside the sources' tables; writing them never holds up or fails an answer."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from secrets import randbits
from typing import TYPE_CHECKING, Any, Protocol, cast

from headrace.clock import Clock
from headrace.errors import HeadraceError, StorageError
from headrace.lake.table import AVAILABLE_TIME, EVENT_TIME, OFFSET, Lake, LakeUpkeep

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DROPPED", "AnswerLog", "AnswerTables", "LakeAnswers", "Together"]

DROPPED = "dropped"
"""The column that says how many rows its writer lost right before this one."""

ROOM = 100_000
"""Rows that may wait to be written; more are dropped and counted."""
TOGETHER = 32
"""Rows that are made one table: it holds up the threads that answer for as long as that takes."""
PAUSE_SECONDS = 30.0
"""How long rows are gathered for one commit."""

_log = logging.getLogger("headrace")


class AnswerTables(Protocol):
    """Tables that hold answers, under names that no source can have."""

    def append(self, table: str, rows: pa.Table, lane: int) -> None:
        """Append rows of one writer; those with an OFFSET that it has written already are left out. Raises StorageError."""
        ...

    def read(self, table: str, schema: pa.Schema, since: int | None = None, request: str | None = None) -> pa.Table:
        """The rows of a table, in no order, with EVENT_TIME, AVAILABLE_TIME and DROPPED. Raises StorageError.

        Args:
            schema: the table's own columns.
            since: microseconds; only rows with EVENT_TIME at or after. Default: all.
            request: only rows with this in the column `request`. Default: all.
        """
        ...

    def names(self, beginning: str) -> list[str]:
        """The tables whose name begins so."""
        ...


class _WholeLake(Lake, LakeUpkeep, Protocol):
    """What reads and writes tables, and says which there are."""


class LakeAnswers:
    """Implements AnswerTables in a lake."""

    def __init__(self, lake: _WholeLake) -> None:
        self._lake = lake

    def append(self, table: str, rows: pa.Table, lane: int) -> None:
        """Append rows in one commit."""
        own = rows.drop_columns([EVENT_TIME, AVAILABLE_TIME, OFFSET]).schema
        self._lake.table(table, _widened(own)).append(rows, partition=lane)

    def read(self, table: str, schema: pa.Schema, since: int | None = None, request: str | None = None) -> pa.Table:
        """The rows of a table; batch by batch, so that those that aren't asked for are never all in memory."""
        import pyarrow as pa
        import pyarrow.compute as pc

        snapshot = self._lake.table(table, _widened(schema)).snapshot()
        batches = snapshot.scan([*schema.names, DROPPED, EVENT_TIME, AVAILABLE_TIME])
        wanted = pc.scalar(True)
        if since is not None:
            wanted &= pc.field(EVENT_TIME) >= pa.scalar(since, pa.int64()).cast(pa.timestamp("us", tz="UTC"))
        if request is not None:
            wanted &= pc.field("request") == request
        if since is not None or request is not None:
            batches = (batch.filter(wanted) for batch in batches)
        return pa.Table.from_batches(batches)

    def names(self, beginning: str) -> list[str]:
        """The tables whose name begins so."""
        return [name for name in self._lake.tables() if name.startswith(beginning)]


@dataclass(frozen=True, slots=True)
class Together:
    """Rows that are made together with those of others: of a thousand answers in one go, not table by table.

    Attributes:
        build: makes one table of many items.
        item: an answer.
    """

    build: Callable[[Sequence[Any]], pa.Table]
    item: Any

    def __call__(self) -> pa.Table:
        return self.build([self.item])


@dataclass(frozen=True, slots=True)
class _Offered:
    table: str
    count: int
    room: int
    rows: Callable[[], pa.Table]


class AnswerLog:
    """Appends rows to tables of the lake from a thread of its own. One table has one schema for good.

    Args:
        tables: where they are.
        clock: says when a row came in.
        room: how many rows may wait.

    Attributes:
        tables: as given.
    """

    def __init__(self, tables: AnswerTables, clock: Clock, room: int = ROOM) -> None:
        self.tables = tables
        self._clock = clock
        self._room = room
        self._offered: deque[_Offered] = deque()
        self._waiting = 0
        self._lost: dict[str, int] = {}
        self._hurry = self._closed = self._busy = False
        self._changed = threading.Condition()
        self._writer: threading.Thread | None = None
        self._lane = self._offset = 0
        self._direct = self._written = 0
        self._writing = threading.Lock()

    @property
    def dropped(self) -> int:
        """How many rows this process lost and hasn't told in a table yet."""
        return sum(self._lost.values())

    def offer(self, table: str, count: int, rows: Callable[[], pa.Table], room: int | None = None) -> None:
        """Take rows to be written soon.

        Args:
            table: its name.
            count: how many rows they are.
            room: how much they take of the room for rows that wait. Default: `count`.
            rows: makes them, later and in another thread: columns of the table's own, and EVENT_TIME. `Together` for many small
                ones.
        """
        with self._changed:
            taken = count if room is None else room
            if self._closed or self._waiting + taken > self._room:
                self._lose(table, count)
                return
            first = not self._offered
            self._offered.append(_Offered(table, count, taken, rows))
            self._waiting += taken
            if first or self._waiting > self._room // 2:  # to wake the thread for each would hold up who answers
                self._changed.notify_all()
            if not self._writes:
                self._lane = randbits(30)  # each writer appends to a lane of its own, so that no row is taken for a repeat
                self._writer = threading.Thread(target=self._work, name="headrace-answers", daemon=True)
                self._writer.start()

    @property
    def _writes(self) -> bool:
        """Whether the thread runs; it doesn't in a process that was forked from the one that started it."""
        return self._writer is not None and self._writer.is_alive()

    def write(self, table: str, rows: pa.Table) -> None:
        """Append rows now, in the caller's thread; durable when it returns.

        Args:
            rows: columns of the table's own, and EVENT_TIME.

        Raises:
            StorageError: nothing was written.
        """
        with self._writing:
            self._direct = self._direct or randbits(30)
            whole = self._stamped(rows, 0, self._written)
            self.tables.append(table, whole, self._direct)
            self._written += rows.num_rows

    def flush(self) -> None:
        """Return when everything that was offered is written, or dropped."""
        with self._changed:
            while (self._offered or self._busy) and self._writes:
                self._hurry = True
                self._changed.notify_all()
                self._changed.wait(PAUSE_SECONDS)

    def close(self) -> None:
        """Write what waits, and take no more."""
        self.flush()
        with self._changed:
            self._closed = self._hurry = True
            self._changed.notify_all()
        if self._writer is not None:
            self._writer.join()

    def read(self, table: str, schema: pa.Schema, since: int | None = None, request: str | None = None) -> pa.Table:
        """The rows of a table, as `AnswerTables.read` gives them; everything that this process was offered included."""
        self.flush()
        return self.tables.read(table, schema, since, request)

    def names(self, beginning: str) -> list[str]:
        """The tables whose name begins so; those of what this process was offered included."""
        self.flush()
        return self.tables.names(beginning)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._offered or self._closed)
                if not self._offered:
                    return
                self._changed.wait_for(lambda: self._hurry or self._waiting > self._room // 2, PAUSE_SECONDS)
                taken, patient = list(self._offered), not self._hurry
                self._hurry, self._busy = self._closed, True
                self._offered.clear()
                self._waiting = 0
            for table in dict.fromkeys(item.table for item in taken):
                self._write(table, [item for item in taken if item.table == table], patient=patient)

    def _write(self, table: str, items: list[_Offered], *, patient: bool) -> None:
        lost = self._lost.pop(table, 0)
        try:
            rows = self._rows(items, lost)
            self.tables.append(table, rows, self._lane)
        except Exception as error:  # noqa: BLE001 - whatever it is, no answer may fail for it
            with self._changed:
                kept = patient and isinstance(error, StorageError) and self._keep(items)
                self._lose(table, lost if kept else lost + sum(item.count for item in items))
            why = error if isinstance(error, HeadraceError) else repr(error)
            _log.warning("%s: rows could not be written%s: %s", table, ", and are tried again" if kept else "", why)
            return
        self._offset += rows.num_rows
        if lost:
            _log.warning("%s: %d rows were dropped, for they came faster than they could be written", table, lost)

    def _rows(self, items: list[_Offered], lost: int) -> pa.Table:
        import pyarrow as pa

        made: list[pa.Table] = []
        for build, group in groupby(items, lambda item: getattr(item.rows, "build", None)):
            for several in _pieces(group):
                began = time.perf_counter()
                made += [item.rows() for item in several] if build is None else [build([_item(offered) for offered in several])]
                time.sleep(time.perf_counter() - began)  # half of the time is theirs who answer
        return self._stamped(pa.concat_tables(made).combine_chunks(), lost, self._offset)

    def _stamped(self, rows: pa.Table, lost: int, offset: int) -> pa.Table:
        import numpy as np
        import pyarrow as pa

        dropped, now = np.zeros(rows.num_rows, np.int64), np.full(rows.num_rows, self._clock())
        dropped[:1] = lost
        rows = rows.append_column(DROPPED, pa.array(dropped))
        rows = rows.append_column(AVAILABLE_TIME, pa.array(now).cast(pa.timestamp("us", tz="UTC")))
        return rows.append_column(OFFSET, pa.array(np.arange(rows.num_rows) + offset))

    def _keep(self, items: list[_Offered]) -> bool:
        """Let rows wait for the next commit, as long as there is much room: a store that is restarted costs none."""
        room = sum(item.room for item in items)
        if self._waiting + room > self._room // 2:
            return False
        self._offered.extendleft(reversed(items))
        self._waiting += room
        return True

    def _lose(self, table: str, count: int) -> None:
        self._lost[table] = self._lost.get(table, 0) + count


def _item(offered: _Offered) -> Any:
    return cast("Together", offered.rows).item


def _pieces(items: Iterable[_Offered]) -> Iterator[list[_Offered]]:
    """Items in pieces that take about as much room."""
    piece: list[_Offered] = []
    for item in items:
        piece.append(item)
        if sum(each.room for each in piece) >= TOGETHER:
            yield piece
            piece = []
    if piece:
        yield piece


def _widened(schema: pa.Schema) -> pa.Schema:
    import pyarrow as pa

    return schema if DROPPED in schema.names else schema.append(pa.field(DROPPED, pa.int64()))
