"""The composition root: settings in, Store out. The only place that names a backend."""

from __future__ import annotations

import functools
import getpass
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from headrace.backends import open_engine, open_event_log, open_lake, open_online
from headrace.clock import Clock, system_clock
from headrace.errors import SettingsError, StorageError
from headrace.settings import STATE_FOLDER, Settings, find_project, load_settings

if TYPE_CHECKING:
    from headrace.artifacts.direct import BucketFiles
    from headrace.artifacts.store import ArtifactStreams, Uploads
    from headrace.catalog.plan import Plan
    from headrace.catalog.service import Catalog
    from headrace.definitions.version import GroupVersion, ViewVersion
    from headrace.features.materialize import Pins
    from headrace.features.streaming import StreamSink
    from headrace.features.topics import Topics
    from headrace.features.training import TrainingSets
    from headrace.lake.delta import DeltaLake
    from headrace.lineage.graph import LineageReads
    from headrace.lineage.store import LineageStore
    from headrace.models.checks import Checks
    from headrace.parts import FeatureServices
    from headrace.remote.transport import Transport
    from headrace.serving.predictions import Predictions
    from headrace.sql.database import Database
    from headrace.store import Store
    from headrace.tracking.client.run import ActiveRun
    from headrace.tracking.files import FileIndex
    from headrace.tracking.run import DatasetInput
    from headrace.tracking.service import Runs, Synced
    from headrace.tracking.store import TrackingStores

__all__ = ["connect", "open_remote", "open_store", "start_run", "sync_spool", "track"]

SPOOL_FOLDER = "spool"

_default: dict[Path | str, Store] = {}


def connect(target: str | os.PathLike[str] | None = None, *, clock: Clock = system_clock) -> Store:
    """Open a project.

    Args:
        target: a directory, or the address of a server, `http://host:5000`. Default: what HEADRACE_SERVER names, else the
            project here, the nearest folder at or above with a headrace.toml.
        clock: gives now in microseconds since 1970 UTC; for tests.

    Raises:
        SettingsError: headrace.toml holds something that can't be used.
        StorageError: a store can't be opened.
    """
    server = os.environ.get("HEADRACE_SERVER") if target is None else target
    if isinstance(server, str) and (target is None or "://" in server):
        return open_remote(server, clock)
    folder = find_project(Path.cwd()) if target is None else Path(target).expanduser()
    if folder.exists() and not folder.is_dir():
        msg = f"{folder} is a file; hr.connect takes a project's directory"
        raise SettingsError(msg)
    return open_store(load_settings(folder), clock)


def start_run(**options: Any) -> ActiveRun:
    """Start a run in the project here, or at the server that HEADRACE_SERVER names; use it with `with`. Takes what
    `store.runs.start` takes: experiment, params, tags, …"""
    place = os.environ.get("HEADRACE_SERVER") or find_project(Path.cwd())
    store = _default.get(place)
    if store is None:
        store = _default[place] = connect(place)
    return store.start_run(**options)


def track(function: Any = None, **options: Any) -> Any:
    """A decorator: each call of the function is a run. Its plain arguments become params, the numbers of a mapping that it
    returns metrics.

    Args:
        options: what `start_run` takes, for example `@hr.track(experiment="ranker")`.
    """
    from headrace.tracking.client.decorator import tracked

    if function is None:
        return lambda found: tracked(found, start_run, **options)
    return tracked(function, start_run, **options)


def sync_spool(folder: Path, target: str | None = None) -> Iterator[tuple[Path, Callable[[], Synced]]]:
    """What writers of runs left in a project's folder: where each is, and what sends it to where it was logged for, or to
    `target`. What is called raises StorageError if nobody takes it; it stays then."""
    from headrace.tracking.client.spool import held_spools, server_of

    stores: dict[str, Store] = {}
    try:
        for path in held_spools(folder / STATE_FOLDER / SPOOL_FOLDER):
            place = target or server_of(path) or str(folder)

            def send(path: Path = path, place: str = place) -> Synced:
                if place not in stores:
                    stores[place] = connect(place)
                return stores[place].runs.sync(path, anywhere=target is not None)

            yield path, send
    finally:
        for store in stores.values():
            store.close()


