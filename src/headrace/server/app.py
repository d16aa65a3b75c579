"""Every route of the server in one list, each with the permission it needs, and the application made of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from headrace.server import health, web
from headrace.server.dispatch import Dispatcher, Limits
from headrace.server.endpoint import Endpoint
from headrace.server.feast import online as feast
from headrace.server.feast import writes
from headrace.server.guard import Guard
from headrace.server.logs import AccessLog
from headrace.server.metrics import Metrics
from headrace.server.mlflow import routes as mlflow
from headrace.server.native import (
    answers,
    catalog,
    curves,
    definitions,
    experiments,
    facts,
    features,
    files,
    ingest,
    lineage,
    live,
    models,
    observations,
    observed,
    online,
    parity,
    reads,
    runs,
    runs_compare,
    runs_search,
    upkeep,
)
from headrace.server.native.accounts import ENDPOINTS as ACCOUNTS
from headrace.server.native.accounts_remote import ACCOUNTS_REMOTE
from headrace.server.native.models_compare import ENDPOINTS as COMPARISONS
from headrace.server.native.models_edit import ENDPOINTS as MODEL_EDITS
from headrace.server.native.models_requests import ENDPOINTS as REQUESTS
from headrace.server.native.retention import ENDPOINTS as RETENTION
from headrace.server.native.sessions import ENDPOINTS as SESSIONS
from headrace.server.native.tracking import TRACKING
from headrace.server.native.tracking_artifacts import TRACKING_BYTES
from headrace.server.native.tracking_journal import TRACKING_JOURNAL
from headrace.server.native.tracking_models import TRACKING_MODELS
from headrace.server.native.tracking_overview import TRACKING_OVERVIEW
from headrace.server.native.webhooks import ENDPOINTS as WEBHOOKS
from headrace.server.openapi import docs_of, openapi_of

if TYPE_CHECKING:
    from headrace.store import Store

__all__ = ["ENDPOINTS", "make_app"]

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("POST", "/api/v1/features/online", "features:read", online.ONLINE),
    Endpoint("POST", "/api/v1/features/parity", "features:read", parity.PARITY),
    Endpoint("POST", "/api/v1/features/historical", "features:read", features.HISTORICAL),
    Endpoint("POST", "/api/v1/push", "features:write", features.PUSH),
    Endpoint("GET", "/api/v1/freshness", "features:read", features.FRESHNESS),
    Endpoint("GET", "/api/v1/catalog", "definitions:read", catalog.CATALOG),
    Endpoint("GET", "/api/v1/catalog/{kind}/{name}", "definitions:read", catalog.DEFINITION),
    Endpoint("GET", "/api/v1/experiments", "runs:read", experiments.EXPERIMENTS),
    Endpoint("GET", "/api/v1/experiments/{experiments}/keys", "runs:read", experiments.KEYS),
    Endpoint("POST", "/api/v1/experiments", "runs:write", experiments.CREATE),
    Endpoint("GET", "/api/v1/experiments/{experiment}", "runs:read", experiments.EXPERIMENT),
    Endpoint("PATCH", "/api/v1/experiments/{experiment}", "runs:write", experiments.UPDATE),
    Endpoint("POST", "/api/v1/runs/search", "runs:read", runs_search.SEARCH),
    Endpoint("POST", "/api/v1/runs/compare", "runs:read", runs_compare.COMPARE),
    Endpoint("POST", "/api/v1/runs/complete", "runs:read", runs_search.COMPLETE),
    Endpoint("POST", "/api/v1/runs/get", "runs:read", runs.MANY),
    Endpoint("POST", "/api/v1/runs/update", "runs:write", runs.UPDATE),
    Endpoint("GET", "/api/v1/runs/{run}", "runs:read", runs.GET),
    Endpoint("GET", "/api/v1/runs/{run}/children", "runs:read", experiments.CHILDREN),
    Endpoint("GET", "/api/v1/runs/{run}/files", "runs:read", files.LIST),
    Endpoint("GET", "/api/v1/runs/{run}/files/{path...}", "runs:read", files.FILE),
    Endpoint("GET", "/api/v1/runs/{run}/lines/{path...}", "runs:read", files.LINES),
    Endpoint("GET", "/api/v1/runs/{run}/tables/{path...}", "runs:read", files.PAGE),
    Endpoint("POST", "/api/v1/metrics/series", "runs:read", curves.SERIES),
    Endpoint("GET", "/api/v1/runs/{run}/points", "runs:read", curves.POINTS),
    Endpoint("GET", "/api/v1/live", "runs:read", live.LIVE),
    Endpoint("GET", "/api/v1/models", "models:read", models.BOARD),
    Endpoint("GET", "/api/v1/models/{name}", "models:read", models.MODEL),
    Endpoint("GET", "/api/v1/models/{name}/history", "models:read", models.HISTORY),
    Endpoint("POST", "/api/v1/models/{name}/rollback", "models:write", models.ROLLBACK),
    Endpoint("GET", "/api/v1/models/{name}/versions/{version}/gates", "models:read", models.GATES),
    Endpoint("POST", "/api/v1/models/{name}/versions/{version}/stage", "models:write", models.MOVE),
    Endpoint("GET", "/api/v1/audit", "models:read", models.AUDIT),
    Endpoint("GET", "/api/v1/audit/verify", "models:read", models.VERIFY),
    Endpoint("GET", "/api/v1/statistics", "features:read", observed.SUMMARIES),
    Endpoint("GET", "/api/v1/statistics/{name}", "features:read", observed.STATISTICS),
    Endpoint("GET", "/api/v1/materializations/{group}", "features:read", observed.MATERIALIZATIONS),
    Endpoint("GET", "/api/v1/quality", "features:read", observed.QUALITY),
    Endpoint("GET", "/api/v1/lineage/{urn...}", "lineage:read", lineage.LINEAGE),
    Endpoint("GET", "/api/v1/impact/{urn...}", "lineage:read", lineage.IMPACT),
    Endpoint("POST", "/get-online-features", "features:read", feast.GET_ONLINE_FEATURES, "feast"),
    Endpoint("POST", "/push", "features:write", writes.PUSH, "feast"),
    Endpoint("POST", "/write-to-online-store", "features:write", writes.WRITE_TO_ONLINE_STORE, "feast"),
    Endpoint("POST", "/materialize", "features:materialize", writes.MATERIALIZE, "feast"),
    Endpoint("POST", "/materialize-incremental", "features:materialize", writes.MATERIALIZE_INCREMENTAL, "feast"),
    web.PAGE,
    Endpoint("GET", "/assets/{file}", "", web.ASSET),
    Endpoint("GET", "/favicon.svg", "", web.ICON),
    *mlflow.ENDPOINTS,
    Endpoint("GET", "/health", "", health.HEALTH),
    Endpoint("GET", "/ready", "", health.READY),
    Endpoint("GET", "/version", "", health.VERSION),
    Endpoint("GET", "/metrics", "metrics:read", health.METRICS),
    Endpoint("GET", "/openapi.json", "", openapi_of(lambda: ENDPOINTS)),
    Endpoint("GET", "/docs", "", docs_of(lambda: ENDPOINTS)),
    Endpoint("GET", "/api/v1/store", "", definitions.GREETING),
    Endpoint("POST", "/api/v1/store/definitions/revision", "definitions:read", definitions.REVISION),
    Endpoint("POST", "/api/v1/store/definitions/state", "definitions:read", definitions.STATE),
    Endpoint("POST", "/api/v1/store/definitions/versions", "definitions:read", definitions.VERSIONS),
    Endpoint("POST", "/api/v1/store/definitions/commit", "definitions:write", definitions.COMMIT),
    Endpoint("POST", "/api/v1/store/features/write", "features:write", ingest.WRITE),
    Endpoint("POST", "/api/v1/store/features/push", "features:write", ingest.PUSH),
    Endpoint("POST", "/api/v1/store/features/materialize", "features:materialize", ingest.MATERIALIZE),
    Endpoint("POST", "/api/v1/store/features/retire", "features:materialize", ingest.RETIRE),
    Endpoint("POST", "/api/v1/store/features/repair", "features:materialize", ingest.REPAIR),
    Endpoint("POST", "/api/v1/store/features/online", "features:read", reads.ONLINE),
    Endpoint("POST", "/api/v1/store/features/pin", "features:read", reads.PIN),
    Endpoint("POST", "/api/v1/store/features/history", "features:read", reads.HISTORY),
    Endpoint("POST", "/api/v1/store/features/freshness", "features:read", reads.FRESHNESS),
    Endpoint("POST", "/api/v1/store/features/verify", "features:read", reads.VERIFY),
    Endpoint("POST", "/api/v1/store/features/nearest", "features:read", reads.NEAREST),
    Endpoint("POST", "/api/v1/store/features/statistics", "features:read", observations.STATISTICS),
    Endpoint("POST", "/api/v1/store/features/profile", "features:read", observations.PROFILE),
    Endpoint("POST", "/api/v1/store/features/drift", "features:read", observations.DRIFT),
    Endpoint("POST", "/api/v1/store/features/quality", "features:read", observations.QUALITY),
    Endpoint("POST", "/api/v1/store/features/quarantine", "features:read", observations.QUARANTINE),
    Endpoint("POST", "/api/v1/store/features/materializations", "features:read", observations.MATERIALIZATIONS),
    Endpoint("POST", "/api/v1/store/training-sets/keep", "training-sets:write", reads.KEEP_SET),
    Endpoint("POST", "/api/v1/store/training-sets/get", "features:read", reads.GET_SET),
    Endpoint("POST", "/api/v1/store/training-sets/all", "features:read", reads.ALL_SETS),
    Endpoint("POST", "/api/v1/store/training-sets/rows", "features:read", reads.SET_ROWS),
    Endpoint("POST", "/api/v1/store/lake/tables", "features:read", upkeep.TABLES),
    Endpoint("POST", "/api/v1/store/lake/optimize", "features:materialize", upkeep.OPTIMIZE),
    Endpoint("POST", "/api/v1/store/lake/vacuum", "features:materialize", upkeep.VACUUM),
    Endpoint("POST", "/api/v1/store/predictions/append", "models:write", answers.APPEND),
    Endpoint("POST", "/api/v1/store/predictions/read", "models:read", answers.READ),
    Endpoint("POST", "/api/v1/store/predictions/tables", "models:read", answers.TABLES),
    Endpoint("POST", "/api/v1/store/artifacts/collect", "runs:purge", upkeep.COLLECT),
    Endpoint("POST", "/api/v1/store/lineage", "lineage:read", reads.LINEAGE),
    *TRACKING,
    *TRACKING_BYTES,
    *TRACKING_JOURNAL,
    *TRACKING_MODELS,
    *TRACKING_OVERVIEW,
    *COMPARISONS,
    *MODEL_EDITS,
    *REQUESTS,
    *ACCOUNTS,
    *RETENTION,
    *SESSIONS,
    Endpoint("GET", "/api/v1/server", "metrics:read", facts.SERVER),
    *WEBHOOKS,
    *ACCOUNTS_REMOTE,
)
"""All routes."""


def make_app(open_store: Callable[[], Store], guard: Guard, limits: Limits, access: AccessLog) -> Dispatcher:
    """The ASGI application over the store that `open_store` opens when the server starts."""
    return Dispatcher(ENDPOINTS, open_store, guard, limits, Metrics(), access)
