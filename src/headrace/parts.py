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
    """The part of a Store that keeps the files of runs and models.

    Attributes:
        files: stores and reads whole files by hash.
        index: which file is at which path of a run or a logged model.
        uploads: large files that are uploaded in parts.
        collect: removes files that nothing uses.
        buckets: files that clients have put into buckets themselves.
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
        features: the services of features, made at first use, because they load pyarrow and an engine.
        predictions: the predictions that were kept, opened at first use. They need only the lake, so they can be read while the
            online store is down.
        destination: where importers write; None for a remote store.
        overview: tables of experiments and runs.
        curves: metrics as charts draw them.
        changes: what changed in runs and models, for pages that are open.
        accounts: users and tokens.
        webhooks: what is sent when the registry changes.
        door: finds the account of a request; None for a remote store.
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
