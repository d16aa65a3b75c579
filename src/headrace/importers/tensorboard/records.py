"""Records of an event file: a length, its checksum, the bytes, theirs. Little-endian, checksums CRC-32C, masked."""

from __future__ import annotations

import importlib
import struct
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

from headrace.errors import IntegrityError, MissingExtraError

__all__ = ["read_record", "records"]

_HEAD = struct.Struct("<QI")
_TAIL = struct.Struct("<I")
_LARGEST = 1 << 31


def records(path: Path) -> Iterator[tuple[int, bytes]]:
    """The records of a file with the place of each. A last one that isn't whole ends them: its writer may be at work still.

    Raises:
        IntegrityError: a record doesn't match its checksum; those before it were given out.
    """
    with path.open("rb") as file:
        while True:
            place = file.tell()
            data = _next(file, path, place)
            if data is None:
                return
            yield place, data


def read_record(path: Path, place: int) -> bytes:
    """The record at a place. Raises IntegrityError."""
    with path.open("rb") as file:
        file.seek(place)
        data = _next(file, path, place)
    if data is None:
        msg = f"{path} has become shorter: there is no whole record at byte {place} any more"
        raise IntegrityError(msg)
    return data


def _next(file: BinaryIO, path: Path, place: int) -> bytes | None:
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    length, check = _HEAD.unpack(head)
    if _masked(head[:8]) != check or length > _LARGEST:
        raise _damaged(path, place)
    data, tail = file.read(length), file.read(_TAIL.size)
    if len(data) < length or len(tail) < _TAIL.size:
        return None
    if _masked(data) != _TAIL.unpack(tail)[0]:
        raise _damaged(path, place)
    return data


def _damaged(path: Path, place: int) -> IntegrityError:
    return IntegrityError(f"{path} is damaged at byte {place}: a record doesn't match its checksum; what is before it is carried")


def _masked(data: bytes) -> int:
    crc: int = _crc32c().value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _crc32c() -> ModuleType:
    try:
        return importlib.import_module("google_crc32c")
    except ModuleNotFoundError as error:
        raise MissingExtraError.of("google-crc32c", "tensorboard") from error
