"""The online store's contract: the latest state by key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

__all__ = [
    "NOTHING",
    "AsyncRead",
    "Delta",
    "GroupStatus",
    "Merge",
    "OnlineStore",
    "Outcome",
    "Requests",
    "SeenIds",
    "Stored",
]

Outcome = Literal["applied", "skipped", "overlaps"]

Stored = bytes | tuple[bytes, ...] | None
"""What a store has of a key: a state; or a state and changes that nobody has merged into it yet; or nothing."""
Requests = Sequence[tuple[str, Sequence[bytes | None]]]
"""Pairs of a group and keys."""
AsyncRead = Callable[[Requests], Awaitable[list[list[Stored]]]]
"""`OnlineStore.read` for the coroutines of an event loop."""


class Merge(Protocol):
    """(stored state or None, changes) → new state. Merging commutes and never fails."""

    def __call__(self, stored: bytes | None, /, *changes: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Delta:
    """What a run of consecutive rows of one partition changes in one group.

    Attributes:
        group: id of the group version, `user_taste:2`.
        partition: the partition that the rows came through, or BATCH.
        first, last: the offsets of the rows.
        changes: encoded key to encoded change.
        newest: newest event time among the rows, microseconds; None if there were none.
        merge: joins changes to the stored state.
        late: how many of the rows came later than their source allows for.
        due: for records: if two hold by this moment, microseconds, the newer one takes the older one's place; a store that can't
            call `merge` finds in the bytes what it needs (online/records.py). None: all must be merged.
        keep: microseconds after which a key that nobody has written since may be forgotten; None: never.
        generation: the one to write to, as `build` named it. Default: the group's current one.
    """

    group: str
    partition: int
    first: int
    last: int
    changes: Mapping[bytes, bytes]
    newest: int | None
    merge: Merge
    late: int = 0
    due: int | None = None
    keep: int | None = None
    generation: str | None = None


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """What one generation of a group's state reflects.

    Attributes:
        generation: its name; empty if the group has no state.
        applied: partition to the highest offset applied.
        begun: partition to the (first, last) offsets of a delta that was cut off before all of its keys were written. The next
            delta of that partition must be exactly this one; the store writes what is missing.
        newest: the newest event time applied, microseconds.
        late: the number of rows applied that came later than their source allows for.
        count: the number of keys. Where keys are forgotten by themselves it counts those too.
    """

    generation: str = ""
    applied: Mapping[int, int] = field(default_factory=dict)
    begun: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    newest: int | None = None
    late: int = 0
    count: int = 0


NOTHING = GroupStatus()
"""The status of a group without state."""


class OnlineStore(Protocol):
    """One value per (group version, entity key); deltas applied once, in order per partition.

    A group's state is one of several generations: the current one, and others that are being built until one of them takes its
    place. Names of generations are never used again, so what a dead one left can't be taken for another's.
    """

    def apply(self, deltas: Sequence[Delta]) -> list[Outcome]:
        """Apply deltas, durably; each key takes each delta once however often it is repeated, by whomever.

        A delta that follows its partition's applied offset (-1 at first) is merged, one wholly applied before is skipped; one
        that overlaps with what was applied, leaves a gap after it (the store may have forgotten what it had), or isn't what was
        begun, is refused: the caller asks for the status and begins there.
        A store with transactions applies all deltas in one atomic step; another may be cut off between keys, and says so in
        GroupStatus.begun.
        """
        ...

    def read(self, requests: Requests) -> list[list[Stored]]:
        """What is there for (group, keys) pairs, each group's from one generation, in one round trip. A None key gives None."""
        ...

    @property
    def async_read(self) -> AsyncRead | None:
        """The same for coroutines, many at once; None for a store that is in this process, or that only threads can wait for."""
        ...

    def read_with_positions(self, requests: Requests) -> list[tuple[list[Stored], list[Mapping[int, int]], str]]:
        """As `read`, and for each key which offset of each partition its state reflects, and the generation. Costs more."""
        ...

    def status(self, group: str, generation: str | None = None) -> GroupStatus:
        """What the current generation of a group reflects, or one that is being built; NOTHING for an unknown one."""
        ...

    def groups(self) -> list[str]:
        """The ids of the groups that have a current generation."""
        ...

    def build(self, group: str) -> str:
        """Begin an empty generation beside the current one, or go on with the one that is being built; returns its name."""
        ...

    def flip(self, group: str, generation: str) -> bool:
        """Make a generation the current one, in one atomic step, and drop the one before.

        Returns False, and changes nothing, while the current one reflects rows that the generation doesn't reflect yet: bring
        it up to date and call again. So no row that was visible disappears.

        A generation that is current already stays it.

        Raises:
            ConflictError: the generation is neither being built nor current: the group was dropped meanwhile.
        """
        ...

    def drop(self, group: str) -> None:
        """Forget the group's state, all its generations and their applied offsets; in one atomic step for readers."""
        ...


class SeenIds(Protocol):
    """The event ids seen lately, so that a repeat counts once. Derived from the log and the lake; a position is applied once."""

    def position(self, source: str, partition: int) -> int:
        """The offset up to which ids are recorded; -1 at first."""
        ...

    def record(self, source: str, partition: int, last: int, ids: Mapping[bytes, int]) -> None:
        """Record ids with a time (microseconds) each and move the position to `last`, in one atomic, durable step."""
        ...

    def seen(self, source: str, ids: Sequence[bytes]) -> list[int | None]:
        """The recorded time of each id; None for an id not recorded."""
        ...

    def forget(self, source: str, before: int) -> None:
        """Drop ids whose time is before `before`."""
        ...

    def claim(self, source: str, ids: Sequence[bytes], places: Sequence[tuple[int, int]], time: int, keep: int) -> list[bool]:
        """Whether each id belongs to its place, a (partition, offset) of a log that may hold repeats.

        An id belongs to the first place that claims it; the same place claims it again with success, so a replay gives the same
        answers. Earlier ids of one call come first. An id that was recorded without a place belongs to none. The time of a
        claimed id is `time`, microseconds; one whose time is more than `keep` microseconds before `time` is free again.
        Atomic for each id, and durable when it returns.
        """
        ...
