"""The engine's contract: feeds the kernel with history."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.definitions.group import FeatureGroup
    from headrace.lake.table import Snapshot

__all__ = ["Engine", "GroupRead"]


@dataclass(frozen=True)
class GroupRead:
    """One group's features to read from history.

    Attributes:
        group: with the types of its features resolved.
        features: the names to read, in order.
        snapshot: the source's table.
        keys: entity key to the query column that holds it.
        as_known: only rows with available_time <= t count at t.
        through: partition to the highest offset that counts; partitions not named count wholly. None: everything counts.
        limits: the same for each query on its own; partitions not named don't count at all. Only engines in this process.
        progress: called with (done, total) partitions of the work.
    """

    group: FeatureGroup
    features: Sequence[str]
    snapshot: Snapshot
    keys: Mapping[str, str]
    as_known: bool = False
    through: Mapping[int, int] | None = None
    limits: Sequence[Mapping[int, int]] | None = None
    progress: Callable[[int, int], None] = field(default=lambda _done, _total: None)


class Engine(Protocol):
    """Computes features from history, and SQL expressions row by row."""

    def read(self, queries: pa.Table, timestamp: str, read: GroupRead) -> pa.Table:
        """The features of each query row, as of its `timestamp` column (timestamp[us, UTC]; a null matches nothing).

        Returns a table of exactly the queries' rows, in their order: one column per feature (before ttl and default), named
        as in the group, and `EVENT_TIME`: the newest event or record time of the entity that t sees (null if none).
        """
        ...

    def project(self, rows: pa.Table, expressions: Mapping[str, str]) -> pa.Table:
        """Evaluate SQL expressions over each row; the result has the columns of `expressions` in order, and the rows' order."""
        ...
