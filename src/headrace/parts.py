"""What a Store is made of; the composition root fills it in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from headrace.catalog.plan import Plan
from headrace.catalog.service import Catalog
from headrace.lazy import Lazy
from headrace.lineage.graph import LineageReads
from headrace.models.service import Models
from headrace.settings import Settings
from headrace.tracking.changes import Changes
from headrace.tracking.curves import Curves
from headrace.tracking.overview import Overview
from headrace.tracking.service import Runs

if TYPE_CHECKING:
    from headrace.accounts.door import Door
    from headrace.accounts.service import Accounts
    from headrace.artifacts.direct import BucketFiles
    from headrace.artifacts.garbage import Collected
    from headrace.artifacts.store import ArtifactStreams, Uploads
    from headrace.features.services import (
        FreshnessReads,
        HistoryReads,
        Intake,
        Materializing,
        NearestReads,
        ObservationReads,
        OnlineReads,
        Upkeep,
        Verifying,
    )
    from headrace.features.streaming import StreamSink
    from headrace.features.topics import Topics
    from headrace.features.training import TrainingSets
    from headrace.importers.destination import Destination
    from headrace.serving.predictions import Predictions
    from headrace.tracking.files import FileIndex
    from headrace.webhooks.service import Webhooks

__all__ = ["ArtifactServices", "FeatureServices", "Services"]


@dataclass(frozen=True, slots=True)
class FeatureServices:
    """The part of a Store that reads and writes features."""

    ingest: Intake
    materializer: Materializing
    history: HistoryReads
    training_sets: TrainingSets
    lookup: OnlineReads
    freshness: FreshnessReads
    verifier: Verifying
    upkeep: Upkeep
    streams: StreamSink
    topics: Topics
    nearest: NearestReads
    observations: ObservationReads
    close: Callable[[], None]


class Collect(Protocol):
    """Removes artifacts that nothing names; see `artifacts.garbage.collect`."""

    def __call__(self, older_than: int, *, dry_run: bool = False) -> Collected:
        """Takes microseconds."""
        ...


@dataclass(frozen=True, slots=True)
class ArtifactServices:
    """The part of a Store that keeps files: whole, in parts, and no longer than they are needed.

    Attributes:
        index: which of them stands at which path of a run or a logged model.
        buckets: files that clients put into buckets themselves.
    """

    files: ArtifactStreams
    index: FileIndex
    uploads: Uploads
    collect: Collect
    buckets: BucketFiles


@dataclass(frozen=True, slots=True)
class Services:
    """What a Store is made of; the composition root fills it in.

    Attributes:
        features: makes the feature services. It brings pyarrow and an engine, so a store asks only when it needs them.
        predictions: makes what keeps predictions: it needs the lake and no more, so it is there though the online store is down.
        destination: where importers write; None for a store that isn't on this machine.
        overview: reads over many runs.
        curves: metrics as charts show them.
        changes: what changes while somebody watches.
        accounts: users and tokens.
        webhooks: who is told of changes in the registry.
        door: who a request is from; None where the catalog is elsewhere.
    """

    settings: Settings
    catalog: Catalog
    features: Lazy[FeatureServices]
    predictions: Lazy[Predictions]
    runs: Runs
    models: Models
    artifacts: ArtifactServices
    lineage: LineageReads
    overview: Overview
    curves: Curves
    changes: Changes
    record_definitions: Callable[[Plan], None]
    close: Callable[[], None]
    accounts: Accounts
    webhooks: Webhooks
    destination: Destination | None = None
    door: Door | None = None
