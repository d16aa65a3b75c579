"""What a server has observed of data and features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headrace.features.drift import Drift, DriftReport
from headrace.features.observer import Statistics, StatisticsHistory
from headrace.features.quality import Check
from headrace.features.records import MaterializationRecord
from headrace.features.statistics import ColumnStatistics
from headrace.remote.transport import Transport

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["RemoteObservations"]


class RemoteObservations:
    """Implements `headrace.features.services.ObservationReads` over HTTP. Each verb raises as the embedded one does."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def statistics(self, name: str) -> StatisticsHistory:
        """What is kept of a source or a group, newest first."""
        found, _ = self._transport.work("features/statistics", {"name": name})
        return StatisticsHistory(found["subject"], [_statistics(item) for item in found["history"]])

    def profile(self, group: str) -> Statistics:
        """Read a sample of a group's online values now, and keep its statistics."""
        found, _ = self._transport.work("features/profile", {"group": group})
        return _statistics(found)

    def drift(self, view: str, training_set: str) -> DriftReport:
        """A training set against the newest samples of what is online."""
        found, _ = self._transport.work("features/drift", {"view": view, "training_set": training_set})
        return DriftReport(**{**found, "columns": {name: Drift(**item) for name, item in found["columns"].items()}})

    def quality(self) -> list[Check]:
        """Every expectation and how it fares."""
        found, _ = self._transport.work("features/quality", {})
        return [Check(**item) for item in found]

    def quarantine(self, source: str) -> pa.Table:
        """The rows of a source that were set aside, oldest first."""
        _, rows = self._transport.work("features/quarantine", {"source": source})
        assert rows is not None  # noqa: S101 - the answer always has a table
        return rows

    def materializations(self, group: str, limit: int | None = None) -> list[MaterializationRecord]:
        """When a group was brought up to date, newest first."""
        found, _ = self._transport.work("features/materializations", {"group": group, "limit": limit})
        return [MaterializationRecord(**item) for item in found]


def _statistics(found: Mapping[str, Any]) -> Statistics:
    columns = {name: ColumnStatistics.from_dict(figures) for name, figures in found["columns"].items()}
    return Statistics(**{**found, "columns": columns})
