"""Uploads in parts: each part is an object of its own until all are there, so a client that was cut off sends what is missing."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import obstore

from headrace.artifacts.places import CHUNK, Place, using
from headrace.artifacts.store import ArtifactStreams, Part, SignedUrl, Stored
from headrace.errors import InvalidInputError, NotFoundError

__all__ = ["MOST_PARTS", "ObjectUploads"]

MOST_PARTS = 10_000
_ID = re.compile("[0-9a-f]{32}")
_FOLDER = "uploads"
_ABOUT, _DONE = "about", "done"


class ObjectUploads:
    """Uploads beside the artifacts that they become: `uploads/ID/00001`, …

    An id is a secret: whoever has it may put parts, so that signed URLs need no account.
    """

    def __init__(self, artifacts: ArtifactStreams, place: Place) -> None:
        self._artifacts = artifacts
        self._place = place

    def begin(self, about: str) -> str:
        """Open an upload; returns its id. `about` says what it is for, and has to be told at the end. Raises StorageError."""
        upload = secrets.token_hex(16)
        with using(self._place):
            self._place.keep([about.encode()], _path(upload, _ABOUT))
        return upload

    def sign_part(self, upload: str, number: int, seconds: int) -> SignedUrl | None:
        """Where a client may put a part itself; None if it has to go through `put_part`. Raises InvalidInputError."""
        with using(self._place):
            return self._place.sign("PUT", _path(upload, _numbered(number)), seconds)

    def put_part(self, upload: str, number: int, chunks: Iterable[bytes]) -> Part:
        """Keep a part; one that was there is replaced.

        Raises:
            NotFoundError: there is no such upload.
            InvalidInputError: parts have numbers from 1 to 10,000.
            StorageError: the disk is full; the part isn't kept.
        """
        path = _path(upload, _numbered(number))
        self._about(upload)
        with using(self._place):
            self._place.keep(chunks, path)
            return _part(obstore.head(self._place.store, path))

    def parts(self, upload: str) -> list[Part]:
        """The parts that have arrived, by number. Raises NotFoundError."""
        self._about(upload)
        with using(self._place):
            found = [item for page in obstore.list(self._place.store, _path(upload)) for item in page]
        return sorted((_part(item) for item in found if item["path"][-5:].isdecimal()), key=lambda part: part.number)

    def complete(self, upload: str, about: str, parts: Sequence[tuple[int, str]]) -> Stored:
        """Join the parts, given as numbers and tags, in the order of their numbers. Doing it again gives the same answer.

        Raises:
            NotFoundError: there is no such upload.
            InvalidInputError: a part is missing or another than told, or the upload is for something else. It stays open.
        """
        if self._about(upload) != about:
            msg = f"the upload {upload} is for something else; complete it under the path that it was begun with"
            raise InvalidInputError(msg)
        done = self._done(upload)
        if done is not None:
            return done
        try:
            stored = self._artifacts.put_stream(self._joined(upload, self._checked(upload, parts)))
        except NotFoundError:
            done = self._done(upload)  # somebody completed it at the same time, and has removed the parts
            if done is None:
                raise
            return done
        with using(self._place):
            self._place.keep([json.dumps(asdict(stored)).encode()], _path(upload, _DONE))
        self._remove(upload, [name for name in self._names(upload) if name not in (_ABOUT, _DONE)])
        return stored

    def abort(self, upload: str) -> None:
        """Forget an upload and its parts; one that isn't there is fine."""
        if _ID.fullmatch(upload) and self._place.exists():
            self._remove(upload, self._names(upload))

    def _checked(self, upload: str, parts: Sequence[tuple[int, str]]) -> list[int]:
        held = {part.number: part for part in self.parts(upload)}
        if not parts:
            msg = f"the upload {upload} names no parts"
            raise InvalidInputError(msg)
        for number, etag in parts:
            if number not in held:
                msg = f"part {number} of the upload {upload} hasn't arrived; {len(held)} have: send it, then complete the upload"
                raise InvalidInputError(msg)
            if etag.strip('"') != held[number].etag:
                msg = f"part {number} of the upload {upload} holds other bytes than told; send it again, then complete the upload"
                raise InvalidInputError(msg)
        return sorted({number for number, _ in parts})

    def _joined(self, upload: str, numbers: Iterable[int]) -> Iterator[bytes]:
        for number in numbers:
            path = _path(upload, _numbered(number))
            try:
                pieces = obstore.get(self._place.store, path).stream(min_chunk_size=CHUNK)
            except FileNotFoundError as error:
                msg = f"part {number} of the upload {upload} is gone"
                raise NotFoundError(msg) from error
            for chunk in pieces:
                yield bytes(chunk)

    def _about(self, upload: str) -> str:
        found = self._read(_path(upload, _ABOUT)) if _ID.fullmatch(upload) and self._place.exists() else None
        if found is None:
            msg = f"there is no upload {upload!r}; it was aborted, or is too old: begin another one"
            raise NotFoundError(msg)
        return found.decode()

    def _done(self, upload: str) -> Stored | None:
        found = self._read(_path(upload, _DONE))
        return None if found is None else Stored(**json.loads(found))

    def _read(self, path: str) -> bytes | None:
        with using(self._place):
            try:
                return bytes(obstore.get(self._place.store, path).bytes())
            except FileNotFoundError:
                return None

    def _names(self, upload: str) -> list[str]:
        with using(self._place):
            return [item["path"].rpartition("/")[2] for page in obstore.list(self._place.store, _path(upload)) for item in page]

    def _remove(self, upload: str, names: Iterable[str]) -> None:
        with using(self._place):
            for name in names:
                with suppress(FileNotFoundError):
                    obstore.delete(self._place.store, [_path(upload, name)])


def _path(upload: str, name: str = "") -> str:
    return f"{_FOLDER}/{upload}/{name}" if name else f"{_FOLDER}/{upload}"


def _numbered(number: int) -> str:
    if not 1 <= number <= MOST_PARTS:
        msg = f"parts have numbers from 1 to {MOST_PARTS:,}, not {number}"
        raise InvalidInputError(msg)
    return f"{number:05d}"


def _part(found: Any) -> Part:
    return Part(int(found["path"][-5:]), found["size"], (found["e_tag"] or "").strip('"'))
