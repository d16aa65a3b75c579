"""What can go wrong with files, on a disk and in an object store, told as our errors with advice."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from deltalake.exceptions import DeltaError
from obstore.exceptions import BaseError

from headrace.buckets.refusals import refusal
from headrace.errors import IntegrityError, StorageError

__all__ = ["reading", "writing"]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_NUMBER = re.compile(r"\(os error (\d+)\)|\bcode: (\d+)")  # how deltalake's texts tell the operating system's error


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Raise a StorageError that says what to do if the block can't write."""
    try:
        yield
    except (OSError, DeltaError, BaseError) as error:
        remote = refusal(error)
        msg = f"{what} can't be written: {remote or f'{_first_line(error)}. {_advice(error)}'}"
        raise StorageError(msg) from error


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Raise an IntegrityError if what the block reads is missing or damaged, a StorageError if it may not be read."""
    try:
        yield
    except (OSError, pa.ArrowException, DeltaError, BaseError, ValueError) as error:
        remote = refusal(error)
        if _number(error) in _FULL:
            msg = (
                f"{what} can't be read: {_first_line(error)}. Free some space where copies are kept (XDG_CACHE_HOME), and repeat"
            )
            raise StorageError(msg) from error
        if remote or _number(error) in _REFUSED:
            msg = f"{what} can't be read: {remote or f'{_first_line(error)}. Give this user permission to read it'}"
            raise StorageError(msg) from error
        msg = f"{what} is damaged or incomplete: {_first_line(error)}. Restore it from a backup"
        raise IntegrityError(msg) from error


def _number(error: Exception) -> int | None:
    """The operating system's number of the error."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = _NUMBER.search(str(error))
    return None if found is None else int(found[1] or found[2])


def _advice(error: Exception) -> str:
    number = _number(error)
    if number in _FULL:
        return "The disk or the quota is full: free some space and repeat; nothing was changed"
    if number in _REFUSED:
        return "The folder is read-only for this user: change its permissions or the setting 'lake'; nothing was changed"
    return "Check the folder and the disk, then repeat"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
