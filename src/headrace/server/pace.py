"""Whether calls are answered so soon that the event loop may wait for them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from headrace.errors import HeadraceError
from headrace.server.errors import status_of

__all__ = ["Pace"]

T = TypeVar("T")

LONG_SECONDS = 300e-6
"""A change of threads costs as much as the event loop may wait, for the other one finds its caches cold: less than that, waiting
is cheaper. A commit to a local disk takes 150 to 250 µs."""
EACH = 8
"""While calls are fast only some are watched: asking for a thread's time costs microseconds."""
EACH_SLOW = 16
"""While calls are slow one of so many is watched."""
SHARE, MOST = 0.1, 5
"""What one call counts for in the mean, and how many times the longest mean wait it counts for at most: the machine may have been
busy."""


class Pace:
    """Watches how long the calls of a route wait: time on the wall less time of the processor.

    The embedded store and a Redis nearby answer in less time than a change of threads takes. One that is far or down would hold
    up everything else on the event loop: then its calls go to the pool until it is fast again.

    Args:
        long: how long the event loop may wait, in seconds.

    Attributes:
        fast: whether the event loop may wait.
    """

    def __init__(self, long: float = LONG_SECONDS) -> None:
        self.fast = True
        self._long = long
        self._mean = 0.0
        self._calls = 0
        self._slow = 0

    def looks(self) -> bool:
        """Whether it is time to look, by a call that waits in a thread, if calls have become fast again."""
        if not self.fast:
            self._slow += 1
        return not self.fast and self._slow % EACH_SLOW == 0

    def timed(self, answer: Callable[..., T], *given: Any, **named: Any) -> T:
        """Answer a call, and remember how long it waited."""
        self._calls += 1
        watched = self._calls % EACH == 0 or not self.fast
        wall, work = (time.perf_counter(), time.thread_time()) if watched else (0.0, 0.0)
        try:
            return answer(*given, **named)
        except HeadraceError as error:
            if status_of(error)[0] == 503:  # a store is down: the next call may wait until it times out
                self._mean, self.fast = 2 * MOST * self._long, False
            raise
        finally:
            if watched:
                waited = time.perf_counter() - wall - (time.thread_time() - work)
                self._mean += SHARE * (min(waited, MOST * self._long) - self._mean)
                self.fast = self._mean < self._long
