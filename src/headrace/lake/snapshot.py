"""One version of a Delta table, and how its rows are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable

from headrace.lake.faults import reading
from headrace.lake.parquet import IN_ORDER
from headrace.lake.place import Fetch, Place
from headrace.lake.table import OFFSET, PARTITION

__all__ = ["DeltaSnapshot", "lane"]

_BATCH_ROWS = 131_072
_READ_AHEAD = 4  # batches and files decoded ahead of the reader: keeps two cores busy, bounds the memory
_FILES = pa.schema([("path", pa.string()), ("size_bytes", pa.int64()), ("num_records", pa.int64())])
_RANGES = pa.schema([(f"{end}.{name}", pa.int64()) for name in (PARTITION, OFFSET) for end in ("min", "max")])


class DeltaSnapshot:
    """A table at one version: later appends don't change it.

    Args:
        place: the table's place.
        schema: the columns of a row; one that older files lack is null there.
        table: the table at this version, of which nothing is kept; None if it was never written.
    """

    def __init__(self, place: Place, schema: pa.Schema, table: DeltaTable | None) -> None:
        self._place = place
        self._schema = schema
        self._version = -1 if table is None else int(table.version())
        self._files = _files(table)
        self._lanes = self._committed()

    @property
    def version(self) -> int:
        """The version; -1 for a table that has never been written."""
        return self._version

    def files(self) -> Sequence[str]:
        """The Parquet files, as absolute paths or URLs, oldest first."""
        return self._place.names(self._files.column("path").to_pylist())

    @property
    def fetch(self) -> Fetch:
        """Gives paths on the machine that calls it which hold the files of these names. It can be pickled."""
        return self._place.fetch

    def count(self) -> int:
        """The number of rows, from the log."""
        return pc.sum(self._files.column("num_records")).as_py() or 0

    def size(self) -> int:
        """The bytes of its files, from the log."""
        return pc.sum(self._files.column("size_bytes")).as_py() or 0

    def committed(self, partition: int) -> int:
        """The highest offset of the partition that the table holds; -1 if it has none."""
        return self._lanes.get(partition, -1)

    def lanes(self) -> Mapping[int, int]:
        """Each partition that the table has rows of, and its highest offset."""
        return self._lanes

    def scan(
        self, columns: Sequence[str], *, partition: int | None = None, after: int | None = None, through: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows in batches: those of one `partition`, with `after < offset <= through`. Files that can't match are skipped.

        The rows of one partition come in the order of their offsets.

        Raises:
            IntegrityError: a file is missing or damaged.
        """
        files = self._matching(partition, after, through)
        if not files.num_rows:
            yield from _empty(self._schema, columns)
            return
        with reading(f"the lake table {self._place.url}"):
            rows = self._dataset(files)
            options = {"filter": _condition(partition, after, through)}
            if partition is None or pc.all(pc.match_substring_regex(files.column("path"), IN_ORDER)).as_py():
                ahead = {"batch_size": _BATCH_ROWS, "batch_readahead": _READ_AHEAD, "fragment_readahead": _READ_AHEAD}
                yield from rows.to_batches(columns=list(columns), **options, **ahead)
            else:  # another tool has rewritten files
                found = rows.to_table(columns=[*columns, *{OFFSET}.difference(columns)], **options).sort_by(OFFSET)
                yield from found.select(list(columns)).to_batches(_BATCH_ROWS) or _empty(self._schema, columns)

    def _committed(self) -> dict[int, int]:
        """The partitions and their highest offsets. An append's files hold one each; those of another tool are looked into."""
        lowest, partition, offset = (
            self._files.column(name) for name in (f"min.{PARTITION}", f"max.{PARTITION}", f"max.{OFFSET}")
        )
        told = pc.and_kleene(pc.equal(lowest, partition), pc.is_valid(offset)).fill_null(False)
        ends = pa.table({PARTITION: partition, OFFSET: offset}).filter(told)
        rest = self._files.filter(pc.invert(told))
        if rest.num_rows:
            rows = self._dataset(rest).to_table([PARTITION, OFFSET])
            ends = pa.concat_tables([ends, rows.cast(ends.schema)])
        found = ends.group_by(PARTITION).aggregate([(OFFSET, "max")]).to_pylist()
        return {row[PARTITION]: row[f"{OFFSET}_max"] for row in sorted(found, key=itemgetter(PARTITION))}

    def _dataset(self, files: pa.Table) -> ds.Dataset:
        here = self._place.fetch(self._place.names(files.column("path").to_pylist()))
        return ds.dataset(list(here), schema=self._schema, format="parquet")

    def _matching(self, partition: int | None, after: int | None, through: int | None) -> pa.Table:
        """The files that may hold such rows; those without statistics may."""
        terms = []
        if partition is not None:
            terms += [pc.field(f"min.{PARTITION}") <= partition, pc.field(f"max.{PARTITION}") >= partition]
        if after is not None:
            terms.append(pc.field(f"max.{OFFSET}") > after)
        if through is not None:
            terms.append(pc.field(f"min.{OFFSET}") <= through)
        files = self._files
        for term in terms:
            files = files.filter(term | term.is_null())
        return files


def lane(partition: int) -> str:
    """The name of the application transaction that holds a partition's highest offset."""
    return f"offset/{partition}"


def _files(table: DeltaTable | None) -> pa.Table:
    """The files of a table with their ranges, oldest first."""
    schema = pa.unify_schemas([_FILES, _RANGES])
    if table is None:
        return schema.empty_table()
    adds = pa.table(table.get_add_actions(flatten=True))
    known = [adds.column(field.name).cast(field.type) if field.name in adds.column_names else None for field in schema]
    columns = [
        pa.nulls(adds.num_rows, field.type) if column is None else column for field, column in zip(schema, known, strict=True)
    ]
    return pa.table(columns, schema=schema).sort_by(f"min.{OFFSET}")


def _empty(schema: pa.Schema, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    yield pa.RecordBatch.from_pylist([], schema=pa.schema([schema.field(name) for name in columns]))


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
