"""Bytes under their hash, kept by a server."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from headrace.errors import IntegrityError
from headrace.ids import new_id
from headrace.remote.transport import Transport

__all__ = ["RemoteArtifactStore"]

PART_BYTES = 8 << 20
"""So much of a file travels in one request: a cut connection repeats no more than that."""


class RemoteArtifactStore:
    """ArtifactStore over HTTP: a part at a time each way, so that memory stays constant."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def put_bytes(self, data: bytes) -> str:
        """Keep bytes, durable at the server when this returns; returns their digest."""
        digest = hashlib.sha256(data).hexdigest()
        if self.size(digest) != len(data):
            self._put(digest, len(data), lambda offset: data[offset : offset + PART_BYTES])
        return digest

    def put_file(self, path: Path) -> str:
        """Keep a file; returns its digest. Raises IntegrityError if it changes meanwhile."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()

            def part(offset: int) -> bytes:
                file.seek(offset)
                return file.read(min(PART_BYTES, size - offset))

            if self.size(digest) != size:
                self._put(digest, size, part)
        return digest

    def get_bytes(self, digest: str) -> bytes:
        """The bytes, verified. Raises NotFoundError, or IntegrityError if they don't match the digest."""
        parts: list[bytes] = []
        self._get(digest, parts.append)
        return b"".join(parts)

    def get_file(self, digest: str, path: Path) -> None:
        """Write the bytes to a file, verified before it appears under its name."""
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = path.with_name(f".{path.name}.{new_id()}")
        try:
            with staged.open("xb") as file:
                self._get(digest, file.write)
            staged.replace(path)
        finally:
            staged.unlink(missing_ok=True)

    def size(self, digest: str) -> int | None:
        """The size in bytes; None if the server doesn't hold it."""
        found: int | None = self._transport.call("tracking/bytes/size", {"digest": digest})
        return found

    def _put(self, digest: str, size: int, part: Callable[[int], bytes]) -> None:
        upload = new_id()
        for offset in range(0, max(size, 1), PART_BYTES):
            data = part(offset)
            last = offset + PART_BYTES >= size
            asked = {"upload": upload, "digest": digest, "offset": offset, "data": data, "last": last}
            self._transport.call("tracking/bytes/put", asked)

    def _get(self, digest: str, take: Callable[[bytes], object]) -> None:
        found, offset = hashlib.sha256(), 0
        while True:
            answer = self._transport.call("tracking/bytes/get", {"digest": digest, "offset": offset, "length": PART_BYTES})
            found.update(answer["data"])
            take(answer["data"])
            offset += len(answer["data"])
            if answer["last"]:
                break
        if found.hexdigest() != digest:
            msg = f"artifact {digest} came from {self._transport.url} with bytes that hash to {found.hexdigest()}; try again"
            raise IntegrityError(msg)
