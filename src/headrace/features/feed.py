"""What brings a source's rows online: each lane (the batches, and every partition of the stream) from where a group is."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from headrace.definitions.schema import arrow_schema, arrow_type
from headrace.definitions.source import Source
from headrace.definitions.version import GroupVersion
from headrace.errors import ConflictError
from headrace.events.log import EventLog, LogBatch
from headrace.features.online import OnlineGroups
from headrace.lake.table import AVAILABLE_TIME, BATCH, EVENT_TIME, OFFSET, SEQUENCE, Lake, LakeTable, Snapshot
from headrace.online.store import GroupStatus, Outcome
from headrace.progress import Progress, silent

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["INLINE_ROWS", "Feed", "as_rows", "through_of"]

INLINE_ROWS = 1_000_000
"""A group without online values is built by the way, from a lake of up to so many rows; beyond that it waits for a backfill."""
FEWEST_ROWS, MOST_ROWS = 250_000, 1_000_000
"""Rows applied in one step: a crash repeats at most so many, and changes nothing by repeating them. Larger steps merge each key
less often; MOST_VALUES keeps the memory of groups with many features in bounds."""
MOST_VALUES = 6_000_000
FLIPS = 100
"""How often a generation chases the stream before it gives up."""

_Place = tuple[int, int | None]
"""The offset that a group has reached on a lane, and where the delta ends that was cut off there, if one was."""

_Group = tuple[GroupVersion, GroupStatus]

_log = logging.getLogger(__name__)


class Feed:
    """Brings rows online from the log and the lake. The online store itself holds how far each lane of each group is, in the
    same step as the values, so a crash never moves it past what was applied, and a repeat changes nothing."""

    def __init__(self, lake: Lake, log: EventLog, groups: OnlineGroups) -> None:
        self._lake = lake
        self._log = log
        self._groups = groups
        self._told: set[str] = set()

    def table(self, source: Source) -> LakeTable:
        """The lake's table of a source."""
        return self._lake.table(source.name, arrow_schema(source.schema))

    def lanes(self, source: Source) -> list[int]:
        """The lanes that rows of a source have come through, but for BATCH."""
        found = {*self._log.partitions(source.name), *self.table(source).snapshot().lanes()}
        return sorted(found - {BATCH})

    def rows(self, source: Source, partition: int, after: int) -> Iterator[tuple[int, pa.Table]]:
        """(last offset, rows) of a lane after an offset, in order: from the lake what the log let go, then from the log."""
        if partition == BATCH or partition not in self._log.partitions(source.name):
            yield from self._lake_rows(source, partition, after)
            return
        if after + 1 < self._log.start(source.name, partition):
            for last, rows in self._lake_rows(source, partition, after):
                after = last
                yield last, rows
        for found in self._log.read(source.name, partition, after):
            yield found.last, as_rows(source, found)

    def advance(
        self,
        source: Source,
        versions: Sequence[GroupVersion],
        partition: int,
        *,
        known: Sequence[LogBatch] = (),
        build: bool = True,
        progress: Progress = silent,
    ) -> int:
        """Bring a lane online for groups of a source, each from where it is.

        Args:
            build: also build, from all lanes, groups that have no values yet, if the lake is small. Default: yes.
            known: runs of the lane that are at hand; where a group is right before them they needn't be read, and nothing
                beyond them is. Default: all that there is.
            progress: told the rows that were applied, per step.

        Returns:
            The number of rows applied, of the group that had the most to apply.
        """
        waiting, most = self._built(source, versions, build=build), 0
        while waiting:
            by_place: dict[_Place, list[_Group]] = {}
            for version, status in waiting:
                by_place.setdefault(_place(status, partition), []).append((version, status))
            again: list[GroupVersion] = []
            for place, group in by_place.items():
                done, left = self._advance_from(source, group, partition, place, known, progress)
                again += left
                most = max(most, done)
            waiting = [(version, self._groups.status(version)) for version in again]
        return most

    def build(self, version: GroupVersion, progress: Progress = silent) -> int:
        """Build a group's values anew from all lanes in a generation of its own, while the stream goes on feeding the current
        one, then make it the current one. Readers see the one or the other whole. Goes on with a build that was cut off.

        Returns:
            The number of rows applied.

        Raises:
            ConflictError: the group was dropped meanwhile, or the stream was faster throughout.
        """
        source = version.group.source
        generation = self._groups.store.build(version.id)
        done = 0
        for _ in range(FLIPS):
            for partition in (BATCH, *self.lanes(source)):
                done += self._fill(version, generation, partition, progress, done)
            if self._groups.store.flip(version.id, generation):
                return done
        msg = f"the stream of {source.name!r} stayed ahead of the backfill of {version.id!r}; run it again when less comes in"
        raise ConflictError(msg)

    def _fill(self, version: GroupVersion, generation: str, partition: int, progress: Progress, before: int) -> int:
        """Bring one lane into a generation; returns the rows applied."""
        title, done = f"build {version.id}", 0
        while (status := self._groups.status(version, generation)).generation:
            position, cut = _place(status, partition)
            outcome: Outcome = "applied"
            for last, rows in _pieces(self.rows(version.group.source, partition, position), _step(version), cut):
                outcome = self._groups.apply([version], partition, position + 1, last, rows, [status], generation)[0]
                if outcome == "overlaps":  # another process builds it too: see where it came to
                    break
                position, done = last, done + rows.num_rows
                progress(title, before + done, before + done)
            if outcome != "overlaps" or self._groups.status(version).generation == generation:  # it is whole, and current by now
                break
        return done

    def _built(self, source: Source, versions: Sequence[GroupVersion], *, build: bool) -> list[_Group]:
        """The versions that have a current generation. One is built for those that need little; others wait for a backfill."""
        found = [(version, self._groups.status(version)) for version in versions]
        cold = [version for version, status in found if not status.generation]
        if not build or not cold:
            return [(version, status) for version, status in found if status.generation]
        if self.table(source).snapshot().count() <= INLINE_ROWS:
            for version in cold:
                self.build(version)
            return [(version, self._groups.status(version)) for version in versions]
        for version in cold:
            if version.id not in self._told:
                self._told.add(version.id)
                _log.warning("group %s has no online values yet; build them with: headrace backfill %s", version.id, version.id)
        return [(version, status) for version, status in found if status.generation]

    def _advance_from(
        self,
        source: Source,
        versions: Sequence[_Group],
        partition: int,
        place: _Place,
        known: Sequence[LogBatch],
        progress: Progress,
    ) -> tuple[int, list[GroupVersion]]:
        """Bring what is after a place online; returns the rows applied, and the groups that aren't through with it: another
        process moved them on, or what had been cut off is complete now."""
        position, cut = place
        groups, statuses = [version for version, _ in versions], [status for _, status in versions]
        limit = known[-1].last if known else None
        if limit is not None and position >= limit:
            return 0, []
        ahead = _from_known(source, known, position) if known and cut is None else None
        found = self.rows(source, partition, position) if ahead is None else ahead
        done = 0
        for last, rows in _pieces(found, min(_step(version) for version in groups), cut):
            if "overlaps" in self._groups.apply(groups, partition, position + 1, last, rows, statuses):
                return done, groups
            position, done = last, done + rows.num_rows
            progress(f"bring {source.name} online", done, done)
            if cut is not None:
                return done, groups
            if limit is not None and position >= limit:
                break
        return done, []

    def _lake_rows(self, source: Source, partition: int, after: int) -> Iterator[tuple[int, pa.Table]]:
        import pyarrow as pa

        snapshot = self.table(source).snapshot()
        if snapshot.committed(partition) <= after:
            return
        columns = list(dict.fromkeys([*source.schema, EVENT_TIME, OFFSET, SEQUENCE]))
        for batch in snapshot.scan(columns, partition=partition, after=after):
            if batch.num_rows:
                rows = pa.Table.from_batches([batch])
                yield _last_offset(rows), rows


