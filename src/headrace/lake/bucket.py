"""A lake's files in an object store, copies of them kept on this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, unquote

import pyarrow as pa

from headrace.buckets.connection import Connection
from headrace.lake.cache import FileCache
from headrace.lake.faults import reading
from headrace.lake.place import Stored

__all__ = ["Bucket"]


@dataclass(frozen=True)
class Bucket:
    """A prefix of a bucket. It can be pickled.

    Attributes:
        connection: to the prefix.
        cache: what fetched files are kept in.
    """

    connection: Connection
    cache: FileCache

    @property
    def url(self) -> str:
        """What `deltalake` opens: without the query."""
        return self.connection.url

    @property
    def options(self) -> dict[str, str]:
        """The settings as `deltalake` names them."""
        return self.connection.options

    def under(self, name: str) -> Bucket:
        """The prefix of this name below this one."""
        return replace(self, connection=self.connection.under(name))

    def names(self, paths: Iterable[str]) -> list[str]:
        """The files' URLs."""
        return [f"{self.url}/{quote(path, safe='/=')}" for path in paths]

    def fetch(self, names: Sequence[str]) -> Sequence[str]:
        """Paths of copies in the cache. Files never change, so a copy is as good as the file."""
        start = len(self.names([""])[0])
        with reading(f"the lake at {self.url}"):
            return self.cache.fetch(self.connection.store, {name: unquote(name[start:]) for name in names})

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A temporary folder of this machine."""
        with tempfile.TemporaryDirectory(prefix="headrace-staging-") as folder:
            yield Path(folder)

    def publish(self, file: Path, path: str) -> int:
        """Upload a staged file, in several parts if it is large; it appears whole or not at all. Returns its size in bytes."""
        import obstore

        obstore.put(self.connection.store, path, file)
        return file.stat().st_size

    def get(self, path: str) -> pa.Buffer:
        """The bytes of a file. Raises FileNotFoundError."""
        import obstore

        return pa.py_buffer(obstore.get(self.connection.store, path).bytes())

    def list(self, path: str = "") -> Iterator[Stored]:
        """The files below a path, in any order."""
        import obstore

        for page in obstore.list(self.connection.store, path or None):
            for found in page:
                yield Stored(found["path"], found["size"], int(found["last_modified"].timestamp() * 1_000_000))

    def folders(self) -> Sequence[str]:
        """The names right below that have files below them."""
        import obstore

        return [path.rpartition("/")[2] for path in obstore.list_with_delimiter(self.connection.store)["common_prefixes"]]

    def delete(self, paths: Sequence[str]) -> None:
        """Remove files; those that are gone already are fine."""
        import obstore

        obstore.delete(self.connection.store, list(paths))

    def flush(self, path: str, names: Sequence[str]) -> None:
        """Nothing: what an object store has answered is durable."""
