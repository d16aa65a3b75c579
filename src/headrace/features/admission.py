"""Lets in what came through a log that others write to: rows that every group can use, and of each event id the first."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from headrace.definitions.source import EventSource, Source
from headrace.definitions.version import GroupVersion, key_columns
from headrace.events.log import LogBatch, Stream, StreamLog
from headrace.features.online import OnlineGroups
from headrace.features.quality import Quality
from headrace.features.repeats import Repeats
from headrace.lake.table import AVAILABLE_TIME, OFFSET, Snapshot

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Admission", "stream_of"]

KNOWN = -2
"""The lane under which the store of seen ids notes since when, in microseconds, it has what the lake holds."""

_log = logging.getLogger(__name__)


class Admission:
    """An EventLog over one whose rows weren't checked before: it leaves out those that can't count, the same ones for every
    reader. What the lake holds is read from there: it was let in once.

    Args:
        stream: the log.
        source: the source of a name.
        versions: the groups that a source feeds.
        snapshot: the lake's table of a source, as it is now.
    """

    guarded = False

    def __init__(
        self,
        stream: StreamLog,
        source: Callable[[str], Source],
        versions: Callable[[str], Sequence[GroupVersion]],
        snapshot: Callable[[Source], Snapshot],
        groups: OnlineGroups,
        repeats: Repeats,
        quality: Quality,
    ) -> None:
        self.stream = stream
        self._source = source
        self._versions = versions
        self._snapshot = snapshot
        self._groups = groups
        self._repeats = repeats
        self._quality = quality

    def partitions(self, topic: str) -> tuple[int, ...]:
        """See EventLog."""
        return self.stream.partitions(topic)

    def append(self, topic: str, rows: pa.Table) -> list[LogBatch]:
        """Append rows that were checked; of those returned, repeats are left out, though they are in the log."""
        return [self._first_times(topic, batch) for batch in self.stream.append(topic, rows)]

    def reserve(self, topic: str, count: int) -> int:
        """See EventLog."""
        return self.stream.reserve(topic, count)

    def skip(self, topic: str, partition: int, through: int) -> None:
        """See EventLog."""
        self.stream.skip(topic, partition, through)

    def read(self, topic: str, partition: int, after: int) -> Iterator[LogBatch]:
        """The rows after an offset that count."""
        for batch in self.stream.read(topic, partition, after):
            let_in, failing = self.admit(topic, batch)
            if failing:
                row, reason = next(iter(failing.items()))
                text = "%d rows of source %r can't be used and were passed over; the first at partition %d offset %s: %s"
                _log.warning(text, len(failing), topic, partition, _offsets(batch)[row], reason)
            yield let_in

    def admit(self, topic: str, batch: LogBatch) -> tuple[LogBatch, dict[int, str]]:
        """The run with the rows that count, and the place of each row that a group can't use with the reason."""
        failing = self._groups.failing(self._versions(topic), batch.rows) if batch.rows.num_rows else {}
        good = _without(batch, set(failing)) if failing else batch
        return self._first_times(topic, self._as_expected(topic, good)), failing

    def _as_expected(self, topic: str, batch: LogBatch) -> LogBatch:
        """Without the rows that break what the source expects; those are set aside first, each once, for it has an offset."""
        import pyarrow as pa

        source = self._source(topic)
        if not source.expect or not batch.rows.num_rows:
            return batch
        offsets = pa.array(_offsets(batch), pa.int64())
        found = self._quality.admit_streamed(source, batch.rows.append_column(OFFSET, offsets))
        if found.rejected is None:
            return batch
        self._quality.keep(source, found, "stream", partition=batch.partition)
        kept = found.rows.column(OFFSET).combine_chunks()
        return LogBatch(batch.partition, batch.first, found.rows.drop_columns(OFFSET), batch.last, kept)

    def epoch(self, topic: str) -> int:
        """Changes when the store of seen ids was emptied: what was let in before must be let in anew before it is kept."""
        source = self._source(topic)
        if not isinstance(source, EventSource) or source.id is None:
            return 0
        self._know_what_the_lake_holds(source)
        return self._repeats.position(source, KNOWN)

    def end(self, topic: str, partition: int) -> int:
        """See EventLog."""
        return self.stream.end(topic, partition)

    def start(self, topic: str, partition: int) -> int:
        """The lowest offset that the lake doesn't hold."""
        return self._snapshot(self._source(topic)).committed(partition) + 1

    def repair(self, topic: str) -> list[tuple[int, int]]:
        """See EventLog."""
        return self.stream.repair(topic)

    def truncate(self, topic: str, partition: int, through: int) -> None:
        """See EventLog."""
        self.stream.truncate(topic, partition, through)

    def _first_times(self, topic: str, batch: LogBatch) -> LogBatch:
        source = self._source(topic)
        if not batch.rows.num_rows or not isinstance(source, EventSource) or source.id is None:
            return batch
        self._know_what_the_lake_holds(source)
        own = self._repeats.claim(source, batch.partition, _offsets(batch), batch.rows)
        return batch if all(own) else _without(batch, {row for row, first in enumerate(own) if not first})

    def _know_what_the_lake_holds(self, source: EventSource) -> None:
        """An emptied store of seen ids would let repeats in of what is in the lake already: fill it again first."""
        if self._repeats.position(source, KNOWN) < 0:
            snapshot = self._snapshot(source)
            columns = [source.id or "", AVAILABLE_TIME, OFFSET]
            for partition in snapshot.lanes():
                for rows in snapshot.scan(columns, partition=partition):
                    self._repeats.claim_known(source, partition, rows)
            self._repeats.note(source, KNOWN)


def stream_of(source: Source, versions: Sequence[GroupVersion]) -> Stream:
    """How a source's rows travel: in partitions by the key of its first group, and never without the keys of all."""
    return Stream(source, key_columns(versions))


def _offsets(batch: LogBatch) -> list[int]:
    if batch.offsets is None:
        return list(range(batch.first, batch.first + batch.rows.num_rows))
    found: list[int] = batch.offsets.to_pylist()
    return found


def _without(batch: LogBatch, rows: set[int]) -> LogBatch:
    import pyarrow as pa

    keep = pa.array([row for row in range(batch.rows.num_rows) if row not in rows], pa.int64())
    offsets = pa.array(_offsets(batch), pa.int64()).take(keep)
    return LogBatch(batch.partition, batch.first, batch.rows.take(keep), batch.last, offsets)
