"""Artifacts in an object store, through obstore: each object is named by the SHA-256 of its bytes.

`ab/abcd…` is kept; `leases/abcd…` says that equal bytes were handed in again; `trash/abcd…` is on its way out; `uploads/…` holds
parts that will be joined; `staging/…` is being written.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import obstore

from headrace.artifacts.places import CHUNK, STAGING, Place, place_of, using
from headrace.artifacts.store import SignedUrl, Stored
from headrace.clock import Clock, system_clock, to_micros
from headrace.errors import IntegrityError, NotFoundError
from headrace.ids import new_id

__all__ = ["ObjectArtifactStore"]

_DIGEST = re.compile("[0-9a-f]{64}")
_KEPT = re.compile("[0-9a-f]{2}/([0-9a-f]{64})")
_FRESH = 30 * 60 * 1_000_000
"""Microseconds within which what was kept needs no lease: a collection leaves what is younger than an hour alone."""


class ObjectArtifactStore:
    """Content-addressed bytes at one place. Threads, processes and machines may put and get at once.

    Args:
        root: a folder, as a path or a `file://` URL, made at the first write; or a bucket: `s3://bucket/prefix`, `gs://`, `az://`.
        clock: now, in microseconds since 1970.

    Raises:
        SettingsError: the URL is none of these.
    """

    def __init__(self, root: str | Path, clock: Clock = system_clock) -> None:
        self.place: Place = place_of(root)
        self._clock = clock

    def put_bytes(self, data: bytes) -> str:
        """Keep bytes, durable when this returns; returns their digest.

        Raises:
            StorageError: the disk is full, the place can't be written, or can't be reached; nothing was kept.
        """
        digest = hashlib.sha256(data).hexdigest()
        if not self._holds(digest, len(data)):
            with using(self.place):
                self.place.keep([data], _key(digest))
        return digest

    def put_file(self, path: Path) -> str:
        """Keep a file, streamed in constant memory; returns its digest. Raises StorageError."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
            if self._holds(digest, size):
                return digest
            file.seek(0)
            return self.put_stream(_read(file)).digest  # hashed again: the file may be growing

    def put_stream(self, chunks: Iterable[bytes]) -> Stored:
        """Keep bytes as they come, in constant memory. If the chunks end with an error, nothing is kept. Raises StorageError."""
        with using(self.place):
            received = self.place.receive(chunks)
        try:
            if not self._holds(received.digest, received.size):
                with using(self.place):
                    received.keep(_key(received.digest))
        finally:
            received.drop()
        return Stored(received.digest, received.size, self._clock())

    def get_bytes(self, digest: str) -> bytes:
        """The bytes, verified. Raises NotFoundError, or IntegrityError if they don't match the digest."""
        return b"".join(self.stream(digest))

    def get_file(self, digest: str, path: Path) -> None:
        """Write the bytes to a file, verified before it appears under its name; streamed in constant memory.

        Raises:
            NotFoundError: the store doesn't hold them.
            IntegrityError: they don't match the digest.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = path.with_name(f".{path.name}.{new_id()}")
        try:
            with staged.open("xb") as file:
                for chunk in self.stream(digest):
                    file.write(chunk)
            staged.replace(path)
        finally:
            staged.unlink(missing_ok=True)

    def stream(self, digest: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` to before `end`, piece by piece; the whole is verified before its last piece is given.

        Raises:
            NotFoundError: the store doesn't hold them; raised at the call.
            IntegrityError: they don't match the digest.
        """
        size = self.size(digest)
        if size is None:
            raise self._missing(digest)
        if start or (end is not None and end < size):
            return self._range(digest, start, size if end is None else min(end, size))
        return self._whole(digest)

    def size(self, digest: str) -> int | None:
        """The size in bytes; None if the store doesn't hold it."""
        found = self._head(digest)
        return None if found is None else int(found["size"])

    def sign(self, digest: str, seconds: int) -> SignedUrl | None:
        """A URL at which anybody can fetch the bytes for so long; None if the store is a folder."""
        with using(self.place):
            return self.place.sign("GET", _key(digest), seconds)

    def held(self) -> Iterator[Stored]:
        """Everything that is kept, in any order."""
        return (stored for stored in self._list("") if stored is not None)

    def condemned(self) -> Iterator[Stored]:
        """What was condemned and is neither restored nor gone."""
        return (stored for stored in self._list("trash") if stored is not None)

    def condemn(self, digest: str) -> None:
        """Put it out of reach. Whoever keeps the same bytes from now on keeps them anew; one who did just before left a lease."""
        self._move(_key(digest), _trash(digest))

    def restore(self, digest: str) -> None:
        """Put what was condemned back into reach."""
        self._move(_trash(digest), _key(digest))

    def remove(self, digest: str) -> None:
        """Remove what was condemned, for good; somebody may have restored it meanwhile."""
        with using(self.place), suppress(FileNotFoundError):
            obstore.delete(self.place.store, [_trash(digest)])

    def touched(self, digest: str) -> int:
        """When equal bytes were last handed in, in microseconds since 1970 UTC; 0 if that isn't known."""
        return max(_time(self._found(key)) for key in (_key(digest), _lease(digest)))

    def sweep(self, before: int, *, dry_run: bool) -> int:
        """Remove what uploads that never ended have left since before this time, and old leases; returns the bytes."""
        if not self.place.exists():
            return 0
        freed = 0
        for folder in (STAGING, "uploads", "leases"):
            with using(self.place):
                old = [item for page in obstore.list(self.place.store, folder) for item in page if _time(item) < before]
                if old and not dry_run:
                    obstore.delete(self.place.store, [item["path"] for item in old])
            freed += sum(item["size"] for item in old)
        return freed

    def _holds(self, digest: str, size: int) -> bool:
        """Whether equal bytes are kept, and stay until somebody has named them.

        What is old may be collected this moment. So a lease is left, and then we look again: a collection puts a file out of
        reach first and looks for leases then, so one of us sees the other.
        """
        found = self._head(digest)
        if found is None or found["size"] != size:
            return False
        if self._clock() - _time(found) < _FRESH:
            return True
        with using(self.place):
            self.place.keep([b""], _lease(digest))
        found = self._head(digest)
        return found is not None and found["size"] == size

    def _head(self, digest: str) -> Any:
        """What is known of kept bytes; None if there are none. What a collection that died put out of reach comes back."""
        if not _DIGEST.fullmatch(digest) or not self.place.exists():
            return None
        found = self._found(_key(digest))
        if found is None and self._found(_trash(digest)) is not None:
            self.restore(digest)
            found = self._found(_key(digest))
        return found

    def _found(self, key: str) -> Any:
        with using(self.place):
            try:
                return obstore.head(self.place.store, key)
            except FileNotFoundError:
                return None

    def _whole(self, digest: str) -> Iterator[bytes]:
        hashed, last = hashlib.sha256(), b""
        for chunk in self._chunks(digest, None):
            hashed.update(chunk)
            if last:
                yield last
            last = chunk
        if hashed.hexdigest() != digest:
            msg = (
                f"artifact {digest} has changed since it was kept: its bytes now hash to {hashed.hexdigest()}; "
                f"restore {self.place.url}/{_key(digest)} from a backup"
            )
            raise IntegrityError(msg)
        if last:
            yield last

    def _range(self, digest: str, start: int, end: int) -> Iterator[bytes]:
        return self._chunks(digest, (start, end)) if start < end else iter(())

    def _chunks(self, digest: str, part: tuple[int, int] | None) -> Iterator[bytes]:
        options: Any = {} if part is None else {"range": part}
        with using(self.place):
            try:
                pieces = obstore.get(self.place.store, _key(digest), options=options).stream(min_chunk_size=CHUNK)
            except FileNotFoundError as error:  # removed since we looked
                raise self._missing(digest) from error
            for chunk in pieces:
                yield bytes(chunk)

    def _missing(self, digest: str) -> NotFoundError:
        return NotFoundError(f"no artifact with the digest {digest!r} in {self.place.url}")

    def _list(self, folder: str) -> Iterator[Stored | None]:
        if not self.place.exists():
            return
        pattern = _KEPT if not folder else re.compile(f"{folder}/([0-9a-f]{{64}})")
        with using(self.place):
            for page in obstore.list(self.place.store, folder or None):
                for item in page:
                    match = pattern.fullmatch(item["path"])
                    yield Stored(match[1], item["size"], _time(item)) if match else None

    def _move(self, source: str, target: str) -> None:
        found = self._found(source)
        if found is None:  # another collection was there first
            return
        with using(self.place):
            try:
                self.place.move(source, target, found["size"])
            except FileNotFoundError:
                return


def _key(digest: str) -> str:
    return f"{digest[:2]}/{digest}"


def _lease(digest: str) -> str:
    return f"leases/{digest}"


def _trash(digest: str) -> str:
    return f"trash/{digest}"


def _time(found: Any) -> int:
    return 0 if found is None else to_micros(found["last_modified"])


def _read(file: Any) -> Iterator[bytes]:
    return iter(lambda: file.read(CHUNK), b"")
