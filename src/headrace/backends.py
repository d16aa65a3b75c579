"""Which backend a setting means, by the scheme of its URL. Each opens one store; a plain path is the embedded one."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from headrace.capture.redact import redact_url
from headrace.clock import Clock
from headrace.errors import MissingExtraError, SettingsError
from headrace.settings import Settings

if TYPE_CHECKING:
    from headrace.catalog.service import Catalog
    from headrace.definitions.source import Source
    from headrace.engines.engine import Engine
    from headrace.events.log import EventLog
    from headrace.features.online import OnlineGroups
    from headrace.features.quality import Quality
    from headrace.features.repeats import Repeats
    from headrace.lake.delta import DeltaLake
    from headrace.lake.table import Lake, Snapshot
    from headrace.online.store import OnlineStore, SeenIds

__all__ = ["open_engine", "open_event_log", "open_lake", "open_online"]

REDIS = ("redis", "rediss", "redis+cluster", "rediss+cluster")


def open_lake(settings: Settings, clock: Clock) -> DeltaLake:
    """The lake that the settings name."""
    from headrace.lake.delta import DeltaLake

    return DeltaLake(settings.lake, clock)


def open_online(settings: Settings, closing: ExitStack) -> tuple[OnlineStore, SeenIds]:
    """The online store that the settings name, and where it keeps the ids of events; `closing` gives them up."""
    if _scheme("online", settings.online, ("file", *REDIS)) in REDIS:
        return _open_redis(settings.online, closing)
    from headrace.online.embedded import EmbeddedOnlineStore, EmbeddedSeenIds

    online = EmbeddedOnlineStore(Path(settings.online))
    closing.callback(online.close)
    seen = EmbeddedSeenIds(Path(settings.online))
    closing.callback(seen.close)
    return online, seen


def _open_redis(url: str, closing: ExitStack) -> tuple[OnlineStore, SeenIds]:
    try:
        from headrace.online.redis.seen import RedisSeenIds
        from headrace.online.redis.store import RedisOnlineStore
    except ImportError as error:
        raise MissingExtraError.of("redis", "redis") from error

    online = RedisOnlineStore(url)
    closing.callback(online.close)
    seen = RedisSeenIds(url)
    closing.callback(seen.close)
    return online, seen


def open_event_log(
    settings: Settings,
    catalog: Catalog,
    lake: Lake,
    groups: OnlineGroups,
    repeats: Repeats,
    quality: Quality,
    clock: Clock,
    closing: ExitStack,
) -> EventLog:
    """The event log that the settings name. What comes through Kafka was written by others, so it has to be let in."""
    if _scheme("events", settings.events, ("file", "kafka")) != "kafka":
        from headrace.events.embedded import EmbeddedEventLog

        return EmbeddedEventLog(Path(settings.events), fsync=settings.fsync == "always")
    from headrace.definitions.schema import arrow_schema
    from headrace.events.kafka import KafkaEventLog
    from headrace.features.admission import Admission, stream_of

    def snapshot(source: Source) -> Snapshot:
        return lake.table(source.name, arrow_schema(source.schema)).snapshot()

    log = KafkaEventLog(settings.events, lambda name: stream_of(catalog.source(name), catalog.groups_of(name)), clock)
    closing.callback(log.close)
    return Admission(log, catalog.source, catalog.groups_of, snapshot, groups, repeats, quality)


def open_engine(settings: Settings, local: Engine, closing: ExitStack) -> Engine:
    """What reads history: the engine of this process, or one on a cluster that leaves rows in hand to it."""
    if settings.engine == "duckdb":
        return local
    from headrace.engines.spark import SparkEngine

    engine = SparkEngine(settings.engine, local, settings.memory_limit)
    closing.callback(engine.close)
    return engine


def _scheme(name: str, value: str, known: tuple[str, ...]) -> str:
    """The scheme of a setting's URL; empty for a path. Raises SettingsError for one that isn't among the known."""
    scheme = urlsplit(value).scheme if "://" in value else ""
    if scheme and scheme not in known:
        ways = ", ".join(f"{item}://" for item in known)
        shown = redact_url(value)
        msg = f"setting {name!r} is {shown!r}, but {scheme}:// isn't a place for it; give a path, or a URL with one of: {ways}"
        raise SettingsError(msg)
    return scheme