def open_store(settings: Settings, clock: Clock = system_clock) -> Store:
    """A Store over the backends that the settings name."""
    from headrace.accounts.door import Door
    from headrace.accounts.service import Accounts
    from headrace.artifacts.direct import BucketFiles
    from headrace.artifacts.garbage import collect
    from headrace.artifacts.objects import ObjectArtifactStore
    from headrace.artifacts.uploads import ObjectUploads
    from headrace.catalog.service import Catalog
    from headrace.importers.destination import Destination
    from headrace.lineage.graph import Lineage
    from headrace.models.audit import Author
    from headrace.models.service import Models
    from headrace.parts import ArtifactServices, Services
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

    _make_importable(settings)
    author = _user()
    database = Database(settings.catalog)
    edges = SqlLineageStore(database)
    catalog = Catalog(SqlCatalogStore(database), clock, author, settings.modules)
    artifacts = ObjectArtifactStore(settings.artifacts, clock)
    tracking = tracking_stores(database)
    registry = SqlModelStore(database)
    away = "://" in settings.artifacts and not settings.artifacts.startswith("file:")
    spool = settings.project / STATE_FOLDER / SPOOL_FOLDER
    runs = Runs(tracking, artifacts, edges, clock=clock, resolve_view=_pin_view(catalog), spool=spool, stages=away)
    users = SqlAccountStore(database)
    door = Door(users, clock)
    opened: list[Store] = []
    models = Models(
        registry,
        SqlAuditStore(database),
        tracking.runs,
        tracking.models,
        artifacts,
        clock,
        author,
        settle=runs.settle,
        requests=SqlRequestStore(database),
        checks=_version_checks(catalog, tracking, lambda: opened[0].training_sets, lambda: opened[0].lineage),
    )
    store = Store(
        Services(
            settings=settings,
            catalog=catalog,
            predictions=lambda: _predictions(open_lake(settings, clock), clock),
            features=lambda: _open_features(settings, clock, catalog, database, author, models.pinned_views),
            runs=runs,
            models=models,
            artifacts=ArtifactServices(
                files=artifacts,
                index=SqlFileIndex(database),
                uploads=ObjectUploads(artifacts, artifacts.place),
                collect=functools.partial(collect, artifacts, functools.partial(named_artifacts, database), clock),
                buckets=BucketFiles(settings.artifact_buckets),
            ),
            lineage=Lineage(
                edges,
                models.alias_targets,
                models.aliases_of,
                lambda urn: opened[0].predictions.edges(urn),  # noqa: PLW0108 - the store is made below
            ),
            record_definitions=_lineage_writer(edges, clock),
            close=_closing(runs, database),
            destination=Destination(tracking, artifacts, edges, registry, Author(clock, author)),
            overview=SqlOverview(database),
            curves=Curves(SqlCurveStore(database)),
            changes=SqlChanges(database),
            accounts=Accounts(users, clock, author, door),
            door=door,
            webhooks=Webhooks(SqlWebhookStore(database), clock, author, settings.webhook_hosts),
        )
    )
    opened.append(store)
    return store


def open_remote(url: str, clock: Clock = system_clock) -> Store:
    """A Store over a project that a server keeps. Raises SettingsError for what isn't a server's address; asks nothing yet."""

    from headrace.catalog.service import Catalog
    from headrace.parts import ArtifactServices, Services
    from headrace.remote.absent import Absent
    from headrace.remote.accounts import RemoteAccounts
    from headrace.remote.definitions import RemoteCatalogStore
    from headrace.remote.lineage import RemoteLineage
    from headrace.remote.models import RemoteModels
    from headrace.remote.overview import RemoteChanges, RemoteCurveStore, RemoteOverview
    from headrace.remote.tracking import WrittenThere, remote_tracking
    from headrace.remote.tracking_artifacts import RemoteArtifactStore
    from headrace.remote.tracking_journal import RemoteJournal
    from headrace.remote.transport import Transport
    from headrace.remote.upkeep import RemoteCollect
    from headrace.remote.webhooks import RemoteWebhooks
    from headrace.store import Store
    from headrace.tracking.curves import Curves
    from headrace.tracking.service import Runs

    transport = Transport(url)
    at = transport.url
    author = _user()
    local = load_settings(find_project(Path.cwd()))
    _make_importable(local)
    catalog = Catalog(RemoteCatalogStore(transport), clock, author, local.modules)
    tracking, artifacts = remote_tracking(transport), RemoteArtifactStore(transport)
    runs = Runs(
        tracking,
        artifacts,
        WrittenThere(),
        clock=clock,
        resolve_view=_pin_view(catalog),
        sink=RemoteJournal(transport),
        spool=local.project / STATE_FOLDER / SPOOL_FOLDER,
        server=at,
        stages=True,
    )
    return Store(
        Services(
            settings=replace(local, catalog=at, lake=at, artifacts=at, online=at, events=at),
            catalog=catalog,
            predictions=lambda: _remote_predictions(transport, clock),
            features=lambda: _remote_features(transport, catalog, clock, author),
            runs=runs,
            models=RemoteModels(transport, tracking, artifacts, clock, author, settle=runs.settle),
            artifacts=ArtifactServices(
                files=cast("ArtifactStreams", artifacts),
                index=cast("FileIndex", Absent("artifacts.index", at)),
                uploads=cast("Uploads", Absent("artifacts.uploads", at)),
                collect=RemoteCollect(transport),
                buckets=cast("BucketFiles", Absent("artifacts.buckets", at)),
            ),
            lineage=RemoteLineage(transport),
            overview=RemoteOverview(transport),
            curves=Curves(RemoteCurveStore(transport)),
            changes=RemoteChanges(transport),
            record_definitions=lambda _plan: None,  # the server did when it took them in
            close=_closing(runs, transport),
            accounts=RemoteAccounts(transport),
            webhooks=RemoteWebhooks(transport, author),
        )
    )


