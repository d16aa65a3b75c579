"""Many small files of a table become few large ones: the same rows in the same order, in a commit that changes no data."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, RemoveAction

from headrace.errors import IntegrityError
from headrace.lake.faults import reading, writing
from headrace.lake.log import DAY, LOG, holds, live_paths, open_table
from headrace.lake.parquet import FILE_ROWS, IN_ORDER, write_files
from headrace.lake.place import Place
from headrace.lake.table import OFFSET, PARTITION, Optimized

__all__ = ["compact"]

_FILE_BYTES = 128 << 20
_JUST_AFTER = CommitProperties(max_commit_retries=0)
"""Commit after the version that was looked at, or not: `deltalake` doesn't see that another commit took the same files out."""
_COLUMNS = {
    "path": "path",
    "size": "size_bytes",
    "rows": "num_records",
    "day": f"partition.{DAY}",
    "lane": f"min.{PARTITION}",
    "last_lane": f"max.{PARTITION}",
    "first": f"min.{OFFSET}",
}


@dataclass(frozen=True, slots=True)
class _File:
    """A file of one lane, in order of offset."""

    path: str
    size: int
    rows: int
    day: str
    lane: int
    first: int


def compact(name: str, place: Place, progress: Callable[[int, int], None]) -> Optimized:
    """Merge the small files of each day and lane that follow each other; commits once for each day.

    Readers and appenders aren't disturbed, and versions from before stay as they are, for the old files stay too, until a vacuum.
    Stopped on the way, the table is as it was, or as after one of the commits.

    Args:
        progress: called with the files merged, and those to merge.

    Raises:
        StorageError: the place can't be read or written.
        IntegrityError: a file is missing or damaged; the table is as before.
    """
    with reading(f"the lake table {place.url}"):
        table = open_table(place)
        if table is None:
            return Optimized(name, -1, 0, 0, 0)
        bins = _bins(_files(table))
    done = Optimized(name, table.version(), 0, 0, 0)
    for day in sorted({files[0].day for files in bins}):
        written: list[AddAction] = []
        old: list[_File] = []
        for files in (files for files in bins if files[0].day == day):
            written += _merge(place, table, files)
            old += files
            progress(done.merged + len(old), sum(map(len, bins)))
        with writing(f"the lake table {place.url}"):
            if not _commit(table, old, written):
                return done
            place.flush(LOG, [f"{table.version():020}.json"])
        saved = sum(file.size for file in old) - sum(file.size for file in written)
        done = Optimized(name, table.version(), done.merged + len(old), done.made + len(written), done.saved + saved)
    return done


def _files(table: DeltaTable) -> list[_File]:
    """The files of the table that appends or compactions wrote; those of other tools stay as they are."""
    adds = pa.table(table.get_add_actions(flatten=True))
    if not set(_COLUMNS.values()) <= set(adds.column_names):
        return []
    known: Iterable[dict[str, Any]] = adds.select(list(_COLUMNS.values())).rename_columns(list(_COLUMNS)).to_pylist()
    ours = pc.match_substring_regex(adds.column("path"), IN_ORDER).to_pylist()
    return [
        _File(row["path"], row["size"], row["rows"], str(row["day"]), row["lane"], row["first"])
        for row, own in zip(known, ours, strict=True)
        if own and row["lane"] is not None and row["lane"] == row["last_lane"]
    ]


def _bins(files: Iterable[_File]) -> list[list[_File]]:
    """The files to merge, each list into one: neighbours in the lane that came on one day and fit together."""
    lanes: dict[int, list[_File]] = {}
    for file in sorted(files, key=lambda file: file.first):
        lanes.setdefault(file.lane, []).append(file)
    return [found for lane in lanes.values() for found in _runs(lane) if len(found) > 1]


def _runs(lane: Iterable[_File]) -> Iterator[list[_File]]:
    run: list[_File] = []
    for file in lane:
        rows, size = sum(item.rows for item in run) + file.rows, sum(item.size for item in run) + file.size
        if run and (run[-1].day != file.day or rows > FILE_ROWS or size > _FILE_BYTES):
            yield run
            run = []
        if file.rows > FILE_ROWS // 2 or file.size > _FILE_BYTES // 2:  # large enough as it is
            yield run
            run = []
        else:
            run.append(file)
    yield run


def _merge(place: Place, table: DeltaTable, files: list[_File]) -> list[AddAction]:
    """Write the rows of the files, in the order of their offsets, as one file."""
    schema = pa.schema([field for field in pa.schema(table.schema()) if field.name != DAY])
    with reading(f"the lake table {place.url}"):
        here = place.fetch(place.names(file.path for file in files))
        rows = ds.dataset(list(here), schema=schema, format="parquet").to_table()
        if rows.num_rows != sum(file.rows for file in files):
            msg = (
                f"files of the lake table {place.url} hold {rows.num_rows} rows, but its log says "
                f"{sum(file.rows for file in files)}; nothing was changed. Restore them from a backup: {files[0].path}, …"
            )
            raise IntegrityError(msg)
    with writing(f"the lake table {place.url}"):
        return write_files(place, {DAY: files[0].day}, rows, fresh=False)


def _commit(table: DeltaTable, old: list[_File], new: list[AddAction]) -> bool:
    """Replace files by others; whether it was done. Not if somebody else has replaced some of them: ours go with a vacuum."""
    actions: list[AddAction | RemoveAction] = [*_removals(old), *new]
    wanted = {file.path for file in old}
    while wanted <= live_paths(table):
        try:
            table.create_write_transaction(actions, "append", table.schema(), [DAY], commit_properties=_JUST_AFTER)
        except (DeltaError, OSError):
            before = table.version()
            table.update_incremental()
            if holds(table, new):
                return True
            if table.version() == before:
                raise
        else:
            table.update_incremental()
            return True
    return False


def _removals(files: list[_File]) -> list[RemoveAction]:
    now = time.time_ns() // 1_000_000
    return [RemoveAction(file.path, False, now, file.size, {DAY: file.day}) for file in files]
