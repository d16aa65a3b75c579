"""Files that clients put into buckets themselves: a server shows those of the buckets that its operator names, and no others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

import obstore

from headrace.artifacts.places import CHUNK, BucketPlace, using
from headrace.artifacts.store import SignedUrl
from headrace.buckets.connection import SCHEMES, Connection
from headrace.errors import NotFoundError, SettingsError

if TYPE_CHECKING:
    from obstore import ObjectMeta

__all__ = ["SETTING", "BucketFiles", "Found"]

SETTING = "artifact_buckets"
MOST = 10_000
"""How many files of a folder are told."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file in a bucket: its path in the folder that was asked for, and its size in bytes."""

    path: str
    size: int


class BucketFiles:
    """Reads what lies below some prefixes of buckets. Whoever may name a bucket would else read all that the server may read.

    Args:
        prefixes: `s3://bucket/prefix`, `gs://` or `az://`; settings of the connection may follow as a query.

    Raises:
        SettingsError: one of them names no bucket.
    """

    def __init__(self, prefixes: Sequence[str]) -> None:
        for prefix in prefixes:
            if prefix.partition("://")[0] not in SCHEMES:
                msg = f"setting {SETTING!r} holds {prefix!r}, which names no bucket: give for example 's3://team-bucket/runs'"
                raise SettingsError(msg)
        self._prefixes = tuple(prefixes)

    @cached_property
    def _places(self) -> dict[str, BucketPlace]:
        connections = [Connection.at(prefix, SETTING) for prefix in self._prefixes]
        return {connection.url: BucketPlace(connection) for connection in connections}

    def reads(self, uri: str) -> bool:
        """Whether the folder at an address lies below one of the prefixes."""
        return bool(self._prefixes) and self._place(uri) is not None

    def below(self, uri: str, path: str = "") -> list[Found]:
        """The file at a path of the folder at an address, or those below it, sorted; at most 10,000. Raises StorageError."""
        place, folder = self._found(uri)
        key = f"{folder}/{path}".strip("/")
        start = len(folder) + 1 if folder else 0
        with using(place):
            if path and (one := _head(place, key)) is not None:
                return [Found(path, one["size"])]
            pages = obstore.list(place.store, prefix=key or None)
            found = [Found(str(item["path"])[start:], item["size"]) for item in islice((i for page in pages for i in page), MOST)]
        return sorted(found, key=lambda item: item.path)

    def stream(self, uri: str, path: str, start: int, end: int) -> Iterator[bytes]:
        """The bytes of a file from `start` to before `end`, piece by piece. Raises StorageError."""
        place, folder = self._found(uri)
        if start < end:
            with using(place):
                found = obstore.get(place.store, f"{folder}/{path}".strip("/"), options={"range": (start, end)})
                yield from map(bytes, found.stream(CHUNK))

    def sign(self, uri: str, path: str, seconds: int) -> SignedUrl:
        """A URL at which anybody can fetch a file for so long. Raises StorageError."""
        place, folder = self._found(uri)
        with using(place):
            return place.sign("GET", f"{folder}/{path}".strip("/"), seconds)

    def _found(self, uri: str) -> tuple[BucketPlace, str]:
        found = self._place(uri)
        if found is None:
            msg = f"the files at {uri} aren't read by this server; name their bucket in the setting {SETTING!r}"
            raise NotFoundError(msg)
        return found

    def _place(self, uri: str) -> tuple[BucketPlace, str] | None:
        for prefix, place in self._places.items():
            if uri == prefix or uri.startswith(f"{prefix}/"):
                return place, uri.removeprefix(prefix).strip("/")
        return None


def _head(place: BucketPlace, key: str) -> ObjectMeta | None:
    try:
        return obstore.head(place.store, key)
    except FileNotFoundError:
        return None
