"""Whether a thread may wait for others. One that answers everybody, as an event loop does, may not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["WouldWaitError", "impatient", "is_impatient"]

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
