"""The artifact store's contracts: bytes under their hash, uploads in parts, and what looks after both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

__all__ = ["ArtifactStore", "ArtifactStreams", "ArtifactUpkeep", "Part", "SignedUrl", "Stored", "Uploads"]


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes that the store holds: their SHA-256 as 64 hex digits, their number, and when they were last asked to be kept.

    Attributes:
        touched: microseconds since 1970 UTC.
    """

    digest: str
    size: int
    touched: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an upload: its number from 1 on, its size in bytes, and the tag by which its bytes are known."""

    number: int
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class SignedUrl:
    """A URL that lets whoever has it do one thing for a while, and the headers to send with it."""

    url: str
    headers: tuple[tuple[str, str], ...] = ()


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


class ArtifactStreams(ArtifactStore, Protocol):
    """A store that is here: bytes can be handed on as they come."""

    def put_stream(self, chunks: Iterable[bytes]) -> Stored:
        """Keep bytes as they come, in constant memory. If the chunks end with an error, nothing is kept."""
        ...

    def stream(self, digest: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` to before `end`, piece by piece. The whole is verified before its last piece is given.

        Raises:
            NotFoundError: the store doesn't hold them; raised at the call.
            IntegrityError: they don't match the digest.
        """
        ...

    def sign(self, digest: str, seconds: int) -> SignedUrl | None:
        """A URL at which anybody can fetch the bytes for so long; None if the store has none to give."""
        ...


class Uploads(Protocol):
    """Uploads in parts, which may come in any order, again, and from several places at once."""

    def begin(self, about: str) -> str:
        """Open an upload; returns its id, which nobody can guess. `about` says what it is for, and has to be told at the end."""
        ...

    def sign_part(self, upload: str, number: int, seconds: int) -> SignedUrl | None:
        """Where a client may put a part itself; None if it has to go through `put_part`."""
        ...

    def put_part(self, upload: str, number: int, chunks: Iterable[bytes]) -> Part:
        """Keep a part; one that was there is replaced. Raises NotFoundError for the upload."""
        ...

    def parts(self, upload: str) -> list[Part]:
        """The parts that have arrived, by number: what a client that was cut off needn't send again. Raises NotFoundError."""
        ...

    def complete(self, upload: str, about: str, parts: Sequence[tuple[int, str]]) -> Stored:
        """Join the parts, given as numbers and tags, and keep the whole. Doing it again gives the same answer.

        Raises:
            NotFoundError: there is no such upload.
            InvalidInputError: a part is missing or another than told, or the upload is for something else. It stays open.
        """
        ...

    def abort(self, upload: str) -> None:
        """Forget an upload and its parts; one that isn't there is fine."""
        ...


class ArtifactUpkeep(Protocol):
    """What garbage collection needs: a file leaves in two steps, so that one who names it meanwhile gets it back."""

    def held(self) -> Iterator[Stored]:
        """Everything that is kept, in any order."""
        ...

    def condemned(self) -> Iterator[Stored]:
        """What was condemned and is neither restored nor gone: what a collection that died has left."""
        ...

    def condemn(self, digest: str) -> None:
        """Put it out of reach: whoever keeps the same bytes from now on keeps them anew."""
        ...

    def touched(self, digest: str) -> int:
        """When equal bytes were last handed in, in microseconds since 1970 UTC; 0 if that isn't known."""
        ...

    def restore(self, digest: str) -> None:
        """Put what was condemned back into reach."""
        ...

    def remove(self, digest: str) -> None:
        """Remove what was condemned, for good."""
        ...

    def sweep(self, before: int, *, dry_run: bool) -> int:
        """Remove what uploads that never ended have left since before this time (microseconds since 1970 UTC); its bytes."""
        ...
