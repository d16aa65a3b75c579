"""The rule of time over arrays: which events a window covers as of t. All times are UTC microseconds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["window_start"]

EARLIEST = -(2**62)
"""Earlier than any timestamp, with room to subtract a window without wrapping around."""


def window_start(times: NDArray[np.int64], window: int, hop: int | None) -> NDArray[np.int64]:
    """The first moment that a window covers as of each time: `floor(t - window, hop)`, toward -inf, aligned to the epoch.

    The window ends right before t. Without a hop its tail is exact.
    """
    tail = np.maximum(times, EARLIEST) - window
    return tail if hop is None else tail - tail % hop
