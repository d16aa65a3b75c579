"""Store: everything a project can do, in one object. Each verb is a line over the service that does it."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from headrace.catalog.plan import Plan
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
    from headrace.features.services import (
        OnlineReads,
    )
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


class Store:
    """A project: its features, runs, models and their lineage. Made by `hr.connect`.

    Attributes:
        catalog: the definitions and their versions.
        runs: experiment tracking: `search`, `get`, `metric_history`, `compare`, …
        models: the model registry: `register`, `promote`, `rollback`, `load`, …
        artifacts: the bytes of what runs and models name, by their hash; a server asks it.
        lineage: what was made from what: `upstream`, `downstream`.
        account: whom a server asks this store for; None where nobody is asked who they are.
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
        self._opened = services.features
        self._kept = services.predictions
        self.account: Account | None = None

    @property
    def accounts(self) -> Accounts:
        """Users and tokens of the project's server: `add_user`, `create_token`, `revoke`, `history`, …"""
        return self._services.accounts

    @property
    def webhooks(self) -> Webhooks:
        """Who is told of changes in the registry: `create`, `test`, `deliveries`, `replay`, …"""
        return self._services.webhooks

    @property
    def door(self) -> Door | None:
        """Who a request is from; None for a store behind another server, which asks for itself. A server asks it."""
        return self._services.door

    def by(self, account: Account | None, origin: str = "") -> Store:
        """The same store in the name of an account: what it may not do is refused, and the trail names it. For a server.

        Args:
            account: who asks; None where nobody is asked who they are.
            origin: the address from which they do; the trail names it too.
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
        """Streams that others write to: workers that take them in, topics, dead letters, lag."""
        return self._features.topics

    @property
    def training_sets(self) -> TrainingSets:
        """The kept training sets: `get`, `all`."""
        return self._features.training_sets

    @property
    def destination(self) -> Destination:
        """Where importers write. Raises InvalidInputError for a server's store: they write to the catalog itself."""
        if self._services.destination is None:
            msg = f"imports write to the catalog itself; run it in the project's folder, not through {self.settings.catalog}"
            raise InvalidInputError(msg)
        return self._services.destination

    @property
    def lookup(self) -> OnlineReads:
        """What answers online reads; a server asks it."""
        return self._features.lookup

    @property
    def opened_lookup(self) -> OnlineReads | None:
        """The same if it's there, for those who can't wait until the online store and an engine are opened."""
        return None if self._opened.made is None else self._opened.made.lookup

    @property
    def is_remote(self) -> bool:
        """Whether a server keeps the project."""
        return self.settings.catalog.startswith(("http://", "https://"))

    @property
    def predictions(self) -> Predictions:
        """What services predicted: `read`, `labels`, `quality`, `find`."""
        return self._kept()

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
        """Score a file with a model; the rows come back with `prediction` beside. Goes on where it was cut off.

        Args:
            uri: the model, `models:/video-ranker@champion`.
            source: Parquet, or CSV if it is named .csv: the model's columns, or the join keys of its view: then history gives
                the features.
            target: where the rows go; CSV if it is named .csv.
            method: `predict` or `predict_proba`.
            timestamp: the column with each row's moment. Default: the moment when the work began.
            allow_pickle: load the model although that runs its author's code, in a process of its own.
        """
        from headrace.serving.batch import BatchScorer

        scorer = BatchScorer(self.models, self.catalog, lambda: self._features.history)
        options: dict[str, Any] = {"method": method, "timestamp": timestamp, "allow_pickle": allow_pickle}
        with bar() as progress:
            return scorer.run(uri, Path(source), Path(target), progress=progress, **options)

    def copy_model(self, uri: str, to: Store, name: str = "", *, origin: str = "") -> Copied:
        """Copy a version to another registry, in no stage, with its run, files, evaluations and lineage; again: what is missing.

        Args:
            uri: the version here, `models:/video-ranker@champion`.
            to: the other project: `hr.connect("http://production:5000")`.
            name: what to call the model there. Default: as here.
            origin: what to call this project there. Default: its catalog's address, or its folder.

        Raises:
            InvalidInputError: no logged model with a run stands for it.
            ConflictError: the view that it reads is another one there.
            IntegrityError: a file is gone, or isn't what was logged.
        """
        from headrace.models.transfer import copy_version

        origin = origin or (self.settings.catalog if self.is_remote else str(self.settings.project))
        with bar() as progress:
            return copy_version(self._side, to._side, uri, name, origin=origin, progress=progress)

    @property
    def _side(self) -> Side:
        from headrace.models.transfer import Side

        def definition(kind: str, name: str, version: int) -> DefinitionVersion | None:
            found = self.catalog.store.versions(kind, name)  # type: ignore[arg-type]  # of a spec, so it is a kind
            return next((each for each in found if each.version == version), None)

        def training_set(urn: str) -> Mapping[str, Any] | None:
            name, _, version = urn.removeprefix("training_set:").rpartition(":")
            if not urn.startswith("training_set:") or not version.isdecimal():
                return None
            kept = self.training_sets.kept.get(name, int(version))
            return None if kept is None else asdict(kept)

        return Side(self.models, self.runs, definition, training_set)

    def record_outcomes(self, frame: Any) -> int:
        """Keep what came of predictions: columns `request`, `outcome`, perhaps `row` and `timestamp`. Returns how many rows.

        They give labels, `store.predictions.labels(model)`, and quality, `store.predictions.quality(model, ["auc"])`.
        """
        return self.predictions.record_outcomes(frame)

    def plan(self, definitions: Sequence[Any]) -> Plan:
        """What `apply` would change, readable with `print`. Nothing is changed.

        Raises:
            DefinitionError: with every fault of the definitions.
        """
        return self.catalog.plan(definitions)

    def apply(self, definitions: Sequence[Any], *, prune: bool = False) -> Plan:
        """Make definitions current, all or none; what they refer to comes along.

        Args:
            prune: also remove what the catalog has and the definitions don't.

        Raises:
            DefinitionError: with every fault; nothing was changed.
        """
        plan = self.catalog.apply(definitions, prune=prune)
        self._services.record_definitions(plan)
        return plan

    def write(self, source: str, frame: Any, batch_id: str | None = None) -> Written:
        """Append rows to a source in batch: pandas, polars, Arrow, or the path of Parquet files. A `batch_id` is written once."""
        return self._features.ingest.write(source, frame, batch_id)

    def push(self, source: str, rows: Any) -> Pushed:
        """Hand over rows now: when it returns they are durable and online features reflect them."""
        return self._features.ingest.push(source, rows)

    def stream_writer(self, source: str, query: str) -> Callable[[Any, int], None]:
        """What a Spark Structured Streaming query hands its micro-batches to: `frame.writeStream.foreachBatch(writer)`.

        Each batch reaches the lake and the online store once, however often Spark repeats it.

        Args:
            source: a source, with the stream's columns.
            query: names the query for good: give one with another checkpoint another name.
        """
        return self._features.streams.writer(source, query)

    def materialize(self, groups: Sequence[str] | None = None, *, rebuild: bool = False) -> list[Materialized]:
        """Bring online values up to date with the lake: only what arrived since the last time; resumes where it was stopped.

        Args:
            groups: names of groups. Default: all.
            rebuild: the same as `backfill`.
        """
        with bar() as progress:
            return self._features.materializer.run(groups, rebuild=rebuild, progress=progress)

    def backfill(self, groups: Sequence[str] | None = None) -> list[Materialized]:
        """Build online values anew from all of the lake, beside the present ones, which are served and fed by the stream until
        the new ones take their place in one step; goes on with a build that was cut off.

        Args:
            groups: names of groups, `"user_taste"` or `"user_taste:2"`. Default: all.

        Raises:
            ConflictError: a group was retired meanwhile.
        """
        return self.materialize(groups, rebuild=True)

    def retire(self, group: str) -> None:
        """Forget the online values of a superseded group version, `"user_taste:1"`, once nothing reads it any more.

        Raises:
            ConflictError: it is current, or a model in Staging or Production reads it.
        """
        self._features.materializer.retire(group)

    def historical_features(self, view: str, frame: Any, timestamp: str = "timestamp", as_known: bool = False) -> Any:
        """The frame with the view's features appended, each as of its row's own time. Rows, order and index stay.

        Args:
            view: a feature view, `"ranking"` or pinned `"ranking:3"`.
            frame: join keys, timestamp and any other columns: pandas, polars or Arrow.
            timestamp: the column with each row's moment.
            as_known: answer what serving would have said then: only rows that had reached us count.
        """
        with bar() as progress:
            return self._features.history.read(view, frame, timestamp, as_known=as_known, progress=progress)

    def training_set(
        self,
        view: str,
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
        view: str,
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
            max_staleness: seconds that the states behind the answer may be old: then ones that were read lately, in this process
                or in the server, may answer. Default: none.
        """
        return self._features.lookup.read(view, entities, at, sample, max_staleness)

    def parity(self, view: str, entities: Mapping[str, Any], at: Any = None) -> Parity:
        """The online values of some entities beside what history says as of the same moment, compared to the bit.

        What differs is usually a row that waits to be materialized. `verify` compares what was served in the past.

        Args:
            view, entities, at: as for `online_features`; at most 1,000 entities.
        """
        from headrace.features.parity import parity_of

        return parity_of(self._features.lookup, self._features.history, view, entities, at)

    def nearest(
        self,
        view: str,
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
        return self._features.nearest.find(view, vector, k, by=by, where=where, metric=metric, entities=entities)

    def verify(
        self, view: str, since: str | None = None, limit: int | None = None, *, as_known: bool = False
    ) -> ViewVerification:
        """Compute the sample of what was served again from history, and compare each value to the bit.

        Args:
            view: a feature view, `"ranking"` or pinned `"ranking:3"`; each version has its own sample.
            since: how far to look back, `"7d"`. Default: all.
            limit: at most so many rows, the newest.
            as_known: compare with all that had reached us at each moment, not with what each value reflected. What differs
                then is the time between arrival and visibility.
        """
        with bar() as progress:
            return self._features.verifier.run(view, since, limit, as_known=as_known, progress=progress)

    def impact(self, urn: str) -> Impact:
        """What would change if this did: of `source:ratings.stars` or `feature:user_taste:2.likes_30d`, what takes its values.

        Raises NotFoundError: nothing of that name is in the lineage.
        """
        from headrace.features.impact import impact_of

        return impact_of(self.lineage, self.catalog, urn)

    def freshness(self) -> dict[str, Freshness]:
        """Each group's newest event, its age, and what waits to be brought online."""
        return self._features.freshness.read()

    def tables(self, names: Sequence[str] | None = None) -> list[TableState]:
        """The lake's tables as they are now: rows, files, versions, lanes. Those named, or all."""
        return self._features.upkeep.tables(names)

    def optimize(self, names: Sequence[str] | None = None) -> list[Optimized]:
        """Merge the small files of the lake's tables, those named or all. No version changes what it holds."""
        with bar() as progress:
            return self._features.upkeep.optimize(names, progress=progress)

    def vacuum(self, names: Sequence[str] | None = None, *, older_than: Duration = "7d", dry_run: bool = False) -> list[Vacuumed]:
        """Remove files of the lake's tables, those named or all, that no kept version names.

        Args:
            names: sources, or other tables of the lake.
            older_than: versions that were current within this time stay readable; those that training sets pin always do.
            dry_run: only tell what would go.
        """
        with bar() as progress:
            return self._features.upkeep.vacuum(names, older_than=older_than, dry_run=dry_run, progress=progress)

    def collect_artifacts(self, *, older_than: Duration = "7d", dry_run: bool = False) -> Collected:
        """Remove files of the artifact store that no run, logged model or model version names, deleted ones included.

        It may run while others log: what is being uploaded, or was just now, stays.

        Args:
            older_than: files that were handed in within this time stay; at least an hour.
            dry_run: only tell what would go.
        """
        return self.artifacts.collect(parse_duration(older_than), dry_run=dry_run)

    def materializations(self, group: str, limit: int | None = None) -> list[MaterializationRecord]:
        """When a group was brought up to date, newest first: rows, seconds, by whom."""
        return self._features.observations.materializations(group, limit)

    def statistics(self, name: str) -> StatisticsHistory:
        """What the data of a source, or the values of a group, look like: `.latest`, `.history`, `.to_pandas()`."""
        return self._features.observations.statistics(name)

    def profile(self, group: str) -> Statistics:
        """Read a sample of a group's online values now: keep its statistics, check what the group expects of them."""
        return self._features.observations.profile(group)

    def drift(self, view: str, *, training_set: str) -> DriftReport:
        """How far the online values lie from a training set, feature by feature: PSI and Jensen-Shannon distance.

        Args:
            view: a feature view, `"ranking"` or pinned `"ranking:3"`.
            training_set: `"ranking-2026-11"` or one version of it, `"ranking-2026-11:1"`.
        """
        return self._features.observations.drift(view, training_set)

    def quality(self) -> list[Check]:
        """Every expectation and how it fares: rows that were refused or set aside, values online that break one."""
        return self._features.observations.quality()

    def quarantine(self, source: str) -> pd.DataFrame:
        """The rows of a source that were set aside, with the reasons, how they came and when, oldest first."""
        from headrace.features.frames import to_pandas

        return to_pandas(self._features.observations.quarantine(source))

    def start_run(self, experiment: str | None = None, name: str | None = None, **options: Any) -> ActiveRun:
        """Start a run of an experiment; use it with `with`. See `hr.start_run`."""
        return self.runs.start(experiment, name, **options)

    def repair(self) -> dict[str, list[tuple[int, int]]]:
        """Keep what can be read of a damaged event log. Returns source name to the offsets lost, (first, last) pairs."""
        return self._features.ingest.repair()

    def close(self) -> None:
        """Give up files and connections; at the end of a `with` block this happens by itself."""
        if self._kept.made is not None:
            self._kept.made.close()
        if self._opened.made is not None:
            self._opened.made.close()
        self._services.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None) -> None:
        self.close()

    def accept(self, revision: int, added: Sequence[DefinitionVersion], removed: Sequence[Key]) -> None:
        """Make versions of definitions current that a remote store planned, after checking them. Raises as `Catalog.accept`."""
        self._services.record_definitions(self.catalog.accept(revision, added, removed))

    @property
    def services(self) -> FeatureServices:
        """Who does the verbs of features, for those who pass a store on, such as a server."""
        return self._features

    @property
    def _features(self) -> FeatureServices:
        return self._opened()
