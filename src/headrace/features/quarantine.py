"""Rows that were set aside: kept in the lake with the reason, the time, and how they came."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from headrace.clock import Clock
from headrace.definitions.expectation_validation import QUARANTINE_COLUMNS
from headrace.definitions.schema import arrow_schema, vector_size
from headrace.definitions.source import EventSource, Source
from headrace.lake.table import BATCH, OFFSET, PARTITION, Lake, LakeTable

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Origin", "Quarantine"]

Origin = Literal["write", "push", "stream"]

REASONS, ORIGIN, BATCH_ID, AT = QUARANTINE_COLUMNS


class Quarantine:
    """Rows set aside, one table of the lake per source, `NAME.quarantine`.

    They are kept before the rows that go on. So a crash in between loses none; and none comes twice, because a batch counts from
    when its write has landed, an event id counts once, and rows of a stream have offsets.
    """

    def __init__(self, lake: Lake, clock: Clock) -> None:
        self._lake = lake
        self._clock = clock

    def keep(self, source: Source, rejected: pa.Table, origin: Origin, *, batch_id: str = "", partition: int = BATCH) -> bool:
        """Keep rejected rows, with EVENT_TIME, AVAILABLE_TIME and REASONS beside them; returns whether they are new.

        Args:
            origin: how they came.
            batch_id: the write that they were part of: a repeat keeps nothing, and they count once the source's table holds it.
            partition: of the stream; the rows then have OFFSET, and a repeat keeps nothing.
        """
        import pyarrow as pa

        table = self._table(source)
        count = rejected.num_rows
        said = {ORIGIN: origin, BATCH_ID: batch_id or None}
        rows = rejected.select([name for name in rejected.column_names if name not in said])
        for name, value in said.items():
            rows = rows.append_column(name, pa.array([value] * count, pa.string()))
        now = pa.array([self._clock()] * count, pa.int64()).cast(pa.timestamp("us", tz="UTC"))
        rows = rows.append_column(AT, now)
        if partition != BATCH:
            return table.append(rows, partition=partition).rows > 0
        transaction = batch_id or uuid.uuid4().hex
        new = not table.holds_batch(transaction)
        while not table.holds_batch(transaction):  # another writer may take the number meanwhile; then nothing is appended
            number = table.snapshot().committed(BATCH) + 1
            numbered = rows.append_column(OFFSET, pa.array([number] * count, pa.int64()))
            table.append(numbered, partition=BATCH, batch_id=transaction)
        return new

    def read(self, source: Source) -> pa.Table:
        """The rows set aside, in the order in which they were: the source's columns, then QUARANTINE_COLUMNS."""
        import pyarrow as pa

        held = self._lake.table(source.name, arrow_schema(source.schema))
        names = [*source.schema, *QUARANTINE_COLUMNS]
        schema = _schema(source)
        scanned = self._table(source).snapshot().scan([*names, PARTITION, OFFSET])
        rows = pa.Table.from_batches(scanned, schema.append(pa.field(PARTITION, pa.int32())).append(pa.field(OFFSET, pa.int64())))
        rows = _counted(source, _landed(rows, held))
        return rows.sort_by([(AT, "ascending"), (PARTITION, "ascending"), (OFFSET, "ascending")]).select(names)

    def _table(self, source: Source) -> LakeTable:
        return self._lake.table(f"{source.name}.quarantine", _schema(source))


def _schema(source: Source) -> pa.Schema:
    import pyarrow as pa

    kinds = {**dict.fromkeys((REASONS, ORIGIN, BATCH_ID), pa.string()), AT: pa.timestamp("us", tz="UTC")}
    fields = [pa.field(name, kinds[name]) for name in QUARANTINE_COLUMNS]
    return pa.schema([*arrow_schema(source.schema), *fields])


def _landed(rows: pa.Table, held: LakeTable) -> pa.Table:
    """Without the rows of writes that were cut off: nobody was told that those had landed."""
    import pyarrow.compute as pc

    cut = [name for name in pc.unique(rows.column(BATCH_ID)).to_pylist() if name is not None and not held.holds_batch(name)]
    return rows.filter(pc.invert(pc.is_in(rows.column(BATCH_ID), value_set=_texts(cut)))) if cut else rows


def _texts(values: Sequence[str]) -> pa.Array:
    import pyarrow as pa

    return pa.array(values, pa.string())


def _counted(source: Source, rows: pa.Table) -> pa.Table:
    """A row that an event source with ids delivered again, equal in everything, once."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if not isinstance(source, EventSource) or source.id is None or not rows.num_rows:
        return rows
    same = [*(name for name, kind in source.schema.items() if vector_size(kind) is None), REASONS]
    places = rows.select(same).append_column("__place", pa.array(np.arange(rows.num_rows)))
    first = places.group_by(same, use_threads=False).aggregate([("__place", "min")]).column("__place_min").to_numpy()
    keep = pc.is_null(rows.column(source.id)).to_numpy().copy()
    keep[first] = True
    return rows.filter(pa.array(keep))
