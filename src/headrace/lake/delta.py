"""The lake in Delta tables on local files: one table per source, partitioned by the day that rows arrived."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote, urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from headrace.clock import Clock, from_micros, system_clock
from headrace.errors import InvalidInputError, SettingsError
from headrace.ids import new_id
from headrace.lake.delta_log import DAY, EMPTY, DataFile, DeltaLog, State
from headrace.lake.faults import writing
from headrace.lake.kept import KeptFrames
from headrace.lake.parquet import write_parquet
from headrace.lake.snapshot import DeltaSnapshot, lane
from headrace.lake.table import AVAILABLE_TIME, EVENT_TIME, OFFSET, PARTITION, Appended

__all__ = ["DeltaLake", "DeltaLakeTable"]

_FILE_ROWS = 2_000_000
_TIME = pa.timestamp("us", tz="UTC")


class DeltaLake:
    """All tables under one folder, and the frames kept beside them.

    Args:
        root: a folder, as a path or a `file://` URL; made at the first write.
        clock: says which day it is when rows arrive.

    Raises:
        SettingsError: the URL isn't one of a local folder.
    """

    def __init__(self, root: str | Path, clock: Clock = system_clock) -> None:
        self.root = _local(root)
        self._clock = clock
        self._tables: dict[str, DeltaLakeTable] = {}
        self._frames = KeptFrames(self.root / "frames")
        self._lock = threading.Lock()

    def table(self, source: str, schema: pa.Schema) -> DeltaLakeTable:
        """The table of a source; made at the first append. `schema` is the source's own columns."""
        with self._lock:
            table = self._tables.get(source)
            if table is None or table.source_schema != schema:
                table = DeltaLakeTable(self.root / "tables" / quote(source, safe=""), schema, self._clock)
                self._tables[source] = table
            return table

    def write_frame(self, name: str, frame: pa.Table) -> None:
        """Keep a frame under a name, whole or not at all. An existing name is replaced."""
        self._frames.write(name, frame)

    def read_frame(self, name: str) -> pa.Table:
        """A kept frame. Raises NotFoundError, and IntegrityError if its bytes have changed."""
        return self._frames.read(name)


class DeltaLakeTable:
    """One source's table. Threads and processes may append and read at once."""

    def __init__(self, root: Path, schema: pa.Schema, clock: Clock) -> None:
        self.source_schema = schema
        self._root = root
        self._schema = _with_order(schema)
        self._clock = clock
        self._log = DeltaLog(root)
        self._state = EMPTY
        self._lock = threading.Lock()

    def append(self, rows: pa.Table, *, partition: int, batch_id: str | None = None) -> Appended:
        """Append rows of one partition in one commit, which also records their highest offset and the batch id.

        Rows at or below the partition's committed offset are left out, and a batch id that landed before appends nothing.
        `rows` holds the source's columns, EVENT_TIME, AVAILABLE_TIME and OFFSET.

        Raises:
            InvalidInputError: a column is missing or has another type.
            ConflictError: the table holds a column with another type than the source now says.
            StorageError: the disk is full or the folder read-only; nothing was changed.
        """
        rows = self._prepared(rows, partition)
        with self._lock, writing(f"the lake table {self._root}"):
            self._state = self._ready()
            with _Files(self._root, self._day()) as files:
                return self._append(rows, partition, batch_id, files)

    def holds_batch(self, batch_id: str) -> bool:
        """Whether this batch has landed."""
        return self._now().transaction(_batch(batch_id)) is not None

    def snapshot(self, version: int | None = None) -> DeltaSnapshot:
        """The table now, or as it was at a version. Raises NotFoundError for a version that is gone."""
        state = self._now()
        if version is not None and version != state.version:
            state = EMPTY if version < 0 else self._log.load(version)
        return DeltaSnapshot(self._root, self._schema, state)

    def _append(self, rows: pa.Table, partition: int, batch_id: str | None, files: _Files) -> Appended:
        """Commit at the next free version; another writer that took it may have landed these rows, so look again each time."""
        while True:
            state = self._state
            if batch_id is not None and state.transaction(_batch(batch_id)) is not None:
                return Appended(state.version, 0, replayed=True)
            fresh = _after(rows, state.transaction(lane(partition)))
            if fresh.num_rows == 0 and (rows.num_rows > 0 or batch_id is None):
                return Appended(state.version, 0, replayed=rows.num_rows > 0)
            transactions = {} if batch_id is None else {_batch(batch_id): 1}
            if fresh.num_rows:
                transactions[lane(partition)] = pc.max(fresh.column(OFFSET)).as_py()
            committed = self._log.commit(state, files.write(fresh), transactions)
            if committed is not None:
                files.keep()
                self._state = committed
                return Appended(committed.version, fresh.num_rows, replayed=False)
            self._state = self._log.refresh(state)

    def _now(self) -> State:
        with self._lock:
            self._state = self._log.refresh(self._state)
            return self._state

    def _ready(self) -> State:
        """The newest state, of a table that exists, has all columns and isn't long without a checkpoint."""
        schema = self._schema.append(pa.field(DAY, pa.date32()))
        state = self._log.refresh(self._state)
        if state.version < 0:
            state = self._log.create(schema)
        return self._log.checkpoint(self._log.widen(state, schema))

    def _day(self) -> str:
        return from_micros(self._clock()).astimezone(UTC).date().isoformat()

    def _prepared(self, rows: pa.Table, partition: int) -> pa.Table:
        """The rows with exactly the table's columns, in its order."""
        lane_column = pa.repeat(pa.scalar(partition, pa.int32()), rows.num_rows)
        columns = []
        for column in self._schema:
            if column.name == PARTITION:
                columns.append(lane_column)
                continue
            if column.name not in rows.column_names or rows.schema.field(column.name).type != column.type:
                wanted = f"need a column {column.name!r} of type {column.type}"
                msg = f"rows for the lake table {self._root.name!r} {wanted}; got {rows.schema}"
                raise InvalidInputError(msg)
            columns.append(rows.column(column.name))
        return pa.table(columns, schema=self._schema)


