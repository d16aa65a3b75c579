"""Brings the online store up to date from the lake: what arrived since the last time, whatever its event time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from headrace.catalog.service import Catalog
from headrace.clock import Clock
from headrace.definitions.version import GroupVersion
from headrace.errors import ConflictError
from headrace.features.feed import Feed
from headrace.features.ingest import Ingest
from headrace.features.online import OnlineGroups
from headrace.features.records import MaterializationRecord
from headrace.lake.table import BATCH
from headrace.progress import Progress, silent

__all__ = ["Materialized", "Materializer", "Pins"]

Pins = Callable[[], Mapping[str, Sequence[str]]]
"""Gives the view versions that something reads though they may not be the latest, each with what reads it."""


@dataclass(frozen=True, slots=True)
class Materialized:
    """What materialize did for one group: `rows` of the lake were read, after which `keys` entities have online values."""

    group: str
    rows: int
    keys: int


class Materializer:
    """Applies to each group the rows of the lake that it hasn't seen, and builds groups anew beside their current values."""

    def __init__(
        self,
        catalog: Catalog,
        ingest: Ingest,
        feed: Feed,
        groups: OnlineGroups,
        pins: Pins,
        observe: Callable[[Sequence[tuple[GroupVersion, MaterializationRecord]]], None],
        clock: Clock,
    ) -> None:
        """Make one over the services given.

        Args:
            pins: tells which view versions are in use whatever the catalog's latest are.
            observe: is told what was done, once all of it is.
        """
        self._catalog = catalog
        self._pins = pins
        self._ingest = ingest
        self._feed = feed
        self._groups = groups
        self._observe = observe
        self._clock = clock

    def run(
        self, names: Sequence[str] | None = None, *, rebuild: bool = False, progress: Progress = silent
    ) -> list[Materialized]:
        """Bring groups up to date.

        Args:
            names: groups, by name or `name:version`. Default: every live one.
            rebuild: build them anew from all of the lake; their present values are served until the new ones take their place.
        """
        versions = self._live() if names is None else [self._catalog.group(name) for name in names]
        done = [(version, self._group(version, rebuild=rebuild, progress=progress)) for version in versions]
        self._observe(done)
        return [Materialized(record.group, record.rows, record.keys) for _, record in done]

    def retire(self, reference: str) -> None:
        """Forget the online values of a superseded group version; pushes stop feeding it, and views pinned to it find nothing.

        Raises:
            NotFoundError: no such group version.
            ConflictError: it isn't superseded, so the catalog's views would have it back with the next push; or a model in
                Staging or Production reads it.
        """
        version = self._catalog.group(reference)
        if version.id in {current.id for current in self._catalog.groups_of(version.group.source.name)}:
            msg = f"group {version.id!r} is current; only a version that a newer one has superseded can be retired"
            raise ConflictError(msg)
        users = [
            f"{model} (reads {view})" for view, models in self._pins().items() for model in models if self._reads(view, version)
        ]
        if users:
            msg = f"group {version.id!r} is in use by {', '.join(users)}; archive what reads it first"
            raise ConflictError(msg)
        self._groups.store.drop(version.id)

    def _reads(self, view: str, version: GroupVersion) -> bool:
        return any(group.id == version.id for group in self._catalog.view(view).groups.values())

    def _live(self) -> list[GroupVersion]:
        return [version for source in self._catalog.sources() for version in self._ingest.live_groups(source)]

    def _group(self, version: GroupVersion, *, rebuild: bool, progress: Progress) -> MaterializationRecord:
        started, clock = self._clock(), time.perf_counter()
        source = version.group.source
        snapshot = self._ingest.snapshot(source)
        if rebuild or not self._groups.status(version).generation:
            rows = self._feed.build(version, progress)
        else:
            title, total = f"materialize {version.id}", snapshot.count()
            rows = 0
            for lane in (BATCH, *self._feed.lanes(source)):
                rows += self._feed.advance(
                    source, [version], lane, progress=lambda _, done, __: progress(title, done, max(total, done))
                )
        keys, seconds = self._groups.status(version).count, time.perf_counter() - clock
        return MaterializationRecord(version.id, started, seconds, rows, keys, rebuilt=rebuild)
