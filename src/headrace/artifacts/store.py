"""The artifact store's contract: bytes under their hash."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

__all__ = ["ArtifactStore"]


class ArtifactStore(Protocol):
    """Content-addressed: a digest is the SHA-256 of the bytes as 64 hex digits; equal bytes are kept once."""

    def put_bytes(self, data: bytes) -> str:
        """Keep bytes, durable when this returns; returns their digest."""
        ...

    def put_file(self, path: Path) -> str:
        """Keep a file, streamed in constant memory; returns its digest."""
        ...

    def get_bytes(self, digest: str) -> bytes:
        """The bytes, verified. Raises NotFoundError, or IntegrityError if they don't match the digest."""
        ...

    def get_file(self, digest: str, path: Path) -> None:
        """Write the bytes to a file, verified before it appears under its name; streamed in constant memory."""
        ...

    def size(self, digest: str) -> int | None:
        """The size in bytes; None if the store doesn't hold it."""
        ...
