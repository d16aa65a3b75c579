"""Every route of the server in one list, each with the permission it needs, and the application made of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from headrace.server import health
from headrace.server.dispatch import Dispatcher, Limits
from headrace.server.endpoint import Endpoint
from headrace.server.guard import Guard
from headrace.server.logs import AccessLog
from headrace.server.metrics import Metrics
from headrace.server.native import catalog, features, online

if TYPE_CHECKING:
    from headrace.store import Store

__all__ = ["ENDPOINTS", "make_app"]

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("POST", "/api/v1/features/online", "features:read", online.ONLINE),
    Endpoint("POST", "/api/v1/features/historical", "features:read", features.HISTORICAL),
    Endpoint("POST", "/api/v1/push", "features:write", features.PUSH),
    Endpoint("GET", "/api/v1/freshness", "features:read", features.FRESHNESS),
    Endpoint("GET", "/api/v1/catalog", "definitions:read", catalog.CATALOG),
    Endpoint("GET", "/api/v1/catalog/{kind}/{name}", "definitions:read", catalog.DEFINITION),
    Endpoint("GET", "/health", "", health.HEALTH),
    Endpoint("GET", "/ready", "", health.READY),
    Endpoint("GET", "/version", "", health.VERSION),
    Endpoint("GET", "/metrics", "metrics:read", health.METRICS),
)
"""All routes."""


def make_app(open_store: Callable[[], Store], guard: Guard, limits: Limits, access: AccessLog) -> Dispatcher:
    """The ASGI application over the store that `open_store` opens when the server starts."""
    return Dispatcher(ENDPOINTS, open_store, guard, limits, Metrics(), access)
