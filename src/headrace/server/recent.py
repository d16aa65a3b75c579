"""What was looked up a moment ago: asking the catalog's store for each request costs more than the rest of a small answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["RECENT_SECONDS", "Recent"]

T = TypeVar("T")

RECENT_SECONDS = 0.002
"""A request sees what another process applied so much before it came."""
MOST = 1000


class Recent(Generic[T]):
    """Keeps what look-ups gave for RECENT_SECONDS."""

    def __init__(self) -> None:
        self._found: dict[Hashable, tuple[float, T]] = {}

    def get(self, place: Hashable, look_up: Callable[[], T]) -> T:
        """What is kept of a place, or else is looked up now. Raises what the look-up raises."""
        now = time.monotonic()
        kept = self._found.get(place)
        if kept is not None and now - kept[0] <= RECENT_SECONDS:
            return kept[1]
        if len(self._found) >= MOST:  # names come from clients
            self._found.clear()
        found = look_up()
        self._found[place] = now, found
        return found
