"""Every route of MLflow's protocol, each under the path that clients use and the one that its web app uses."""

from __future__ import annotations

from headrace.server.endpoint import Endpoint, Operation
from headrace.server.mlflow import about, artifacts, experiments, logged, logged_models, metrics, registry, runs, webhooks

__all__ = ["ENDPOINTS"]

Route = tuple[str, str, str, Operation]

API = ("/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/")
_TRACKING: tuple[Route, ...] = (
    ("POST", "experiments/create", "runs:write", experiments.CREATE),
    ("GET", "experiments/get", "runs:read", experiments.GET),
    ("GET", "experiments/get-by-name", "runs:read", experiments.GET_BY_NAME),
    ("POST", "experiments/search", "runs:read", experiments.SEARCH),
    ("GET", "experiments/search", "runs:read", experiments.SEARCH_BY_QUERY),
    ("POST", "experiments/delete", "runs:write", experiments.DELETE),
    ("POST", "experiments/restore", "runs:write", experiments.RESTORE),
    ("POST", "experiments/update", "runs:write", experiments.UPDATE),
    ("POST", "experiments/set-experiment-tag", "runs:write", experiments.SET_TAG),
    ("POST", "experiments/delete-experiment-tag", "runs:write", experiments.DELETE_TAG),
    ("POST", "experiments/search-datasets", "runs:read", about.SEARCH_DATASETS),
    ("POST", "runs/create", "runs:write", runs.CREATE),
    ("GET", "runs/get", "runs:read", runs.GET),
    ("POST", "runs/update", "runs:write", runs.UPDATE),
    ("POST", "runs/delete", "runs:write", runs.DELETE),
    ("POST", "runs/restore", "runs:write", runs.RESTORE),
    ("POST", "runs/search", "runs:read", runs.SEARCH),
    ("POST", "runs/set-tag", "runs:write", runs.SET_TAG),
    ("POST", "runs/delete-tag", "runs:write", runs.DELETE_TAG),
    ("POST", "runs/log-metric", "runs:write", logged.LOG_METRIC),
    ("POST", "runs/log-parameter", "runs:write", logged.LOG_PARAM),
    ("POST", "runs/log-batch", "runs:write", logged.BATCH),
    ("POST", "runs/log-inputs", "runs:write", logged.INPUTS),
    ("POST", "runs/outputs", "runs:write", logged.OUTPUTS),
    ("POST", "runs/log-model", "runs:write", logged.LOG_MODEL),
    ("GET", "metrics/get-history", "runs:read", metrics.HISTORY),
    ("GET", "metrics/get-history-bulk", "runs:read", metrics.HISTORY_BULK),
    ("GET", "metrics/get-history-bulk-interval", "runs:read", metrics.HISTORY_INTERVAL),
)
_LOGGED_MODELS: tuple[Route, ...] = (
    ("POST", "logged-models", "runs:write", logged_models.CREATE),
    ("POST", "logged-models/search", "runs:read", logged_models.SEARCH),
    ("GET", "logged-models/{model_id}", "runs:read", logged_models.GET),
    ("PATCH", "logged-models/{model_id}", "runs:write", logged_models.FINISH),
    ("DELETE", "logged-models/{model_id}", "runs:write", logged_models.DELETE),
    ("PATCH", "logged-models/{model_id}/tags", "runs:write", logged_models.TAGS),
    ("DELETE", "logged-models/{model_id}/tags/{key}", "runs:write", logged_models.DELETE_TAG),
    ("POST", "logged-models/{model_id}/params", "runs:write", logged_models.PARAMS),
)


def _both(*tables: tuple[Route, ...]) -> tuple[Endpoint, ...]:
    return tuple(
        Endpoint(method, f"{prefix}{path}", permission, operation, "mlflow")
        for prefix in API
        for table in tables
        for method, path, permission, operation in table
    )


ENDPOINTS: tuple[Endpoint, ...] = (
    *_both(_TRACKING, _LOGGED_MODELS, registry.ROUTES, webhooks.ROUTES),
    *artifacts.ENDPOINTS,
    Endpoint("GET", "/api/3.0/mlflow/server-info", "", about.SERVER_INFO, "mlflow"),
    Endpoint("GET", "/ajax-api/3.0/mlflow/server-info", "", about.SERVER_INFO, "mlflow"),
)
"""All of them."""
