"""What one writer of a run has logged and isn't acknowledged yet, in a folder of segment files.

A segment is a row of frames: `<II` length and CRC-32, then an entry (number, kind, content) as msgpack. A frame that a crash
cut off ends its segment. A segment goes when all of it is acknowledged, the folder when the writer has ended and nothing is left.
While the disk takes nothing, frames wait in memory, and of the oldest points every second one goes when they become too many.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.tracking.journal import Entry

__all__ = ["Batch", "Spool", "held_spools", "server_of"]

SEGMENT_BYTES = 4 << 20
BATCH_BYTES = 1 << 20
MEMORY_BYTES = 16 << 20
_HEAD = struct.Struct("<II")
_ABOUT, _LOCK, _FILES = "about.json", "lock", "files"


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries that wait, oldest first; `place` is where what follows them begins."""

    entries: list[Entry]
    place: tuple[int, int]

    @property
    def last(self) -> int:
        """The number of the last one."""
        return self.entries[-1][0]


class Spool:
    """One writer's entries. Safe to use from several threads.

    Args:
        folder: where its segments are; None keeps everything in memory.
        run_id, writer: whose they are.
        server: the address that they go to; empty for the catalog of the project.

    Attributes:
        last: the number of the newest entry.
        settled: the number up to which all is acknowledged.
        thinned: how many points were given up because nothing took them.
        fault: why the disk takes nothing, if so.
    """

    def __init__(self, folder: Path | None, run_id: str, writer: str, server: str = "") -> None:
        self.folder = folder
        self.run_id, self.writer, self.server = run_id, writer, server
        self.last = self.settled = self.thinned = 0
        self.fault: OSError | None = None
        self._guard = threading.RLock()
        self._memory: list[tuple[int, str, bytes]] = []
        self._segments: list[int] = []
        self._place = (0, 0)
        self._handle = self._lock = -1
        self._size = 0
        if folder is not None:
            self._make(folder)

    @classmethod
    def left(cls, folder: Path) -> Spool | None:
        """What a writer that is gone has left; None if it is still there, or nothing can be read."""
        try:
            about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
            found = cls(None, str(about["run_id"]), str(about["writer"]), str(about["server"]))
            if not found._hold(folder):
                return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        found.folder = folder
        found._segments = sorted(int(file.stem) for file in folder.glob("*.seg"))
        found._place = (found._segments[0], 0) if found._segments else (0, 0)
        for entry in found._entries(found._place, 1 << 62):
            found.last = entry[0][0]
        found.settled = min(found.last, found._segments[0] - 1) if found._segments else found.last
        return found

    def add(self, kind: str, body: Any) -> int:
        """Keep an entry, on disk if it takes it; returns its number."""
        with self._guard:
            frame = _encode((self.last + 1, kind, body))
            self.last += 1
            self._memory.append((self.last, kind, frame))
            self._to_disk()
            if self.folder is None or self._memory:
                self._thin()
            return self.last

    def stage(self, digest: str, source: Path | bytes) -> None:
        """Keep a file's bytes until they are sent. Raises OSError."""
        target = self.staged(digest)
        if target is None:
            raise OSError(28, "there is no folder to keep files in until they can be sent")
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            made = target.with_suffix(f".{threading.get_ident()}")
            try:
                made.write_bytes(source) if isinstance(source, bytes) else shutil.copyfile(source, made)
                made.replace(target)
            finally:
                made.unlink(missing_ok=True)

    def staged(self, digest: str) -> Path | None:
        """Where the bytes of a file wait."""
        return None if self.folder is None else self.folder / _FILES / digest

    def batch(self) -> Batch | None:
        """The oldest entries that aren't acknowledged, about a megabyte; None if there are none."""
        with self._guard:
            entries: list[Entry] = []
            place = self._place
            for entry, after in self._entries(place, BATCH_BYTES):
                entries.append(entry)
                place = after
            if not entries and self._memory:
                entries = [_decode(frame[_HEAD.size :]) for _, _, frame in self._memory[:1000]]
            return Batch(entries, place) if entries else None

    def acknowledge(self, batch: Batch) -> None:
        """These are settled: forget them, and the files that came with them."""
        with self._guard:
            self.settled = max(self.settled, batch.last)
            self._place = batch.place
            self._memory = [item for item in self._memory if item[0] > self.settled]
            while len(self._segments) > 1 and self._segments[0] < self._place[0]:
                self._remove(self._segments.pop(0))
            for _, kind, body in batch.entries:
                if kind in ("files", "model"):
                    self._unstage(body if kind == "files" else body["files"])

    def drop(self) -> None:
        """Give up all that waits."""
        with self._guard:
            self.settled = self.last
            self._memory = []

    def close(self) -> None:
        """The writer has ended: remove the folder if nothing is left in it, else let somebody else send it."""
        with self._guard:
            if self.folder is not None and self.settled >= self.last:
                shutil.rmtree(self.folder, ignore_errors=True)
                with suppress(OSError):
                    self.folder.parent.rmdir()  # the run's, if this was its last writer
            self.abandon()

    def abandon(self) -> None:
        """Leave the files to a parent process, or to whoever syncs."""
        with self._guard:
            for handle in (self._handle, self._lock):
                if handle >= 0:
                    os.close(handle)
            self._handle = self._lock = -1
            self.folder, self._segments, self._memory = None, [], []

    def forked(self) -> None:
        """In a child process: the files are its parent's."""
        self._guard = threading.RLock()  # the parent's may have been held
        self.abandon()

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            about = {"run_id": self.run_id, "writer": self.writer, "server": self.server, "format": 1}
            self._hold(folder)
            (folder / _ABOUT).write_text(json.dumps(about), encoding="utf-8")
        except OSError as error:
            self.fault, self.folder = error, None

    def _hold(self, folder: Path) -> bool:
        """Say that somebody is at this folder, until this process ends."""
        self._lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = -1
            return False
        return True

    def _to_disk(self) -> None:
        """Write what waits in memory, in its order, as far as the disk takes it."""
        while self._memory and self.folder is not None:
            seq, _, frame = self._memory[0]
            try:
                if self._handle < 0 or self._size >= SEGMENT_BYTES:
                    self._begin(seq)
                _write(self._handle, frame, self._size)
            except OSError as error:
                self.fault = error
                return
            self._size += len(frame)
            self.fault = None
            self._memory.pop(0)

    def _begin(self, seq: int) -> None:
        handle = os.open(self._segment(seq), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if self._handle >= 0:
            os.close(self._handle)
        self._handle, self._size = handle, 0
        if not self._segments:
            self._place = (seq, 0)
        self._segments.append(seq)

    def _entries(self, place: tuple[int, int], most: int) -> Iterator[tuple[Entry, tuple[int, int]]]:
        """Entries on disk from a place on, each with the place after it."""
        start, offset = place
        for number in [segment for segment in self._segments if segment >= start]:
            if number != start:
                offset = 0
            try:
                with self._segment(number).open("rb") as file:
                    file.seek(offset)
                    data = file.read()
            except OSError as error:
                self.fault = error
                return
            for entry, size in _frames(data):
                offset += size
                most -= size
                if entry[0] > self.settled:
                    yield entry, (number, offset)
                if most <= 0:
                    return

    def _thin(self) -> None:
        """Of the older half of points that nothing takes, give up every second one, if they are too many."""
        if sum(len(frame) for _, _, frame in self._memory) <= MEMORY_BYTES:
            return
        kept: list[tuple[int, str, bytes]] = []
        half = len(self._memory) // 2
        for place, (seq, kind, frame) in enumerate(self._memory):
            if kind != "metrics" or place >= half:
                kept.append((seq, kind, frame))
                continue
            body = [_halved(series) for series in _decode(frame[_HEAD.size :])[2]]
            self.thinned += sum(lost for _, lost in body)
            kept.append((seq, kind, _encode((seq, kind, [series for series, _ in body if series[4]]))))
        self._memory = [item for item in kept if item[1] != "metrics" or _decode(item[2][_HEAD.size :])[2]]

    def _segment(self, number: int) -> Path:
        assert self.folder is not None  # noqa: S101 - only asked where there is one
        return self.folder / f"{number:016d}.seg"

    def _remove(self, number: int) -> None:
        with suppress(OSError):
            self._segment(number).unlink()

    def _unstage(self, files: Any) -> None:
        for file in files:
            path = self.staged(file["digest"])
            if path is not None:
                with suppress(OSError):
                    path.unlink()


def server_of(folder: Path) -> str:
    """The address that a writer logs for; empty for the project's own catalog, or if that can't be read."""
    try:
        return str(json.loads((folder / _ABOUT).read_text(encoding="utf-8"))["server"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def held_spools(root: Path) -> list[Path]:
    """The folders of all writers below a project's spool, by run, so by time. Another process may be removing some."""
    return [writer for run in _folders(root) for writer in _folders(run) if (writer / _ABOUT).exists()]


def _folders(folder: Path) -> list[Path]:
    with suppress(FileNotFoundError, NotADirectoryError):
        return sorted(item for item in folder.iterdir() if item.is_dir())
    return []


def _encode(entry: Entry) -> bytes:
    import msgspec

    data = msgspec.msgpack.encode(entry)
    return _HEAD.pack(len(data), zlib.crc32(data)) + data


def _decode(data: bytes | memoryview) -> Entry:
    import msgspec

    seq, kind, body = msgspec.msgpack.decode(data)
    return seq, kind, body


def _frames(data: bytes) -> Iterator[tuple[Entry, int]]:
    view, offset = memoryview(data), 0
    while offset + _HEAD.size <= len(data):
        length, crc = _HEAD.unpack_from(data, offset)
        body = view[offset + _HEAD.size : offset + _HEAD.size + length]
        if len(body) < length or zlib.crc32(body) != crc:
            return
        yield _decode(body), _HEAD.size + length
        offset += _HEAD.size + length


def _write(handle: int, data: bytes, offset: int) -> None:
    """Write all of it at a place; of what doesn't fit nothing stays."""
    done = 0
    try:
        while done < len(data):
            done += os.pwrite(handle, data[done:], offset + done)
    except OSError:
        with suppress(OSError):
            os.ftruncate(handle, offset)
        raise


def _halved(series: list[Any]) -> tuple[list[Any], int]:
    """Every second point of a series, and how many went; of one point, none stays."""
    key, model, name, digest, *columns = series
    count = len(columns[0]) // 8
    thin = [b"".join(column[8 * place : 8 * place + 8] for place in range(1, count, 2)) for column in columns]
    return [key, model, name, digest, *thin], count - count // 2
