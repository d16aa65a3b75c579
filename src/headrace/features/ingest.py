"""How rows come in: `write` in batch, `push` in real time, and what brings each to the online store and the lake."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace.catalog.service import Catalog
from headrace.clock import Clock
from headrace.definitions.schema import arrow_schema, arrow_type
from headrace.definitions.source import EventSource, Source
from headrace.definitions.version import GroupVersion
from headrace.errors import InvalidInputError, StorageError
from headrace.events.log import EventLog, LogBatch
from headrace.features.online import OnlineGroups
from headrace.features.repeats import Repeats
from headrace.lake.table import AVAILABLE_TIME, BATCH, EVENT_TIME, OFFSET, Lake, LakeTable, Snapshot

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Ingest", "Pushed", "Written"]

STREAM = 0
"""The embedded log's one partition."""
FLUSH_ROWS = 50_000
"""Pushed rows wait in the log, durable, until so many are there or somebody reads the lake: one large commit, not many."""

Lock = Callable[[str], AbstractContextManager[None]]
"""A lock by name that holds across threads and processes and is free again when its holder dies."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did.

    Attributes:
        rows: rows that are now in the lake because of it.
        repeats: rows left out because their event id had been counted already.
        replayed: the batch id had been written before, so nothing was.
    """

    source: str
    rows: int
    repeats: int = 0
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did: `rows` are durable and visible online; `repeats` were left out because their id had been counted."""

    source: str
    rows: int
    repeats: int = 0


class Ingest:
    """Brings rows in. Each row is in the order of arrival exactly once, and reaches every store exactly once."""

    def __init__(
        self,
        catalog: Catalog,
        lake: Lake,
        log: EventLog,
        groups: OnlineGroups,
        repeats: Repeats,
        clock: Clock,
        lock: Lock,
    ) -> None:
        self._catalog = catalog
        self._lake = lake
        self._log = log
        self._groups = groups
        self._repeats = repeats
        self._clock = clock
        self._lock = lock
        self._waiting: dict[str, int] = {}

    def table(self, source: Source) -> LakeTable:
        """The lake's table of a source."""
        return self._lake.table(source.name, arrow_schema(source.schema))

    def write(self, name: str, data: Any, batch_id: str | None = None) -> Written:
        """Append rows to the lake; a batch id that has been written before changes nothing.

        Raises:
            NotFoundError: no such source.
            InvalidInputError: the rows don't fit the source's schema, or a group's expression fails on one; nothing was written.
        """
        source = self._catalog.source(name)
        rows = self._read(source, data, f"store.write({name!r})")
        table = self.table(source)
        with self._lock(f"write-{name}"):
            if batch_id is not None and table.holds_batch(batch_id):
                return Written(name, 0, replayed=True)
            if isinstance(source, EventSource) and source.id is not None:
                with self._lock(f"ids-{name}"):
                    self._catch_up_ids(source)
                    fresh = self._repeats.first_times(source, rows)
                    self._append_batch(source, table, fresh, batch_id)
                    self._catch_up_ids(source)
                return Written(name, fresh.num_rows, rows.num_rows - fresh.num_rows)
            self._append_batch(source, table, rows, batch_id)
        return Written(name, rows.num_rows)

    def push(self, name: str, data: Any) -> Pushed:
        """Take rows in now: durable in the log, then online; the lake follows, at the latest when it is next read.

        Raises:
            NotFoundError: no such source.
            InvalidInputError: the rows don't fit the source's schema, or a group's expression fails on one; nothing was taken in.
        """
        source = self._catalog.source(name)
        rows = self._read(source, data, f"store.push({name!r})")
        if rows.num_rows == 0:
            return Pushed(name, 0)
        fresh = rows
        if isinstance(source, EventSource) and source.id is not None:
            with self._lock(f"ids-{name}"):
                self._catch_up_ids(source)
                fresh = self._repeats.first_times(source, rows)
                if fresh.num_rows:
                    self._log.append(name, fresh)
                    self._catch_up_ids(source)
        else:
            self._log.append(name, rows)
        self.drain(source)
        self._waiting[name] = self._waiting.get(name, 0) + fresh.num_rows
        if self._waiting[name] >= FLUSH_ROWS:
            self.flush(source)
        return Pushed(name, fresh.num_rows, rows.num_rows - fresh.num_rows)

    def live_groups(self, source: Source) -> list[GroupVersion]:
        """The group versions that the source feeds: what the catalog names, and superseded ones that still have online values."""
        current = {version.id: version for version in self._catalog.groups_of(source.name)}
        for group in self._groups.store.groups():
            if group not in current:
                version = self._catalog.group(group)
                if version.group.source.name == source.name:
                    current[group] = version
        return list(current.values())

    def drain(self, source: Source) -> None:
        """Bring everything in the log online, for every live group of the source."""
        waiting = self.live_groups(source)
        while waiting:
            by_position: dict[int, list[GroupVersion]] = {}
            for group in waiting:
                by_position.setdefault(self._groups.applied(group).get(STREAM, -1), []).append(group)
            waiting = [group for position, groups in by_position.items() for group in self._drain_from(source, groups, position)]

    def flush(self, source: Source) -> None:
        """Bring everything in the log to the lake, then let the log forget it. Online comes first: the log is its feed."""
        table = self.table(source)
        snapshot = table.snapshot()
        if snapshot.version < 0:
            self._refuse_lost_table(source)
        committed = snapshot.committed(STREAM)
        if self._log.end(source.name, STREAM) <= committed:
            return
        self.drain(source)
        batches = list(self._log.read(source.name, STREAM, committed))
        if batches:
            table.append(_join(source, batches), partition=STREAM)
            self._log.truncate(source.name, STREAM, batches[-1].last)
        self._waiting[source.name] = 0

    def snapshot(self, source: Source) -> Snapshot:
        """The source's table with everything that was pushed. Raises StorageError if the table is gone."""
        self.flush(source)
        return self.table(source).snapshot()

    def repair(self) -> dict[str, list[tuple[int, int]]]:
        """Keep what can be read of damaged logs; source name to the (first, last) offsets that were lost and not in the lake."""
        lost = {}
        for source in self._catalog.sources():
            committed = self.table(source).snapshot().committed(STREAM)
            lost[source.name] = [(first, last) for first, last in self._log.repair(source.name) if last > committed]
        return {name: ranges for name, ranges in lost.items() if ranges}

    def stream_end(self, source: Source) -> int:
        """The offset of the newest row of the source's stream; -1 if there is none."""
        end = self.table(source).snapshot().committed(STREAM)
        for batch in self._log.read(source.name, STREAM, end):
            end = batch.last
        return end

    def stream_rows(self, source: Source, after: int) -> Iterator[tuple[int, pa.Table]]:
        """(last offset, rows) of the stream after an offset, in order: from the lake what the log let go, then from the log."""
        if after + 1 < self._log.start(source.name, STREAM):
            snapshot = self.table(source).snapshot()
            for batch in snapshot.scan([*source.schema, EVENT_TIME, OFFSET], partition=STREAM, after=after):
                rows = _as_table(batch)
                if rows.num_rows:
                    after = _last_offset(rows)
                    yield after, rows
        for found in self._log.read(source.name, STREAM, after):
            yield found.last, _with_offsets(source, found)

    def _refuse_lost_table(self, source: Source) -> None:
        """Without its table the lake would look empty and answers be wrong: what is online or gone from the log was there."""
        lost = self._log.start(source.name, STREAM) > 0
        if lost or any(self._groups.applied(group).get(BATCH, -1) >= 0 for group in self.live_groups(source)):
            msg = (
                f"the lake has no table of source {source.name!r}, though rows of it were there; "
                "check the setting 'lake', or restore its folder"
            )
            raise StorageError(msg)

    def _drain_from(self, source: Source, groups: list[GroupVersion], position: int) -> list[GroupVersion]:
        """Bring the stream after `position` online; returns the groups that another process moved on meanwhile."""
        for last, rows in _chunks(self.stream_rows(source, position)):
            outcomes = self._groups.apply(groups, STREAM, position + 1, last, rows)
            if "overlaps" in outcomes:
                return groups
            position = last
        return []

    def _read(self, source: Source, data: Any, where: str) -> pa.Table:
        from headrace.lake.intake import read_frame

        required = sorted(
            {column for group in self._catalog.groups_of(source.name) for column in group.group.key_columns.values()}
        )
        rows = read_frame(data, source.schema, source.timestamp, available=source.available, where=where, required=required)
        if rows.num_rows:
            self._check(source, rows, where)
        return with_times(source, rows, self._clock())

    def _check(self, source: Source, rows: pa.Table, where: str) -> None:
        try:
            self._groups.check(self.live_groups(source), rows)
        except InvalidInputError as error:
            msg = f"{where}: nothing was changed: {error}"
            raise InvalidInputError(msg) from error

    def _append_batch(self, source: Source, table: LakeTable, rows: pa.Table, batch_id: str | None) -> None:
        first = self._log.reserve(source.name, rows.num_rows) if rows.num_rows else 0
        if rows.num_rows or batch_id is not None:
            table.append(_number(rows, first), partition=BATCH, batch_id=batch_id)

    def _catch_up_ids(self, source: EventSource) -> None:
        """Bring the seen ids up to date with what the log and the lake hold, whoever put it there."""
        position = self._repeats.position(source, STREAM)
        for last, rows in self.stream_rows(source, position):
            self._repeats.record(source, STREAM, last, rows)
        position = self._repeats.position(source, BATCH)
        snapshot = self.table(source).snapshot()
        if snapshot.committed(BATCH) > position:
            columns = [source.id or "", EVENT_TIME, OFFSET]
            for batch in snapshot.scan(columns, partition=BATCH, after=position):
                rows = _as_table(batch)
                if rows.num_rows:
                    self._repeats.record(source, BATCH, _last_offset(rows), rows)


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


