"""What a Store needs of those who read and write its features. They work in this process, or ask a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from headrace.definitions.window import Duration
from headrace.progress import Progress, silent

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.definitions.version import ViewVersion
    from headrace.features.drift import DriftReport
    from headrace.features.freshness import Freshness
    from headrace.features.ingest import Pushed, Written
    from headrace.features.lookup import OnlineFeatures
    from headrace.features.materialize import Materialized
    from headrace.features.nearest import Neighbours
    from headrace.features.observer import Statistics, StatisticsHistory
    from headrace.features.quality import Check
    from headrace.features.records import MaterializationRecord
    from headrace.features.store import TrainingSetRecord
    from headrace.features.verify import ViewVerification
    from headrace.lake.table import Optimized, TableState, Vacuumed

__all__ = [
    "FreshnessReads",
    "HistoryReads",
    "Intake",
    "KeptTrainingSets",
    "Materializing",
    "NearestReads",
    "ObservationReads",
    "OnlineReads",
    "PinnedHistory",
    "Upkeep",
    "Verifying",
]


class Intake(Protocol):
    """Takes rows in."""

    def write(self, name: str, data: Any, batch_id: str | None = None) -> Written:
        """Append rows to a source in batch; a batch id is written once."""
        ...

    def push(self, name: str, data: Any) -> Pushed:
        """Take rows in now: durable and online when it returns."""
        ...

    def repair(self) -> dict[str, list[tuple[int, int]]]:
        """Keep what can be read of damaged logs; source name to the offsets lost."""
        ...


class Materializing(Protocol):
    """Brings the online store up to date."""

    def run(
        self, names: Sequence[str] | None = None, *, rebuild: bool = False, progress: Progress = silent
    ) -> list[Materialized]:
        """Bring groups up to date; all if none is named."""
        ...

    def retire(self, reference: str) -> None:
        """Forget the online values of a superseded group version."""
        ...


class PinnedHistory(Protocol):
    """Reads of the past as of a version of the lake. What pins a table has a `version`."""

    def pin(self, view: ViewVersion) -> Mapping[str, Any]:
        """Source name to what pins its table as it is now."""
        ...

    def pinned(self, view: ViewVersion, versions: Mapping[str, int]) -> Mapping[str, Any]:
        """Source name to what pins its table at a version."""
        ...

    def append(
        self,
        view: ViewVersion,
        queries: pa.Table,
        timestamp: str,
        snapshots: Mapping[str, Any],
        *,
        as_known: bool = False,
        progress: Progress = silent,
    ) -> pa.Table:
        """The view's features for each query row, as columns of their own."""
        ...


class HistoryReads(PinnedHistory, Protocol):
    """Answers reads of the past."""

    def read(self, reference: str, frame: Any, timestamp: str, *, as_known: bool = False, progress: Progress = silent) -> Any:
        """The frame with the view's features appended."""
        ...


class KeptTrainingSets(Protocol):
    """Keeps training sets: what they were made from, and their rows. Versions count from 1 and never change."""

    def keep(self, record: TrainingSetRecord, frame: pa.Table) -> TrainingSetRecord:
        """Keep rows under the next version of the record's name (its own version and frame are ignored); returns the record."""
        ...

    def get(self, name: str, version: int | None = None) -> TrainingSetRecord | None:
        """The newest record of the name, or the one of this version; None if there is none."""
        ...

    def all(self) -> Sequence[TrainingSetRecord]:
        """All records, by name and version."""
        ...

    def load(self, record: TrainingSetRecord) -> pa.Table:
        """The rows, their bytes verified."""
        ...


class OnlineReads(Protocol):
    """Answers online reads."""

    def read(
        self,
        reference: str,
        entities: Mapping[str, Any],
        at: Any = None,
        sample: float | None = None,
        max_staleness: float | None = None,
        request: str | None = None,
    ) -> OnlineFeatures:
        """The features of a view for some entities; `sample` is the share of keys whose answers are kept, under `request`."""
        ...

    def inputs(self, reference: str, entities: Mapping[str, Any], at: Any = None, sample: float | None = None) -> OnlineFeatures:
        """The same without on-demand features, for those who compute them elsewhere."""
        ...


class FreshnessReads(Protocol):
    """Reads how fresh online values are."""

    def read(self) -> dict[str, Freshness]:
        """Group version id to its freshness."""
        ...


class Upkeep(Protocol):
    """Looks after the lake's tables."""

    def tables(self, names: Sequence[str] | None = None) -> list[TableState]:
        """Tables as they are now."""
        ...

    def optimize(self, names: Sequence[str] | None = None, *, progress: Progress = silent) -> list[Optimized]:
        """Merge small files."""
        ...

    def vacuum(
        self,
        names: Sequence[str] | None = None,
        *,
        older_than: Duration = "7d",
        dry_run: bool = False,
        progress: Progress = silent,
    ) -> list[Vacuumed]:
        """Remove files that only old versions name."""
        ...


class NearestReads(Protocol):
    """Finds neighbours online."""

    def find(
        self,
        reference: str,
        vector: Any,
        k: int = 10,
        *,
        by: str | None = None,
        where: str | None = None,
        metric: str = "cosine",
        entities: Mapping[str, Any] | None = None,
    ) -> Neighbours:
        """The `k` entities nearest to a vector, of those for which a condition is true."""
        ...


class Verifying(Protocol):
    """Computes served values again."""

    def run(
        self,
        reference: str,
        since: Duration | None = None,
        limit: int | None = None,
        *,
        as_known: bool = False,
        progress: Progress = silent,
    ) -> ViewVerification:
        """Compare the sample of what was served of a view with history."""
        ...


class ObservationReads(Protocol):
    """Tells what was observed of data and features."""

    def statistics(self, name: str) -> StatisticsHistory:
        """What is kept of a source or a group, newest first."""
        ...

    def profile(self, group: str) -> Statistics:
        """Read a sample of a group's online values now, and keep its statistics."""
        ...

    def drift(self, view: str, training_set: str) -> DriftReport:
        """A training set against the newest samples of what is online."""
        ...

    def quality(self) -> list[Check]:
        """Every expectation and how it fares."""
        ...

    def quarantine(self, source: str) -> pa.Table:
        """The rows of a source that were set aside, oldest first."""
        ...

    def materializations(self, group: str, limit: int | None = None) -> list[MaterializationRecord]:
        """When a group was brought up to date, newest first."""
        ...
