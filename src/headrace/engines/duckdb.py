"""History on one machine: DuckDB reads Parquet and evaluates expressions, the kernel does the rest, entities in parts.

A part holds the entities whose number leaves the same remainder. Its events are read, sorted and searched on their own, so
the number of parts bounds the memory; several parts run at once, one on each core.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import psutil
import pyarrow as pa
from numpy.typing import NDArray

from headrace.definitions.schema import SQL_TYPES, arrow_schema, arrow_type, sql_type, vector_size
from headrace.engines.engine import GroupRead
from headrace.errors import InvalidInputError, SettingsError, StorageError
from headrace.forks import forgets_in_children
from headrace.kernel.inputs import GroupInputs, group_inputs
from headrace.kernel.point_in_time import NEVER, Events, Queries, latest_records, needs_arrival, window_features
from headrace.kernel.reflected import Reflected
from headrace.lake.table import AVAILABLE_TIME, EVENT_TIME, OFFSET, PARTITION, SEQUENCE
from headrace.lazy import Lazy

__all__ = ["DuckDBEngine", "no_rows"]

Ints = NDArray[np.int64]
Columns = list[pa.Array]

BATCH_ROWS = 500_000
"""Rows that are handed on together."""
SMALL_TABLE = 500_000
"""Rows below which one part does: more would cost more than they save."""
ROW_BYTES, COLUMN_BYTES = 72, 48
"""What an event needs while its part is computed, and what each of its inputs adds."""

_ARRIVAL = {"__arrival": f'COALESCE("{SEQUENCE}", "{OFFSET}")', PARTITION: f'"{PARTITION}"'}
"""The order of arrival, by column."""

_PLAIN = re.compile(r'CAST\(\((?:"([^"]+)"|(\w+))\) AS (\w+(?:\[\d+\])?)\)')
_PLAIN_TYPES = {sql: arrow_type(name) for name, sql in SQL_TYPES.items()}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)


class DuckDBEngine:
    """Computes features in this process. Several threads may use one engine at once."""

    def __init__(self, memory_limit: str = "", threads: int | None = None) -> None:
        """Open an in-memory DuckDB.

        Args:
            memory_limit: about what one read may use, for example `4GB`. Default: half of the machine's memory.
            threads: how many cores to use. Default: all.

        Raises:
            SettingsError: the limit isn't a size.
        """
        self._limit = _bytes(memory_limit) if memory_limit else psutil.virtual_memory().total // 2
        self._threads = threads or os.cpu_count() or 1
        self._connection = Lazy(self._connect)
        forgets_in_children(self)

    def forget(self) -> object:
        """Leave its database and what that is in the middle of to a parent process; the next read makes another one."""
        left, self._connection = self._connection, Lazy(self._connect)
        return left

    def _connect(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(config={"threads": self._threads})
        connection.execute(f"SET memory_limit = '{max(self._limit // 2 >> 20, 128)}MiB'")
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        spill = str(Path(tempfile.gettempdir()) / f"headrace-{os.getpid()}").replace("'", "''")
        connection.execute(f"SET temp_directory = '{spill}'")
        return connection

    def read(self, queries: pa.Table, timestamp: str, read: GroupRead, rows: pa.Table | None = None) -> pa.Table:
        """The features of each query row as of its timestamp, in the rows' order, and EVENT_TIME.

        Args:
            queries, timestamp, read: as in Engine.
            rows: look at these, as `rows` gave them, instead of the snapshot.

        Raises:
            InvalidInputError: an expression fails on a row, or an integer sum is beyond int64.
            StorageError: a file of the snapshot can't be read.
        """
        asked = _Asked.of(queries, timestamp, read)
        inputs = group_inputs(read.group, read.features)
        job = _Job(
            read,
            asked,
            inputs,
            self._source(read, read.snapshot.files()) if rows is None and asked.entities.num_rows else "__rows",
            rows,
        )
        columns, seen = self._records(job) if read.group.source.is_table else self._windows(job)
        named = {
            item.feature.name: column.cast(arrow_type(item.feature.dtype))
            for item, column in zip(inputs.features, columns, strict=True)
        }
        return pa.table({**named, EVENT_TIME: pa.array(seen, mask=seen == NEVER).cast(arrow_type("timestamp"))})

    def rows(
        self, read: GroupRead, files: Sequence[str], columns: Mapping[str, str], condition: str, **tables: pa.Table
    ) -> Iterator[pa.RecordBatch]:
        """Columns, name to SQL, of the rows in some files of the snapshot that count and meet a condition on them and `tables`.

        Raises:
            StorageError: a file can't be read.
        """
        sql = f"SELECT {_selected(columns)} FROM {self._source(read, files)} AS __source WHERE {_counted(read)} AND {condition}"
        with self._connection().cursor() as cursor, _errors():
            for name, table in tables.items():
                cursor.register(name, table)
            yield from cursor.sql(sql).to_arrow_reader(BATCH_ROWS)

    def project(self, rows: pa.Table, expressions: Mapping[str, str]) -> pa.Table:
        """Evaluate SQL expressions over each row; the rows' order is kept.

        Raises:
            InvalidInputError: an expression fails on a row.
        """
        plain = {name: column for name, sql in expressions.items() if (column := _plain_column(rows, sql)) is not None}
        computed = {name: sql for name, sql in expressions.items() if name not in plain}
        if computed:
            result = self._query(f"SELECT {_selected(computed)} FROM __rows", __rows=rows)
            plain |= {name: result.column(name) for name in computed}
        return pa.table({name: plain[name] for name in expressions})

    def holds(
        self,
        rows: pa.Table,  # noqa: ARG002 - DuckDB finds it by its name
        conditions: Mapping[str, str],
    ) -> Mapping[str, NDArray[np.bool_]]:
        """For each condition the rows where it is true or null: not those where it is false or can't be computed.

        For a few rows it costs half of what `project` does.
        """
        held = {name: f"COALESCE(TRY(COALESCE(({sql}), TRUE)), FALSE)" for name, sql in conditions.items()}
        with self._connection().cursor() as cursor, _errors():
            found: Any = cursor.execute(f"SELECT {_selected(held)} FROM rows").fetchnumpy()
        return {name: found[name] for name in held}

    def _windows(self, job: _Job) -> tuple[Columns, Ints]:
        features = job.inputs.features

        def work(events: Events, queries: Queries) -> tuple[Columns, Ints]:
            return window_features(events, queries, features)

        order = _ARRIVAL if needs_arrival(features) else {}
        places, results = zip(*self._each_part(job, job.inputs.expressions, order, work), strict=True)
        back = _inverse(places)
        columns = [_joined([columns[i] for columns, _ in results]).take(pa.array(back)) for i in range(len(features))]
        return columns, np.concatenate([seen for _, seen in results])[back]

    def _records(self, job: _Job) -> tuple[Columns, Ints]:
        """First find each query's record by key and time alone, then fetch the columns of the records found."""
        places, results = zip(*self._each_part(job, {}, _ARRIVAL | {OFFSET: f'"{OFFSET}"'}, _Held.find), strict=True)
        back = _inverse(places)
        counts = np.cumsum([0, *(len(held.offsets) for held in results)])
        slots = [np.where(held.slots < 0, -1, held.slots + count) for held, count in zip(results, counts, strict=False)]
        slot, seen = np.concatenate(slots)[back], np.concatenate([held.times for held in results])[back]
        found = pa.table(
            {
                "__offset": np.concatenate([held.offsets for held in results]),
                "__partition": np.concatenate([held.partitions for held in results]),
                "__slot": np.arange(counts[-1]),
            }
        )
        del results, slots
        rows = self._query(
            f"SELECT __slot, {_selected(job.inputs.expressions)} FROM {job.source} AS __source "
            f"JOIN __found ON {_quoted(OFFSET)} = __offset AND {_quoted(PARTITION)} = __partition",
            __found=found,
            __rows=job.in_hand,
        )
        row_of = np.empty(found.num_rows, np.int64)
        row_of[rows.column("__slot").to_numpy()] = np.arange(rows.num_rows)
        taken = np.zeros(len(slot), np.int64)
        taken[slot >= 0] = row_of[slot[slot >= 0]]
        wanted = pa.array(taken, mask=slot < 0)
        by_input = {name: _whole(rows.column(name)).take(wanted) for name in job.inputs.expressions}
        return [by_input[item.argument] for item in job.inputs.features if item.argument is not None], seen

    def _each_part(
        self, job: _Job, columns: Mapping[str, str], order: Mapping[str, str], work: Callable[[Events, Queries], Any]
    ) -> Iterator[tuple[Ints, Any]]:
        """The places of each part's queries, and what `work` makes of its events and them. A part's entities are those whose
        code leaves the same remainder."""
        parts = self._parts(job, ROW_BYTES + COLUMN_BYTES * len(columns))
        codes, times, known = job.asked.codes, job.asked.times, job.asked.known

        def part(index: int) -> tuple[Ints, Any]:
            places = np.flatnonzero(codes % parts == index)
            events = self._events(job, index, parts, columns, order)
            return places, work(events, Queries(codes[places] // parts, times[places], known if known is None else known[places]))

        with ThreadPoolExecutor(min(self._threads, parts)) as pool:
            for done, result in enumerate(pool.map(part, range(parts)), 1):
                yield result
                job.read.progress(done, parts)

    def _parts(self, job: _Job, row_bytes: int) -> int:
        """As many parts as keep those that run at once within half of the limit: the other half is for DuckDB and results."""
        rows = job.read.snapshot.count() if job.rows is None else job.rows.num_rows
        fitting = max(self._limit // 2 // (row_bytes * self._threads), 1)
        if rows > fitting * self._threads:  # each part reads the files again: worth knowing how many rows are wanted at all
            rows = self._found(job, {"n": "count(*)"}, 0, 1).column("n")[0].as_py()
        return max(-(-rows // fitting), 1 if rows < SMALL_TABLE else self._threads)

    def _events(self, job: _Job, index: int, parts: int, columns: Mapping[str, str], order: Mapping[str, str]) -> Events:
        wanted = {"__code": "__code", EVENT_TIME: _quoted(EVENT_TIME), **order, **columns}
        if job.read.limits is not None:
            wanted["__known"] = "__rank"
        elif job.read.as_known:
            wanted["__known"] = f"epoch_us({_quoted(AVAILABLE_TIME)})"
        found = self._found(job, wanted, index, parts)
        return Events(
            found.column("__code").to_numpy(),
            _micros(found, EVENT_TIME),
            [found.column(name).to_numpy() for name in order],
            found.column("__known").to_numpy() if "__known" in wanted else None,
            {name: _whole(found.column(name)) for name in columns},
        )

    def _found(self, job: _Job, wanted: Mapping[str, str], index: int, parts: int) -> pa.Table:
        """What is wanted of the rows of one part's entities."""
        keys = job.read.group.key_columns.values()
        joined = " AND ".join(f"__source.{_quoted(column)} = __key{i}" for i, column in enumerate(keys))
        tables = {"__entities": job.asked.entities_of(index, parts), "__rows": job.in_hand}
        limits = job.asked.limits_of(index, parts)
        ranked = ""
        if limits is not None:
            tables["__limits"] = limits
            ranked = (
                f" ASOF JOIN __limits ON __code = __chain AND {_quoted(PARTITION)} = __lane AND {_quoted(OFFSET)} <= __through"
            )
        return self._query(
            f"SELECT {_selected(wanted)} FROM {job.source} AS __source JOIN __entities ON {joined}{ranked} "
            f"WHERE {_counted(job.read)}",
            **tables,
        )

    def _source(self, read: GroupRead, paths: Sequence[str]) -> str:
        """The rows of files as a FROM clause; a column that the source got later than its files is null."""
        files = ", ".join("'" + file.replace("'", "''") + "'" for file in read.snapshot.fetch(paths))
        if not files:
            return "__rows"
        rows = f"read_parquet([{files}], union_by_name = true, hive_partitioning = false)"
        with self._connection().cursor() as cursor, _errors():
            held = {column.lower() for column in cursor.sql(f"FROM {rows}").columns}
        wanted = {**read.group.source.schema, SEQUENCE: "int64"}
        nulls = "".join(
            f", NULL::{sql_type(kind)} AS {_quoted(name)}" for name, kind in wanted.items() if name.lower() not in held
        )
        vectors = {name: kind for name, kind in wanted.items() if name.lower() in held and vector_size(kind) is not None}
        casts = ", ".join(f"{_quoted(name)}::{sql_type(kind)} AS {_quoted(name)}" for name, kind in vectors.items())
        replaced = f" REPLACE ({casts})" if casts else ""  # to Parquet a vector is a list
        return f"(SELECT *{replaced}{nulls} FROM {rows})" if replaced or nulls else rows

    def _query(self, sql: str, **tables: pa.Table) -> pa.Table:
        with self._connection().cursor() as cursor, _errors():
            for name, table in tables.items():
                cursor.register(name, table)
            return cursor.sql(sql).to_arrow_table()


@dataclass(frozen=True)
class _Job:
    """One read, its queries by entity, what its features need, the FROM clause of the rows, and those handed over."""

    read: GroupRead
    asked: _Asked
    inputs: GroupInputs
    source: str
    rows: pa.Table | None

    @property
    def in_hand(self) -> pa.Table:
        """What there is to read without files: what was handed over, else nothing."""
        return no_rows(self.read) if self.rows is None else self.rows


@dataclass(frozen=True)
class _Asked:
    """The queries by entity.

    Attributes:
        codes: the number of each query's entity; one beyond the last where a key or the timestamp is null.
        times: as of when, in microseconds.
        entities: the distinct keys, in the order of their numbers: columns __key0, __key1, …
        reflected: the order of the queries where each has limits of its own; an entity may then have several numbers.
    """

    codes: NDArray[np.integer]
    times: Ints
    entities: pa.Table
    reflected: Reflected | None = None

    @classmethod
    def of(cls, queries: pa.Table, timestamp: str, read: GroupRead) -> _Asked:
        """Number the entities of the queries."""
        keys = [_whole(queries.column(read.keys[key])) for key in read.group.entity.keys]
        valid = _whole(queries.column(timestamp)).is_valid().to_numpy(zero_copy_only=False)
        codes = np.zeros(queries.num_rows, np.int32)
        for place, key in enumerate(keys):
            encoded = key.dictionary_encode()
            valid &= key.is_valid().to_numpy(zero_copy_only=False)
            numbers = encoded.indices.fill_null(0).to_numpy()
            both = pa.array(codes * np.int64(len(encoded.dictionary)) + numbers) if place else None
            codes = numbers if both is None else both.dictionary_encode().indices.to_numpy()
        count = int(codes.max(initial=-1)) + 1
        codes = np.where(valid, codes, np.int32(count))
        first = np.zeros(count + 1, np.int64)
        first[codes[::-1]] = np.arange(queries.num_rows)[::-1]
        entities = {f"__key{i}": key.take(pa.array(first[:-1])) for i, key in enumerate(keys)}
        times = _whole(queries.column(timestamp)).cast(pa.int64()).fill_null(0).to_numpy()
        if read.limits is None:
            return cls(codes, times, pa.table(entities))
        reflected = Reflected.of(codes, read.limits)
        chains = reflected.entities[reflected.entities < count]
        return cls(reflected.codes, times, pa.table(entities).take(pa.array(chains)), reflected)

    @property
    def known(self) -> Ints | None:
        """The rank of each query, where each has limits of its own."""
        return None if self.reflected is None else self.reflected.ranks

    def entities_of(self, index: int, parts: int) -> pa.Table:
        """The entities of one part, with the __code that the part knows each one by."""
        entities = self.entities if parts == 1 else self.entities.take(pa.array(np.arange(index, self.entities.num_rows, parts)))
        return entities.append_column("__code", pa.array(np.arange(entities.num_rows, dtype=np.int32)))

    def limits_of(self, index: int, parts: int) -> pa.Table | None:
        """The rank of the rows of one part's entities, by partition and up to an offset; None if rows have none."""
        found = self.reflected
        if found is None:
            return None
        mine = found.chains % parts == index
        columns = (found.chains // parts, found.partitions, found.offsets, found.firsts)
        return pa.table([pa.array(column[mine]) for column in columns], ["__chain", "__lane", "__through", "__rank"])


@dataclass(frozen=True)
class _Held:
    """The records that a part's queries found.

    Attributes:
        slots: the number of each query's record; -1 if there is none.
        times: the time of each query's record, or NEVER.
        offsets, partitions: what identifies each record in the lake.
    """

    slots: Ints
    times: Ints
    offsets: Ints
    partitions: NDArray[np.int32]

    @classmethod
    def find(cls, events: Events, queries: Queries) -> _Held:
        """The records that hold as of the queries."""
        rows = latest_records(events, queries)
        distinct, slots = np.unique(rows, return_inverse=True)
        missing = int(len(distinct) > 0 and distinct[0] < 0)
        times = np.concatenate([np.full(missing, NEVER), events.times[distinct[missing:]]])
        _, partitions, offsets = events.arrival
        return cls(
            slots - missing,
            times[slots],
            offsets[distinct[missing:]].astype(np.int64),
            partitions[distinct[missing:]].astype(np.int32),
        )


def no_rows(read: GroupRead) -> pa.Table:
    """None of the rows that a read looks at, with all columns."""
    extra = {EVENT_TIME: "timestamp", AVAILABLE_TIME: "timestamp", PARTITION: "int32", OFFSET: "int64", SEQUENCE: "int64"}
    return arrow_schema({**read.group.source.schema, **extra}).empty_table()


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except duckdb.OperationalError as error:
        msg = f"the lake can't be read: {error}"
        raise StorageError(msg) from error
    except duckdb.Error as error:
        reason = str(error).split("\n\nLINE ")[0]
        msg = f"an expression can't be evaluated: {reason}"
        raise InvalidInputError(msg) from error


def _counted(read: GroupRead) -> str:
    """The condition that leaves out what came in after the offsets asked for."""
    limits = (read.through or {}).items()
    return (
        " AND ".join(f"NOT ({_quoted(PARTITION)} = {partition} AND {_quoted(OFFSET)} > {last})" for partition, last in limits)
        or "TRUE"
    )


def _selected(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{sql} AS {_quoted(name)}" for name, sql in columns.items())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _plain_column(rows: pa.Table, sql: str) -> pa.ChunkedArray | None:
    """The column that an expression merely names, if it already has the type to cast to."""
    match = _PLAIN.fullmatch(sql)
    name = match and (match[1] or match[2])
    if not match or name not in rows.column_names or not _is_of(rows.schema.field(name).type, match[3]):
        return None
    return rows.column(name)


def _is_of(kind: pa.DataType, sql: str) -> bool:
    """Whether an Arrow type is that of a DuckDB type."""
    if pa.types.is_fixed_size_list(kind):
        return bool(kind.value_type == pa.float32() and sql == f"FLOAT[{kind.list_size}]")
    return bool(kind == _PLAIN_TYPES.get(sql))


def _inverse(places: Sequence[Ints]) -> Ints:
    """Where each query's result lies when the parts' results follow each other."""
    order = np.concatenate(places)
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return back


def _joined(columns: Sequence[pa.Array]) -> pa.Array:
    return columns[0] if len(columns) == 1 else pa.concat_arrays(columns)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks()


def _micros(table: pa.Table, name: str) -> Ints:
    times: Ints = table.column(name).cast(pa.int64()).to_numpy()
    return times


def _bytes(text: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    if not match:
        msg = f"setting 'memory_limit' must be a size such as '4GB', not {text!r}"
        raise SettingsError(msg)
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))
