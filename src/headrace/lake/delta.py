"""The lake in Delta tables, in a folder or a bucket: one table per source, partitioned by the day that rows arrived."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC
from pathlib import Path
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.transaction import AddAction

from headrace.buckets.connection import place_of
from headrace.clock import Clock, from_micros, system_clock
from headrace.errors import ConflictError, InvalidInputError, NotFoundError
from headrace.lake.bucket import Bucket
from headrace.lake.cache import FileCache
from headrace.lake.compaction import compact
from headrace.lake.faults import reading, writing
from headrace.lake.folder import Folder
from headrace.lake.kept import KeptFrames
from headrace.lake.log import DAY, LOG, holds, open_table
from headrace.lake.parquet import write_files
from headrace.lake.place import Place
from headrace.lake.snapshot import DeltaSnapshot, lane
from headrace.lake.table import AVAILABLE_TIME, EVENT_TIME, OFFSET, PARTITION, SEQUENCE, Appended, Optimized, TableState, Vacuumed
from headrace.lake.vacuum import vacuum

__all__ = ["DeltaLake", "DeltaLakeTable"]

_TABLES = "tables"
_TIME = pa.timestamp("us", tz="UTC")
_CONFIGURATION = {
    "delta.appendOnly": "true",
    "delta.checkpointInterval": "25",  # opening replays at most so many commits; each checkpoint lists every file again
    "delta.enableExpiredLogCleanup": "false",  # a training set may pin any version
}


class DeltaLake:
    """All tables at one place, and the frames kept beside them.

    Args:
        root: a folder, as a path or a `file://` URL, made at the first write; or a bucket, as `s3://bucket/prefix` (gs, az).
        clock: says which day it is when rows arrive.
        cache: the folder for copies of a bucket's files. Default: `headrace/lake` in the user's folder for caches.

    Raises:
        SettingsError: the URL is none of these.
    """

    def __init__(self, root: str | Path, clock: Clock = system_clock, cache: str | Path = "") -> None:
        self.place = _place(root, FileCache(cache))
        self._clock = clock
        self._tables: dict[str, DeltaLakeTable] = {}
        self._frames = KeptFrames(self.place.under("frames"))
        self._lock = threading.Lock()

    def table(self, source: str, schema: pa.Schema) -> DeltaLakeTable:
        """The table of a source; made at the first append. `schema` is the source's own columns."""
        with self._lock:
            table = self._tables.get(source)
            if table is None or table.source_schema != schema:
                table = DeltaLakeTable(source, self._of(source), schema, self._clock)
                self._tables[source] = table
            return table

    def write_frame(self, name: str, frame: pa.Table) -> None:
        """Keep a frame under a name, whole or not at all. An existing name is replaced."""
        self._frames.write(name, frame)

    def read_frame(self, name: str) -> pa.Table:
        """A kept frame. Raises NotFoundError, and IntegrityError if its bytes have changed."""
        return self._frames.read(name)

    def tables(self) -> Sequence[str]:
        """The names of all tables, sorted."""
        with reading(f"the lake {self.place.url}"):
            return sorted(map(unquote, self.place.under(_TABLES).folders()))

    def state(self, table: str) -> TableState:
        """A table as it is now; version -1 if it was never written."""
        place = self._of(table)
        with reading(f"the log of the lake table {place.url}"):
            found = DeltaSnapshot(place, _with_order(pa.schema([])), open_table(place))
        return TableState(table, found.version, found.count(), len(found.files()), found.size(), found.lanes())

    def optimize(self, table: str, progress: Callable[[int, int], None]) -> Optimized:
        """Merge small files; no version changes what it holds. `progress` is called with the files merged, and those to merge."""
        return compact(table, self._of(table), progress)

    def vacuum(self, table: str, pinned: Iterable[int], before: int, *, dry_run: bool = False) -> Vacuumed:
        """Remove the files that only versions from before a moment (microseconds since 1970) name, and no pinned version."""
        return vacuum(table, self._of(table), pinned, before, dry_run=dry_run)

    def _of(self, table: str) -> Place:
        return self.place.under(_TABLES).under(quote(table, safe=""))


