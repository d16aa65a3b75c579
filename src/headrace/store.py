"""Store: everything a project can do, in one object. Each verb is a line over the service that does it."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from headrace.arguments import checked
from headrace.catalog.plan import Plan
from headrace.definitions.version import Names, Reference, several
from headrace.definitions.window import Duration, parse_duration
from headrace.errors import InvalidInputError
from headrace.parts import FeatureServices, Services
from headrace.progress import bar

if TYPE_CHECKING:
    import pandas as pd

    from headrace.accounts.account import Account
    from headrace.accounts.door import Door
    from headrace.accounts.service import Accounts
    from headrace.artifacts.garbage import Collected
    from headrace.catalog.store import Key
    from headrace.definitions.version import DefinitionVersion
    from headrace.features.drift import DriftReport
    from headrace.features.freshness import Freshness
    from headrace.features.impact import Impact
    from headrace.features.ingest import Pushed, Written
    from headrace.features.lookup import OnlineFeatures
    from headrace.features.materialize import Materialized
    from headrace.features.nearest import Neighbours
    from headrace.features.observer import Statistics, StatisticsHistory
    from headrace.features.parity import Parity
    from headrace.features.quality import Check
    from headrace.features.records import MaterializationRecord
    from headrace.features.services import OnlineReads
    from headrace.features.topics import Topics
    from headrace.features.training import TrainingSet, TrainingSets
    from headrace.features.verify import ViewVerification
    from headrace.importers.destination import Destination
    from headrace.lake.table import Optimized, TableState, Vacuumed
    from headrace.models.transfer import Copied, Side
    from headrace.serving.batch import Scored
    from headrace.serving.predictions import Predictions
    from headrace.tracking.client.run import ActiveRun
    from headrace.webhooks.service import Webhooks

__all__ = ["Store"]


@checked()
class Store:
    """A project: its features, runs, models and their lineage. Made by `hr.connect`.

    Attributes:
        settings: where the project keeps things.
        catalog: the definitions and their versions.
        runs: experiment tracking: `search`, `get`, `metric_history`, `compare`, …
        models: the model registry: `register`, `promote`, `rollback`, `load`, …
        lineage: what was made from what: `upstream`, `downstream`.

    A server uses these too:
        artifacts: the files of runs and models, by the hash of their bytes.
        overview: tables of experiments and runs.
        curves: metrics as charts draw them.
        changes: what changed in runs and models, for pages that are open.
        account: the account that this store acts for; None where nobody has to sign in.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self.settings = services.settings
        self.catalog = services.catalog
        self.runs = services.runs
        self.models = services.models
        self.artifacts = services.artifacts
        self.lineage = services.lineage
        self.overview = services.overview
        self.curves = services.curves
        self.changes = services.changes
        self._lazy_features = services.features
        self._lazy_predictions = services.predictions
        self.account: Account | None = None

    @property
    def accounts(self) -> Accounts:
        """The users and tokens of the project's server: `add_user`, `create_token`, `revoke`, `history`, …"""
        return self._services.accounts

    @property
    def webhooks(self) -> Webhooks:
        """The webhooks that are sent when the registry changes: `create`, `test`, `deliveries`, `replay`, …"""
        return self._services.webhooks

    @property
    def door(self) -> Door | None:
        """Finds the account of a request, for a server. None for a remote store: the server behind it does that itself."""
        return self._services.door

    def by(self, account: Account | None, origin: str = "") -> Store:
        """The same store acting for an account, for a server. What the account may not do is refused; the audit trail names it.

        Args:
            account: who sent the request; None where nobody has to sign in.
            origin: the address that the request came from, for the audit trail.
        """
        other = copy.copy(self)
        other.account = account
        other.models = self.models.by(account.name if account else "", account, origin)
        if account is not None:
            here = self._services
            named = replace(here, webhooks=here.webhooks.by(account.name), accounts=here.accounts.by(account, origin))
            other._services = named  # noqa: SLF001 - a Store too
        return other

    @property
    def topics(self) -> Topics:
        """The topics that real-time rows come through: their workers, dead letters and lag."""
        return self.services.topics

    @property
    def training_sets(self) -> TrainingSets:
        """The training sets that were made: `get`, `all`."""
        return self.services.training_sets

    @property
    def destination(self) -> Destination:
        """Where importers write. Raises InvalidInputError for a remote store: they write to the catalog itself."""
        if self._services.destination is None:
            msg = f"imports write to the catalog itself; run it in the project's folder, not through {self.settings.catalog}"
            raise InvalidInputError(msg)
        return self._services.destination

    @property
    def lookup(self) -> OnlineReads:
        """Reads online features: `online_features` and servers use it."""
        return self.services.lookup

    @property
    def opened_lookup(self) -> OnlineReads | None:
        """`lookup` if it has been used before, else None: for callers that can't wait while the online store is opened."""
        return None if self._lazy_features.made is None else self._lazy_features.made.lookup

    @property
    def is_remote(self) -> bool:
        """Whether a server keeps the project."""
        return self.settings.catalog.startswith(("http://", "https://"))

    @property
    def predictions(self) -> Predictions:
        """The predictions that services made: `read`, `labels`, `quality`, `find`."""
        return self._lazy_predictions()

    def score(
        self,
        uri: str,
        source: str | os.PathLike[str],
        target: str | os.PathLike[str],
        *,
        method: str = "predict",
        timestamp: str = "",
        allow_pickle: bool = False,
    ) -> Scored:
        """Score a file with a model: its rows are written to another file with a column `prediction`. Resumes if it was cut off.

        Args:
            uri: the model, `models:/video-ranker@champion`.
            source: Parquet, or CSV if its name ends so. It holds the model's columns; or the join keys of the model's view, whose
                features are then read from history.
            target: the file to write: Parquet, or CSV if its name ends so.
            method: `predict` or `predict_proba`.
            timestamp: the column with each row's moment, for features from history. Default: the moment when the work began.
            allow_pickle: load the model even if loading it runs its author's code; that happens in a process of its own.
        """
        from headrace.serving.batch import BatchScorer

        scorer = BatchScorer(self.models, self.catalog, lambda: self.services.history)
        options: dict[str, Any] = {"method": method, "timestamp": timestamp, "allow_pickle": allow_pickle}
        with bar() as progress:
            return scorer.run(uri, Path(source), Path(target), progress=progress, **options)

    def copy_model(self, uri: str, to: Store, name: str = "", *, origin: str = "") -> Copied:
        """Copy a model version, with its run, files, evaluations and lineage, to another registry, where it starts in no stage.

        Called again, it copies what is missing.

        Args:
            uri: the version here, `models:/video-ranker@champion`.
            to: the other project: `hr.connect("http://production:5000")`.
            name: the model's name there. Default: its name here.
            origin: this project's name in the other's records. Default: the server's address, or the folder.

        Raises:
            InvalidInputError: the version wasn't made from a model that a run logged.
            ConflictError: the view that it reads has another definition there.
            IntegrityError: a file is missing, or its bytes aren't those that were logged.
        """
        from headrace.models.transfer import copy_version, side_of

        def side(store: Store) -> Side:
            def record(name: str, version: int) -> Any:
                return store.training_sets.kept.get(name, version)  # which opens the feature store, so only if it's asked

            return side_of(store.models, store.runs, store.catalog, record)

        origin = origin or (self.settings.catalog if self.is_remote else str(self.settings.project))
        with bar() as progress:
            return copy_version(side(self), side(to), uri, name, origin=origin, progress=progress)

    def record_outcomes(self, frame: Any) -> int:
        """Keep what turned out to be true of predictions. Returns how many rows were kept.

        From them come labels, `store.predictions.labels(model)`, and quality, `store.predictions.quality(model, ["auc"])`.

        Args:
            frame: columns `request` (the id of the request) and `outcome`; optional are `row` (the row in the request) and
                `timestamp`.
        """
        return self.predictions.record_outcomes(frame)

    def plan(self, definitions: Sequence[Any]) -> Plan:
        """What `apply` would change, readable with `print`. Nothing is changed.

        Raises:
            DefinitionError: with every fault of the definitions.
        """
        return self.catalog.plan(definitions)

    def apply(self, definitions: Sequence[Any], *, prune: bool = False) -> Plan:
        """Make definitions current, all of them or none. Definitions that they refer to are included.

        Args:
            prune: also remove from the catalog what isn't among the definitions.

        Raises:
            DefinitionError: with every fault; nothing was changed.
        """
        plan = self.catalog.apply(definitions, prune=prune)
        self._services.record_definitions(plan)
        return plan

    def write(self, source: str, frame: Any, batch_id: str | None = None) -> Written:
        """Append rows to a source in batch: pandas, polars, Arrow, or the path of Parquet files. A `batch_id` is written once."""
        return self.services.ingest.write(source, frame, batch_id)

    def push(self, source: str, rows: Any) -> Pushed:
        """Hand over rows now: when it returns they are durable and online features reflect them."""
        return self.services.ingest.push(source, rows)

    def stream_writer(self, source: str, query: str) -> Callable[[Any, int], None]:
        """What a Spark Structured Streaming query hands its micro-batches to: `frame.writeStream.foreachBatch(writer)`.

        Each batch reaches the lake and the online store once, however often Spark repeats it.

        Args:
            source: the source that the rows belong to; it has the stream's columns.
            query: a name for the streaming query that never changes; a query with another checkpoint needs another name.
        """
        return self.services.streams.writer(source, query)

    def materialize(self, groups: Names = None, *, rebuild: bool = False) -> list[Materialized]:
        """Bring online values up to date with the lake: reads what arrived since the last time, and resumes if it was cut off.

        Args:
            groups: names of groups, or one name. Default: all.
            rebuild: the same as `backfill`.
        """
        with bar() as progress:
            return self.services.materializer.run(several(groups), rebuild=rebuild, progress=progress)

    def backfill(self, groups: Names = None) -> list[Materialized]:
        """Build online values anew from all of the lake, and resume a build that was cut off.

        Until the new values are complete, the present ones are served and updated by the stream; then they are replaced in one
        step.

        Args:
            groups: names of groups, `"user_taste"` or `"user_taste:2"`, or one name. Default: all.

        Raises:
            ConflictError: a group was retired while it was being built.
        """
        return self.materialize(groups, rebuild=True)

    def retire(self, group: str) -> None:
        """Delete the online values of a superseded group version, `"user_taste:1"`, that nothing reads any more.

        Raises:
            ConflictError: it is current, or a model in Staging or Production reads it.
        """
        self.services.materializer.retire(group)

    def historical_features(self, view: Reference, frame: Any, timestamp: str = "timestamp", as_known: bool = False) -> Any:
        """The frame with the view's features appended, each as of its row's own time. Rows, order and index stay.

        Args:
            view: a feature view, `"ranking"` or pinned `"ranking:3"`.
            frame: join keys, timestamp and any other columns: pandas, polars or Arrow.
            timestamp: the column with each row's moment.
            as_known: answer what serving would have said then: only rows that had reached us count.
        """
        with bar() as progress:
            return self.services.history.read(view, frame, timestamp, as_known=as_known, progress=progress)

    def training_set(
        self,
        view: Reference,
        labels: Any,
        timestamp: str = "timestamp",
        label: str | None = None,
        name: str | None = None,
        as_known: bool = False,
    ) -> TrainingSet:
        """Historical features beside labels, kept under a name, versioned and fingerprinted."""
        with bar() as progress:
            return self.training_sets.make(view, labels, timestamp, label=label, name=name, as_known=as_known, progress=progress)

    def online_features(
        self,
        view: Reference,
        entities: Mapping[str, Any],
        at: Any = None,
        sample: float | None = None,
        max_staleness: float | None = None,
    ) -> OnlineFeatures:
        """The values now for some entities, in milliseconds.

        Args:
            view: a feature view, `"ranking"` or pinned `"ranking:3"`.
            entities: join keys and request inputs; scalars are repeated to the length of the lists.
            at: the moment to answer for, a datetime. Default: now.
            sample: the share of keys whose answers are kept for `verify`, 0 to 1. Default: the setting `sample`.
            max_staleness: accept values that this process, or the server, read at most so many seconds ago. Default: always read
                the online store.
        """
        return self.services.lookup.read(view, entities, at, sample, max_staleness)

    def parity(self, view: Reference, entities: Mapping[str, Any], at: Any = None) -> Parity:
        """Compare the online values of some entities, bit by bit, with the historical ones as of the same moment.

        A difference usually means that rows wait to be materialized. `verify` compares what was served in the past.

        Args:
            view, entities, at: as for `online_features`; at most 1,000 entities.
        """
        from headrace.features.parity import parity_of

        return parity_of(self.services.lookup, self.services.history, view, entities, at)

    def nearest(
        self,
        view: Reference,
        vector: Any,
        k: int = 10,
        *,
        by: str | None = None,
        where: str | None = None,
        metric: str = "cosine",
        entities: Mapping[str, Any] | None = None,
    ) -> Neighbours:
        """The entities whose vectors are nearest to one, nearest first, with the view's features now. Exact.

        Args:
            view: a feature view, `"videos"` or pinned `"videos:3"`.
            vector: as many numbers as the feature has.
            k: how many; fewer come back if there aren't so many.
            by: the feature to compare. Default: the view's only vector.
            where: a SQL condition over the view's features, keys and inputs: `"is_comedy and not seen"`.
            metric: `"cosine"`, `"l2"` or `"dot"`.
            entities: the view's other join keys and inputs, one value each.
        """
        return self.services.nearest.find(view, vector, k, by=by, where=where, metric=metric, entities=entities)

    def verify(
        self, view: Reference, since: str | None = None, limit: int | None = None, *, as_known: bool = False
    ) -> ViewVerification:
        """Compute a sample of the served values again from history, and compare them bit by bit.

        Args:
            view: a feature view, `"ranking"` or pinned `"ranking:3"`; each version has its own sample.
            since: how far to look back, `"7d"`. Default: over the whole sample.
            limit: compare at most this many rows, the newest.
            as_known: compare with all rows that had arrived by each moment, not only with those that the served value reflected.
                This also shows the delay between a row's arrival and its visibility.
        """
        with bar() as progress:
            return self.services.verifier.run(view, since, limit, as_known=as_known, progress=progress)

    def impact(self, urn: str) -> Impact:
        """What depends on a column or a feature, and would change with it.

        Args:
            urn: its name in the lineage: `source:ratings.stars` or `feature:user_taste:2.likes_30d`.

        Raises:
            NotFoundError: nothing of that name is in the lineage.
        """
        from headrace.features.impact import impact_of

        return impact_of(self.lineage, self.catalog, urn)

    def freshness(self) -> dict[str, Freshness]:
        """For each group, its newest online event, that event's age, and how many rows wait to be materialized."""
        return self.services.freshness.read()

    def tables(self, names: Names = None) -> list[TableState]:
        """The state of the lake's tables, those named or all: rows, files, versions, and the offsets they have reached."""
        return self.services.upkeep.tables(several(names))

    def optimize(self, names: Names = None) -> list[Optimized]:
        """Merge small files of the lake's tables, those named or all. The rows of every version stay the same."""
        with bar() as progress:
            return self.services.upkeep.optimize(several(names), progress=progress)

    def vacuum(self, names: Names = None, *, older_than: Duration = "7d", dry_run: bool = False) -> list[Vacuumed]:
        """Remove files of the lake's tables, those named or all, that no kept version uses.

        Args:
            names: sources, or other tables of the lake.
            older_than: versions that were current within this time stay readable; those that training sets pin always do.
            dry_run: remove nothing, only tell what would be removed.
        """
        with bar() as progress:
            return self.services.upkeep.vacuum(several(names), older_than=older_than, dry_run=dry_run, progress=progress)

    def collect_artifacts(self, *, older_than: Duration = "7d", dry_run: bool = False) -> Collected:
        """Remove files of the artifact store that no run, logged model or model version uses, not even a deleted one.

        Args:
            older_than: files that were uploaded within this time stay, for others may be logging them; at least an hour.
            dry_run: remove nothing, only tell what would be removed.
        """
        return self.artifacts.collect(parse_duration(older_than), dry_run=dry_run)

    def materializations(self, group: str, limit: int | None = None) -> list[MaterializationRecord]:
        """The materializations of a group, newest first: when, how many rows and seconds, by whom."""
        return self.services.observations.materializations(group, limit)

    def statistics(self, name: str) -> StatisticsHistory:
        """Statistics of a source's rows, or of a group's values, over time: `.latest`, `.history`, `.to_pandas()`."""
        return self.services.observations.statistics(name)

    def profile(self, group: str) -> Statistics:
        """Take a sample of a group's online values now, check the group's expectations on it and keep its statistics."""
        return self.services.observations.profile(group)

    def drift(self, view: Reference, *, training_set: str) -> DriftReport:
        """How far the online values have drifted from a training set, feature by feature: PSI and Jensen-Shannon distance.

        Args:
            view: a feature view, `"ranking"` or pinned `"ranking:3"`.
            training_set: `"ranking-2026-11"` or one version of it, `"ranking-2026-11:1"`.
        """
        return self.services.observations.drift(view, training_set)

    def quality(self) -> list[Check]:
        """Every expectation with its results: how many rows were refused or quarantined, and which online values break it."""
        return self.services.observations.quality()

    def quarantine(self, source: str) -> pd.DataFrame:
        """The quarantined rows of a source, oldest first, each with the reasons, and how and when it came."""
        from headrace.features.frames import to_pandas

        return to_pandas(self.services.observations.quarantine(source))

    def start_run(self, experiment: str | None = None, name: str | None = None, **options: Any) -> ActiveRun:
        """Start a run of an experiment; use it with `with`. Takes the arguments of `hr.start_run`."""
        return self.runs.start(experiment, name, **options)

    def repair(self) -> dict[str, list[tuple[int, int]]]:
        """Repair a damaged event log, keeping what can be read. Returns each source's lost offsets, as (first, last) pairs."""
        return self.services.ingest.repair()

    def close(self) -> None:
        """Close files and connections; the end of a `with` block does so too."""
        if self._lazy_predictions.made is not None:
            self._lazy_predictions.made.close()
        if self._lazy_features.made is not None:
            self._lazy_features.made.close()
        self._services.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None) -> None:
        self.close()

    def accept(self, revision: int, added: Sequence[DefinitionVersion], removed: Sequence[Key]) -> None:
        """Check and apply what a remote store has planned, for a server. Raises as `Catalog.accept`."""
        self._services.record_definitions(self.catalog.accept(revision, added, removed))

    @property
    def services(self) -> FeatureServices:
        """The services behind the verbs of features, for a server."""
        return self._lazy_features()
