"""The event log's contract: what was pushed, in order, durable before anything else happens to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["EventLog", "LogBatch"]


@dataclass(frozen=True, slots=True)
class LogBatch:
    """A run of one partition: all its rows with offsets from `first` to `last`, in order.

    Attributes:
        offsets: of each row, where some of the run's offsets hold none; None: row i has offset `first + i`.
    """

    partition: int
    first: int
    rows: pa.Table
    last: int
    offsets: pa.Array | None = None


class EventLog(Protocol):
    """Ordered, durable, one log per source, each cut into partitions. Offsets only grow; some may never be used."""

    guarded: bool
    """Whether all rows came in through `append`, so that they were checked and their repeats left out before."""

    def partitions(self, topic: str) -> tuple[int, ...]:
        """The partitions of a topic; none if the log has no such topic."""
        ...

    def append(self, topic: str, rows: pa.Table) -> list[LogBatch]:
        """Append rows and return where they are, a run for each partition. They are durable when this returns."""
        ...

    def reserve(self, topic: str, count: int) -> int:
        """Take `count` offsets out of the order without writing rows, for a batch that goes to the lake; returns the first."""
        ...

    def read(self, topic: str, partition: int, after: int) -> Iterator[LogBatch]:
        """The rows with offset > `after`, in order, those that are still kept."""
        ...

    def end(self, topic: str, partition: int) -> int:
        """The highest offset given out so far; -1 if none."""
        ...

    def start(self, topic: str, partition: int) -> int:
        """The lowest offset that `read` still answers for: rows below it were truncated and are only in the lake; 0 at first."""
        ...

    def repair(self, topic: str) -> list[tuple[int, int]]:
        """Keep the whole frames of damaged segments and drop the rest; returns the (first, last) offsets that were lost."""
        ...

    def truncate(self, topic: str, partition: int, through: int) -> None:
        """Drop whole segments whose rows all have offsets <= `through`, because the lake holds them."""
        ...