def _remote_features(transport: Transport, catalog: Catalog, clock: Clock, author: str) -> FeatureServices:

    from headrace.features.training import TrainingSets
    from headrace.parts import FeatureServices
    from headrace.remote.absent import Absent
    from headrace.remote.history import RemoteHistory
    from headrace.remote.ingest import RemoteIntake, RemoteMaterializer
    from headrace.remote.lookup import RemoteFreshness, RemoteLookup
    from headrace.remote.nearest import RemoteNearest
    from headrace.remote.observations import RemoteObservations
    from headrace.remote.training_sets import RemoteKept
    from headrace.remote.upkeep import RemoteUpkeep
    from headrace.remote.verify import RemoteVerifier

    history = RemoteHistory(transport, catalog)
    return FeatureServices(
        ingest=RemoteIntake(transport, catalog),
        materializer=RemoteMaterializer(transport),
        history=history,
        training_sets=TrainingSets(catalog, history, RemoteKept(transport), clock, author),
        lookup=RemoteLookup(transport, catalog),
        freshness=RemoteFreshness(transport),
        verifier=RemoteVerifier(transport),
        upkeep=RemoteUpkeep(transport),
        streams=cast("StreamSink", Absent("stream_writer", transport.url)),
        topics=cast("Topics", Absent("topics", transport.url)),
        nearest=RemoteNearest(transport),
        observations=RemoteObservations(transport),
        close=lambda: None,
    )


def _open_features(
    settings: Settings, clock: Clock, catalog: Catalog, database: Database, author: str, pins: Pins
) -> FeatureServices:
    from headrace.engines.duckdb import DuckDBEngine
    from headrace.features.answers import AnswerLog, LakeAnswers
    from headrace.features.feed import Feed
    from headrace.features.freshness import FreshnessReader
    from headrace.features.history import History
    from headrace.features.ingest import Ingest
    from headrace.features.kept import Kept
    from headrace.features.lookup import Lookup
    from headrace.features.maintenance import Maintenance
    from headrace.features.materialize import Materializer
    from headrace.features.nearest import Nearest
    from headrace.features.observations import Observations
    from headrace.features.observer import Observer
    from headrace.features.online import OnlineGroups
    from headrace.features.profile import Profiler
    from headrace.features.quality import Quality
    from headrace.features.quarantine import Quarantine
    from headrace.features.repeats import Repeats
    from headrace.features.served import Served
    from headrace.features.streaming import StreamSink
    from headrace.features.topics import Topics
    from headrace.features.training import TrainingSets
    from headrace.features.verify import Verifier
    from headrace.parts import FeatureServices
    from headrace.sql.features import SqlTrainingSetStore
    from headrace.sql.lineage import SqlLineageStore
    from headrace.sql.observations import SqlObservationStore

    engine = DuckDBEngine(settings.memory_limit)
    lake = open_lake(settings, clock)
    observed = SqlObservationStore(database)
    quality = Quality(catalog, observed, Quarantine(lake, clock), engine.holds, clock)
    with ExitStack() as opened:
        online, seen = open_online(settings, opened)
        groups, repeats = OnlineGroups(online, engine, clock), Repeats(seen, clock)
        log = open_event_log(settings, catalog, lake, groups, repeats, quality, clock, opened)
        past = open_engine(settings, engine, opened)
        closing = opened.pop_all()  # from here on it's the store that closes them
    beside = _lock_in(settings.project / STATE_FOLDER / "locks")

    def lock(name: str) -> AbstractContextManager[Any]:
        return database.lock(name) or beside(name)

    observer = Observer(catalog, observed, clock, author)
    feed = Feed(lake, log, groups)
    ingest = Ingest(catalog, feed, log, groups, repeats, quality, observer, clock, lock)
    history = History(catalog, ingest, past)
    served = Served(AnswerLog(LakeAnswers(lake), clock), float(settings.sample))
    closing.callback(served.log.close)
    here = History(catalog, ingest, engine)  # a few keys: no cluster's work
    lookup = Lookup(catalog, ingest, groups, here, clock, served)
    records = SqlTrainingSetStore(database)
    sets = TrainingSets(catalog, history, Kept(lake, records, SqlLineageStore(database)), clock, author)
    profiler = Profiler(catalog, ingest, lookup, lake, observer, quality, served, clock)

    return FeatureServices(
        ingest=ingest,
        materializer=Materializer(catalog, ingest, feed, groups, pins, profiler.materialized, clock),
        history=history,
        training_sets=sets,
        lookup=lookup,
        freshness=FreshnessReader(catalog, ingest, groups, observed, clock),
        verifier=Verifier(catalog, ingest, engine, served, clock),
        upkeep=Maintenance(catalog, lake, records, clock),
        streams=StreamSink(catalog, ingest, feed, log, repeats, quality, lock),
        topics=Topics(catalog, ingest, feed, log, groups, settings.project.name),
        observations=Observations(catalog, observed, observer, quality, profiler, sets),
        nearest=Nearest(catalog, ingest, feed, groups, lookup, here, engine, clock),
        close=closing.close,
    )


