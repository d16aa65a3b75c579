"""History on a cluster: Spark brings the rows and the queries of a bucket of entities together, the kernel does the rest.

The driver hashes the queries by entity, tasks read the lake's files and hash the rows alike, and one cogroup per bucket runs the
same code as the embedded engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.definitions.aggregation import Aggregation
from headrace.definitions.expression import columns_of
from headrace.engines.engine import Engine, GroupRead
from headrace.engines.skew import cut
from headrace.engines.spark_parts import (
    ANSWER,
    BLOCK,
    COUNT,
    PLACE,
    TIME,
    Plan,
    answer,
    blocks_of,
    count_hot,
    hash_sql,
    packages,
    raise_failure,
    read_blocks,
    unpacked,
)
from headrace.engines.spark_session import SparkCluster
from headrace.kernel.inputs import GroupInputs, group_inputs
from headrace.kernel.point_in_time import needs_arrival
from headrace.lake.table import AVAILABLE_TIME, EVENT_TIME, OFFSET, PARTITION, SEQUENCE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["SparkEngine"]

Buckets = NDArray[np.int32]

BUCKET_ROWS = 500_000
"""About so many rows or queries come together in one worker's memory."""
HOT_ROWS = 2_000_000
"""A key with more rows is cut by time."""
FILE_ROWS = 1_000_000
"""A task reads files of about so many rows, or one file."""
TOLD_KEYS = 1_000_000
"""So many keys, 8 bytes each, are told to every task, so that it leaves out the rows of all others."""
LARGE_CELLS = 20_000_000
"""Answers with more values don't come through Java's memory on the driver all at once."""
WORKER_MEMORY = "1GB"


