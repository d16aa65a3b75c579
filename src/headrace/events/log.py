"""The event log's contract: what was pushed, in order, durable before anything else happens to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from headrace.definitions.source import Source

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["EventConsumer", "EventLog", "LogBatch", "Polled", "Refused", "Stream"]


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


@dataclass(frozen=True, slots=True)
class Stream:
    """What a log of messages must know about a source.

    Attributes:
        source: its `stream` is the topic.
        key: the columns whose values choose the partition of a pushed row; none: any partition.
        required: columns that are never null.
    """

    source: Source
    key: tuple[str, ...] = ()
    required: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that isn't a row of its source, or one that a group can't use: it is passed over, for a reason."""

    partition: int
    offset: int
    reason: str
    key: bytes | None = None
    value: bytes | None = None
    headers: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Polled:
    """What a consumer got of one partition of a source: the rows of a run of offsets, and the messages that aren't rows.

    Attributes:
        messages: each row's message, to be refused later if a group can't use the row.
    """

    source: str
    batch: LogBatch
    refused: Sequence[Refused]
    messages: Sequence[Refused] = ()


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


class EventConsumer(Protocol):
    """A member of a group that shares the partitions of several sources. For one thread."""

    def poll(self, most: int, seconds: float) -> list[Polled]:
        """Up to `most` messages, one Polled a partition; waits up to `seconds` for the first."""
        ...

    def assigned(self) -> frozenset[tuple[str, int]]:
        """The (source, partition) pairs that are this member's now."""
        ...

    def pause(self, *, paused: bool) -> None:
        """Stop taking messages, and stay a member as long as `poll` is called; or go on."""
        ...

    def commit(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Note for the group that everything up to these offsets is done: whoever takes over goes on after them."""
        ...

    def refuse(self, source: str, messages: Sequence[Refused]) -> None:
        """Keep messages aside with their reasons. They are durable when this returns."""
        ...

    def close(self) -> None:
        """Leave the group."""
        ...
