"""The feature store over backends of its own: lake, engine, online store and event log, and the services over them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from filelock import FileLock

from headrace.backends import open_engine, open_event_log, open_lake, open_online
from headrace.catalog.service import Catalog
from headrace.clock import Clock
from headrace.engines.duckdb import DuckDBEngine
from headrace.errors import StorageError
from headrace.features.answers import AnswerLog, LakeAnswers
from headrace.features.feed import Feed
from headrace.features.freshness import FreshnessReader
from headrace.features.history import History
from headrace.features.ingest import Ingest
from headrace.features.kept import Kept
from headrace.features.lookup import Lookup
from headrace.features.maintenance import Maintenance
from headrace.features.materialize import Materializer, Pins
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
from headrace.settings import STATE_FOLDER, Settings
from headrace.sql.database import Database
from headrace.sql.features import SqlTrainingSetStore
from headrace.sql.lineage import SqlLineageStore
from headrace.sql.observations import SqlObservationStore

__all__ = ["open_features"]


def open_features(
    settings: Settings, clock: Clock, catalog: Catalog, database: Database, author: str, pins: Pins
) -> FeatureServices:
    """The feature services over the backends that the settings name. Raises SettingsError, StorageError."""
    engine, lake = DuckDBEngine(settings.memory_limit), open_lake(settings, clock)
    observed, records = SqlObservationStore(database), SqlTrainingSetStore(database)
    quality = Quality(catalog, observed, Quarantine(lake, clock), engine.holds, clock)
    with ExitStack() as opened:
        online, seen = open_online(settings, opened)
        groups, repeats = OnlineGroups(online, engine, clock), Repeats(seen, clock)
        log = open_event_log(settings, catalog, lake, groups, repeats, quality, clock, opened)
        past = open_engine(settings, engine, opened)
        closing = opened.pop_all()  # from here on it's the store that closes them
    lock = _locks(settings, database)
    observer = Observer(catalog, observed, clock, author)
    feed = Feed(lake, log, groups)
    ingest = Ingest(catalog, feed, log, groups, repeats, quality, observer, clock, lock)
    history = History(catalog, ingest, past)
    served = Served(AnswerLog(LakeAnswers(lake), clock), float(settings.sample))
    closing.callback(served.log.close)
    here = History(catalog, ingest, engine)  # a few keys: no cluster's work
    lookup = Lookup(catalog, ingest, groups, here, clock, served)
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


def _locks(settings: Settings, database: Database) -> Callable[[str], AbstractContextManager[Any]]:
    """Locks by name: in the database if it has some, which all machines share, else in the project's folder."""
    folder = settings.project / STATE_FOLDER / "locks"

    def lock(name: str) -> AbstractContextManager[Any]:
        found = database.lock(name)
        if found is not None:
            return found
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"the folder {folder} for locks can't be made: {error.strerror}; check its permissions"
            raise StorageError(msg) from error
        return FileLock(folder / f"{name}.lock")

    return lock
