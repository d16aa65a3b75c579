"""Frames kept beside the tables: whole or not at all, and verified when read."""

from __future__ import annotations

import hashlib
import time
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.errors import IntegrityError, NotFoundError
from headrace.lake.faults import reading, writing
from headrace.lake.parquet import write_parquet
from headrace.lake.place import Place

__all__ = ["KeptFrames"]

_CURRENT = "SHA256"
_SPARED = 3600.0
"""Seconds that bytes which aren't current are kept: somebody may be about to read them, or to make them current."""


class KeptFrames:
    """A folder per name with the Parquet file, named by its SHA-256, and a file that says which hash is current."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def write(self, name: str, frame: pa.Table) -> None:
        """Keep a frame under a name, durable when this returns; an existing one is replaced in one step."""
        place = self._folder(name)
        with writing(f"the frame {name!r} in {self._place.url}"), place.staging() as staging:
            staged = staging / "frame"
            write_parquet(staged, frame)
            with staged.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            place.publish(staged, f"{digest}.parquet")
            pointer = staging / _CURRENT
            pointer.write_text(digest)
            place.publish(pointer, _CURRENT)
            before = (time.time() - _SPARED) * 1_000_000
            old = [found.path for found in place.list() if found.path.endswith(".parquet") and found.modified < before]
            place.delete([path for path in old if digest not in path])

    def read(self, name: str) -> pa.Table:
        """A kept frame. Raises NotFoundError, and IntegrityError if its bytes have changed."""
        place = self._folder(name)
        with reading(f"the frame {name!r} in {self._place.url}"):
            try:
                digest = place.get(_CURRENT).to_pybytes().decode()
            except FileNotFoundError:
                raise NotFoundError.of("frame", name, self._names()) from None
            data = place.get(f"{digest}.parquet")
            if hashlib.sha256(data).hexdigest() != digest:
                path = place.names([f"{digest}.parquet"])[0]
                msg = f"the frame {name!r} doesn't match its SHA-256: {path} has changed since; restore it from a backup"
                raise IntegrityError(msg)
            return pq.read_table(pa.BufferReader(data), partitioning=None)

    def _folder(self, name: str) -> Place:
        return self._place.under(quote(name, safe=""))

    def _names(self) -> set[str]:
        return {unquote(found.path.partition("/")[0]) for found in self._place.list()}