def _predictions(lake: DeltaLake, clock: Clock) -> Predictions:
    """The predictions in the lake."""
    from headrace.features.answers import AnswerLog, LakeAnswers
    from headrace.serving.predictions import Predictions

    return Predictions(AnswerLog(LakeAnswers(lake), clock), clock)


def _remote_predictions(transport: Transport, clock: Clock) -> Predictions:
    """The predictions that a server keeps."""
    from headrace.features.answers import AnswerLog
    from headrace.remote.answers import RemoteAnswers
    from headrace.serving.predictions import Predictions

    return Predictions(AnswerLog(RemoteAnswers(transport), clock), clock)


def _closing(runs: Runs, connections: Database | Transport) -> Callable[[], None]:
    def close() -> None:
        runs.close()
        connections.close()

    return close


def _lineage_writer(edges: LineageStore, clock: Clock) -> Callable[[Plan], None]:
    """What writes the edges of applied definitions: source and column → feature → group → view."""
    from headrace.catalog.lineage import lineage_pairs
    from headrace.lineage.store import Edge

    def write(plan: Plan) -> None:
        now = clock()
        versions: list[GroupVersion | ViewVersion] = [*plan.groups, *plan.views]
        pairs = [pair for version in versions for pair in lineage_pairs(version)]
        edges.add([Edge(source, target, "defines", now) for source, target in pairs])

    return write


def _version_checks(
    catalog: Catalog, tracking: TrackingStores, sets: Callable[[], TrainingSets], lineage: Callable[[], LineageReads]
) -> Checks:
    """What the registry asks of the rest of the project."""
    from headrace.models.checks import Checks

    pin = _pin_view(catalog)

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


def _pin_view(catalog: Catalog) -> Callable[[str], tuple[str, dict[str, str]]]:
    """What pins a view's reference for a logged model: `"ranking"` → (`"ranking:3"`, feature name to type)."""
    from headrace.features.on_demand import input_types

    def pin(reference: str) -> tuple[str, dict[str, str]]:
        view = catalog.view(reference)
        types = input_types(view)
        return view.id, {name: types[name][0] for name in view.view.feature_names}

    return pin


def _make_importable(settings: Settings) -> None:
    """The modules that headrace.toml lists are the project's own: found in its folder wherever the process was started."""
    if settings.modules and str(settings.project) not in sys.path:
        sys.path.append(str(settings.project))  # last, so that a project's file never hides an installed package


def _lock_in(folder: Path) -> Callable[[str], AbstractContextManager[Any]]:
    from filelock import FileLock

    def lock(name: str) -> AbstractContextManager[Any]:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"the folder {folder} for locks can't be made: {error.strerror}; check its permissions"
            raise StorageError(msg) from error
        return FileLock(folder / f"{name}.lock")

    return lock


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name
        return str(os.getuid())
