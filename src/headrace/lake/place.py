"""Where a lake keeps its files: the contract of a folder and of a bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

__all__ = ["Fetch", "Place", "Stored"]

Fetch = Callable[[Sequence[str]], Sequence[str]]
"""Gives paths on the machine that calls it which hold the files of these names, fetched if need be. It can be pickled."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A file: its path below the place, its size in bytes, and when it was written, in microseconds since 1970 UTC."""

    path: str
    size: int
    modified: int


class Place(Protocol):
    """A folder, or a prefix of a bucket, with files under relative paths. Its methods raise what `faults` tells."""

    @property
    def url(self) -> str:
        """What `deltalake` opens, and what errors call it."""
        ...

    @property
    def options(self) -> dict[str, str] | None:
        """How `deltalake` opens it."""
        ...

    def under(self, name: str) -> Place:
        """The place of this name below this one."""
        ...

    def names(self, paths: Iterable[str]) -> list[str]:
        """The files' absolute paths or URLs."""
        ...

    def fetch(self, names: Sequence[str]) -> Sequence[str]:
        """Paths on this machine that hold the files of these names."""
        ...

    def staging(self) -> AbstractContextManager[Path]:
        """A folder on this machine for files to publish; it goes at the end."""
        ...

    def publish(self, file: Path, path: str) -> int:
        """Let a staged file appear under its path, whole or not at all, durable when this returns. Returns its size in bytes."""
        ...

    def get(self, path: str) -> pa.Buffer:
        """The bytes of a file. Raises FileNotFoundError."""
        ...

    def list(self, path: str = "") -> Iterator[Stored]:
        """The files below a path, in any order."""
        ...

    def folders(self) -> Sequence[str]:
        """The names right below that have files below them."""
        ...

    def delete(self, paths: Sequence[str]) -> None:
        """Remove files; those that are gone already are fine."""
        ...

    def flush(self, path: str, names: Sequence[str]) -> None:
        """Make files of the folder at a path durable that `deltalake` has written."""
        ...
