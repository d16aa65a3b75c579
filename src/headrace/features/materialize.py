"""Brings the online store up to date from the lake: what arrived since the last time, whatever its event time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.catalog.service import Catalog
from headrace.definitions.version import GroupVersion
from headrace.errors import ConflictError
from headrace.features.ingest import Ingest
from headrace.features.online import OnlineGroups
from headrace.lake.table import BATCH, EVENT_TIME, OFFSET, Snapshot
from headrace.progress import Progress, silent

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Materialized", "Materializer"]

FEWEST_ROWS, MOST_ROWS = 250_000, 1_000_000
"""Rows applied in one atomic step: a crash repeats at most so many, and changes nothing by repeating them. Larger steps merge
each key less often; MOST_VALUES keeps the memory of groups with many features in bounds."""
MOST_VALUES = 6_000_000


@dataclass(frozen=True, slots=True)
class Materialized:
    """What materialize did for one group: `rows` of the lake were read, after which `keys` entities have online values."""

    group: str
    rows: int
    keys: int


class Materializer:
    """Applies to each group the rows of the lake that it hasn't seen. The online store itself holds how far it is, in the
    same atomic step as the values, so a crash never moves it past what was applied."""

    def __init__(self, catalog: Catalog, ingest: Ingest, groups: OnlineGroups) -> None:
        self._catalog = catalog
        self._ingest = ingest
        self._groups = groups

    def run(
        self, names: Sequence[str] | None = None, *, rebuild: bool = False, progress: Progress = silent
    ) -> list[Materialized]:
        """Bring groups up to date.

        Args:
            names: groups, by name or `name:version`. Default: every live one.
            rebuild: forget the online values of these groups first and build them anew from all of the lake.
        """
        versions = self._live() if names is None else [self._catalog.group(name) for name in names]
        if rebuild:
            for version in versions:
                self._ingest.snapshot(version.group.source)  # what it will be built from is there
                self._groups.store.drop(version.id)
        return [self._group(version, progress) for version in versions]

    def retire(self, reference: str) -> None:
        """Forget the online values of a superseded group version; pushes stop feeding it, and views pinned to it find nothing.

        Raises:
            NotFoundError: no such group version.
            ConflictError: it isn't superseded; the catalog's views would have it back with the next push.
        """
        version = self._catalog.group(reference)
        if version.id in {current.id for current in self._catalog.groups_of(version.group.source.name)}:
            msg = f"group {version.id!r} is current; retire takes a superseded version, for example {version.group.name}:1"
            raise ConflictError(msg)
        self._groups.store.drop(version.id)

    def _live(self) -> list[GroupVersion]:
        return [version for source in self._catalog.sources() for version in self._ingest.live_groups(source)]

    def _group(self, version: GroupVersion, progress: Progress) -> Materialized:
        source = version.group.source
        snapshot = self._ingest.snapshot(source)
        self._ingest.drain(source)
        title, total, done = f"materialize {version.id}", 0, 0
        position = self._groups.applied(version).get(BATCH, -1)
        if snapshot.committed(BATCH) > position:
            total = snapshot.count()
        for last, rows in _chunks(_batch_rows(version, snapshot, position), _chunk_rows(version)):
            outcome = self._groups.apply([version], BATCH, position + 1, last, rows)[0]
            if outcome == "overlaps":  # another process is at the same group; go on from where it came to
                return self._group(version, progress)
            position, done = last, done + rows.num_rows
            progress(title, done, max(total, done))
        self._groups.mark(version, BATCH, snapshot.committed(BATCH))
        return Materialized(version.id, done, self._groups.store.count(version.id))


def _batch_rows(version: GroupVersion, snapshot: Snapshot, position: int) -> Iterator[pa.RecordBatch]:
    columns = [*version.group.source.schema, EVENT_TIME, OFFSET]
    return snapshot.scan(list(dict.fromkeys(columns)), partition=BATCH, after=position)


def _chunk_rows(version: GroupVersion) -> int:
    return max(FEWEST_ROWS, min(MOST_VALUES // len(version.group.resolved), MOST_ROWS))


def _chunks(batches: Iterator[pa.RecordBatch], most: int) -> Iterator[tuple[int, pa.Table]]:
    """(last offset, rows) in pieces of about `most` rows, in the order of arrival."""
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        held.append(batch)
        count += batch.num_rows
        if count >= most:
            yield _piece(pa.Table.from_batches(held))
            held, count = [], 0
    if count:
        yield _piece(pa.Table.from_batches(held))


def _piece(rows: pa.Table) -> tuple[int, pa.Table]:
    import pyarrow.compute as pc

    return int(pc.max(rows.column(OFFSET)).as_py()), rows
