"""What can be asked about data and features: statistics, drift, quality, what was set aside, and when groups were updated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.catalog.service import Catalog
from headrace.features.drift import DriftReport
from headrace.features.observer import Observer, Statistics, StatisticsHistory
from headrace.features.profile import Profiler
from headrace.features.quality import Check, Quality
from headrace.features.records import MaterializationRecord, ObservationStore
from headrace.features.training import TrainingSets

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Observations"]


class Observations:
    """Implements `headrace.features.services.ObservationReads` over this project's stores."""

    def __init__(
        self,
        catalog: Catalog,
        store: ObservationStore,
        observer: Observer,
        quality: Quality,
        profiler: Profiler,
        sets: TrainingSets,
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._observer = observer
        self._quality = quality
        self._profiler = profiler
        self._sets = sets

    def statistics(self, name: str) -> StatisticsHistory:
        """What is kept of a source or a group, newest first. Raises NotFoundError."""
        return self._observer.history(name)

    def profile(self, group: str) -> Statistics:
        """Read a sample of a group's online values now, keep its statistics, check what it expects. Raises NotFoundError."""
        return self._profiler.profile(group)

    def drift(self, view: str, training_set: str) -> DriftReport:
        """A training set against the newest samples of what is online. Raises NotFoundError, InvalidInputError."""
        return self._profiler.drift(view, training_set, self._sets)

    def quality(self) -> list[Check]:
        """Every expectation and how it fares, broken ones of groups first."""
        return self._quality.report()

    def quarantine(self, source: str) -> pa.Table:
        """The rows of a source that were set aside, oldest first. Raises NotFoundError."""
        return self._quality.rejected(source)

    def materializations(self, group: str, limit: int | None = None) -> list[MaterializationRecord]:
        """When a group was brought up to date, newest first. Raises NotFoundError."""
        return self._store.materializations(self._catalog.group(group).id, limit)
