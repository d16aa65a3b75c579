"""The feature store of a project that a server keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from headrace.catalog.service import Catalog
from headrace.clock import Clock
from headrace.features.training import TrainingSets
from headrace.parts import FeatureServices
from headrace.remote.absent import Absent
from headrace.remote.history import RemoteHistory
from headrace.remote.ingest import RemoteIntake, RemoteMaterializer
from headrace.remote.lookup import RemoteFreshness, RemoteLookup
from headrace.remote.nearest import RemoteNearest
from headrace.remote.observations import RemoteObservations
from headrace.remote.training_sets import RemoteKept
from headrace.remote.transport import Transport
from headrace.remote.upkeep import RemoteUpkeep
from headrace.remote.verify import RemoteVerifier

if TYPE_CHECKING:
    from headrace.features.streaming import StreamSink
    from headrace.features.topics import Topics

__all__ = ["remote_features"]


def remote_features(transport: Transport, catalog: Catalog, clock: Clock, author: str) -> FeatureServices:
    """The feature services over a server."""
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
