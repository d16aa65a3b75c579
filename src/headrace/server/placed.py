"""The files of a run or a logged model, wherever they are: kept by this server, or put into a bucket by the client itself."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.store import Store
from headrace.tracking.files import Home
from headrace.tracking.run import ArtifactEntry

__all__ = ["files_below", "pieces"]


def files_below(store: Store, home: Home, path: str = "") -> list[ArtifactEntry]:
    """The file at a path, or those in the folder there, sorted by path; of files in a bucket no digest is known."""
    kept = store.artifacts.index.below(home, path)
    if not store.artifacts.buckets.reads(home.uri):
        return kept
    found = {item.path: ArtifactEntry(item.path, "", item.size) for item in store.artifacts.buckets.below(home.uri, path)}
    found |= {entry.path: entry for entry in kept}
    return [found[name] for name in sorted(found)]


def pieces(store: Store, home: Home, entry: ArtifactEntry, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """The bytes of a file from `start` to before `end`; those that this server keeps are verified."""
    if entry.digest:
        return store.artifacts.files.stream(entry.digest, start, end)
    return store.artifacts.buckets.stream(home.uri, entry.path, start, entry.size if end is None else end)
