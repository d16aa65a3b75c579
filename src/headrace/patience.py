"""Whether a thread may wait for others. One that answers everybody, as an event loop does, may not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

__all__ = [
    "Behind",
    "Lead",
    "Leaving",
    "Promise",
    "Wait",
    "WouldWaitError",
    "behind",
    "impatient",
    "is_impatient",
    "leaving",
    "left",
]

Behind = Callable[[Callable[[], None]], object]
"""Given something to be done, sees that it is, soon, in this thread."""
_local = threading.local()


class WouldWaitError(Exception):
    """Nothing was done, for it would have taken too long. Try again in a thread that may wait. Never seen by a user."""


@contextmanager
def impatient(behind: Behind | None = None) -> Iterator[None]:
    """Within the block, in this thread, what would wait for another thread or process, or compute for long, raises WouldWaitError
    instead.

    Args:
        behind: takes what can be done behind the answer.
    """
    _local.impatient, _local.behind = True, behind
    try:
        yield
    finally:
        _local.impatient, _local.behind = False, None


def is_impatient() -> bool:
    """Whether this thread is within such a block."""
    return getattr(_local, "impatient", False)


def behind() -> Behind | None:
    """What takes work that nobody waits for; None if this thread is in no such block."""
    return getattr(_local, "behind", None)


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


class Promise(Protocol):
    """What is told, by any thread, that a write is kept or what went wrong."""

    def set_result(self, result: None, /) -> None:
        """It is kept."""
        ...

    def set_exception(self, error: BaseException, /) -> None:
        """It isn't."""
        ...


P = TypeVar("P", bound=Promise)


class Leaving(Generic[P]):
    """The writes that a thread has left.

    Attributes:
        promise: makes one.
        behind: takes what can be done behind the answer, if anything does.
        promises: one for each write.
        lead: to be called then; None if there are none.
    """

    def __init__(self, promise: Callable[[], P], behind: Behind | None) -> None:
        self.promise = promise
        self.behind = behind
        self.promises: list[P] = []
        self.lead: Lead | None = None


@contextmanager
def leaving(promise: Callable[[], P], behind: Behind | None = None) -> Iterator[Leaving[P]]:
    """Within the block, a write that others may share a commit with isn't done when its call returns. To be led after it."""
    _local.left = Leaving(promise, behind)
    try:
        yield _local.left
    finally:
        _local.left = None


def left() -> Leaving[Any] | None:
    """What the block of `leaving` has left that this thread is in; None if it is in none."""
    found: Leaving[Any] | None = getattr(_local, "left", None)
    return found
