"""The embedded event log: a folder per topic, one partition, segment files that any number of processes append to."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa

from headrace.errors import InvalidInputError, NotFoundError, StorageError
from headrace.events.log import LogBatch
from headrace.events.segment import (
    RESERVED,
    ROWS,
    Frame,
    Scan,
    encode_frame,
    frames,
    salvage,
    scan_segment,
    segment_first,
    segment_name,
)

__all__ = ["EmbeddedEventLog"]

PARTITION = 0
SEGMENT_SIZE = 64 << 20
LOCK_FILE = "lock"
LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class _Tail:
    """What is known of a topic's newest segment: nothing is written anywhere else. A repair gives it a new `inode`."""

    first: int
    inode: int
    scan: Scan

    @property
    def end(self) -> int:
        """The highest offset given out."""
        return self.first - 1 if self.scan.last is None else self.scan.last


class EmbeddedEventLog:
    """The EventLog of one folder. Each topic has one partition, 0.

    Args:
        folder: made at the first append.
        fsync: whether an append is on disk when it returns; else the operating system decides when.
        segment_size: bytes after which a new segment file begins.

    Raises:
        StorageError: the disk is full, or the folder can't be read or written; nothing was appended.
        IntegrityError: a segment is damaged other than by an append that was cut off. Any call may raise either.
    """

    guarded = True

    def __init__(self, folder: Path, fsync: bool = True, segment_size: int = SEGMENT_SIZE) -> None:
        self._folder = folder
        self._fsync = fsync
        self._segment_size = segment_size
        self._tails: dict[str, _Tail] = {}

    def partitions(self, topic: str) -> tuple[int, ...]:  # noqa: ARG002 - all topics have one
        """The partitions of a topic: (0,)."""
        return (PARTITION,)

    def append(self, topic: str, rows: pa.Table) -> list[LogBatch]:
        """Append rows in one frame, all or nothing, and return where they are."""
        if not rows.num_rows:
            return []
        first = self._write(topic, ROWS, rows.num_rows, _encode(rows))
        return [LogBatch(PARTITION, first, rows, first + rows.num_rows - 1)]

    def reserve(self, topic: str, count: int) -> int:
        """Take `count` offsets out of the order without rows; returns the first."""
        if count < 0:
            msg = f"can't reserve {count} offsets of topic {topic!r}; give a number >= 0"
            raise InvalidInputError(msg)
        return self._write(topic, RESERVED, count, b"") if count else self.end(topic, PARTITION) + 1

    def skip(self, topic: str, partition: int, through: int) -> None:
        """Begin a segment after an offset, if none is there that ends so far."""
        if self.end(topic, partition) >= through:
            return
        folder = self._made_folder(topic)
        with self._locked(topic):
            tail = self._tail(topic)
            if tail is None or tail.end < through:
                self._begin_segment(folder, through + 1)
                self._sync_folder(folder)

    def read(self, topic: str, partition: int, after: int) -> Iterator[LogBatch]:
        """The rows with offset > `after` that were there when the first is asked for and are still kept, in order."""
        _check_partition(topic, partition)
        folder = self._topic_folder(topic)
        if not folder.is_dir():
            return
        with self._locked(topic):
            tail = self._tail(topic)
            files = _segments(folder)
        for place, first in enumerate(files):
            if place + 1 < len(files) and files[place + 1] <= after + 1:
                continue
            file = folder / segment_name(first)
            try:
                size = tail.scan.size if tail is not None and first == tail.first else file.stat().st_size
                yield from _batches(file, size, after)
            except FileNotFoundError:
                continue  # truncated meanwhile, so the lake holds it

    def end(self, topic: str, partition: int) -> int:
        """The highest offset given out so far; -1 if none."""
        _check_partition(topic, partition)
        if not self._topic_folder(topic).is_dir():
            return -1
        with self._locked(topic):
            tail = self._tail(topic)
            return -1 if tail is None else tail.end

    def start(self, topic: str, partition: int) -> int:
        """The lowest offset that `read` still answers for; 0 at first."""
        _check_partition(topic, partition)
        folder = self._topic_folder(topic)
        return min(_segments(folder), default=0) if folder.is_dir() else 0

    def truncate(self, topic: str, partition: int, through: int) -> None:
        """Drop whole segments whose offsets are all <= `through`. The newest always stays: it remembers the end."""
        _check_partition(topic, partition)
        folder = self._topic_folder(topic)
        if not folder.is_dir():
            return
        with self._locked(topic):
            files = _segments(folder)
            for first, following in pairwise(files):
                if following - 1 > through:
                    break
                (folder / segment_name(first)).unlink(missing_ok=True)

    def repair(self, topic: str) -> list[tuple[int, int]]:
        """Rewrite damaged segments with the whole frames they hold; returns the (first, last) offsets that were lost.

        A damaged file is kept beside the new one, with `.damaged` added to its name.
        """
        folder = self._topic_folder(topic)
        if not folder.is_dir():
            return []
        lost: list[tuple[int, int]] = []
        with self._locked(topic):
            self._tails.pop(topic, None)
            files = _segments(folder)
            for first, following in zip(files, [*files[1:], None], strict=True):
                file = folder / segment_name(first)
                whole = salvage(file)
                if sum(len(encode_frame(frame, 0)) for frame in whole) == file.stat().st_size:
                    continue
                self._replace(file, whole)
                lost += _gaps(whole, first, following)
        return lost

    def _write(self, topic: str, kind: int, count: int, payload: bytes) -> int:
        folder = self._made_folder(topic)
        with self._locked(topic):
            tail = self._tail(topic)
            if tail is None or tail.scan.size >= self._segment_size:
                tail = self._begin_segment(folder, 0 if tail is None else tail.end + 1)
            if not tail.scan.size:  # whoever began it may have been killed before its name was durable
                self._sync_folder(folder)
            first = tail.end + 1
            data = encode_frame(Frame(kind, first, count, payload), tail.scan.size)
            self._tails.pop(topic, None)
            self._append_bytes(folder / segment_name(tail.first), tail.scan.size, data)
            self._tails[topic] = _Tail(tail.first, tail.inode, Scan(tail.scan.size + len(data), first + count - 1))
            return first

    def _append_bytes(self, file: Path, place: int, data: bytes) -> None:
        handle = os.open(file, os.O_WRONLY)
        try:
            try:
                written = 0
                while written < len(data):
                    written += os.pwrite(handle, memoryview(data)[written:], place + written)
                if self._fsync:
                    os.fsync(handle)
            except BaseException:
                os.ftruncate(handle, place)
                raise
        finally:
            os.close(handle)

    def _begin_segment(self, folder: Path, first: int) -> _Tail:
        file = folder / segment_name(first)
        file.touch(exist_ok=True)
        return _Tail(first, file.stat().st_ino, Scan(0, None))

    def _tail(self, topic: str) -> _Tail | None:
        """The topic's tail as it is on disk; call it under the lock. What an append left torn is cut off."""
        folder = self._topic_folder(topic)
        files = _segments(folder)
        if not files:
            return None
        file = folder / segment_name(files[-1])
        status = file.stat()
        known = self._tails.get(topic)
        if known is None or (known.first, known.inode) != (files[-1], status.st_ino) or status.st_size < known.scan.size:
            known = _Tail(files[-1], status.st_ino, Scan(0, None))
        if status.st_size != known.scan.size:
            known = _Tail(known.first, known.inode, scan_segment(file, known.scan))
            self._settle(file, known.scan.size)
        self._tails[topic] = known
        return known

    def _settle(self, file: Path, size: int) -> None:
        """Make durable what another process wrote, which may have been killed before it could, without its torn end."""
        handle = os.open(file, os.O_WRONLY)
        try:
            if os.fstat(handle).st_size > size:
                os.ftruncate(handle, size)
            if self._fsync:
                os.fsync(handle)
        finally:
            os.close(handle)

    def _replace(self, file: Path, whole: list[Frame]) -> None:
        fresh = file.with_name(file.name + ".new")
        with fresh.open("wb") as stream:
            for frame in whole:
                stream.write(encode_frame(frame, stream.tell()))
            stream.flush()
            os.fsync(stream.fileno())
        os.link(file, _unused(file.with_name(file.name + ".damaged")))
        fresh.replace(file)
        self._sync_folder(file.parent)

    def _made_folder(self, topic: str) -> Path:
        """The topic's folder, durable if it had to be made."""
        folder = self._topic_folder(topic)
        with _explained(folder):
            if not folder.is_dir():
                missing = [made for made in (folder, *folder.parents) if not made.exists()]
                folder.mkdir(parents=True, exist_ok=True)
                for made in missing:
                    self._sync_folder(made.parent)
        return folder

    def _sync_folder(self, folder: Path) -> None:
        if self._fsync:
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def _topic_folder(self, topic: str) -> Path:
        name = quote(topic, safe="").replace(".", "%2E").replace("~", "%7E")
        if len(name) > LONGEST_NAME:
            name = f"{name[: LONGEST_NAME - 70]}~{hashlib.sha256(topic.encode()).hexdigest()}"
        return self._folder / f"topic-{name}"

    @contextmanager
    def _locked(self, topic: str) -> Iterator[None]:
        """Hold the topic against all other threads and processes."""
        folder = self._topic_folder(topic)
        with _explained(folder):
            # Opened anew each time: a lock belongs to the open file, so threads and forked children exclude each other.
            handle = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                yield
            finally:
                os.close(handle)


