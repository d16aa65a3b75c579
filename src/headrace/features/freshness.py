"""Freshness: how old the newest event behind the online values is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from headrace.catalog.service import Catalog
from headrace.clock import Clock
from headrace.definitions.source import Source
from headrace.features.ingest import Ingest
from headrace.features.online import OnlineGroups
from headrace.features.quality import source_subject
from headrace.features.records import ObservationStore
from headrace.lake.table import BATCH

__all__ = ["Freshness", "FreshnessReader"]


@dataclass(frozen=True, slots=True)
class Freshness:
    """How fresh the online values of a group are.

    Attributes:
        group: the group version.
        keys: entities with online values.
        newest: newest event time that an online value reflects, microseconds since 1970; None if there is none.
        age: now minus newest, in seconds; None if there is none.
        limit: the group's declared limit in seconds; None if it declared none.
        waiting: whether the lake holds batch rows that materialize hasn't brought online.
        lag: how many offsets of the stream aren't online yet.
        late: how many pushed events were further behind the newest one than their source's lateness. They count nevertheless.
        rows: how many rows of the source the lake holds; None if it wasn't asked.
        written: when rows were last written to the lake, microseconds since 1970; None for never.
        materialized: when materialize last brought the group up to date, microseconds since 1970; None for never.
    """

    group: str
    keys: int
    newest: int | None
    age: float | None
    limit: float | None
    waiting: bool
    lag: int
    late: int
    rows: int | None = None
    written: int | None = None
    materialized: int | None = None

    @property
    def stale(self) -> bool:
        """Whether the newest event is older than the limit, or there is none although there is a limit."""
        return self.limit is not None and (self.age is None or self.age > self.limit)


class FreshnessReader:
    """Reads the freshness of every live group."""

    def __init__(self, catalog: Catalog, ingest: Ingest, groups: OnlineGroups, observed: ObservationStore, clock: Clock) -> None:
        self._catalog = catalog
        self._ingest = ingest
        self._groups = groups
        self._observed = observed
        self._clock = clock

    def read(self) -> dict[str, Freshness]:
        """Group version id to its freshness."""
        return {found.group: found for source in self._catalog.sources() for found in self._of_source(source)}

    def _of_source(self, source: Source) -> Iterator[Freshness]:
        snapshot, now = self._ingest.table(source).snapshot(), self._clock()
        landed = self._observed.statistics(source_subject(source), ("write", "stream"), limit=1)
        for version in self._ingest.live_groups(source):
            status = self._groups.status(version)
            newest, limit = status.newest, version.group.freshness_micros
            updated = self._observed.materializations(version.id, limit=1)
            yield Freshness(
                version.id,
                status.count,
                newest,
                None if newest is None else (now - newest) / 1e6,
                None if limit is None else limit / 1e6,
                snapshot.committed(BATCH) > status.applied.get(BATCH, -1),
                self._ingest.lag(source, status.applied),
                status.late,
                snapshot.count(),
                landed[0].at if landed else None,
                updated[0].started if updated else None,
            )