class SparkEngine:
    """Computes features on a Spark cluster. Several threads may use one engine at once.

    Args:
        master: as SparkCluster takes it.
        local: an engine in this process, for rows in hand.
        memory_limit: about what each Python worker may use. Default: 1 GB.
        bucket_rows, hot_rows: how much comes together in one task, and from how many rows on one key is cut.
    """

    def __init__(
        self, master: str, local: Engine, memory_limit: str = "", bucket_rows: int = BUCKET_ROWS, hot_rows: int = HOT_ROWS
    ) -> None:
        self.cluster = SparkCluster(master)
        self._local = local
        self._memory_limit = memory_limit or WORKER_MEMORY
        self._bucket_rows = bucket_rows
        self._hot_rows = hot_rows

    def read(self, queries: pa.Table, timestamp: str, read: GroupRead) -> pa.Table:
        """The features of each query row as of its timestamp, in the rows' order, and EVENT_TIME.

        Raises:
            InvalidInputError: an expression fails on a row, or an integer sum is beyond int64.
            StorageError: a file of the snapshot can't be read, or the cluster can't be reached or gives the work up.
            SettingsError: there is no Java, or the workers run other versions.
        """
        files = len(read.snapshot.files())
        if not files or not queries.num_rows or read.limits is not None:
            return self._local.read(queries, timestamp, read)
        inputs = group_inputs(read.group, read.features)
        asked = _Asked.of(queries, timestamp, read, self._local)
        plan = self._plan(read, inputs, files, asked)
        hot = self._hot_keys(plan, read.snapshot.count())
        slices, places = cut(read.group, inputs, asked.hashes, asked.times, hot, self._hot_rows, plan.buckets)
        plan = replace(plan, hot=np.array(list(hot), np.uint64), slices=slices)
        buckets = asked.buckets(plan.buckets)
        for bucket, mine in places.items():
            buckets[mine] = bucket
        return self._answers(plan, asked.rows, buckets, read.progress)

    def project(self, rows: pa.Table, expressions: Mapping[str, str]) -> pa.Table:
        """Evaluate SQL expressions over each row, in this process; the rows' order is kept.

        Raises:
            InvalidInputError: an expression fails on a row.
        """
        return self._local.project(rows, expressions)

    def close(self) -> None:
        """Stop the Spark session, if it was made here."""
        self.cluster.close()

    def _plan(self, read: GroupRead, inputs: GroupInputs, files: int, asked: _Asked) -> Plan:
        rows, cores = read.snapshot.count(), self.cluster.session().sparkContext.defaultParallelism
        keys = np.unique(asked.hashes[asked.valid])
        return Plan(
            read=replace(read, keys={key: key for key in read.group.entity.keys}, progress=_silent),
            tasks=min(files, max(cores, -(-rows // FILE_ROWS))),
            columns=_columns(read, inputs),
            buckets=max(-(-max(rows, asked.rows.num_rows) // self._bucket_rows), cores),
            asked=keys if len(keys) <= TOLD_KEYS else None,
            memory_limit=self._memory_limit,
            packages=packages(),
        )

    def _hot_keys(self, plan: Plan, rows: int) -> dict[int, int]:
        """Hash to number of rows of the keys with more than `hot_rows`, give or take an eighth."""
        if rows <= self._hot_rows:
            return {}
        least = self._hot_rows // (8 * plan.tasks)  # a task is silent about fewer, which can hide an eighth in all
        found: dict[int, list[int]] = {}
        for row in self.cluster.collect(
            lambda session: _tasks(session, plan.tasks).mapInArrow(partial(count_hot, plan, least), COUNT)
        ):
            if row.error:
                raise_failure(row.error)
            found.setdefault(row.key % 2**64, []).append(row.n)
        return {key: sum(n) for key, n in found.items() if sum(n) + least * (plan.tasks - len(n)) > self._hot_rows}

    def _answers(self, plan: Plan, asked: pa.Table, buckets: Buckets, progress: Callable[[int, int], None]) -> pa.Table:
        count = plan.buckets + len(plan.slices)
        blocks = pa.Table.from_batches(blocks_of(asked, buckets, count))

        def answers(session: SparkSession) -> DataFrame:
            queries = session.createDataFrame(blocks).repartition(count, "bucket").groupBy("bucket")
            rows = _tasks(session, plan.tasks).mapInArrow(partial(read_blocks, plan), BLOCK)
            events = rows.repartition(count, "bucket").groupBy("bucket")
            return queries.cogroup(events).applyInArrow(partial(answer, plan), ANSWER)

        cells = asked.num_rows * (len(plan.read.features) + 1)
        told = self.cluster.collect(answers, progress, large=cells > LARGE_CELLS)
        for row in told:
            if row.error:
                raise_failure(row.error)
        found = pa.concat_tables([unpacked(row.block) for row in told])
        order = np.empty(found.num_rows, np.int64)
        order[found.column(PLACE).to_numpy()] = np.arange(found.num_rows)
        return found.drop_columns(PLACE).take(pa.array(order)).combine_chunks()


@dataclass(frozen=True)
class _Asked:
    """The queries of a read.

    Attributes:
        rows: PLACE, TIME, and the keys by their names in the entity.
        hashes: of the keys.
        times: in microseconds.
        valid: which queries have a time and every key; the others match nothing.
    """

    rows: pa.Table
    hashes: NDArray[np.uint64]
    times: NDArray[np.int64]
    valid: NDArray[np.bool_]

    @classmethod
    def of(cls, queries: pa.Table, timestamp: str, read: GroupRead, local: Engine) -> _Asked:
        """The queries, hashed in this process."""
        keys = {key: queries.column(read.keys[key]) for key in read.group.entity.keys}
        times = queries.column(timestamp)
        valid = np.logical_and.reduce([column.is_valid().to_numpy() for column in (times, *keys.values())])
        rows = pa.table({PLACE: np.arange(queries.num_rows), TIME: times, **keys})
        hashes = local.project(rows, {"hash": hash_sql(read.group.entity.keys)}).column("hash").to_numpy()
        return cls(rows, hashes, times.cast(pa.int64()).fill_null(0).to_numpy(), valid)

    def buckets(self, count: int) -> Buckets:
        """The bucket of each query. Those that match nothing are spread evenly: they may be many."""
        places = np.arange(len(self.hashes), dtype=np.uint64)
        return (np.where(self.valid, self.hashes, places) % np.uint64(count)).astype(np.int32)


def _tasks(session: SparkSession, count: int) -> DataFrame:
    """The numbers of the tasks that read files, each in a task."""
    return session.range(0, count, 1, count)


def _columns(read: GroupRead, inputs: GroupInputs) -> list[str]:
    """The columns of a row that its bucket needs."""
    group = read.group
    names = set(group.key_columns.values())
    for item in inputs.features:
        value = item.feature.value
        texts = (value.argument, value.where) if isinstance(value, Aggregation) else (value.expression,)
        for text in filter(None, texts):
            names |= columns_of(text, group.source.schema)
    times = (EVENT_TIME, AVAILABLE_TIME) if read.as_known else (EVENT_TIME,)
    order = (PARTITION, OFFSET, SEQUENCE) if group.source.is_table or needs_arrival(inputs.features) else ()
    return sorted(names.union(times, order))


def _silent(_done: int, _total: int) -> None:
    pass
