"""Counts an event once however often it is delivered: leaves out rows whose event id has been seen."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from headrace.clock import Clock
from headrace.definitions.source import EventSource
from headrace.lake.table import AVAILABLE_TIME, OFFSET
from headrace.online.store import SeenIds

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Repeats"]


class Repeats:
    """The ids of events that came in within each source's lateness, by the time they came, not the time they tell."""

    def __init__(self, seen: SeenIds, clock: Clock) -> None:
        self._seen = seen
        self._clock = clock

    def position(self, source: EventSource, partition: int) -> int:
        """The offset up to which the ids of a partition are recorded; -1 at first."""
        return self._seen.position(source.name, partition)

    def first_times(self, source: EventSource, rows: pa.Table) -> pa.Table:
        """The rows whose id is new: of one id the first row, and none that came in within the source's lateness before.

        A null id is never a repeat.
        """
        import pyarrow as pa

        ids = _digests(source, rows)
        asked = list({digest for digest in ids if digest is not None})
        oldest = self._clock() - source.lateness_micros
        recorded = zip(asked, self._seen.seen(source.name, asked), strict=True)
        known = {digest for digest, time in recorded if time is not None and time >= oldest}
        keep: list[int] = []
        for row, digest in enumerate(ids):
            if digest is None or digest not in known:
                keep.append(row)
            if digest is not None:
                known.add(digest)
        return rows if len(keep) == rows.num_rows else rows.take(pa.array(keep, pa.int64()))

    def record(self, source: EventSource, partition: int, last: int, rows: pa.Table) -> None:
        """Remember the ids of rows that are in the log or the lake, and forget those that came in too long ago."""
        now = self._clock()
        ids = {digest: now for digest in _digests(source, rows) if digest is not None}
        self._seen.record(source.name, partition, last, ids)
        self._seen.forget(source.name, now - source.lateness_micros)

    def claim(self, source: EventSource, partition: int, offsets: Sequence[int], rows: pa.Table) -> list[bool]:
        """Whether each row of a log is the first with its id, by whatever process, replay and order they are read; without an
        id it is."""
        now = self._clock()
        ids = _digests(source, rows)
        asked = [(digest, (partition, offset)) for digest, offset in zip(ids, offsets, strict=True) if digest is not None]
        if not asked:
            return [True] * len(ids)
        keep = source.lateness_micros
        own = iter(self._seen.claim(source.name, [digest for digest, _ in asked], [place for _, place in asked], now, keep))
        self._seen.forget(source.name, now - keep)
        return [digest is None or next(own) for digest in ids]

    def claim_known(self, source: EventSource, partition: int, rows: pa.RecordBatch) -> None:
        """Let rows of the lake that came in within the lateness have their ids."""
        import pyarrow as pa
        import pyarrow.compute as pc

        oldest = pa.scalar(self._clock() - source.lateness_micros, pa.int64()).cast(rows.column(AVAILABLE_TIME).type)
        lately = rows.filter(pc.greater_equal(rows.column(AVAILABLE_TIME), oldest))
        if lately.num_rows:
            self.claim(source, partition, lately.column(OFFSET).to_pylist(), pa.Table.from_batches([lately]))

    def note(self, source: EventSource, partition: int) -> None:
        """Move a position to the time it is now."""
        self._seen.record(source.name, partition, self._clock(), {})


def _digests(source: EventSource, rows: pa.Table) -> list[bytes | None]:
    return [None if value is None else _digest(value) for value in rows.column(source.id or "").to_pylist()]


def _digest(value: Any) -> bytes:
    return hashlib.blake2b(f"{type(value).__name__}:{value!r}".encode(), digest_size=16).digest()
