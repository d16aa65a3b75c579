"""Identifiers: time-ordered random ids and content hashes."""

from __future__ import annotations

import hashlib
import json
import os
import time
from typing import Any

__all__ = ["canonical_json", "content_hash", "new_id"]


def new_id() -> str:
    """A UUID version 7 (RFC 9562) as 32 hex digits: made locally, sorts by creation time."""
    millis = time.time_ns() // 1_000_000
    rand = int.from_bytes(os.urandom(10), "big")
    value = (millis << 80) | (0x7 << 76) | ((rand >> 68) << 64) | (0x2 << 62) | (rand & ((1 << 62) - 1))
    return f"{value:032x}"


def canonical_json(value: Any) -> str:
    """`value` as JSON text that is the same for equal values: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def content_hash(value: Any) -> str:
    """SHA-256 of the canonical JSON of `value`, as 64 hex digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
