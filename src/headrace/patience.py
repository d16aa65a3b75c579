"""Whether a thread may wait for others. One that answers everybody, as an event loop does, may not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

__all__ = ["WouldWaitError", "impatient", "is_impatient", "leaving", "left"]

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


@contextmanager
def leaving() -> Iterator[list[Future[None]]]:
    """Within the block, a write that others may share a commit with is left to another thread, and isn't done when its call
    returns: its future, in this list, is over when it is kept, or has what went wrong."""
    _local.left = []
    try:
        yield _local.left
    finally:
        _local.left = None


def left() -> list[Future[None]] | None:
    """The list of the block of `leaving` that this thread is in; None if it is in none."""
    found: list[Future[None]] | None = getattr(_local, "left", None)
    return found
