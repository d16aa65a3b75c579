"""Slows down who guesses passwords: each account and address by itself, ever longer, and forgotten after a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["FREE", "LONGEST_SECONDS", "Throttle"]

FREE = 5
"""So many wrong passwords in a row cost nothing: people mistype."""
FIRST_SECONDS, LONGEST_SECONDS = 1.0, 900.0
FORGET_SECONDS = 3600.0
"""Without another wrong one for so long, it begins anew."""
MOST = 10_000

Key = tuple[str, str]
"""An account's name as it was given, whether there is one or not; and the address that gave it."""


@dataclass(slots=True)
class _Misses:
    count: int
    last: float
    until: float


class Throttle:
    """Counts wrong passwords in a row, of this process. Safe to use from many threads.

    Somebody at another address isn't slowed down: nobody can lock others out by guessing in their names.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._misses: dict[Key, _Misses] = {}

    def wait(self, key: Key) -> float:
        """The seconds that are left until another try is looked at; 0 for at once."""
        with self._lock:
            found = self._misses.get(key)
            return max(0.0, found.until - self._now()) if found is not None else 0.0

    def missed(self, key: Key) -> float:
        """Count a wrong password; the seconds to wait now, 0 for none."""
        now = self._now()
        with self._lock:
            found = self._misses.pop(key, None)
            count = 1 if found is None or now - found.last > FORGET_SECONDS else found.count + 1
            pause = 0.0 if count < FREE else min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(count - FREE, 30))
            if len(self._misses) >= MOST:
                self._make_room(now)
            self._misses[key] = _Misses(count, now, now + pause)  # the newest is the last
            return pause

    def passed(self, key: Key) -> None:
        """Forget what was wrong: the right password came."""
        with self._lock:
            self._misses.pop(key, None)

    def _make_room(self, now: float) -> None:
        """Forget those that wait no more; if all do, the oldest."""
        over = [key for key, found in self._misses.items() if found.until <= now]
        for key in over or [next(iter(self._misses))]:
            del self._misses[key]
