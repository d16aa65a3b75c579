"""One version of a Delta table, and how its rows are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds

from headrace.lake.delta_log import DataFile, State
from headrace.lake.faults import reading
from headrace.lake.table import OFFSET, PARTITION

__all__ = ["DeltaSnapshot"]

_BATCH_ROWS = 131_072
_READ_AHEAD = 4  # batches and files decoded ahead of the reader: keeps two cores busy, bounds the memory


class DeltaSnapshot:
    """A table at one version: later appends don't change it.

    Args:
        root: the table's folder.
        schema: the columns of a row; one that older files lack is null there.
        state: what the log says of this version.
    """

    def __init__(self, root: Path, schema: pa.Schema, state: State) -> None:
        self._root = root
        self._schema = schema
        self._state = state

    @property
    def version(self) -> int:
        """The version; -1 for a table that has never been written."""
        return self._state.version

    def files(self) -> Sequence[str]:
        """The Parquet files, as absolute paths, oldest first."""
        return [str(self._root / file.path) for file in self._state.files]

    def count(self) -> int:
        """The number of rows, from the log."""
        return sum(file.rows for file in self._state.files)

    def committed(self, partition: int) -> int:
        """The highest offset of the partition that the table holds; -1 if it has none."""
        found = self._state.transaction(lane(partition))
        return -1 if found is None else found

    def scan(
        self, columns: Sequence[str], *, partition: int | None = None, after: int | None = None, through: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows in batches: those of one `partition`, with `after < offset <= through`. Files that can't match are skipped.

        The rows of one partition come in the order of their offsets.

        Raises:
            IntegrityError: a file is missing or damaged.
        """
        files = [file for file in self._state.files if _may_match(file, partition, after, through)]
        if not files:
            yield from _empty(self._schema, columns)
            return
        with reading(f"the lake table {self._root}"):
            rows = ds.dataset([str(self._root / file.path) for file in files], schema=self._schema, format="parquet")
            options = {"filter": _condition(partition, after, through)}
            if partition is None or all(file.in_order for file in files):
                ahead = {"batch_size": _BATCH_ROWS, "batch_readahead": _READ_AHEAD, "fragment_readahead": _READ_AHEAD}
                yield from rows.to_batches(columns=list(columns), **options, **ahead)
            else:  # another tool has rewritten files
                found = rows.to_table(columns=[*columns, *{OFFSET}.difference(columns)], **options).sort_by(OFFSET)
                yield from found.select(list(columns)).to_batches(_BATCH_ROWS) or _empty(self._schema, columns)


def lane(partition: int) -> str:
    """The name of the application transaction that holds a partition's highest offset."""
    return f"offset/{partition}"


def _empty(schema: pa.Schema, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    yield pa.RecordBatch.from_pylist([], schema=pa.schema([schema.field(name) for name in columns]))


def _may_match(file: DataFile, partition: int | None, after: int | None, through: int | None) -> bool:
    if partition is not None and file.partitions is not None and not file.partitions[0] <= partition <= file.partitions[1]:
        return False
    if file.offsets is None:
        return True
    return (after is None or file.offsets[1] > after) and (through is None or file.offsets[0] <= through)


def _condition(partition: int | None, after: int | None, through: int | None) -> ds.Expression | None:
    terms = []
    if partition is not None:
        terms.append(ds.field(PARTITION) == partition)
    if after is not None:
        terms.append(ds.field(OFFSET) > after)
    if through is not None:
        terms.append(ds.field(OFFSET) <= through)
    condition = None
    for term in terms:
        condition = term if condition is None else condition & term
    return condition