def _segments(folder: Path) -> list[int]:
    return sorted(first for path in folder.iterdir() if (first := segment_first(path.name)) is not None)


def _batches(file: Path, size: int, after: int) -> Iterator[LogBatch]:
    for frame in frames(file, size, after):
        if frame.kind == ROWS:
            rows = pa.ipc.open_stream(frame.payload).read_all()
            skipped = max(after + 1 - frame.first, 0)
            yield LogBatch(PARTITION, frame.first + skipped, rows.slice(skipped), frame.last)


def _encode(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows.combine_chunks())
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded


def _gaps(whole: list[Frame], first: int, following: int | None) -> list[tuple[int, int]]:
    """The offsets from `first` to before `following` (None: to the end of the frames) that no frame holds."""
    gaps, expected = [], first
    for frame in whole:
        if frame.first > expected:
            gaps.append((expected, frame.first - 1))
        expected = frame.last + 1
    if following is not None and following > expected:
        gaps.append((expected, following - 1))
    return gaps


def _unused(path: Path) -> Path:
    number, candidate = 1, path
    while candidate.exists():
        number, candidate = number + 1, path.with_name(f"{path.name}.{number}")
    return candidate


def _check_partition(topic: str, partition: int) -> None:
    if partition != PARTITION:
        kind = f"partition of topic {topic!r}"
        raise NotFoundError.of(kind, str(partition), [str(PARTITION)])


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            msg = f"no space left for the event log in {folder}; nothing was appended: free some space and repeat the call"
        else:
            msg = f"can't use the event log in {folder}: {error.strerror}; nothing was appended: check that it may be written"
        raise StorageError(msg) from error
