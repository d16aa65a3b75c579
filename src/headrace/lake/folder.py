"""A lake's files in a folder of this machine, synced when they are written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa

from headrace.lake.place import Stored

__all__ = ["Folder"]


class Folder:
    """A folder; made when something is first published.

    Attributes:
        root: its path.
    """

    options = None

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = str(root)

    def under(self, name: str) -> Folder:
        """The folder of this name in this one."""
        return Folder(self.root / name)

    def names(self, paths: Iterable[str]) -> list[str]:
        """The files' absolute paths."""
        return [str(self.root / path) for path in paths]

    def fetch(self, names: Sequence[str]) -> Sequence[str]:
        """The names themselves: the files are here."""
        return names

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder beside the files, so that publishing one is a rename."""
        self.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".staging-", dir=self.root) as folder:
            yield Path(folder)

    def publish(self, file: Path, path: str) -> int:
        """Let a staged file appear under its path, whole or not at all, durable when this returns. Returns its size in bytes."""
        target = self.root / path
        missing = [folder for folder in target.parents if not folder.exists()]
        target.parent.mkdir(parents=True, exist_ok=True)
        _sync(file)
        size = file.stat().st_size
        file.replace(target)
        _sync(target.parent, *(folder.parent for folder in missing))
        return size

    def get(self, path: str) -> pa.Buffer:
        """The bytes of a file. Raises FileNotFoundError."""
        with pa.memory_map(str(self.root / path)) as file:
            return file.read_buffer()

    def list(self, path: str = "") -> Iterator[Stored]:
        """The files below a path, in any order."""
        for folder, _, files in os.walk(self.root / path):
            for name in files:
                file = Path(folder, name)
                with suppress(FileNotFoundError):  # removed meanwhile
                    found = file.stat()
                    yield Stored(file.relative_to(self.root).as_posix(), found.st_size, found.st_mtime_ns // 1000)

    def folders(self) -> Sequence[str]:
        """The folders right below."""
        return [entry.name for entry in os.scandir(self.root) if entry.is_dir()] if self.root.is_dir() else []

    def delete(self, paths: Sequence[str]) -> None:
        """Remove files; those that are gone already are fine, and folders go with their last file."""
        for path in paths:
            (self.root / path).unlink(missing_ok=True)
        for folder in {(self.root / path).parent for path in paths} - {self.root}:
            with suppress(OSError):  # it holds other files
                folder.rmdir()

    def flush(self, path: str, names: Sequence[str]) -> None:
        """Make files of the folder at a path durable that `deltalake` has written: it leaves them to the operating system."""
        folder = self.root / path
        _sync(*(folder / name for name in names), folder)


def _sync(*paths: Path) -> None:
    """Make files durable, and the names in folders."""
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
