"""Segment files: frames one after the other, each under a checksum. What is a torn tail, and what is damage.

A frame is a header (magic, kind, first offset, count, payload length, checksum) and a payload. The checksum is CRC-32 over
the header, the frame's place in the file and the payload, so a frame inside another's payload is never taken for one.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headrace.errors import IntegrityError

__all__ = [
    "RESERVED",
    "ROWS",
    "Frame",
    "Scan",
    "encode_frame",
    "frames",
    "salvage",
    "scan_segment",
    "segment_first",
    "segment_name",
]

MAGIC = b"HRF1"
ROWS, RESERVED = 1, 2
_HEADER = struct.Struct("<4sBqqqI")  # magic, kind, first offset, count, payload length, checksum
_CHECKED = struct.Struct("<4sBqqqq")  # the same without the checksum, then the place
SUFFIX = ".segment"


@dataclass(frozen=True, slots=True)
class Frame:
    """One append: `count` offsets from `first` on; the payload is empty for reserved ones and for rows that were passed over."""

    kind: int
    first: int
    count: int
    payload: bytes

    @property
    def last(self) -> int:
        """Its last offset."""
        return self.first + self.count - 1


@dataclass(frozen=True, slots=True)
class Scan:
    """What a segment holds: `size` bytes of whole frames, whose last offset is `last` (None if it has none)."""

    size: int
    last: int | None


def encode_frame(frame: Frame, place: int) -> bytes:
    """The frame's bytes, to be written at `place` in the file."""
    fields = (MAGIC, frame.kind, frame.first, frame.count, len(frame.payload))
    return _HEADER.pack(*fields, _checksum(_CHECKED.pack(*fields, place), frame.payload)) + frame.payload


def frames(file: Path, size: int, after: int) -> Iterator[Frame]:
    """The frames in the first `size` bytes that hold an offset > `after`.

    Raises:
        IntegrityError: one of them is damaged.
    """
    place = 0
    with file.open("rb") as stream:
        while place < size:
            header = stream.read(_HEADER.size)
            length = _payload_length(header)
            if length is None or place + _HEADER.size + length > size:
                raise damaged(file, place)
            _, kind, first, count, _, checksum = _HEADER.unpack(header)
            if first + count - 1 <= after:
                stream.seek(length, os.SEEK_CUR)
            else:
                payload = stream.read(length)
                if _checksum(_CHECKED.pack(MAGIC, kind, first, count, length, place), payload) != checksum:
                    raise damaged(file, place)
                yield Frame(kind, first, count, payload)
            place += _HEADER.size + length


def scan_segment(file: Path, known: Scan) -> Scan:
    """What the segment holds, `known` of it being checked before. What follows the last whole frame is a torn append.

    Raises:
        IntegrityError: whole frames follow after bytes that are none, so something damaged what had been written.
    """
    with file.open("rb") as stream:
        stream.seek(known.size)
        content = stream.read()
    place, last = 0, known.last
    while (found := _frame_at(content, place, known.size)) is not None:
        place, last = place + _HEADER.size + len(found.payload), found.last
    if place < len(content) and next(_frames_anywhere(content, place + 1, known.size), None) is not None:
        raise damaged(file, known.size + place)
    return Scan(known.size + place, last)


def salvage(file: Path) -> list[Frame]:
    """Every whole frame of a segment, damaged or not."""
    return [frame for _, frame in _frames_anywhere(file.read_bytes(), 0, 0)]


def segment_name(first: int) -> str:
    """The file name of the segment that begins with this offset: names sort as offsets do."""
    return f"{first:020d}{SUFFIX}"


def segment_first(name: str) -> int | None:
    """The first offset of the segment of this file name; None if it isn't one."""
    stem = name.removesuffix(SUFFIX)
    return int(stem) if stem != name and len(stem) == 20 and stem.isascii() and stem.isdigit() else None


def damaged(file: Path, place: int) -> IntegrityError:
    """The error for a damaged frame."""
    return IntegrityError(
        f"{file} is damaged at byte {place}: the frame there doesn't match its checksum. Restore the file from a copy, or run "
        f"`headrace doctor --repair`, which keeps every whole frame, sets the damaged file aside and names the lost offsets"
    )


def _frames_anywhere(content: bytes, place: int, origin: int) -> Iterator[tuple[int, Frame]]:
    while (place := content.find(MAGIC, place)) >= 0:
        found = _frame_at(content, place, origin)
        if found is None:
            place += 1
        else:
            yield place, found
            place += _HEADER.size + len(found.payload)


def _frame_at(content: bytes, place: int, origin: int) -> Frame | None:
    header = content[place : place + _HEADER.size]
    length = _payload_length(header)
    if length is None or place + _HEADER.size + length > len(content):
        return None
    _, kind, first, count, _, checksum = _HEADER.unpack(header)
    payload = content[place + _HEADER.size : place + _HEADER.size + length]
    if _checksum(_CHECKED.pack(MAGIC, kind, first, count, length, origin + place), payload) != checksum:
        return None
    return Frame(kind, first, count, payload)


def _payload_length(header: bytes) -> int | None:
    if len(header) < _HEADER.size or not header.startswith(MAGIC):
        return None
    length: int = _HEADER.unpack(header)[4]
    return length if length >= 0 else None


def _checksum(head: bytes, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(head))
