"""When the threads of a process use a SQLite file: writers one after the other, and nobody while one of them forks."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Readers", "Turns"]


class Turns:
    """A lock that threads get in the order in which they asked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._held = False

    def __enter__(self) -> None:
        with self._lock:
            if not self._held:
                self._held = True
                return
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        try:
            mine.acquire()
        except BaseException:  # interrupted: whoever comes next isn't to wait for this thread
            self._leave(mine)
            raise

    def _leave(self, mine: threading.Lock) -> None:
        with self._lock:
            waits = mine in self._waiting
            if waits:
                self._waiting.remove(mine)
        if not waits:  # it was just given to it
            self.__exit__()

    def take_within(self, seconds: float) -> bool:
        """Get it, if that takes no longer than this."""
        with self._lock:
            if not self._held:
                self._held = True
                return True
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        taken = False
        try:
            taken = mine.acquire(timeout=seconds)
        except BaseException:  # interrupted, as above
            self._leave(mine)
            raise
        if not taken:
            self._leave(mine)
        return taken

    def take_if_free(self) -> bool:
        """Get it, if nobody holds it."""
        with self._lock:
            free, self._held = not self._held, True
        return free

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False


class Readers:
    """The threads that read; others begin only once nobody forks."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._depths: dict[int, int] = {}
        self._closed = False

    @contextmanager
    def one(self) -> Iterator[None]:
        """This thread reads. Another one may end it: pages are sent by whichever is free."""
        me = threading.get_ident()
        with self._changed:
            if me not in self._depths:
                self._changed.wait_for(lambda: not self._closed)
            self._depths[me] = self._depths.get(me, 0) + 1
        try:
            yield
        finally:
            with self._changed:
                self._depths[me] -= 1
                if not self._depths[me]:
                    del self._depths[me]
                if self._closed:
                    self._changed.notify_all()

    @contextmanager
    def gone(self, seconds: float) -> Iterator[None]:
        """Wait for so long until no other thread reads; within the block none begins."""
        me = threading.get_ident()
        with self._changed:
            self._changed.wait_for(lambda: not self._closed)  # two threads may fork
            self._closed = True
            self._changed.wait_for(lambda: self._depths.keys() <= {me}, seconds)
        try:
            yield
        finally:
            with self._changed:
                self._closed = False
                self._changed.notify_all()
