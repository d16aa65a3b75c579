"""States kept in the process for a while, for callers who say how stale an answer may be."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from headrace.errors import InvalidInputError
from headrace.online.steps import Steps
from headrace.online.store import Requests, Stored

__all__ = ["CACHE_BYTES", "StateCache", "checked_staleness"]

CACHE_BYTES = 256 << 20
"""What the kept states of one process may come to."""
_ENTRY_BYTES = 200
"""What an entry costs beside its state."""


class StateCache:
    """Hands out states, and keeps them for whoever allows some staleness.

    A caller gets states that the store held at most so many seconds ago: an entry counts from the moment before its read began.
    States of one answer may be from different moments of that span. The generation isn't part of an entry's key: asking for it
    would cost the round trip that an entry saves, and generations of a group version hold values of one definition.

    The size is bounded: entries live in two halves; when the younger is full the older is thrown away. What is asked for again
    moves to the younger one, so that what is in use stays.

    Args:
        limit: bytes that all states together may take.
        clock: seconds that never go back.
    """

    def __init__(self, limit: int = CACHE_BYTES, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._young: dict[tuple[str, bytes], tuple[float, Stored]] = {}
        self._old: dict[tuple[str, bytes], tuple[float, Stored]] = {}
        self._size = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def read(self, requests: Requests, max_staleness: float) -> Steps[Requests, list[list[Stored]], list[list[Stored]]]:
        """The states of (group, keys) pairs, none older than `max_staleness` seconds. Asks once for all that aren't kept."""
        now = self._clock()
        found = [
            [None if key is None else self._kept(group, key, now - max_staleness) for key in keys] for group, keys in requests
        ]
        missing = [
            (group, [key for key, entry in zip(keys, entries, strict=True) if entry is None and key is not None])
            for (group, keys), entries in zip(requests, found, strict=True)
        ]
        fresh: Iterator[Stored] = iter(())
        if any(keys for _, keys in missing):
            states = yield missing
            self._keep(missing, states, now)
            fresh = iter([state for group in states for state in group])
        return [
            [
                None if key is None else next(fresh) if entry is None else entry[1]
                for key, entry in zip(keys, entries, strict=True)
            ]
            for (_, keys), entries in zip(requests, found, strict=True)
        ]

    def _kept(self, group: str, key: bytes, since: float) -> tuple[float, Stored] | None:
        entry = self._young.get((group, key))
        if entry is None:
            entry = self._old.get((group, key))
            if entry is not None and entry[0] >= since:
                with self._lock:
                    self._add((group, key), entry)
        return entry if entry is not None and entry[0] >= since else None

    def _keep(self, requests: Requests, states: list[list[Stored]], now: float) -> None:
        with self._lock:
            for (group, keys), column in zip(requests, states, strict=True):
                for key, state in zip(keys, column, strict=True):
                    if key is not None:
                        self._add((group, key), (now, state))

    def _add(self, place: tuple[str, bytes], entry: tuple[float, Stored]) -> None:
        before = self._young.get(place)
        self._size += _size(place, entry) - (0 if before is None else _size(place, before))
        self._young[place] = entry
        if self._size > self._limit // 2:
            self._old, self._young, self._size = self._young, {}, 0


def checked_staleness(seconds: float | None) -> float:
    """Seconds of staleness that a caller allows; 0 for none.

    Raises:
        InvalidInputError: it isn't a number of seconds.
    """
    if seconds is None:
        return 0.0
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < float("inf"):
        msg = f"max_staleness is a number of seconds, 0 or more, not {seconds!r}"
        raise InvalidInputError(msg)
    return float(seconds)


def _size(place: tuple[str, bytes], entry: tuple[float, Stored]) -> int:
    state = entry[1]
    held = 0 if state is None else len(state) if isinstance(state, bytes) else sum(map(len, state))
    return _ENTRY_BYTES + len(place[1]) + held
