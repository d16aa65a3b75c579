"""Which files of a table nobody needs any more, and their removal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

from deltalake.exceptions import TableNotFoundError

from headrace.lake.faults import reading, writing
from headrace.lake.log import DAY, LOG, live_paths, open_table
from headrace.lake.place import Place, Stored
from headrace.lake.table import Vacuumed

__all__ = ["vacuum"]

_COMMIT = re.compile(rf"{LOG}/(\d{{20}})\.json")
_OURS = (f"{DAY}=", ".staging-")  # where rows are, and what an append that was killed has left
_AT_ONCE = 16  # commits read at once: each is small, and a bucket takes its time


def vacuum(name: str, place: Place, pinned: Iterable[int], before: int, *, dry_run: bool = False) -> Vacuumed:
    """Remove the files that no kept version names: neither the newest, nor one that was current since `before`, nor a pinned one.

    Files that no commit names at all go too, if they are as old: an append that failed left them. What is newer is never touched,
    and the files are listed before the log is read, so that what is appended meanwhile is safe.

    Args:
        pinned: versions to keep, however old.
        before: a moment, in microseconds since 1970.
        dry_run: remove nothing.

    Raises:
        StorageError: the place can't be read or written.
    """
    with reading(f"the lake table {place.url}"):
        old = [file for file in place.list() if file.path.startswith(_OURS) and file.modified < before]
        for named in _kept(place, pinned, before):
            old = [file for file in old if file.path not in named]
            if not old:
                break
    if old and not dry_run:
        with writing(f"the lake table {place.url}"):
            place.delete([file.path for file in old])
    return Vacuumed(name, len(old), sum(file.size for file in old))


def _kept(place: Place, pinned: Iterable[int], before: int) -> Iterator[set[str]]:
    """The files that kept versions name, a set at a time: first what is cheap to know."""
    newest = open_table(place)
    if newest is None:
        return
    yield live_paths(newest)
    commits = {int(found[1]): file for file in place.list(LOG) if (found := _COMMIT.fullmatch(file.path))}
    first = max((version for version, file in commits.items() if file.modified <= before), default=0)
    yield _added(place, [file for version, file in commits.items() if version > first])
    for version in {first, *pinned}:
        if 0 <= version < newest.version():
            yield _named(place, version)


def _added(place: Place, commits: Iterable[Stored]) -> set[str]:
    """The files that commits bring in, whether or not a later one takes them out."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        texts = pool.map(lambda commit: place.get(commit.path).to_pybytes(), commits)
        actions = (json.loads(line) for text in texts for line in text.splitlines() if line.strip())
        return {unquote(action["add"]["path"]) for action in actions if "add" in action}


def _named(place: Place, version: int) -> set[str]:
    try:
        table = open_table(place, version)
    except TableNotFoundError:  # another tool has cut the log: nobody can read this version
        return set()
    return set() if table is None else live_paths(table)
