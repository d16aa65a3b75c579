"""The files of a run or a logged model, wherever they are: kept by this server, or put into a bucket by the client itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from headrace.buckets.connection import SCHEMES
from headrace.ids import new_id
from headrace.server.http import Call, Reply
from headrace.store import Store
from headrace.tracking.files import Home
from headrace.tracking.run import ArtifactEntry

__all__ = ["files_below", "pieces", "ranged_reply", "unread"]

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def files_below(store: Store, home: Home, path: str = "") -> list[ArtifactEntry]:
    """The file at a path, or those in the folder there, sorted by path; of files in a bucket no digest is known."""
    kept = store.artifacts.index.below(home, path)
    if not store.artifacts.buckets.reads(home.uri):
        return kept
    found = {item.path: ArtifactEntry(item.path, "", item.size) for item in store.artifacts.buckets.below(home.uri, path)}
    found |= {entry.path: entry for entry in kept}
    return [found[name] for name in sorted(found)]


def unread(store: Store, home: Home) -> str:
    """The address of a bucket that holds the files, and that this server doesn't read; empty if it isn't so."""
    scheme = home.uri.partition("://")[0]
    return home.uri if scheme in SCHEMES and not store.artifacts.buckets.reads(home.uri) else ""


def pieces(store: Store, home: Home, entry: ArtifactEntry, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """The bytes of a file from `start` to before `end`; those that this server keeps are verified."""
    if entry.digest:
        return store.artifacts.files.stream(entry.digest, start, end)
    return store.artifacts.buckets.stream(home.uri, entry.path, start, entry.size if end is None else end)


def ranged_reply(call: Call, home: Home, entry: ArtifactEntry, media_type: str, headers: Mapping[str, str]) -> Reply:
    """A file, or the range of it that was asked for, piece by piece, with the hash of its bytes as its tag."""
    etag = f'"{entry.digest or new_id()}"'  # what is in somebody's bucket may have changed since
    told = {**headers, "etag": etag, "accept-ranges": "bytes"}
    if etag in call.headers.get("if-none-match", ""):
        return Reply(b"", 304, media_type, told)
    asked = call.headers.get("range")
    span = _span(asked, entry.size) if asked and call.headers.get("if-range", etag) == etag else None
    if span is not None and span[0] >= span[1]:
        return Reply(b"", 416, media_type, {**told, "content-range": f"bytes */{entry.size}"})
    start, end = span or (0, entry.size)
    if span is not None:
        told["content-range"] = f"bytes {start}-{end - 1}/{entry.size}"
    told["content-length"] = str(end - start)
    return Reply(pieces(call.store, home, entry, start, end), 206 if span is not None else 200, media_type, told)


def _span(asked: str, size: int) -> tuple[int, int] | None:
    """The first byte and the one after the last; None if the header means nothing, and the whole file is sent."""
    match = _RANGE.fullmatch(asked.replace(" ", ""))
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        return (max(size - int(match[2]), 0), size) if int(match[2]) else (size, size)
    start, end = int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
    return None if match[2] and int(match[2]) < start else (start, end)
