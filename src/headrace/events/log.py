"""The event log's contract: what was pushed, in order, durable before anything else happens to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from headrace.definitions.source import Source

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DeadLetter", "EventConsumer", "EventLog", "LogBatch", "Place", "Polled", "Refused", "Stream", "StreamLog"]

Place = tuple[str, int]
"""(source, partition)."""


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
        keys: the key columns of each group; a row has the key of at least one.
    """

    source: Source
    keys: tuple[tuple[str, ...], ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """The columns whose values choose the partition of a pushed row; none: any partition."""
        return self.keys[0] if self.keys else ()


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
class DeadLetter:
    """A message that was passed over.

    Attributes:
        partition, offset: where it was in its topic.
        reason: why it couldn't be used.
        size: bytes of the whole message.
        value: its beginning, as much as was kept.
        time: when it was set aside, microseconds since 1970.
    """

    source: str
    partition: int
    offset: int
    reason: str
    size: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    time: int

    @property
    def whole(self) -> bool:
        """Whether all of the message was kept."""
        return self.value is None or len(self.value) == self.size


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

    def skip(self, topic: str, partition: int, through: int) -> None:
        """Give out no offset <= `through` any more: they are of rows that came out of a log that held more than this one."""
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

    def pause(self, *, paused: bool) -> None:
        """Stop taking messages, and stay a member as long as `poll` is called; or go on."""
        ...

    def commit(self, positions: Mapping[Place, int]) -> None:
        """Note for the group that everything up to these offsets is done: whoever takes over goes on after them."""
        ...

    def refuse(self, source: str, messages: Sequence[Refused]) -> None:
        """Keep messages aside with their reasons. They are durable when this returns."""
        ...

    def lag(self) -> Mapping[Place, int]:
        """How many messages wait in each partition that is this member's."""
        ...

    def close(self) -> None:
        """Leave the group."""
        ...


class StreamLog(EventLog, Protocol):
    """An event log that others write to, and that groups of consumers read."""

    def consumer(
        self,
        group: str,
        sources: Sequence[str],
        begin: Callable[[str, int], int],
        moved: Callable[[frozenset[Place]], None],
        stopping: Callable[[], bool],
    ) -> EventConsumer:
        """A member of a group that reads the sources; `begin` says after which offset to read what the group knows nothing of,
        `moved` hears of partitions that go to another member, `stopping` says whether this one is to leave soon."""
        ...

    def rivals(self, group: str, sources: Sequence[str]) -> list[str]:
        """Other groups of ours that read the same sources now."""
        ...

    def require_topic(self, topic: str) -> None:
        """Raises NotFoundError if a source's topic doesn't exist."""
        ...

    def create_topic(self, topic: str, partitions: int) -> bool:
        """Make a source's topic; False if it was there."""
        ...

    def dead(self, topic: str) -> list[DeadLetter]:
        """The messages that were set aside and not produced again since."""
        ...

    def replay(self, topic: str) -> tuple[int, int]:
        """Produce those again; returns how many were, and how many weren't kept whole."""
        ...
