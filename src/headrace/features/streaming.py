"""The end of a Spark Structured Streaming query: its micro-batches reach the lake and the online store, each once.

A query's rows come through a lane of their own, of which batch b has the offsets from b << 32 on. The lake comes first: one
commit holds the rows and how far the lane is, so that a batch that Spark repeats changes nothing, and whoever brings the lane
online next, the same writer, another one or `materialize`, does so from there.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeGuard

from headrace.catalog.service import Catalog
from headrace.definitions.source import EventSource, Source
from headrace.errors import ConflictError, InvalidInputError
from headrace.events.log import EventLog, LogBatch
from headrace.features.feed import Feed
from headrace.features.ingest import Ingest, Lock
from headrace.features.quality import Quality
from headrace.features.repeats import Repeats
from headrace.lake.table import OFFSET, SEQUENCE, Snapshot

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["StreamSink", "lane_of"]

FIRST_LANE = 2**30
"""Lanes below are a log's partitions."""
BATCH_BITS = 32


class StreamSink:
    """Takes in the batches of streaming queries. Several queries may feed a source, each under its own name."""

    def __init__(
        self, catalog: Catalog, ingest: Ingest, feed: Feed, log: EventLog, repeats: Repeats, quality: Quality, lock: Lock
    ) -> None:
        self._catalog = catalog
        self._ingest = ingest
        self._feed = feed
        self._log = log
        self._repeats = repeats
        self._quality = quality
        self._lock = lock

    def writer(self, name: str, query: str) -> Callable[[Any, int], None]:
        """A function for `foreachBatch`.

        Raises:
            NotFoundError: no such source.
            InvalidInputError: the query has no name.
        """
        self._catalog.source(name)
        if not query:
            msg = f"store.stream_writer({name!r}): give the query a name that it keeps, for example query='{name}-from-kafka'"
            raise InvalidInputError(msg)

        def write(frame: Any, batch: int) -> None:
            warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
            self.take(name, query, frame.toArrow(), batch)

        return write

    def take(self, name: str, query: str, data: Any, batch: int) -> int:
        """Take in one batch; returns the number of rows that are new in the lake. The same batch again changes nothing.

        Raises:
            InvalidInputError: the rows don't fit the source's schema, or a group's expression fails on one; nothing was changed.
            ConflictError: the query has landed this batch before, with other rows.
        """
        source = self._catalog.source(name)
        found = self._ingest.read(source, data, f"batch {batch} of the streaming query {query!r}", streamed=True)
        lane, rows = lane_of(query), _placed(source, found.rows, batch)
        if found.rejected is not None:  # first, so that none is lost; its offsets let it in once
            aside = replace(found, rejected=_placed(source, found.rejected, batch))
            self._quality.keep(source, aside, "stream", partition=lane)
        if not rows.num_rows:
            return 0
        known = self._land(source, query, lane, rows, batch)
        self._feed.advance(source, self._ingest.live_groups(source), lane, known=known)
        return sum(run.rows.num_rows for run in known)

    def _land(self, source: Source, query: str, lane: int, rows: pa.Table, batch: int) -> list[LogBatch]:
        """Bring rows to the lake; returns them as the run that landed, or nothing if they were there."""
        import numpy as np
        import pyarrow as pa

        table = self._feed.table(source)
        with self._lock(f"ids-{source.name}") if _has_ids(source) else nullcontext():
            snapshot = table.snapshot()
            before = snapshot.committed(lane)
            if before >= batch << BATCH_BITS:
                _refuse_others(source, query, snapshot, lane, rows, batch)
                return []
            if _has_ids(source):
                self._ingest.catch_up_ids(source)
                rows = self._repeats.first_times(source, rows)
            if not rows.num_rows:
                return []
            first = self._log.reserve(source.name, rows.num_rows)
            rows = rows.append_column(SEQUENCE, pa.array(np.arange(first, first + rows.num_rows)))
            if table.append(rows, partition=lane).replayed:
                return []
        last = rows.column(OFFSET)[-1].as_py()
        return [LogBatch(lane, before + 1, rows.drop_columns(OFFSET), last, rows.column(OFFSET).combine_chunks())]


def lane_of(query: str) -> int:
    """The lane of a streaming query's rows."""
    return FIRST_LANE + zlib.crc32(query.encode()) % FIRST_LANE


def _has_ids(source: Source) -> TypeGuard[EventSource]:
    return isinstance(source, EventSource) and source.id is not None


def _placed(source: Source, rows: pa.Table, batch: int) -> pa.Table:
    """The rows with their offsets, in an order that is the same whenever Spark repeats the batch: by time, then by values."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    order = dict.fromkeys([source.timestamp, *source.schema])
    keys = _comparable(rows.select(list(order)))
    rows = rows.take(pc.sort_indices(keys, [(name, "ascending") for name in keys.column_names]))
    offsets = np.arange(rows.num_rows, dtype=np.int64) + (batch << BATCH_BITS)
    return rows.append_column(OFFSET, pa.array(offsets))


def _refuse_others(source: Source, query: str, snapshot: Snapshot, lane: int, rows: pa.Table, batch: int) -> None:
    """Another query of the same name, or the same one with another checkpoint, would lose its rows without a word."""
    import pyarrow as pa

    start = batch << BATCH_BITS
    columns = list(dict.fromkeys([*source.schema, OFFSET]))
    batches = snapshot.scan(columns, partition=lane, after=start - 1, through=start + 2**BATCH_BITS - 1)
    landed = pa.Table.from_batches([*batches])
    names = [name for name in source.schema if landed.column(name).null_count < landed.num_rows]  # others may have come later
    places = landed.column(OFFSET).to_numpy() - start
    whole = _has_ids(source) or landed.num_rows == rows.num_rows  # events that were repeats aren't there
    if whole and places.max(initial=-1) < rows.num_rows:
        again = rows.select(names).take(pa.array(places))
        if _comparable(again).equals(_comparable(landed.select(names))):
            return
    msg = (
        f"batch {batch} of the streaming query {query!r} has reached {source.name!r} before, with other rows: its checkpoint was "
        "lost, or another query has its name. Nothing was changed; give store.stream_writer a new query name for a new checkpoint"
    )
    raise ConflictError(msg)


def _comparable(rows: pa.Table) -> pa.Table:
    """The rows in types that sort and compare by their bits, in columns named by their places."""
    import pyarrow as pa

    return pa.table({str(place): _by_bits(column.combine_chunks()) for place, column in enumerate(rows.columns)})


def _by_bits(column: pa.Array) -> pa.Array:
    import pyarrow as pa

    if pa.types.is_floating(column.type):
        return column.view(pa.int32() if column.type.bit_width == 32 else pa.int64())
    if pa.types.is_boolean(column.type):
        return column.cast(pa.int8())
    if pa.types.is_fixed_size_list(column.type):
        return pa.array([None if vector is None else vector.tobytes() for vector in column.to_numpy(zero_copy_only=False)])
    return column
