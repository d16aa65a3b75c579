"""A value that is made when it is first asked for, once, whichever thread asks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Lazy"]

T = TypeVar("T")


class Lazy(Generic[T]):
    """Makes its value at the first call.

    Attributes:
        made: the value; None as long as nobody asked.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self.made: T | None = None
        self._make = make
        self._making = threading.Lock()

    def __call__(self) -> T:
        if self.made is None:
            with self._making:
                if self.made is None:
                    self.made = self._make()
        return self.made
