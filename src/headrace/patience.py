"""Whether a thread may wait for others. One that answers everybody, as an event loop does, may not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Lead", "Leaving", "Wait", "WouldWaitError", "impatient", "is_impatient", "leaving", "left"]

_local = threading.local()


class WouldWaitError(Exception):
    """Nothing was done, for it would have taken too long. Try again in a thread that may wait. Never seen by a user."""


@contextmanager
def impatient() -> Iterator[None]:
    """Within the block, in this thread, what would wait for another thread or process, or compute for long, raises WouldWaitError
    instead."""
    _local.impatient = True
    try:
        yield
    finally:
        _local.impatient = False


def is_impatient() -> bool:
    """Whether this thread is within such a block."""
    return getattr(_local, "impatient", False)


@dataclass(frozen=True, slots=True)
class Wait:
    """What comes before the next step of something: a socket has something to be read, or `writes` and can be written to."""

    socket: int
    writes: bool = False


class Lead(Protocol):
    """Sees that writes are made."""

    def __call__(self, *, here: bool) -> Iterator[Wait] | None:
        """Let all that wait be written: by this thread if `here` and it waits for nobody, else by another one. If somebody is at
        it, they are the next.

        Returns:
            The steps of it, if it is this thread's to go through them and to wait in its own way.
        """
        ...


class Leaving:
    """The writes that a thread has left.

    Attributes:
        futures: each is over when its write is kept, or has what went wrong.
        lead: to be called then; None if there are none.
    """

    def __init__(self) -> None:
        self.futures: list[Future[None]] = []
        self.lead: Lead | None = None


@contextmanager
def leaving() -> Iterator[Leaving]:
    """Within the block, a write that others may share a commit with isn't done when its call returns. To be led after it."""
    _local.left = Leaving()
    try:
        yield _local.left
    finally:
        _local.left = None


def left() -> Leaving | None:
    """What the block of `leaving` has left that this thread is in; None if it is in none."""
    found: Leaving | None = getattr(_local, "left", None)
    return found
