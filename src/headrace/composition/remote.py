"""A project that a server keeps: its address in, the same Store out."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from headrace.capture.host import user_name
from headrace.catalog.service import Catalog
from headrace.clock import Clock
from headrace.composition.views import view_pinning
from headrace.lazy import Lazy
from headrace.parts import ArtifactServices, FeatureServices, Services
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
from headrace.settings import SPOOL_FOLDER, STATE_FOLDER, Settings
from headrace.store import Store
from headrace.tracking.curves import Curves
from headrace.tracking.service import Runs

if TYPE_CHECKING:
    from headrace.artifacts.direct import BucketFiles
    from headrace.artifacts.store import ArtifactStreams, Uploads
    from headrace.serving.predictions import Predictions
    from headrace.tracking.files import FileIndex

__all__ = ["open_remote"]


def open_remote(url: str, local: Settings, clock: Clock) -> Store:
    """A Store over a project that a server keeps. It asks nothing yet.

    Args:
        url: the server's address.
        local: the settings of the project here: the spool is there, and the modules of on-demand functions.

    Raises:
        SettingsError: for what isn't a server's address.
    """
    transport, author = Transport(url), user_name()
    at = transport.url
    catalog = Catalog(RemoteCatalogStore(transport), clock, author, local.modules)
    tracking, files = remote_tracking(transport), RemoteArtifactStore(transport)
    runs = Runs(
        tracking,
        files,
        WrittenThere(),
        clock=clock,
        resolve_view=view_pinning(catalog),
        sink=RemoteJournal(transport),
        spool=local.project / STATE_FOLDER / SPOOL_FOLDER,
        server=at,
        stages=True,
    )
    closing = ExitStack()
    closing.callback(transport.close)
    closing.callback(runs.close)
    return Store(
        Services(
            settings=replace(local, catalog=at, lake=at, artifacts=at, online=at, events=at),
            catalog=catalog,
            features=Lazy(lambda: _features(transport, catalog, clock, author)),
            predictions=Lazy(lambda: _predictions(transport, clock)),
            runs=runs,
            models=RemoteModels(transport, tracking, files, clock, author, settle=runs.settle),
            artifacts=_artifacts(transport, files),
            lineage=RemoteLineage(transport),
            overview=RemoteOverview(transport),
            curves=Curves(RemoteCurveStore(transport)),
            changes=RemoteChanges(transport),
            record_definitions=lambda _plan: None,  # the server did when it took them in
            close=closing.close,
            accounts=RemoteAccounts(transport),
            webhooks=RemoteWebhooks(transport, author),
        )
    )


def _artifacts(transport: Transport, files: RemoteArtifactStore) -> ArtifactServices:
    at = transport.url
    return ArtifactServices(
        files=cast("ArtifactStreams", files),
        index=cast("FileIndex", Absent("artifacts.index", at)),
        uploads=cast("Uploads", Absent("artifacts.uploads", at)),
        collect=RemoteCollect(transport),
        buckets=cast("BucketFiles", Absent("artifacts.buckets", at)),
    )


def _features(transport: Transport, catalog: Catalog, clock: Clock, author: str) -> FeatureServices:
    from headrace.composition.remote_features import remote_features  # brings pyarrow

    return remote_features(transport, catalog, clock, author)


def _predictions(transport: Transport, clock: Clock) -> Predictions:
    from headrace.features.answers import AnswerLog
    from headrace.remote.answers import RemoteAnswers
    from headrace.serving.predictions import Predictions

    return Predictions(AnswerLog(RemoteAnswers(transport), clock), clock)
