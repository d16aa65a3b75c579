"""Keeps tracking's own failures out of the training loop: one warning for each kind of failure."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from headrace.errors import HeadraceError, InvalidInputError, StorageError

__all__ = ["Guard", "TrackingWarning"]


class TrackingWarning(UserWarning):
    """Something couldn't be logged. The run goes on without it."""


class Guard:
    """Turns exceptions into warnings.

    Args:
        strict: raise instead, one of ours.

    Attributes:
        strict: whether what can't be logged is raised.
        waiting: warnings that wait for the thread that logs.
    """

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self._warned: set[str] = set()
        self.waiting: list[str] = []
        self._lock = threading.Lock()

    @contextmanager
    def __call__(self, kind: str, let_through: type[Exception] | tuple[type[Exception], ...] = ()) -> Iterator[None]:
        """Run a block; of its failures of this kind the first is a warning and the further ones are silent.

        Args:
            let_through: errors to raise nevertheless, because they are mistakes of the caller.
        """
        try:
            yield
        except let_through:
            raise
        except Exception as error:
            told = f"{kind} couldn't be logged: {str(error) or type(error).__name__}"
            if not self.strict:
                self.warn(f"{kind}: {type(error).__name__}", told)
            elif isinstance(error, HeadraceError):
                raise
            else:
                raise (StorageError if isinstance(error, OSError) else InvalidInputError)(told) from error

    def later(self, kind: str, message: str) -> None:
        """Warn once for each kind, from the thread that logs when it logs the next time: for what happens behind it."""
        if self._is_new(kind):
            self.waiting.append(message)

    def speak(self) -> None:
        """Give the warnings that wait."""
        while self.waiting:
            self._say(self.waiting.pop(0), 4)

    def warn(self, kind: str, message: str) -> None:
        """Warn once for each kind."""
        if self._is_new(kind):
            self._say(message, 3)

    def _is_new(self, kind: str) -> bool:
        with self._lock:
            known = kind in self._warned
            self._warned.add(kind)
        return not known

    @staticmethod
    def _say(message: str, depth: int) -> None:
        warnings.warn(f"{message} (further failures of this kind in this run are silent)", TrackingWarning, stacklevel=depth)
