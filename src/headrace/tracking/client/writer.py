"""One process's hand in one run: what it logged, on its way into the spool."""

from __future__ import annotations

import array
import hashlib
import os
import struct
import sys
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from headrace.artifacts.store import ArtifactStore
from headrace.errors import HeadraceError
from headrace.ids import new_id
from headrace.tracking.client.guard import Guard
from headrace.tracking.client.spool import Batch, Spool
from headrace.tracking.journal import Receipt
from headrace.tracking.run import ArtifactEntry

__all__ = ["MOST_POINTS", "NOWHERE", "POINT", "Carrier", "Origin", "RunWriter"]

MOST_POINTS = 500_000
"""Points that wait in memory, should the disk itself hang."""
PIECE, LARGE_PIECE = 4096, 32_768
"""Points made into one entry: few enough that the interpreter's lock is free again soon, more when many wait."""

Origin = tuple[str, str, str]
"""Model, name and digest of the data that a metric was measured on."""
NOWHERE: Origin = ("", "", "")
POINT = struct.Struct("=qqqd")
"""A point in memory: series, time, step, value. Bytes, because the garbage collector doesn't look at them: hundreds of thousands
of tuples would make each of its rounds a pause of the loop."""


class Carrier(Protocol):
    """What takes the spools of writers along: `Delivery`.

    Attributes:
        folder: where spools are; None keeps everything in memory.
        server: the address that they go to; empty for the catalog here.
        stages: whether files wait in the spool too.
    """

    artifacts: ArtifactStore
    folder: Path | None
    server: str
    stages: bool
    offline: bool
    failing: HeadraceError | None

    def run(self) -> None:
        """See to it that what is in the spool gets sent."""
        ...

    def wait(self, writer: RunWriter, seq: int, seconds: float, *, patient: bool) -> bool:
        """Wait until everything up to an entry is settled."""
        ...

    def close(self, writer: RunWriter) -> None:
        """The writer has ended."""
        ...


