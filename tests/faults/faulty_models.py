"""Models that misbehave when they are told to."""

from __future__ import annotations

import os
import signal
import time

import numpy as np

import headrace as hr


@hr.predictor
def obeys(frame):
    """Does what the first number of each row says: 1 raise, 2 hang, 3 eat memory, 4 crash, 5 exit, 6 give too few."""
    orders = frame["likes"].tolist()
    for order in orders:
        if order == 1:
            raise RuntimeError("told to")
        if order == 2:
            time.sleep(600)
        if order == 3:
            _eaten = np.ones(40_000_000_000 // 8)
        if order == 4:
            os.kill(os.getpid(), signal.SIGSEGV)
        if order == 5:
            raise SystemExit(3)
        if order == 6:
            return np.zeros(0)
    return np.array(orders, float)


@hr.predictor
def hangs(frame):
    """Never answers."""
    time.sleep(600)


@hr.predictor
def dies(frame):
    """Ends its process."""
    os._exit(1)


@hr.predictor
def raises(frame):
    """Fails at once."""
    raise RuntimeError("from the start")


@hr.predictor
def devours(frame):
    """Takes more memory than there is."""
    return np.ones(40_000_000_000 // 8)[: len(frame)]
