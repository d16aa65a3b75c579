"""Frames kept beside the tables: whole or not at all, and verified when read."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.errors import IntegrityError, NotFoundError
from headrace.lake.faults import reading, writing
from headrace.lake.parquet import sync, write_parquet

__all__ = ["KeptFrames"]

_CURRENT = "SHA256"


class KeptFrames:
    """A folder per name with the Parquet file, named by its SHA-256, and a file that says which hash is current."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, name: str, frame: pa.Table) -> None:
        """Keep a frame under a name, durable when this returns; an existing one is replaced in one step."""
        folder = self._folder(name)
        with writing(f"the frame {name!r} in {self._root}"):
            folder.mkdir(parents=True, exist_ok=True)
            staged = folder / "staged"
            write_parquet(staged, frame)
            digest = _sha256(staged)
            staged.replace(folder / f"{digest}.parquet")
            staged.write_text(digest)
            sync(staged, folder)
            staged.replace(folder / _CURRENT)
            sync(folder)
            for path in folder.glob("*.parquet"):
                if path.stem != digest:
                    path.unlink()

    def read(self, name: str) -> pa.Table:
        """A kept frame. Raises NotFoundError, and IntegrityError if its bytes have changed."""
        folder = self._folder(name)
        current = folder / _CURRENT
        if not current.exists():
            raise NotFoundError.of("frame", name, self._names())
        with reading(f"the frame {name!r} in {self._root}"):
            digest = current.read_text()
            path = folder / f"{digest}.parquet"
            if _sha256(path) != digest:
                msg = f"the frame {name!r} doesn't match its SHA-256: {path} has changed since; restore it from a backup"
                raise IntegrityError(msg)
            return pq.read_table(path, partitioning=None)

    def _folder(self, name: str) -> Path:
        return self._root / quote(name, safe="")

    def _names(self) -> list[str]:
        return [unquote(folder.name) for folder in self._root.iterdir() if folder.is_dir()] if self._root.is_dir() else []


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
