"""The online store's contract: the latest state by key."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

__all__ = ["Delta", "OnlineStore", "SeenIds"]

Merge = Callable[[bytes | None, bytes], bytes]
"""(stored state or None, change) → new state. Merging commutes and never fails."""


@dataclass(frozen=True, slots=True)
class Delta:
    """What a run of consecutive rows of one partition changes in one group.

    Attributes:
        group: id of the group version, `user_taste:2`.
        partition: the partition that the rows came through, or BATCH.
        first, last: the offsets of the rows.
        changes: encoded key to encoded change.
        newest: newest event time among the rows, microseconds; None if there were none.
        merge: joins a change to the stored state.
        late: how many of the rows came later than their source allows for.
    """

    group: str
    partition: int
    first: int
    last: int
    changes: Mapping[bytes, bytes]
    newest: int | None
    merge: Merge
    late: int = 0


class OnlineStore(Protocol):
    """One value per (group version, entity key); deltas applied once, in order per partition."""

    def apply(self, deltas: Sequence[Delta]) -> list[Literal["applied", "skipped", "overlaps"]]:
        """Apply all in one atomic, durable step: each wholly newer than its partition's applied offset is merged, each wholly
        applied before is skipped; one that overlaps is refused (the caller cuts it at `applied` and sends the rest)."""
        ...

    def read(self, requests: Sequence[tuple[str, Sequence[bytes | None]]]) -> list[list[bytes | None]]:
        """The states of (group, keys) pairs, all as of one moment, in one round trip. A None key gives None."""
        ...

    def applied(self, group: str) -> dict[int, int]:
        """Partition to the highest offset applied, as of the same moments as reads see; empty for an unknown group."""
        ...

    def newest(self, group: str) -> int | None:
        """The newest event time applied to the group, in microseconds."""
        ...

    def late(self, group: str) -> int:
        """The number of rows applied to the group that came later than their source allows for."""
        ...

    def count(self, group: str) -> int:
        """The number of keys of the group."""
        ...

    def groups(self) -> list[str]:
        """The ids of the groups that have state."""
        ...

    def drop(self, group: str) -> None:
        """Forget the group's state and its applied offsets, in one atomic step."""
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