def as_rows(source: Source, batch: LogBatch) -> pa.Table:
    """Rows of the log as the source's columns are now: one that was added since is null, one that was dropped is left out."""
    import numpy as np
    import pyarrow as pa

    held = set(batch.rows.column_names)
    columns = {
        name: batch.rows.column(name) if name in held else pa.nulls(batch.rows.num_rows, arrow_type(kind))
        for name, kind in source.schema.items()
    }
    columns |= {name: batch.rows.column(name) for name in (EVENT_TIME, AVAILABLE_TIME, SEQUENCE) if name in held}
    offsets = batch.offsets
    if offsets is None:
        offsets = pa.array(np.arange(batch.first, batch.first + batch.rows.num_rows, dtype=np.int64))
    return pa.table({**columns, OFFSET: offsets})


def through_of(applied: Mapping[int, int], snapshot: Snapshot) -> dict[int, int]:
    """Partition to the offset that a read may see: every lane of the table named, so that nothing newer slips in."""
    return {BATCH: -1, **dict.fromkeys(snapshot.lanes(), -1), **applied}


def _place(status: GroupStatus, partition: int) -> _Place:
    begun = status.begun.get(partition)
    return status.applied.get(partition, -1), None if begun is None else begun[1]


def _from_known(source: Source, known: Sequence[LogBatch], position: int) -> Iterator[tuple[int, pa.Table]] | None:
    """The runs at hand after a position; None if rows are missing between."""
    wanted = [batch for batch in known if batch.last > position]
    expected = position + 1
    for batch in wanted:
        if batch.first > expected:
            return None
        expected = batch.last + 1
    return ((batch.last, _after(as_rows(source, batch), position)) for batch in wanted)


def _after(rows: pa.Table, position: int) -> pa.Table:
    import pyarrow.compute as pc

    if not rows.num_rows or rows.column(OFFSET)[0].as_py() > position:
        return rows
    return rows.filter(pc.greater(rows.column(OFFSET), position))


def _step(version: GroupVersion) -> int:
    return max(FEWEST_ROWS, min(MOST_VALUES // len(version.group.resolved), MOST_ROWS))


def _pieces(rows: Iterable[tuple[int, pa.Table]], most: int, cut: int | None) -> Iterator[tuple[int, pa.Table]]:
    """Neighbouring pieces joined up to `most` rows, so that a long catch-up is a few large steps; a first one that ends at
    offset `cut`, if there is a cut."""
    held: list[pa.Table] = []
    last = -1
    for found, table in rows:
        position, piece = found, table
        if cut is not None and position >= cut:
            yield cut, _joined([*held, _through(piece, cut)])
            held, piece, cut = [], _after(piece, cut), None
            if not piece.num_rows and position == last:
                continue
        held.append(piece)
        last = position
        if cut is None and sum(table.num_rows for table in held) >= most:
            yield last, _joined(held)
            held = []
    if held:
        yield last if cut is None else cut, _joined(held)


def _joined(pieces: Sequence[pa.Table]) -> pa.Table:
    """One table of pieces from the lake and from the log, which don't have the same columns beside the source's own."""
    import pyarrow as pa

    return pa.concat_tables(pieces, promote_options="default")


def _through(rows: pa.Table, last: int) -> pa.Table:
    import pyarrow.compute as pc

    return rows.filter(pc.less_equal(rows.column(OFFSET), last))


def _last_offset(rows: pa.Table) -> int:
    import pyarrow.compute as pc

    return int(pc.max(rows.column(OFFSET)).as_py())
