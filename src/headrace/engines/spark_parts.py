"""What a Spark task does: it reads files into blocks by bucket, or answers the queries of one bucket with the kernel.

Everything here runs in Python workers. Rows travel as blocks, Arrow in bytes, so that no value passes through Spark's own types.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from importlib.metadata import version

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import headrace.errors
from headrace.definitions.schema import SQL_TYPES
from headrace.engines.duckdb import DuckDBEngine, no_rows
from headrace.engines.engine import GroupRead
from headrace.engines.skew import Slice
from headrace.errors import HeadraceError, SettingsError
from headrace.lake.table import AVAILABLE_TIME, EVENT_TIME

__all__ = [
    "ANSWER",
    "BLOCK",
    "COUNT",
    "FAILED",
    "PLACE",
    "TIME",
    "Plan",
    "answer",
    "blocks_of",
    "count_hot",
    "hash_sql",
    "packages",
    "raise_failure",
    "read_blocks",
    "unpacked",
]

Hashes = NDArray[np.uint64]

BLOCK = "bucket int, error string, block binary"
"""The Spark schema of rows on their way to a bucket."""
ANSWER = "error string, block binary"
COUNT = "error string, key long, n long"
"""A hash, as a signed integer, and how many rows have it."""
FAILED = -1
"""The bucket that errors come to."""
HASH, PLACE, TIME = "__hash", "__place", "__time"
"""A row's hash; a query's place among all and its moment."""
ANSWER_ROWS = 250_000
"""Rows of an answer that travel together: far less than the 2 GB that a block may have."""
PACKING = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True)
class Plan:
    """What every task of a read knows.

    Attributes:
        read: the read; progress is told by the driver alone.
        tasks: how many tasks share the files.
        columns: the columns that a row takes along.
        buckets: how many there are for keys that aren't hot.
        asked: the hashes of the keys asked for, ascending; None: too many to tell each task.
        memory_limit: what a worker may use.
        packages: what the driver runs. Another version could hash or compute otherwise.
        hot: the hashes of keys whose rows go to slices alone.
        slices: the slices of hot keys.
    """

    read: GroupRead
    tasks: int
    columns: Sequence[str]
    buckets: int
    asked: Hashes | None
    memory_limit: str
    packages: Mapping[str, str]
    hot: Hashes = field(default_factory=lambda: np.empty(0, np.uint64))
    slices: Sequence[Slice] = ()


@cache
def packages() -> dict[str, str]:
    """The versions that decide what is computed here."""
    return {name: version(name) for name in ("headrace", "duckdb", "numpy")}


def hash_sql(names: Mapping[str, str]) -> str:
    """The SQL of a key's hash from columns, name to type. It only brings equal keys together: the keys themselves decide."""
    return f"hash({', '.join(f'CAST({_quoted(name)} AS {SQL_TYPES[kind]})' for name, kind in names.items())})"


