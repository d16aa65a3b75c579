"""Takes rows in: `write` in batch, `push` in real time, and the steps that bring both to the online store and the lake."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace.catalog.service import Catalog
from headrace.clock import Clock
from headrace.definitions.source import EventSource, Source
from headrace.definitions.version import GroupVersion, key_columns
from headrace.errors import IntegrityError, InvalidInputError, StorageError
from headrace.events.log import EventLog, LogBatch
from headrace.features.feed import Feed, as_rows
from headrace.features.observer import Observer
from headrace.features.online import OnlineGroups
from headrace.features.quality import Quality
from headrace.features.repeats import Repeats
from headrace.features.screening import Admitted, checked_for_null
from headrace.lake.table import AVAILABLE_TIME, BATCH, EVENT_TIME, OFFSET, LakeTable, Snapshot

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Ingest", "Lock", "Pushed", "Written", "typed_rows"]

FLUSH_ROWS = 50_000
"""Pushed rows stay in the log, which is durable, until there are so many or the lake is read: one large commit, not many."""

Lock = Callable[[str], AbstractContextManager[None]]
"""A lock by name that holds across threads and processes, and is released when its holder dies."""


@dataclass(frozen=True, slots=True)
class Written:
    """The result of a write.

    Attributes:
        rows: how many rows were added to the lake.
        repeats: how many rows were left out because their event id had been counted already.
        replayed: whether the batch id had been written before, so that nothing was written.
        quarantined: how many rows were set aside because they break an expectation of the source.
    """

    source: str
    rows: int
    repeats: int = 0
    replayed: bool = False
    quarantined: int = 0


@dataclass(frozen=True, slots=True)
class Pushed:
    """The result of a push.

    Attributes:
        rows: how many rows are now durable and visible online.
        repeats: how many rows were left out because their event id had been counted already.
        quarantined: how many rows were set aside because they break an expectation of the source.
    """

    source: str
    rows: int
    repeats: int = 0
    quarantined: int = 0


class Ingest:
    """Brings rows in. Each row is in the order of arrival exactly once, and reaches every store exactly once."""

    def __init__(
        self,
        catalog: Catalog,
        feed: Feed,
        log: EventLog,
        groups: OnlineGroups,
        repeats: Repeats,
        quality: Quality,
        observer: Observer,
        clock: Clock,
        lock: Lock,
    ) -> None:
        self._catalog = catalog
        self._feed = feed
        self._log = log
        self._groups = groups
        self._repeats = repeats
        self._quality = quality
        self._observer = observer
        self._clock = clock
        self._lock = lock
        self._waiting: dict[str, int] = {}
        self._landed: dict[str, Mapping[int, int]] = {}

    def table(self, source: Source) -> LakeTable:
        """The lake's table of a source."""
        return self._feed.table(source)

    def write(self, name: str, data: Any, batch_id: str | None = None) -> Written:
        """Append rows to the lake; a batch id that has been written before changes nothing.

        Raises:
            NotFoundError: no such source.
            InvalidInputError: the rows don't fit the source's schema or break an expectation, or a group's expression fails on
                one of them; nothing was written.
        """
        source, where, repeats = self._catalog.source(name), f"store.write({name!r})", 0
        found = self.read(source, data, where)
        table = self.table(source)
        with self._lock(f"write-{name}"):
            if batch_id is not None and table.holds_batch(batch_id):
                return Written(name, 0, replayed=True)
            if isinstance(source, EventSource) and source.id is not None:
                with self._lock(f"ids-{name}"):
                    self.catch_up_ids(source)
                    found, repeats = self._first_times(source, found, where)
                    self._append_batch(source, table, found, batch_id)
                    self.catch_up_ids(source)
            else:
                self._append_batch(source, table, found, batch_id)
        self._observer.rows(source, found.rows, "write")
        return Written(name, found.rows.num_rows, repeats, quarantined=found.quarantined)

    def push(self, name: str, data: Any) -> Pushed:
        """Take rows in now: first into the log, then online; into the lake later, at the latest before it is next read.

        Raises:
            NotFoundError: no such source.
            InvalidInputError: the rows don't fit the source's schema or break an expectation, or a group's expression fails on
                one of them; nothing was taken in.
            IntegrityError: the topic ends before what came out of it: the rows are in it, and don't count.
        """
        source, where = self._catalog.source(name), f"store.push({name!r})"
        admitted = self.read(source, data, where)
        landed = self._line_up(source)
        found, repeats, batches = self._append(source, admitted, where)
        _refuse_taken(source, batches, landed)
        self._bring_online(source, batches)
        self._waiting[name] = self._waiting.get(name, 0) + found.rows.num_rows
        if self._waiting[name] >= FLUSH_ROWS:
            self.flush(source)
        return Pushed(name, found.rows.num_rows, repeats, found.quarantined)

    def live_groups(self, source: Source) -> list[GroupVersion]:
        """The group versions that the source feeds: the catalog's, and superseded ones that still have online values."""
        current = {version.id: version for version in self._catalog.groups_of(source.name)}
        for group in self._groups.store.groups():
            if group not in current:
                version = self._catalog.group(group)
                if version.group.source.name == source.name:
                    current[group] = version
        return list(current.values())

    def drain(self, source: Source, *, build: bool = True) -> None:
        """Bring everything in the log online, for every live group of the source.

        Args:
            build: also build groups that have no online values yet.
        """
        groups = self.live_groups(source)
        for partition in self._log.partitions(source.name):
            self._feed.advance(source, groups, partition, build=build)

    def flush(self, source: Source) -> None:
        """Bring everything in the log to the lake, then let the log forget it. It comes online first, because that reads the
        log."""
        snapshot = self.table(source).snapshot()
        if snapshot.version < 0:
            self._refuse_lost_table(source)
        partitions = self._log.partitions(source.name)
        behind = [p for p in partitions if self._log.end(source.name, p) > snapshot.committed(p)]
        if not behind:
            return
        self.drain(source, build=False)
        for partition in behind:
            self.land(source, partition, list(self._log.read(source.name, partition, snapshot.committed(partition))))
        self._waiting[source.name] = 0

    def land(self, source: Source, partition: int, batches: Sequence[LogBatch]) -> None:
        """Bring batches of the log to the lake in one commit, then let the log forget them. Rows already there are left out."""
        import pyarrow as pa

        held = [as_rows(source, batch) for batch in batches if batch.rows.num_rows]
        if held:
            rows = pa.concat_tables(held)
            if self.table(source).append(rows, partition=partition).rows:
                self._observer.rows(source, rows, "stream")
        if batches:
            self._log.truncate(source.name, partition, batches[-1].last)

    def snapshot(self, source: Source) -> Snapshot:
        """The source's table with everything that was pushed. Raises StorageError if the table is gone."""
        self.flush(source)
        return self.table(source).snapshot()

    def repair(self) -> dict[str, list[tuple[int, int]]]:
        """Repair damaged logs, keeping what can be read. Returns by source the (first, last) offsets that were lost for good."""
        lost: dict[str, list[tuple[int, int]]] = {}
        for source in self._catalog.sources():
            snapshot = self.table(source).snapshot()
            newest = max((snapshot.committed(partition) for partition in self._log.partitions(source.name)), default=-1)
            lost[source.name] = [(first, last) for first, last in self._log.repair(source.name) if last > newest]
        return {name: ranges for name, ranges in lost.items() if ranges}

    def lag(self, source: Source, applied: Mapping[int, int]) -> int:
        """How many offsets of the stream a group hasn't reached, of all partitions together."""
        snapshot = self.table(source).snapshot()
        behind = 0
        for partition in self._log.partitions(source.name):
            end = snapshot.committed(partition) if self._log.guarded else self._log.end(source.name, partition)
            for batch in self._log.read(source.name, partition, end) if self._log.guarded else ():
                end = batch.last  # what was reserved for batches isn't of the stream
            behind += max(0, end - applied.get(partition, -1))
        return behind

    def _line_up(self, source: Source) -> Mapping[int, int]:
        """Let the log go on after all that came out of it, as far as lake and online store know; looked at once a process. A log
        that was put back from an older copy would number new rows as rows that are there, and they would be taken for those.

        Returns:
            By partition the highest offset that the lake had then.
        """
        if source.name in self._landed:
            return self._landed[source.name]
        snapshot = self.table(source).snapshot()
        held = [snapshot.lanes(), *(self._groups.status(group).applied for group in self.live_groups(source))]
        for partition in self._log.partitions(source.name) if self._log.guarded else ():
            known = max(places.get(lane, -1) for places in held for lane in (partition, BATCH))  # batches take theirs from it too
            if known > self._log.end(source.name, partition):
                self._log.skip(source.name, partition, known)
                self._log.truncate(source.name, partition, snapshot.committed(partition))
        self._landed[source.name] = snapshot.lanes()
        return self._landed[source.name]

    def _refuse_lost_table(self, source: Source) -> None:
        """Raise if the lake has lost the table: rows that are online, or that the log has forgotten, must have been in it."""
        lost = self._log.guarded and any(self._log.start(source.name, p) > 0 for p in self._log.partitions(source.name))
        if lost or any(self._groups.status(group).applied.get(BATCH, -1) >= 0 for group in self.live_groups(source)):
            msg = (
                f"the lake has no table of source {source.name!r}, though rows of it were there; "
                "check the setting 'lake', or restore its folder"
            )
            raise StorageError(msg)

    def _append(self, source: Source, found: Admitted, where: str) -> tuple[Admitted, int, list[LogBatch]]:
        """Make rows durable in the log; returns what was admitted in the end, the repeats left out, and where the rows are.

        Quarantined rows are kept first, so that a push that is cut off loses nothing.
        """
        if not (self._log.guarded and isinstance(source, EventSource) and source.id is not None):
            self._quality.keep(source, found, "push")
            return found, 0, self._log.append(source.name, found.rows) if found.rows.num_rows else []
        with self._lock(f"ids-{source.name}"):
            self.catch_up_ids(source)
            found, repeats = self._first_times(source, found, where)
            self._quality.keep(source, found, "push")
            batches = self._log.append(source.name, found.rows) if found.rows.num_rows else []
            self.catch_up_ids(source)
            return found, repeats, batches

    def _first_times(self, source: EventSource, found: Admitted, where: str) -> tuple[Admitted, int]:
        """The admitted rows without repeats, and how many repeats were left out."""
        fresh = self._repeats.first_times(source, found.rows)
        again = self._quality.admit_first_times(source, found.rows, fresh, where)
        return found.then(again), found.rows.num_rows - again.rows.num_rows - again.quarantined

    def _bring_online(self, source: Source, batches: Sequence[LogBatch]) -> None:
        groups = self.live_groups(source)
        for partition in dict.fromkeys(batch.partition for batch in batches):
            known = [batch for batch in batches if batch.partition == partition]
            self._feed.advance(source, groups, partition, known=known)

    def read(self, source: Source, data: Any, where: str, *, streamed: bool = False) -> Admitted:
        """Convert given rows to the form that the lake keeps, and find those to be quarantined.

        Args:
            streamed: the rows are messages, so those that break an expectation are quarantined and never refused.

        Raises:
            InvalidInputError: as `write` does.
        """
        rows = typed_rows(self._catalog, source, data, where)
        rows = with_times(source, rows, self._clock())
        found = self._quality.admit_streamed(source, rows) if streamed else self._quality.admit(source, rows, where)
        if found.rows.num_rows:
            self._check(source, found.rows, where)
        return found

    def _check(self, source: Source, rows: pa.Table, where: str) -> None:
        try:
            self._groups.check(self.live_groups(source), rows)
        except InvalidInputError as error:
            msg = f"{where}: nothing was changed: {error}"
            raise InvalidInputError(msg) from error

    def _append_batch(self, source: Source, table: LakeTable, found: Admitted, batch_id: str | None) -> None:
        if found.quarantined:  # counts from when its batch has landed: so there must be one, perhaps of no rows
            batch_id = batch_id or uuid.uuid4().hex
            self._quality.keep(source, found, "write", batch_id=batch_id)
        rows = found.rows
        if self._log.guarded:
            self._line_up(source)
        first = self._log.reserve(source.name, rows.num_rows) if rows.num_rows else 0
        first = max(first, table.snapshot().committed(BATCH) + 1)
        if rows.num_rows or batch_id is not None:
            table.append(_number(rows, first), partition=BATCH, batch_id=batch_id)

    def catch_up_ids(self, source: EventSource) -> None:
        """Bring the seen ids up to date with what the log and the lake hold, whoever put it there. Needs the lock on them."""
        own = () if self._log.guarded else self._log.partitions(source.name)
        for partition in (BATCH, *(lane for lane in self._feed.lanes(source) if lane not in own)):
            for last, rows in self._feed.rows(source, partition, self._repeats.position(source, partition)):
                self._repeats.record(source, partition, last, rows)


