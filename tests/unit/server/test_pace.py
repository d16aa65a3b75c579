"""The event loop waits for what is fast, and for nothing else."""

from __future__ import annotations

import time

import pytest

from headrace.errors import NotFoundError, StorageError
from headrace.server.pace import Pace


def raising(error):
    def answer(_call):
        raise error

    return answer


def test_what_computes_is_fast_however_long_it_computes():
    pace = Pace()

    def compute(_call):
        end = time.thread_time() + 0.003
        while time.thread_time() < end:
            pass

    for _ in range(40):
        pace.timed(compute, None)
    assert pace._mean < 0.001


def test_what_waits_is_slow_until_it_does_not_wait_any_more():
    pace = Pace()
    for _ in range(50):
        pace.timed(lambda _: time.sleep(0.002), None)
    assert not pace.fast
    for _ in range(1000):
        pace.timed(lambda _: None, None)
    assert pace.fast


def test_a_store_that_is_down_is_slow_at_once():
    pace = Pace()
    with pytest.raises(StorageError):
        pace.timed(raising(StorageError("down")), None)
    assert not pace.fast


def test_a_mistake_of_the_caller_is_not():
    pace = Pace()
    with pytest.raises(NotFoundError):
        pace.timed(raising(NotFoundError("no")), None)
    assert pace.fast
