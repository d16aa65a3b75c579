"""Copies of an object store's files on this machine: DuckDB reads them several times and much faster than it reads a bucket."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.errors import IntegrityError
from headrace.ids import new_id

if TYPE_CHECKING:
    from obstore.store import ObjectStore

__all__ = ["FileCache"]

_AT_ONCE = 8  # downloads: one stream alone doesn't fill a network
_CHUNK = 8 << 20
_ENDS = b"PAR1"
_FREE = 0.1  # the share of the disk that the cache leaves free, if copies can go
_IN_USE = 3600.0  # seconds after its last fetch that a copy may still be read, and stays


@dataclass(frozen=True)
class FileCache:
    """A folder of copies; the least recently fetched go when the disk gets full. Processes may share it.

    Attributes:
        given: the folder; empty: `headrace/lake` in the folder for caches of whoever fetches. Another machine has that elsewhere.
    """

    given: str | Path = ""

    @property
    def folder(self) -> Path:
        """Where the copies are on this machine; made when first used."""
        if self.given:
            return Path(self.given)
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headrace" / "lake"

    def fetch(self, store: ObjectStore, files: Mapping[str, str]) -> Sequence[str]:
        """Copies of Parquet files.

        Args:
            files: URL to path in the store.

        Returns:
            The copies' paths, in the order of the files.

        Raises:
            IntegrityError: a file isn't whole.
            FileNotFoundError: there is no such file.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        copies = {name: self.folder / f"{hashlib.sha256(name.encode()).hexdigest()}.parquet" for name in files}
        missing = [name for name in files if not _touch(copies[name])]
        if missing:
            self._make_room()
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                list(pool.map(lambda name: _download(store, files[name], name, copies[name]), missing))
        return [str(copy) for copy in copies.values()]

    def _make_room(self) -> None:
        """Remove the copies that were fetched longest ago until enough of the disk is free."""
        disk = shutil.disk_usage(self.folder)
        short = int(disk.total * _FREE) - disk.free
        copies = sorted(self.folder.iterdir(), key=_age) if short > 0 else []
        for copy in copies:
            if short <= 0 or time.time() - _age(copy) < _IN_USE:
                return
            with suppress(OSError):
                short -= copy.stat().st_size
                copy.unlink()


def _touch(copy: Path) -> bool:
    """Whether there is a whole copy; it counts as used now."""
    try:
        if not _whole(copy):
            return False
        os.utime(copy)
    except OSError:
        return False
    return True


def _age(copy: Path) -> float:
    try:
        return copy.stat().st_mtime
    except OSError:
        return 0.0


def _download(store: ObjectStore, path: str, name: str, copy: Path) -> None:
    import obstore

    part = copy.with_name(f"{new_id()}.part")
    try:
        with part.open("wb") as file:
            for chunk in obstore.get(store, path).stream(min_chunk_size=_CHUNK):
                file.write(chunk)
        if not _whole(part):
            msg = f"the file {name} is damaged: it isn't a whole Parquet file. Restore it from a backup or an older version"
            raise IntegrityError(msg)
        part.replace(copy)
    finally:
        part.unlink(missing_ok=True)


def _whole(file: Path) -> bool:
    """Whether a file begins and ends as Parquet does."""
    with file.open("rb") as opened:
        first = opened.read(len(_ENDS))
        opened.seek(max(file.stat().st_size - len(_ENDS), 0))
        return first == opened.read() == _ENDS