def typed_rows(catalog: Catalog, source: Source, data: Any, where: str) -> pa.Table:
    """The given rows as a table of exactly the source's columns.

    Args:
        where: the call that an error names.

    Raises:
        InvalidInputError: with every fault.
    """
    from headrace.lake.intake import read_frame

    groups = catalog.groups_of(source.name)
    return read_frame(
        data,
        source.schema,
        source.timestamp,
        available=source.available,
        where=where,
        keys=key_columns(groups),
        nullable=checked_for_null(source),
    )


def _refuse_taken(source: Source, batches: Sequence[LogBatch], landed: Mapping[int, int]) -> None:
    """Raise if rows were given offsets that the lake has of others: it would take them for those."""
    for batch in batches:
        if batch.first <= landed.get(batch.partition, -1):
            msg = (
                f"the lake has offsets up to {landed[batch.partition]} of partition {batch.partition} of source {source.name!r}, "
                f"but its topic gave out {batch.first} now: it was made anew, the broker lost data, or the rows came through "
                "another log. These rows don't count; give the source another name, then push them again"
            )
            raise IntegrityError(msg)


def with_times(source: Source, rows: pa.Table, now: int) -> pa.Table:
    """The rows with EVENT_TIME and AVAILABLE_TIME columns, where the source's own columns aren't them already."""
    import pyarrow as pa

    kind = pa.timestamp("us", tz="UTC")
    if source.timestamp != EVENT_TIME:
        rows = rows.append_column(EVENT_TIME, rows.column(source.timestamp))
    if source.available is None:
        rows = rows.append_column(
            AVAILABLE_TIME, pa.array([now], pa.int64()).cast(kind).take(pa.array([0] * rows.num_rows, pa.int64()))
        )
    elif source.available != AVAILABLE_TIME:
        rows = rows.append_column(AVAILABLE_TIME, rows.column(source.available))
    return rows


def _number(rows: pa.Table, first: int) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    return rows.append_column(OFFSET, pa.array(np.arange(first, first + rows.num_rows, dtype=np.int64)))