def count_hot(plan: Plan, least: int, tasks: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The keys of which a task's files hold more than `least` rows, as COUNT."""
    try:
        wanted = {HASH: _hash(plan), "n": "count(*)"}
        for batch in _rows(plan, wanted, f" GROUP BY ALL HAVING count(*) > {least}", tasks):
            keys = batch.column(HASH).to_numpy().view(np.int64)
            yield pa.record_batch({"error": pa.nulls(len(keys), pa.string()), "key": keys, "n": batch.column("n")})
    except HeadraceError as error:
        yield pa.record_batch({"error": [_told(error)], "key": pa.array([0], pa.int64()), "n": pa.array([0], pa.int64())})


def read_blocks(plan: Plan, tasks: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The rows of the files of each task, as BLOCK."""
    try:
        wanted = {HASH: _hash(plan), **{name: _quoted(name) for name in plan.columns}}
        for batch in _rows(plan, wanted, "", tasks):
            rows = batch.select(plan.columns)
            hashes = batch.column(HASH).to_numpy()
            yield from _sliced(plan.slices, hashes, rows)
            buckets = np.where(np.isin(hashes, plan.hot), plan.buckets, hashes % np.uint64(plan.buckets)).astype(np.int32)
            yield from blocks_of(rows, buckets, plan.buckets)
    except HeadraceError as error:
        yield _block(FAILED, _told(error), None)


def blocks_of(rows: pa.RecordBatch | pa.Table, buckets: NDArray[np.int32], count: int) -> Iterator[pa.RecordBatch]:
    """The rows of each bucket below `count`, as BLOCK; the others are left out."""
    order = np.argsort(buckets, kind="stable")
    bounds = np.searchsorted(buckets[order], np.arange(count + 1))
    for bucket in np.flatnonzero(np.diff(bounds)):
        yield _block(int(bucket), None, rows.take(pa.array(order[bounds[bucket] : bounds[bucket + 1]])))


def answer(plan: Plan, asked: pa.Table, events: pa.Table) -> pa.Table:
    """Answer the queries of one bucket, as ANSWER."""
    try:
        _refuse_failures(asked, events)
        if not asked.num_rows:
            return _answers([], [])
        queries, rows = _joined(asked), _joined(events) if events.num_rows else no_rows(plan.read)
        found = (
            _engine(plan).read(queries, TIME, replace(plan.read, through=None), rows).append_column(PLACE, queries.column(PLACE))
        )
    except HeadraceError as error:
        return _answers([_told(error)], [None])
    pieces = [_packed(found.slice(start, ANSWER_ROWS)) for start in range(0, found.num_rows, ANSWER_ROWS)]
    return _answers([None] * len(pieces), pieces)


def unpacked(block: bytes | pa.Buffer) -> pa.Table:
    """The rows of a block."""
    return pa.ipc.open_stream(block).read_all()


def raise_failure(told: str) -> None:
    """Raise the error that a worker told of."""
    kind, _, message = told.partition("\n")
    raise getattr(headrace.errors, kind)(message)


def _joined(blocks: pa.Table) -> pa.Table:
    return pa.concat_tables([unpacked(block.as_buffer()) for block in blocks.column("block")])


def _told(error: HeadraceError) -> str:
    return f"{type(error).__name__}\n{error}"


def _refuse_failures(*tables: pa.Table) -> None:
    for table in tables:
        for told in table.column("error").drop_null() if table.num_rows else ():
            raise_failure(told.as_py())


def _rows(plan: Plan, wanted: Mapping[str, str], rest: str, tasks: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Of the rows of each task's files, those that count and whose key was asked for."""
    engine, files = _engine(plan), plan.read.snapshot.files()
    tables = {}
    condition = " AND ".join(f"{_quoted(column)} IS NOT NULL" for column in plan.read.group.key_columns.values())
    if plan.asked is not None:
        tables["__asked"] = pa.table({HASH: plan.asked})
        condition += f" AND {_hash(plan)} IN (SELECT {HASH} FROM __asked)"
    for batch in tasks:
        for task in batch.column(0).to_pylist():
            yield from engine.rows(plan.read, files[task :: plan.tasks], wanted, condition + rest, **tables)


def _sliced(slices: Sequence[Slice], hashes: Hashes, rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """What the slices of hot keys see of some rows."""
    if not slices:
        return
    times = rows.column(EVENT_TIME).cast(pa.int64()).to_numpy()
    known = rows.column(AVAILABLE_TIME).cast(pa.int64()).to_numpy() if AVAILABLE_TIME in rows.schema.names else None
    places: dict[int, NDArray[np.int64]] = {}
    for piece in slices:
        if piece.key not in places:
            places[piece.key] = np.flatnonzero(hashes == np.uint64(piece.key))
        mine = places[piece.key]
        seen = mine[piece.sees(times[mine], None if known is None else known[mine])]
        if len(seen):
            yield _block(piece.bucket, None, rows.take(pa.array(seen)))


def _hash(plan: Plan) -> str:
    group = plan.read.group
    return hash_sql({column: group.entity.keys[key] for key, column in group.key_columns.items()})


def _engine(plan: Plan) -> DuckDBEngine:
    if packages() != plan.packages:
        msg = f"the Spark workers run {packages()}, but this process runs {plan.packages}; install the same there"
        raise SettingsError(msg)
    return _opened(plan.memory_limit)


@lru_cache(maxsize=1)
def _opened(memory_limit: str) -> DuckDBEngine:
    return DuckDBEngine(memory_limit, threads=1)


def _block(bucket: int, error: str | None, rows: pa.RecordBatch | pa.Table | None) -> pa.RecordBatch:
    return pa.record_batch(
        {
            "bucket": pa.array([bucket], pa.int32()),
            "error": pa.array([error], pa.string()),
            "block": pa.array([None if rows is None else _packed(rows)], pa.binary()),
        }
    )


def _answers(errors: Sequence[str | None], blocks: Sequence[bytes | None]) -> pa.Table:
    return pa.table({"error": pa.array(errors, pa.string()), "block": pa.array(blocks, pa.binary())})


def _packed(rows: pa.RecordBatch | pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=PACKING) as writer:
        writer.write(rows)
    return bytes(sink.getvalue())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
