"""Where artifacts are: a folder of this machine, or a prefix of a bucket."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import chain
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError

from headrace.artifacts.store import SignedUrl
from headrace.buckets import connection as buckets
from headrace.buckets.connection import Connection
from headrace.buckets.refusals import refusal
from headrace.errors import StorageError
from headrace.ids import new_id

if TYPE_CHECKING:
    from obstore.store import LocalStore

__all__ = ["CHUNK", "STAGING", "BucketPlace", "FolderPlace", "Place", "part_size", "place_of", "using"]

CHUNK = 1 << 20
"""Bytes of a piece that is read or written at once."""
STAGING = "staging"
_SPOOL = 8 << 20  # up to so many bytes wait in memory for their hash, more on the disk
_PART = 8 << 20
_MOST_PARTS = 9_000  # S3 takes 10,000
_COPIED_AT_ONCE = 4 << 30  # S3 copies up to 5 GB in one request


class Place(Protocol):
    """Objects under keys, each there whole or not at all."""

    url: str
    """What errors call it."""

    @property
    def store(self) -> Any:
        """The place as `obstore` takes it."""
        ...

    def exists(self) -> bool:
        """False while nothing was ever kept here."""
        ...

    def keep(self, chunks: Iterable[bytes], key: str) -> None:
        """Let the bytes appear under a key, durable when this returns; not at all if the chunks end with an error."""
        ...

    def receive(self, chunks: Iterable[bytes]) -> Received:
        """Take in bytes whose hash tells their key."""
        ...

    def move(self, source: str, target: str, size: int) -> None:
        """Give an object another key; one that is there is replaced. Raises FileNotFoundError."""
        ...

    def sign(self, method: str, key: str, seconds: int) -> SignedUrl | None:
        """A URL to fetch or put an object; None if the place has none to give."""
        ...


class Received(Protocol):
    """Bytes that wait to be kept."""

    digest: str
    size: int

    def keep(self, key: str) -> None:
        """Let them appear under a key."""
        ...

    def drop(self) -> None:
        """Forget them; after `keep`, nothing is left to do."""
        ...


class FolderPlace:
    """A folder; made when something is first kept. Files are synced to the disk, and so are their names."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = str(root)
        self._opened: LocalStore | None = None

    @property
    def store(self) -> LocalStore:
        """The folder as `obstore` takes it."""
        if self._opened is None:
            from obstore.store import LocalStore

            self._opened = LocalStore(self.root, mkdir=True)
        return self._opened

    def exists(self) -> bool:
        """Whether the folder is there: reading makes none."""
        return self.root.exists()

    def keep(self, chunks: Iterable[bytes], key: str) -> None:
        """Let the bytes appear under a key."""
        self.receive(chunks).keep(key)

    def receive(self, chunks: Iterable[bytes]) -> Staged:
        """Write the bytes beside what is kept, so that keeping them is a rename."""
        key = f"{STAGING}/{new_id()}"
        found, size = hashlib.sha256(), 0
        try:
            with obstore.open_writer(self.store, key) as writer:
                for chunk in chunks:
                    found.update(chunk)
                    size += len(chunk)
                    writer.write(chunk)
        except BaseException:
            self.root.joinpath(key).unlink(missing_ok=True)
            raise
        return Staged(self, key, found.hexdigest(), size)

    def move(self, source: str, target: str, size: int) -> None:  # noqa: ARG002 - a rename doesn't care
        """Rename a file."""
        obstore.rename(self.store, source, target)
        _sync((self.root / target).parent)

    def sign(self, method: str, key: str, seconds: int) -> None:
        """None: nobody else reaches a folder."""


class Staged:
    """A file that has no name yet."""

    def __init__(self, place: FolderPlace, staged: str, digest: str, size: int) -> None:
        self.digest = digest
        self.size = size
        self._place = place
        self._staged = staged

    def keep(self, key: str) -> None:
        """Give it its name."""
        _sync(self._place.root / self._staged)
        self._place.move(self._staged, key, self.size)

    def drop(self) -> None:
        """Remove it."""
        self._place.root.joinpath(self._staged).unlink(missing_ok=True)