class _Files:
    """The Parquet files of one append: removed again unless a commit took them."""

    def __init__(self, root: Path, day: str) -> None:
        self._root = root
        self._day = day
        self._rows = -1
        self._files: list[DataFile] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._remove()

    def write(self, rows: pa.Table) -> Sequence[DataFile]:
        """The files of these rows; written anew only if the rows became fewer since the last try."""
        if rows.num_rows != self._rows:
            self._remove()
            self._rows = rows.num_rows
            (self._root / f"{DAY}={self._day}").mkdir(parents=True, exist_ok=True)
            parts = [rows.slice(start, _FILE_ROWS) for start in range(0, rows.num_rows, _FILE_ROWS)]
            self._files = _each(self._write_one, parts)
        return self._files

    def keep(self) -> None:
        """The files belong to the table now."""
        self._files = []

    def _write_one(self, rows: pa.Table) -> DataFile:
        path = f"{DAY}={self._day}/{new_id()}.parquet"
        size = write_parquet(self._root / path, rows)
        ranges = [pc.min_max(rows.column(name)).as_py() for name in (PARTITION, OFFSET)]
        partitions, offsets = [(found["min"], found["max"]) for found in ranges]
        return DataFile(path, rows.num_rows, size, self._day, partitions, offsets)

    def _remove(self) -> None:
        for file in self._files:
            (self._root / file.path).unlink(missing_ok=True)
        self._files = []


def _each(write: Callable[[pa.Table], DataFile], parts: Sequence[pa.Table]) -> list[DataFile]:
    if len(parts) < 2:
        return [write(part) for part in parts]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(write, parts))


def _after(rows: pa.Table, committed: int | None) -> pa.Table:
    if committed is None or rows.num_rows == 0 or pc.min(rows.column(OFFSET)).as_py() > committed:
        return rows
    return rows.filter(pc.greater(rows.column(OFFSET), committed))


def _with_order(schema: pa.Schema) -> pa.Schema:
    times = [pa.field(name, _TIME) for name in (EVENT_TIME, AVAILABLE_TIME) if name not in schema.names]
    return pa.schema([*schema, *times, pa.field(PARTITION, pa.int32()), pa.field(OFFSET, pa.int64())])


def _batch(batch_id: str) -> str:
    return f"batch/{batch_id}"


def _local(root: str | Path) -> Path:
    url = urlsplit(str(root))
    if url.scheme == "file":
        return Path(unquote(url.path)).resolve()
    if "://" in str(root):
        msg = f"setting 'lake' is {str(root)!r}, but the lake is kept in a local folder: give a path or a file:// URL"
        raise SettingsError(msg)
    return Path(root).resolve()
