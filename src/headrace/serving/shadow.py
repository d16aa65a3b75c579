"""A second version that sees the same traffic: its answers are compared and kept, and nobody else gets to see them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from headrace.errors import HeadraceError

__all__ = ["Comparison", "Shadow", "compare"]

log = logging.getLogger("headrace.serving")

MOST_OPEN = 256
"""Requests that may wait for the shadow; it gets no more while it is that far behind."""
_TOLERANCE = 1e-9


@dataclass(slots=True)
class Comparison:
    """What the shadow's answers were like beside those that were given.

    Attributes:
        requests, rows: how many were compared.
        equal: rows with the same prediction, numbers to nine digits.
        largest, total: the largest absolute difference of numbers, and the sum of all.
        failed: requests that the shadow couldn't answer; `trouble` is the last reason.
        skipped: requests that it didn't get, for it was behind.
    """

    requests: int = 0
    rows: int = 0
    equal: int = 0
    largest: float = 0.0
    total: float = 0.0
    failed: int = 0
    skipped: int = 0
    trouble: str = ""

    def add(self, given: bytes, shadowed: bytes) -> None:
        """Compare two answers to one request."""
        rows, equal, differences = compare(given, shadowed)
        self.requests += 1
        self.rows += rows
        self.equal += equal
        self.total += sum(differences)
        self.largest = max([self.largest, *differences])

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**asdict(self), "share_equal": self.equal / self.rows if self.rows else None}


class Shadow:
    """Has copies of requests answered in the background, and compares.

    Attributes:
        found: how the answers compare.
    """

    def __init__(self) -> None:
        self.found = Comparison()
        self._open: set[asyncio.Task[None]] = set()

    def mirror(self, given: bytes, answer: Callable[[], Awaitable[bytes]]) -> None:
        """Compare an answer that was given with what the shadow says; never waits."""
        if len(self._open) >= MOST_OPEN:
            self.found.skipped += 1
            return
        task = asyncio.create_task(self._mirror(given, answer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def close(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _mirror(self, given: bytes, answer: Callable[[], Awaitable[bytes]]) -> None:
        try:
            self.found.add(given, await answer())
        except HeadraceError as error:
            self.found.failed += 1
            self.found.trouble = str(error)
        except Exception:
            log.exception("a request couldn't be mirrored")
            self.found.failed += 1


def compare(given: bytes, shadowed: bytes) -> tuple[int, int, list[float]]:
    """Rows, how many of them are equal, and the absolute differences of those that are numbers and differ."""
    left, right = orjson.loads(given), orjson.loads(shadowed)
    if not isinstance(left, list) or not isinstance(right, list) or len(left) != len(right):
        return 1, 0, []
    differences = [_difference(a, b) for a, b in zip(left, right, strict=True)]
    return len(left), sum(1 for found in differences if found == 0.0), [found for found in differences if found]


def _difference(a: Any, b: Any) -> float | None:
    """0.0 if two predictions are equal, how far apart numbers are, None if they differ and aren't numbers."""
    if isinstance(a, int | float) and isinstance(b, int | float):
        apart = abs(a - b)
        return 0.0 if apart <= _TOLERANCE * max(abs(a), abs(b)) else apart
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b) and a:
        found = [_difference(one, other) for one, other in zip(a, b, strict=True)]
        return None if None in found else max(number for number in found if number is not None)
    return 0.0 if a == b else None