class RunWriter:
    """This process's hand in one run.

    Attributes:
        points: what was logged and isn't in the spool yet, packed; appending to it is all that logging a number does.
        given_up: how many points weren't kept because too many waited in memory.
        refused: what the server refused, newest last.
    """

    def __init__(self, delivery: Carrier, run_id: str, guard: Guard, *, owner: bool) -> None:
        self.delivery = delivery
        self.run_id = run_id
        self.guard = guard
        self.owner = owner
        self.closed = False
        self._series: list[tuple[str, Origin]] = []
        self._numbers: dict[tuple[str, Origin], int] = {}
        self.begin()

    def begin(self) -> None:
        """Begin as a writer of its own: at the start, and in a process that was forked off."""
        self.points: deque[bytes] = deque()
        self.given_up = 0
        self.again = 0.0
        self.absent_since = 0.0
        self.refused: list[HeadraceError] = []
        self.beat = 0.0
        self.spool: Spool | None = None
        self.told = 0
        self._lock = threading.RLock()
        self.name = _writer_name()

    def series(self, key: str, origin: Origin) -> int:
        """The number by which points name a metric and what it was measured on."""
        number = self._numbers.get((key, origin))
        if number is None:
            with self._lock:
                number = self._numbers.setdefault((key, origin), len(self._series))
                if number == len(self._series):
                    self._series.append((key, origin))
        return number

    def put(self, kind: str, body: Any) -> int:
        """Keep an entry; returns its number."""
        with self._lock:
            number = self._opened().add(kind, body)
            self._look()
        self.delivery.run()
        return number

    def put_files(self, files: Mapping[str, bytes | Path]) -> list[ArtifactEntry]:
        """Keep files under their paths. Raises StorageError, OSError."""
        entries = self.keep_bytes(files)
        if entries:
            self.put("files", [asdict(entry) for entry in entries])
        return entries

    def keep_bytes(self, files: Mapping[str, bytes | Path]) -> list[ArtifactEntry]:
        """Keep the bytes of files, here until they can be sent or where they belong. Raises StorageError, OSError."""
        artifacts, entries = self.delivery.artifacts, []
        for path, source in files.items():
            size = len(source) if isinstance(source, bytes) else source.stat().st_size
            if self.delivery.stages:
                digest = _digest(source)
                with self._lock:
                    self._opened().stage(digest, source)
            else:
                digest = artifacts.put_bytes(source) if isinstance(source, bytes) else artifacts.put_file(source)
            entries.append(ArtifactEntry(path, digest, size))
        return entries

    def spill(self) -> None:
        """Move what was logged from memory to the spool."""
        if not self.points:
            return
        with self._lock:
            spool = self._opened()
            spool.thinned, self.given_up = spool.thinned + self.given_up, 0
            left = len(self.points)
            while left > 0:
                most = LARGE_PIECE if left > LARGE_PIECE else PIECE
                taken = [self.points.popleft() for _ in range(min(left, most))]
                left -= len(taken)
                spool.add("metrics", self._columns(taken))
            self._look()

    def flush(self, seconds: float, *, patient: bool = False) -> bool:
        """Send all that was logged, and wait for it; whether it is settled.

        Args:
            patient: go on waiting while attempts fail.
        """
        self.spill()
        spool = self.spool
        return spool is None or self.delivery.wait(self, spool.last, seconds, patient=patient)

    def drain(self, seconds: float) -> None:
        """Send what was logged, in a moment or never. Only the run itself is waited for, if its start is still on the way."""
        if not self.flush(seconds) and self.absent_since:
            self.flush(seconds, patient=True)

    def overflow(self) -> None:
        """Give up every second of the oldest points: neither the disk nor the server takes them, and memory is bounded. Waits for
        nobody, as the disk may hang with whoever holds the lock."""
        old: list[bytes] = []
        with suppress(IndexError):  # the disk has come back at this moment
            old.extend(self.points.popleft() for _ in range(len(self.points) // 2))
        self.points.extendleft(reversed(old[1::2]))
        self.given_up += len(old) - len(old) // 2

    def settle(self, batch: Batch, receipt: Receipt) -> None:
        """Take in what became of a batch."""
        for _, error in receipt.refused:
            self.refused.append(error)
            self.guard.later(f"refused: {type(error).__name__}", f"something couldn't be logged: {error}")
        if self.spool is not None:
            self.spool.acknowledge(batch)

    def _opened(self) -> Spool:
        if self.spool is None:
            folder = self.delivery.folder
            place = None if folder is None else folder / self.run_id / self.name
            self.spool = Spool(place, self.run_id, self.name, self.delivery.server)
            if folder is not None and self.spool.fault is not None:
                self.guard.later("the spool", f"{place} can't be used ({self.spool.fault}); what can't be sent waits in memory")
        return self.spool

    def _look(self) -> None:
        """Say what went wrong with the disk."""
        spool = self._opened()
        if spool.fault is not None and spool.folder is not None:
            self.guard.later("the disk", f"the spool of run {self.run_id} can't be written ({spool.fault}); free some space")
        if spool.thinned > self.told:
            self.told = spool.thinned
            self.guard.later("thinned", f"{spool.thinned} points of run {self.run_id} were given up: nothing took them")
            spool.add("tags", {"headrace.thinned_points": str(spool.thinned)})

    def _columns(self, points: list[bytes]) -> list[list[Any]]:
        """The points by series, each with columns of times, steps and values."""
        groups: dict[bytes, list[bytes]] = {}
        for point in points:
            groups.setdefault(point[:8], []).append(point)
        found = []
        for number, group in groups.items():
            key, origin = self._series[int.from_bytes(number, sys.byteorder)]
            fields = array.array("q", b"".join(group))
            if sys.byteorder == "big":
                fields.byteswap()
            found.append([key, *origin, *(fields[place::4].tobytes() for place in (1, 2, 3))])
        return found


def _digest(source: bytes | Path) -> str:
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _writer_name() -> str:
    rank = os.environ.get("RANK", "")
    return f"{f'rank{rank}-' if rank.isdecimal() and len(rank) < 8 else ''}{new_id()}"
