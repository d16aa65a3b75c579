"""Waiting for what must come about, however slow the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["PATIENCE", "until"]

PATIENCE = 180.0
"""Seconds after which what hasn't come about never will; what takes a moment here may take a minute beside others."""

T = TypeVar("T")


def until(condition: Callable[[], T], what: str = "it", seconds: float = PATIENCE) -> T:
    """What the condition returns, once that is true. Raises TimeoutError if it isn't within so many seconds."""
    deadline, pause = time.monotonic() + seconds, 0.002
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} didn't come about within {seconds:.0f} s")
        time.sleep(pause)
        pause = min(2 * pause, 0.05)
    return found
