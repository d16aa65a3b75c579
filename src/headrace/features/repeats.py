"""Counts an event once however often it is delivered: leaves out rows whose event id has been seen."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from headrace.definitions.source import EventSource
from headrace.lake.table import EVENT_TIME
from headrace.online.store import SeenIds

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Repeats"]


class Repeats:
    """The ids of events seen within each source's lateness."""

    def __init__(self, seen: SeenIds) -> None:
        self._seen = seen

    def position(self, source: EventSource, partition: int) -> int:
        """The offset up to which the ids of a partition are recorded; -1 at first."""
        return self._seen.position(source.name, partition)

    def first_times(self, source: EventSource, rows: pa.Table) -> pa.Table:
        """The rows whose id is new: of one id the first row, and none that was recorded within the source's lateness.

        A null id is never a repeat.
        """
        import pyarrow as pa

        ids = _digests(source, rows)
        times = rows.column(EVENT_TIME).cast("int64").to_pylist()
        recorded = self._seen.seen(source.name, [digest for digest in ids if digest is not None])
        known = {
            digest: time for digest, time in zip((d for d in ids if d is not None), recorded, strict=True) if time is not None
        }
        keep: list[int] = []
        for row, (digest, time) in enumerate(zip(ids, times, strict=True)):
            if digest is not None:
                before = known.get(digest)
                if before is not None and abs(time - before) <= source.lateness_micros:
                    continue
                known[digest] = time
            keep.append(row)
        return rows if len(keep) == rows.num_rows else rows.take(pa.array(keep, pa.int64()))

    def record(self, source: EventSource, partition: int, last: int, rows: pa.Table) -> None:
        """Remember the ids of rows that are in the log or the lake, and forget those too old to come again."""
        times = rows.column(EVENT_TIME).cast("int64").to_pylist()
        pairs = zip(_digests(source, rows), times, strict=True)
        self._seen.record(source.name, partition, last, {digest: time for digest, time in pairs if digest is not None})
        if times:
            self._seen.forget(source.name, max(times) - source.lateness_micros)


def _digests(source: EventSource, rows: pa.Table) -> list[bytes | None]:
    return [None if value is None else _digest(value) for value in rows.column(source.id or "").to_pylist()]


def _digest(value: Any) -> bytes:
    return hashlib.blake2b(f"{type(value).__name__}:{value!r}".encode(), digest_size=16).digest()
