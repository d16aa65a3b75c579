"""A project whose stores this process opens: settings in, Store out."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from headrace.accounts.door import Door
from headrace.accounts.service import Accounts
from headrace.artifacts.direct import BucketFiles
from headrace.artifacts.garbage import collect
from headrace.artifacts.objects import ObjectArtifactStore
from headrace.artifacts.uploads import ObjectUploads
from headrace.capture.host import user_name
from headrace.catalog.lineage import lineage_pairs
from headrace.catalog.plan import Plan
from headrace.catalog.service import Catalog
from headrace.clock import Clock
from headrace.composition.views import view_pinning
from headrace.definitions.version import GroupVersion, ViewVersion
from headrace.importers.destination import Destination
from headrace.lazy import Lazy
from headrace.lineage.graph import Lineage, LineageReads
from headrace.lineage.store import Edge, LineageStore
from headrace.models.audit import Author
from headrace.models.checks import Checks
from headrace.models.service import Models
from headrace.parts import ArtifactServices, FeatureServices, Services
from headrace.settings import SPOOL_FOLDER, STATE_FOLDER, Settings
from headrace.sql.accounts import SqlAccountStore
from headrace.sql.artifact_names import named_artifacts
from headrace.sql.audit import SqlAuditStore
from headrace.sql.changes import SqlChanges
from headrace.sql.curves import SqlCurveStore
from headrace.sql.database import Database
from headrace.sql.definitions import SqlCatalogStore
from headrace.sql.files import SqlFileIndex
from headrace.sql.lineage import SqlLineageStore
from headrace.sql.models import SqlModelStore
from headrace.sql.overview import SqlOverview
from headrace.sql.requests import SqlRequestStore
from headrace.sql.tracking import tracking_stores
from headrace.sql.webhooks import SqlWebhookStore
from headrace.store import Store
from headrace.tracking.curves import Curves
from headrace.tracking.service import Runs
from headrace.webhooks.service import Webhooks

if TYPE_CHECKING:
    from headrace.features.training import TrainingSets
    from headrace.serving.predictions import Predictions
    from headrace.tracking.run import DatasetInput
    from headrace.tracking.store import TrackingStores

__all__ = ["open_local"]


def open_local(settings: Settings, clock: Clock) -> Store:
    """A Store over the backends that the settings name. What features need is opened when it is first asked for.

    Raises:
        SettingsError: a setting means no backend.
        StorageError: a store can't be opened.
    """
    author, database = user_name(), Database(settings.catalog)
    tracking, edges, registry = tracking_stores(database), SqlLineageStore(database), SqlModelStore(database)
    catalog = Catalog(SqlCatalogStore(database), clock, author, settings.modules)
    files = ObjectArtifactStore(settings.artifacts, clock)
    runs = _runs(settings, clock, catalog, tracking, files, edges)
    features = Lazy(lambda: _features(settings, clock, catalog, database, author, models))
    predictions = Lazy(lambda: _predictions(settings, clock))
    models = Models(
        registry,
        SqlAuditStore(database),
        tracking.runs,
        tracking.models,
        files,
        clock,
        author,
        settle=runs.settle,
        requests=SqlRequestStore(database),
        checks=_checks(catalog, tracking, lambda: features().training_sets, lambda: lineage),
    )
    lineage = Lineage(edges, models.alias_targets, models.aliases_of, lambda urn: predictions().edges(urn))
    users = SqlAccountStore(database)
    door = Door(users, clock)
    closing = ExitStack()
    closing.callback(database.close)
    closing.callback(runs.close)
    return Store(
        Services(
            settings=settings,
            catalog=catalog,
            features=features,
            predictions=predictions,
            runs=runs,
            models=models,
            artifacts=_artifacts(settings, clock, database, files),
            lineage=lineage,
            overview=SqlOverview(database),
            curves=Curves(SqlCurveStore(database)),
            changes=SqlChanges(database),
            record_definitions=_lineage_writer(edges, clock),
            close=closing.close,
            accounts=Accounts(users, clock, author, door),
            webhooks=Webhooks(SqlWebhookStore(database), clock, author, settings.webhook_hosts),
            destination=Destination(tracking, files, edges, registry, Author(clock, author)),
            door=door,
        )
    )


def _runs(
    settings: Settings,
    clock: Clock,
    catalog: Catalog,
    tracking: TrackingStores,
    files: ObjectArtifactStore,
    edges: LineageStore,
) -> Runs:
    away = "://" in settings.artifacts and not settings.artifacts.startswith("file:")
    spool = settings.project / STATE_FOLDER / SPOOL_FOLDER
    return Runs(tracking, files, edges, clock=clock, resolve_view=view_pinning(catalog), spool=spool, stages=away)


def _artifacts(settings: Settings, clock: Clock, database: Database, files: ObjectArtifactStore) -> ArtifactServices:
    return ArtifactServices(
        files=files,
        index=SqlFileIndex(database),
        uploads=ObjectUploads(files, files.place),
        collect=functools.partial(collect, files, functools.partial(named_artifacts, database), clock),
        buckets=BucketFiles(settings.artifact_buckets),
    )


def _features(
    settings: Settings, clock: Clock, catalog: Catalog, database: Database, author: str, models: Models
) -> FeatureServices:
    from headrace.composition.local_features import open_features  # brings pyarrow and an engine

    return open_features(settings, clock, catalog, database, author, models.pinned_views)


def _predictions(settings: Settings, clock: Clock) -> Predictions:
    from headrace.backends import open_lake
    from headrace.features.answers import AnswerLog, LakeAnswers
    from headrace.serving.predictions import Predictions

    return Predictions(AnswerLog(LakeAnswers(open_lake(settings, clock)), clock), clock)


def _lineage_writer(edges: LineageStore, clock: Clock) -> Callable[[Plan], None]:
    """What writes the edges of applied definitions: source and column → feature → group → view."""

    def write(plan: Plan) -> None:
        now = clock()
        versions: list[GroupVersion | ViewVersion] = [*plan.groups, *plan.views]
        pairs = [pair for version in versions for pair in lineage_pairs(version)]
        edges.add([Edge(source, target, "defines", now) for source, target in pairs])

    return write


def _checks(
    catalog: Catalog, tracking: TrackingStores, sets: Callable[[], TrainingSets], lineage: Callable[[], LineageReads]
) -> Checks:
    """What the registry asks of the rest of the project."""
    pin = view_pinning(catalog)

    def dataset_fault(data: DatasetInput) -> str:
        found = sets().get(data.urn.removeprefix("training_set:"))
        if found.fingerprint != data.digest:
            return f"the training set {data.name!r} has another fingerprint than the one that the run used"
        return "" if found.verify().ok else f"the training set {data.name!r} comes out different when it is computed again"

    def upstream(urn: str) -> list[str]:
        return lineage().upstream(urn).nodes()[1:]

    def run_files(run_id: str) -> dict[str, str]:
        return {entry.path: entry.digest for entry in tracking.artifacts.list(run_id)}

    return Checks(lambda view: pin(view)[1], dataset_fault, run_files, upstream)
