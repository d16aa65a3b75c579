"""A worker of its own process: brings the deltas of one partition online, from wherever the last one came to."""

from __future__ import annotations

import random
import struct
from ctypes import c_int

from headrace.online.redis.store import RedisOnlineStore
from headrace.online.store import Delta
from waiting import until

__all__ = ["KEYS", "STEPS", "changes_of", "merge_tokens", "work"]

GROUP = "g:1"
STEPS, ROWS = 150, 10
KEYS = [f"key-{number}".encode() for number in range(150)]
TOKEN = struct.Struct(">HH")


def changes_of(partition: int, step: int) -> dict[bytes, bytes]:
    """A token for each of some keys, which only this partition and step make."""
    chosen = random.Random(f"{partition} {step}").sample(KEYS, 100)
    return dict.fromkeys(chosen, TOKEN.pack(partition, step))


def merge_tokens(stored: bytes | None, /, *changes: bytes) -> bytes:
    """All tokens, those that come twice twice."""
    both = b"".join([stored or b"", *changes])
    return b"".join(sorted(both[at : at + TOKEN.size] for at in range(0, len(both), TOKEN.size)))


def work(url: str, partition: int, ready: c_int, go: c_int) -> None:
    """Say that it is ready, wait to be told to go, then apply what is left; whatever was begun comes first, as it was begun."""
    store = RedisOnlineStore(url)
    status = store.status(GROUP)
    ready.value = 1
    until(lambda: go.value, "the word to go")
    for step in range((status.applied.get(partition, -1) + 1) // ROWS, STEPS):
        first, last = step * ROWS, step * ROWS + ROWS - 1
        outcome = store.apply([Delta(GROUP, partition, first, last, changes_of(partition, step), step, merge_tokens)])
        if outcome not in (["applied"], ["skipped"]):
            raise AssertionError((partition, step, outcome, store.status(GROUP)))
    store.close()