def _chunks(rows: Iterable[tuple[int, pa.Table]], most: int = 100_000) -> Iterator[tuple[int, pa.Table]]:
    """Neighbouring pieces joined up to `most` rows, so that a long catch-up is a few large steps."""
    import pyarrow as pa

    held: list[pa.Table] = []
    last = -1
    for position, piece in rows:
        held.append(piece)
        last = position
        if sum(table.num_rows for table in held) >= most:
            yield last, pa.concat_tables(held)
            held = []
    if held:
        yield last, pa.concat_tables(held)


def _number(rows: pa.Table, first: int) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    return rows.append_column(OFFSET, pa.array(np.arange(first, first + rows.num_rows, dtype=np.int64)))


def _with_offsets(source: Source, batch: LogBatch) -> pa.Table:
    """Rows of the log as the source's columns are now: one that was added since is null, one that was dropped is left out."""
    import pyarrow as pa

    held = set(batch.rows.column_names)
    columns = {
        name: batch.rows.column(name) if name in held else pa.nulls(batch.rows.num_rows, arrow_type(kind))
        for name, kind in source.schema.items()
    }
    columns |= {name: batch.rows.column(name) for name in (EVENT_TIME, AVAILABLE_TIME)}
    return _number(pa.table(columns), batch.first)


def _join(source: Source, batches: list[LogBatch]) -> pa.Table:
    import pyarrow as pa

    return pa.concat_tables([_with_offsets(source, batch) for batch in batches])


def _as_table(batch: pa.RecordBatch) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_batches([batch])


def _last_offset(rows: pa.Table) -> int:
    import pyarrow.compute as pc

    return int(pc.max(rows.column(OFFSET)).as_py())


def offsets_of(through: Mapping[int, int]) -> dict[int, int]:
    """The partitions and offsets that a read may see: both lanes named, so that nothing newer slips in."""
    return {BATCH: through.get(BATCH, -1), STREAM: through.get(STREAM, -1)}
