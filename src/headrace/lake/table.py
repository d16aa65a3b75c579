"""The lake's contract: one append-only table per source, with its whole history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "AVAILABLE_TIME",
    "BATCH",
    "EVENT_TIME",
    "OFFSET",
    "PARTITION",
    "SEQUENCE",
    "Appended",
    "Lake",
    "LakeTable",
    "LakeUpkeep",
    "Optimized",
    "Snapshot",
    "TableState",
    "Vacuumed",
]

EVENT_TIME = "event_time"
"""When it happened, or from when on the record holds: timestamp[us, UTC], never null."""
AVAILABLE_TIME = "available_time"
"""When it reached us: timestamp[us, UTC], never null."""
PARTITION = "_partition"
"""int32: the partition of the event log that the row came through; BATCH for rows that were written in batch."""
OFFSET = "_offset"
"""int64: the row's place in the order of arrival. (partition, offset) is unique; of one event time the higher offset is later."""
SEQUENCE = "_sequence"
"""int64, null where OFFSET says it: the row's place in the order of arrival, for logs whose partitions count for themselves."""
BATCH = -1


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append did. `replayed` means that its transaction had landed before, and nothing was written."""

    version: int
    rows: int
    replayed: bool


@dataclass(frozen=True, slots=True)
class TableState:
    """A table as it is now: version, rows, files with their bytes, and the highest offset of each partition."""

    table: str
    version: int
    rows: int
    files: int
    bytes: int
    lanes: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Optimized:
    """What a compaction did: so many files became so few, and take so many bytes less, at this version."""

    table: str
    version: int
    merged: int
    made: int
    saved: int


@dataclass(frozen=True, slots=True)
class Vacuumed:
    """What a vacuum removed: files and their bytes."""

    table: str
    files: int
    bytes: int


class Snapshot(Protocol):
    """A table at one version: later appends don't change it."""

    @property
    def version(self) -> int:
        """The version; -1 for a table that has never been written."""
        ...

    def files(self) -> Sequence[str]:
        """The Parquet files, as absolute paths or URLs, oldest first; `fetch` makes them readable."""
        ...

    @property
    def fetch(self) -> Callable[[Sequence[str]], Sequence[str]]:
        """Gives for the files' names paths on the machine that calls it, which DuckDB and pyarrow read. It can be pickled."""
        ...

    def count(self) -> int:
        """The number of rows, from the table's own statistics."""
        ...

    def size(self) -> int:
        """The bytes of its files."""
        ...

    def scan(
        self, columns: Sequence[str], *, partition: int | None = None, after: int | None = None, through: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows in batches: those of one `partition`, with `after < offset <= through`. Files that can't match are skipped.

        The rows of one partition come in the order of their offsets.
        """
        ...

    def committed(self, partition: int) -> int:
        """The highest offset of the partition that the table holds; -1 if it has none."""
        ...

    def lanes(self) -> Mapping[int, int]:
        """Each partition that the table has rows of, and its highest offset."""
        ...


class LakeTable(Protocol):
    """One source's table."""

    def append(self, rows: pa.Table, *, partition: int, batch_id: str | None = None) -> Appended:
        """Append rows of one partition in one commit, which also records their highest offset and the batch id.

        Rows at or below the partition's committed offset are left out, and a batch id that landed before appends nothing,
        so a repeat changes nothing. `rows` holds the source's columns, EVENT_TIME, AVAILABLE_TIME, OFFSET, and SEQUENCE or not.
        """
        ...

    def holds_batch(self, batch_id: str) -> bool:
        """Whether this batch has landed."""
        ...

    def snapshot(self, version: int | None = None) -> Snapshot:
        """The table now, or as it was at a version. Raises NotFoundError for a version that is gone."""
        ...


class Lake(Protocol):
    """All tables, and the frames kept beside them."""

    def table(self, source: str, schema: pa.Schema) -> LakeTable:
        """The table of a source; made at the first append. `schema` is the source's own columns."""
        ...

    def write_frame(self, name: str, frame: pa.Table) -> None:
        """Keep a frame (a training set) under a name, whole or not at all. An existing name is replaced."""
        ...

    def read_frame(self, name: str) -> pa.Table:
        """A kept frame. Raises NotFoundError."""
        ...


class LakeUpkeep(Protocol):
    """Looks after all tables of a lake, those of sources and others."""

    def tables(self) -> Sequence[str]:
        """The names of all tables, sorted."""
        ...

    def state(self, table: str) -> TableState:
        """A table as it is now; version -1 if it was never written."""
        ...

    def optimize(self, table: str, progress: Callable[[int, int], None]) -> Optimized:
        """Merge small files; no version changes what it holds. `progress` is called with the files merged, and those to merge."""
        ...

    def vacuum(self, table: str, pinned: Iterable[int], before: int, *, dry_run: bool = False) -> Vacuumed:
        """Remove the files that only versions from before a moment (microseconds since 1970) name, and no pinned version."""
        ...