class DeltaLakeTable:
    """One source's table. Threads and processes may append and read at once."""

    def __init__(self, source: str, place: Place, schema: pa.Schema, clock: Clock) -> None:
        self.source_schema = schema
        self._source = source
        self._place = place
        self._schema = _with_order(schema)
        self._clock = clock
        self._table: DeltaTable | None = None
        self._snapshot = DeltaSnapshot(place, self._schema, None)
        self._lock = threading.Lock()

    def append(self, rows: pa.Table, *, partition: int, batch_id: str | None = None) -> Appended:
        """Append rows of one partition in one commit, which also records their highest offset and the batch id.

        Rows at or below the partition's committed offset are left out, and a batch id that landed before appends nothing.
        `rows` holds the source's columns, EVENT_TIME, AVAILABLE_TIME, OFFSET, and SEQUENCE or not.

        Raises:
            InvalidInputError: a column is missing or has another type.
            ConflictError: the table holds a column with another type than the source now says.
            StorageError: the disk is full or the folder read-only; nothing was changed.
        """
        rows = self._prepared(rows, partition)
        with self._lock, writing(f"the lake table {self._place.url}"):
            start = seen = _version(self._newest())
            written: dict[int, list[AddAction]] = {}
            while True:
                try:
                    done = self._append(rows, partition, batch_id, written)
                except DeltaError:
                    before, seen = seen, _version(self._newest())
                    if seen == before:
                        raise
                    continue  # another writer came first, perhaps with these rows: look again
                self._sync(start)
                return done

    def holds_batch(self, batch_id: str) -> bool:
        """Whether this batch has landed."""
        with self._lock, reading(f"the log of the lake table {self._place.url}"):
            table = self._newest()
            return table is not None and table.transaction_version(_batch(batch_id)) is not None

    def snapshot(self, version: int | None = None) -> DeltaSnapshot:
        """The table now, or as it was at a version. Raises NotFoundError for a version that is gone."""
        with self._lock, reading(f"the log of the lake table {self._place.url}"):
            table = self._newest()
            if version is not None and version != _version(table):
                return DeltaSnapshot(self._place, self._schema, self._at(version))
            if self._snapshot.version != _version(table):
                self._snapshot = DeltaSnapshot(self._place, self._schema, table)
            return self._snapshot

    def _append(self, rows: pa.Table, partition: int, batch_id: str | None, written: dict[int, list[AddAction]]) -> Appended:
        """Append what hasn't landed. Raises DeltaError if another writer commits one of the transactions meanwhile.

        Args:
            written: number of rows to the files that hold so many of the last ones, from earlier attempts.
        """
        table = self._ready()
        if batch_id is not None and table.transaction_version(_batch(batch_id)) is not None:
            return Appended(table.version(), 0, replayed=True)
        fresh = _after(rows, table.transaction_version(lane(partition)))
        if fresh.num_rows == 0 and (rows.num_rows > 0 or batch_id is None):
            return Appended(table.version(), 0, replayed=rows.num_rows > 0)
        transactions = {} if batch_id is None else {_batch(batch_id): 1}
        if fresh.num_rows:
            transactions[lane(partition)] = pc.max(fresh.column(OFFSET)).as_py()
        if fresh.num_rows not in written:
            written[fresh.num_rows] = write_files(self._place, {DAY: self._day()}, fresh)
        return Appended(_commit(table, written[fresh.num_rows], transactions), fresh.num_rows, replayed=False)

    def _sync(self, seen: int) -> None:
        """Make the commits after a version durable: `deltalake` leaves them to the operating system."""
        self._place.flush(LOG, [f"{version:020}.json" for version in range(seen + 1, _version(self._table) + 1)])

    def _newest(self) -> DeltaTable | None:
        """The table as it is now; None if it was never written."""
        with reading(f"the log of the lake table {self._place.url}"):
            if self._table is not None:
                self._table.update_incremental()
            else:
                try:
                    self._table = open_table(self._place)
                except TableNotFoundError:  # another process is just making it
                    return None
            return self._table

    def _at(self, version: int) -> DeltaTable | None:
        if version < 0:
            return None
        try:
            if version <= _version(self._table):
                return open_table(self._place, version)
        except TableNotFoundError:  # another tool has cut the log
            pass
        msg = f"the lake table {self._source!r} has no version {version}"
        raise NotFoundError(msg)

    def _ready(self) -> DeltaTable:
        """The table, made if need be, with all columns."""
        schema = self._schema.append(pa.field(DAY, pa.date32()))
        if self._table is None:
            self._table = DeltaTable.create(
                self._place.url, schema, partition_by=[DAY], configuration=_CONFIGURATION, storage_options=self._place.options
            )
        held = pa.schema(self._table.schema())
        new = []
        for column in schema:
            place = held.get_field_index(column.name)
            if place < 0:
                new.append(column)
            elif not _holds(held.field(place).type, column.type):
                msg = (
                    f"column {column.name!r} of the lake table {self._source!r} holds {held.field(place).type}, "
                    f"but the source now says {column.type}; give the column or the source another name"
                )
                raise ConflictError(msg)
        if new:
            self._table.alter.add_columns(list(Schema.from_arrow(pa.schema(new)).fields))
        return self._table

    def _day(self) -> str:
        return from_micros(self._clock()).astimezone(UTC).date().isoformat()

    def _prepared(self, rows: pa.Table, partition: int) -> pa.Table:
        """The rows with exactly the table's columns, in its order."""
        ours = {PARTITION: pa.repeat(pa.scalar(partition, pa.int32()), rows.num_rows)}
        if SEQUENCE not in rows.column_names:
            ours[SEQUENCE] = pa.nulls(rows.num_rows, pa.int64())
        columns = []
        for column in self._schema:
            if column.name in ours:
                columns.append(ours[column.name])
                continue
            if column.name not in rows.column_names or rows.schema.field(column.name).type != column.type:
                wanted = f"need a column {column.name!r} of type {column.type}"
                msg = f"rows for the lake table {self._source!r} {wanted}; got {rows.schema}"
                raise InvalidInputError(msg)
            columns.append(rows.column(column.name))
        return pa.table(columns, schema=self._schema)


