"""The files of runs and models where other tools keep them: folders and buckets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from headrace.errors import NotFoundError, StorageError
from headrace.importers.source import Folder, SourceFile

if TYPE_CHECKING:
    from obstore.store import ObjectStore

__all__ = ["LocalFolder", "open_folder"]

BUCKETS = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl", "wasbs")
_CHUNK = 1 << 20


def open_folder(uri: str) -> Folder:
    """The folder that a path or a URL names.

    Raises:
        StorageError: nothing here reads such addresses.
    """
    scheme = urlsplit(uri).scheme
    if scheme in ("", "file"):
        return LocalFolder(Path(unquote(urlsplit(uri).path) if scheme else uri))
    if scheme in BUCKETS:
        return Bucket(uri)
    msg = f"files at {scheme}:… can't be read from here; import from the server that keeps them, with its http://… address"
    raise StorageError(msg)


class LocalFolder:
    """A folder on this machine; one that doesn't exist holds nothing. Links are followed only to what lies in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def files(self) -> list[SourceFile]:
        """All files below it."""
        try:
            found = [(path, path.stat()) for path in sorted(self.root.rglob("*")) if path.is_file()]
        except OSError as error:
            msg = f"the folder {self.root} can't be read: {error.strerror}"
            raise StorageError(msg) from error
        top = self.root.resolve()
        return [
            SourceFile(path.relative_to(self.root).as_posix(), facts.st_size, str(facts.st_mtime_ns))
            for path, facts in found
            if path.resolve().is_relative_to(top)
        ]

    def fetch(self, path: str, folder: Path) -> Path:  # noqa: ARG002 - the contract's argument
        """The file itself."""
        found = self.root / path
        if not found.is_file() or not found.resolve().is_relative_to(self.root.resolve()):
            msg = f"there is no file {path} in {self.root}"
            raise NotFoundError(msg)
        return found


class Bucket:
    """A prefix in a bucket, with the credentials of the environment."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._opened: ObjectStore | None = None

    def files(self) -> list[SourceFile]:
        """All objects below it."""
        import obstore

        with _told(self._uri):
            found = [item for page in obstore.list(self._store()) for item in page]
        files = [SourceFile(item["path"], item["size"], item["e_tag"] or str(item["last_modified"])) for item in found]
        return sorted(files, key=lambda file: file.path)

    def fetch(self, path: str, folder: Path) -> Path:
        """A copy of an object."""
        import obstore

        target = folder / "fetched"
        with _told(self._uri):
            try:
                chunks = obstore.get(self._store(), path).stream(min_chunk_size=_CHUNK)
                with target.open("wb") as file:
                    for chunk in chunks:
                        file.write(chunk)
            except FileNotFoundError as error:
                msg = f"there is no object {path} at {self._uri}"
                raise NotFoundError(msg) from error
        return target

    def _store(self) -> ObjectStore:
        if self._opened is None:
            from obstore.store import from_url

            self._opened = from_url(self._uri)
        return self._opened


@contextmanager
def _told(uri: str) -> Iterator[None]:
    """Errors of a bucket as StorageError."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        msg = f"the files at {uri} can't be read: {reason}; check the address and the credentials in the environment"
        raise StorageError(msg) from error
