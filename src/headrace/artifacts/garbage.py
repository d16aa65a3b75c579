"""Collects artifacts that nothing names any more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from headrace.artifacts.store import ArtifactUpkeep, Stored
from headrace.clock import Clock
from headrace.errors import InvalidInputError

__all__ = ["LEAST_AGE", "Collected", "collect"]

LEAST_AGE = 3_600_000_000
"""Microseconds that a file stays at least: whoever has kept it just now is about to name it."""
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection did, or would do.

    Attributes:
        files, bytes: files that nothing names, removed.
        kept: files that stay.
        kept_bytes: their size.
        leftovers: bytes of uploads that never ended, removed too.
    """

    files: int
    bytes: int
    kept: int
    kept_bytes: int
    leftovers: int


def collect(
    artifacts: ArtifactUpkeep, named: Callable[[], set[str]], clock: Clock, older_than: int, *, dry_run: bool = False
) -> Collected:
    """Remove files that were last handed in before `older_than` microseconds ago and whose digest isn't among the `named`.

    It may run beside uploads: a file is put out of reach first, and comes back if somebody has named it or handed in equal bytes
    until then. A collection that is killed loses nothing: what it put out of reach comes back when it is asked for.

    Raises:
        InvalidInputError: `older_than` is less than an hour.
    """
    if older_than < LEAST_AGE:
        msg = "older_than is less than an hour, but whoever keeps a file just now is about to name it: give at least '1h'"
        raise InvalidInputError(msg)
    before = clock() - older_than
    if not dry_run:
        _settle(artifacts, list(artifacts.condemned()), named, before)  # what a collection that died has begun
    held = list(artifacts.held())
    names = named()  # after the list: what was kept and named since then isn't on it
    gone = [item for item in held if item.digest not in names and item.touched < before]
    gone = [item for item in gone if artifacts.touched(item.digest) < before]
    if not dry_run:
        gone = _remove(artifacts, gone, named, before)
    leftovers = artifacts.sweep(before, dry_run=dry_run)
    files, size = len(gone), sum(item.size for item in gone)
    return Collected(files, size, len(held) - files, sum(item.size for item in held) - size, leftovers)


def _remove(artifacts: ArtifactUpkeep, gone: list[Stored], named: Callable[[], set[str]], before: int) -> list[Stored]:
    removed = []
    for start in range(0, len(gone), _AT_ONCE):
        batch = gone[start : start + _AT_ONCE]
        for item in batch:
            artifacts.condemn(item.digest)
        removed += _settle(artifacts, batch, named, before)
    return removed


def _settle(artifacts: ArtifactUpkeep, condemned: list[Stored], named: Callable[[], set[str]], before: int) -> list[Stored]:
    """Remove what still nobody has named or handed in again, and restore the rest; returns what was removed."""
    names, removed = named(), []
    for item in condemned:
        if item.digest in names or artifacts.touched(item.digest) >= before:
            artifacts.restore(item.digest)
        else:
            artifacts.remove(item.digest)
            removed.append(item)
    return removed