def _holds(held: pa.DataType, kind: pa.DataType) -> bool:
    """Whether a Delta column holds a type: vectors are lists there."""
    if pa.types.is_fixed_size_list(kind):
        return bool(pa.types.is_list(held) and held.value_type == kind.value_type)
    return bool(held == kind)


def _commit(table: DeltaTable, files: Sequence[AddAction], transactions: Mapping[str, int]) -> int:
    """Commit files; returns a version that has them. After an error the files stay: the commit may have landed."""
    properties = CommitProperties(app_transactions=[Transaction(*item) for item in transactions.items()])
    try:
        table.create_write_transaction([*files], "append", table.schema(), [DAY], commit_properties=properties)
    except (DeltaError, OSError):
        table.update_incremental()
        if not holds(table, files):
            raise
    else:
        table.update_incremental()
    return int(table.version())


def _version(table: DeltaTable | None) -> int:
    return -1 if table is None else int(table.version())


def _after(rows: pa.Table, committed: int | None) -> pa.Table:
    if committed is None or rows.num_rows == 0 or pc.min(rows.column(OFFSET)).as_py() > committed:
        return rows
    return rows.filter(pc.greater(rows.column(OFFSET), committed))


def _with_order(schema: pa.Schema) -> pa.Schema:
    times = [pa.field(name, _TIME) for name in (EVENT_TIME, AVAILABLE_TIME) if name not in schema.names]
    order = [pa.field(PARTITION, pa.int32()), pa.field(OFFSET, pa.int64()), pa.field(SEQUENCE, pa.int64())]
    return pa.schema([*schema, *times, *order])


def _batch(batch_id: str) -> str:
    return f"batch/{batch_id}"


def _place(root: str | Path, cache: FileCache) -> Place:
    place = place_of(root, "lake")
    return Folder(place) if isinstance(place, Path) else Bucket(place, cache)
