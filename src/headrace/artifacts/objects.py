"""Artifacts in an object store, through obstore: a local folder, each object a file named by its SHA-256."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError

from headrace.errors import IntegrityError, NotFoundError, SettingsError, StorageError
from headrace.ids import new_id

if TYPE_CHECKING:
    from obstore.store import LocalStore

__all__ = ["ObjectArtifactStore"]

_CHUNK = 1 << 20
_DIGEST = re.compile("[0-9a-f]{64}")


class ObjectArtifactStore:
    """Content-addressed bytes under one folder. Threads and processes may put and get at once.

    Args:
        root: a folder, as a path or a `file://` URL; made at the first write.

    Raises:
        SettingsError: the URL isn't one of a local folder.
    """

    def __init__(self, root: str | Path) -> None:
        self._root = _local(root)
        self._opened: LocalStore | None = None

    def put_bytes(self, data: bytes) -> str:
        """Keep bytes, durable when this returns; returns their digest.

        Raises:
            StorageError: the disk is full or the folder read-only; nothing was kept.
        """
        digest = hashlib.sha256(data).hexdigest()
        if self.size(digest) != len(data):
            self._put([data])
        return digest

    def put_file(self, path: Path) -> str:
        """Keep a file, streamed in constant memory; returns its digest. Raises StorageError."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if self.size(digest) == file.tell():
                return digest
            file.seek(0)
            return self._put(iter(lambda: file.read(_CHUNK), b""))  # hashed again: the file may be growing

    def get_bytes(self, digest: str) -> bytes:
        """The bytes, verified. Raises NotFoundError, or IntegrityError if they don't match the digest."""
        data = b"".join(self._chunks(digest))
        self._verify(digest, hashlib.sha256(data).hexdigest())
        return data

    def get_file(self, digest: str, path: Path) -> None:
        """Write the bytes to a file, verified before it appears under its name; streamed in constant memory.

        Raises:
            NotFoundError: the store doesn't hold them.
            IntegrityError: they don't match the digest.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = path.with_name(f".{path.name}.{new_id()}")
        found = hashlib.sha256()
        try:
            with staged.open("xb") as file:
                for chunk in self._chunks(digest):
                    found.update(chunk)
                    file.write(chunk)
            self._verify(digest, found.hexdigest())
            staged.replace(path)
        finally:
            staged.unlink(missing_ok=True)

    def size(self, digest: str) -> int | None:
        """The size in bytes; None if the store doesn't hold it."""
        if not _DIGEST.fullmatch(digest) or not self._root.exists():
            return None
        with self._errors():
            try:
                return obstore.head(self._store(), _key(digest))["size"]
            except FileNotFoundError:
                return None

    def _put(self, chunks: Iterable[bytes]) -> str:
        """Stage the bytes, then give them their name in one step; returns their digest."""
        found = hashlib.sha256()
        staging = f"staging/{new_id()}"
        with self._errors():
            with obstore.open_writer(self._store(), staging) as writer:
                for chunk in chunks:
                    found.update(chunk)
                    writer.write(chunk)
            digest = found.hexdigest()
            _sync(self._root / staging)
            obstore.rename(self._store(), staging, _key(digest))
            _sync((self._root / _key(digest)).parent)
        return digest

    def _chunks(self, digest: str) -> Iterator[bytes]:
        if self.size(digest) is None:
            msg = f"no artifact with the digest {digest!r} in {self._root}"
            raise NotFoundError(msg)
        with self._errors():
            for chunk in obstore.get(self._store(), _key(digest)).stream(min_chunk_size=_CHUNK):
                yield bytes(chunk)

    def _verify(self, digest: str, found: str) -> None:
        if digest != found:
            path = self._root / _key(digest)
            msg = f"artifact {digest} has changed since it was kept: its bytes now hash to {found}; restore {path} from a backup"
            raise IntegrityError(msg)

    def _store(self) -> LocalStore:
        if self._opened is None:
            from obstore.store import LocalStore

            self._opened = LocalStore(self._root, mkdir=True)
        return self._opened

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError) as error:
            reason = str(error).strip().splitlines()[0]
            advice = "check the folder, its permissions and the space on the disk"
            msg = f"the artifacts in {self._root} can't be used: {reason}; {advice}"
            raise StorageError(msg) from error


def _key(digest: str) -> str:
    return f"{digest[:2]}/{digest}"


def _sync(path: Path) -> None:
    """Make a file's bytes, or a folder's names, outlive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _local(root: str | Path) -> Path:
    url = urlsplit(str(root))
    if url.scheme == "file":
        return Path(unquote(url.path)).resolve()
    if "://" in str(root):
        msg = f"setting 'artifacts' is {str(root)!r}, but artifacts are kept in a local folder: give a path or a file:// URL"
        raise SettingsError(msg)
    return Path(root).resolve()