class BucketPlace:
    """A prefix of a bucket. What was put there is durable when the bucket answers."""

    def __init__(self, connection: Connection) -> None:
        self.url = connection.url
        self.store = connection.store
        self._put_headers = (("x-ms-blob-type", "BlockBlob"),) if urlsplit(connection.url).scheme == "az" else ()

    def exists(self) -> bool:
        """True: the bucket itself tells what isn't there."""
        return True

    def keep(self, chunks: Iterable[bytes], key: str) -> None:
        """Upload the bytes, in several parts at once if they are many; each part is tried again by itself."""
        self.upload(chunks, key, _PART)

    def upload(self, chunks: Iterable[bytes], key: str, part: int) -> None:
        """Upload in parts of so many bytes; what fits one part takes one request."""
        pieces = iter(chunks)
        head = bytearray()
        for chunk in pieces:
            head += chunk
            if len(head) > part:
                break
        else:
            obstore.put(self.store, key, bytes(head))
            return
        # An error in the iterator ends the upload, and the bucket shows nothing of it.
        obstore.put(self.store, key, chain([bytes(head)], pieces), chunk_size=part, max_concurrency=4)

    def receive(self, chunks: Iterable[bytes]) -> Spooled:
        """Hold the bytes on this machine until their hash is known: then they are sent once, or not at all if they are there."""
        spool = SpooledTemporaryFile(_SPOOL)  # noqa: SIM115 - Spooled.drop closes it
        found = hashlib.sha256()
        try:
            for chunk in chunks:
                found.update(chunk)
                spool.write(chunk)
        except BaseException:
            spool.close()
            raise
        return Spooled(self, spool, found.hexdigest(), spool.tell())

    def move(self, source: str, target: str, size: int) -> None:
        """Copy an object within the bucket, then remove the first; a very large one passes through here."""
        if size <= _COPIED_AT_ONCE:
            obstore.rename(self.store, source, target)
            return
        self.upload((bytes(chunk) for chunk in obstore.get(self.store, source).stream()), target, part_size(size))
        obstore.delete(self.store, source)

    def sign(self, method: str, key: str, seconds: int) -> SignedUrl:
        """A URL signed with our credentials."""
        url = obstore.sign(self.store, method, key, timedelta(seconds=seconds))  # type: ignore[call-overload]  # GET or PUT
        return SignedUrl(url, self._put_headers if method == "PUT" else ())


class Spooled:
    """Bytes on this machine that a bucket may get."""

    def __init__(self, place: BucketPlace, spool: SpooledTemporaryFile[bytes], digest: str, size: int) -> None:
        self.digest = digest
        self.size = size
        self._place = place
        self._spool = spool

    def keep(self, key: str) -> None:
        """Send them."""
        self._spool.seek(0)
        self._place.upload(iter(lambda: self._spool.read(CHUNK), b""), key, part_size(self.size))

    def drop(self) -> None:
        """Forget them."""
        self._spool.close()


def place_of(root: str | Path) -> FolderPlace | BucketPlace:
    """The place that the setting `artifacts` names. Raises SettingsError if it names none."""
    place = buckets.place_of(root, "artifacts")
    return FolderPlace(place) if isinstance(place, Path) else BucketPlace(place)


def part_size(size: int) -> int:
    """Bytes of each part of an upload of so many."""
    return max(_PART, -(-size // _MOST_PARTS))


@contextmanager
def using(place: Place) -> Iterator[None]:
    """Raise a StorageError that says what to do if the block can't use the place."""
    try:
        yield
    except (BaseError, OSError) as error:
        reason = refusal(error)
        if not reason:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            reason = f"{first}; check the folder, its permissions and the space on the disk"
        msg = f"the artifacts in {place.url} can't be used: {reason}"
        raise StorageError(msg) from error


def _sync(path: Path) -> None:
    """Make a file's bytes, or a folder's names, outlive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
