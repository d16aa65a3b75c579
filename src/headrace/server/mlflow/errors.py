"""Errors in MLflow's shape: `{"error_code", "message"}`, with the status that its client makes something of.

The client repeats 408, 429 and 5xx seven times, for minutes. So whatever will be wrong again is told with another status.
"""

from __future__ import annotations

import re

import orjson

from headrace.errors import (
    AccessError,
    AlreadyExistsError,
    ConflictError,
    DefinitionError,
    GateError,
    HeadraceError,
    IntegrityError,
    InvalidInputError,
    MissingExtraError,
    NotFoundError,
    SettingsError,
    StorageError,
    TooManyAttemptsError,
    UnauthenticatedError,
    UnsafeModelError,
)
from headrace.server.errors import (
    BadRequestError,
    BodyTooLargeError,
    BusyError,
    ForbiddenError,
    MethodNotAllowedError,
    NoRouteError,
    TooSlowError,
    UnsupportedMediaTypeError,
    WrongHostError,
)

__all__ = ["CODES", "PREFIXES", "CodedError", "failure", "left_out", "not_kept"]

PREFIXES = ("/api/2.0/", "/ajax-api/", "/api/3.0/", "/api/4.0/", "/get-artifact", "/model-versions/", "/v1/traces", "/graphql")
"""How the paths begin that are MLflow's: what isn't served there is told in its shape too."""

CODES: tuple[tuple[type[HeadraceError], int, str], ...] = (
    (UnsupportedMediaTypeError, 400, "INVALID_PARAMETER_VALUE"),
    (BadRequestError, 400, "INVALID_PARAMETER_VALUE"),
    (TooManyAttemptsError, 429, "REQUEST_LIMIT_EXCEEDED"),
    (UnauthenticatedError, 401, "UNAUTHENTICATED"),
    (AccessError, 403, "PERMISSION_DENIED"),
    (ForbiddenError, 403, "PERMISSION_DENIED"),
    (WrongHostError, 403, "PERMISSION_DENIED"),
    (NoRouteError, 404, "ENDPOINT_NOT_FOUND"),
    (MethodNotAllowedError, 405, "ENDPOINT_NOT_FOUND"),
    (TooSlowError, 408, "DEADLINE_EXCEEDED"),
    (BodyTooLargeError, 413, "BAD_REQUEST"),
    (BusyError, 503, "TEMPORARILY_UNAVAILABLE"),
    (NotFoundError, 404, "RESOURCE_DOES_NOT_EXIST"),
    (AlreadyExistsError, 400, "RESOURCE_ALREADY_EXISTS"),
    (DefinitionError, 400, "INVALID_PARAMETER_VALUE"),
    (InvalidInputError, 400, "INVALID_PARAMETER_VALUE"),
    (ConflictError, 400, "INVALID_PARAMETER_VALUE"),
    (GateError, 400, "BAD_REQUEST"),
    (UnsafeModelError, 403, "PERMISSION_DENIED"),
    (MissingExtraError, 501, "NOT_IMPLEMENTED"),
    (IntegrityError, 409, "DATA_LOSS"),
    (StorageError, 503, "TEMPORARILY_UNAVAILABLE"),
    (SettingsError, 503, "TEMPORARILY_UNAVAILABLE"),
)
"""What MLflow calls each error, and its status: the first row that fits."""


_PARTS = {
    "traces": "traces",
    "unified-traces": "traces",
    "get-online-trace-details": "traces",
    "get-trace-artifact": "traces",
    "assessments": "assessments",
    "datasets": "evaluation datasets",
    "demo": "demonstrations",
    "genai": "evaluations",
    "gateway": "gateway",
    "gateway-proxy": "gateway",
    "issues": "issues",
    "jobs": "jobs",
    "label-schemas": "label schemas",
    "mcp-servers": "MCP servers",
    "prompt-optimization": "prompt optimization",
    "review-queues": "review queues",
    "scorer": "scorers",
    "scorers": "scorers",
    "ui-telemetry": "telemetry",
    "workspaces": "workspaces",
}
_WHOLE = {"/v1/traces": "traces", "/graphql": "GraphQL"}
_PART = re.compile(r"/(?:ajax-)?api/[234]\.0/(?:mlflow/)?([\w-]+)(?:/.*)?")


class CodedError(HeadraceError):
    """An error for which MLflow has a code of its own.

    Attributes:
        code: for example `NOT_IMPLEMENTED`.
        status: the HTTP status.
    """

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


def failure(error: BaseException, request_id: str) -> tuple[int, bytes]:
    """The status and the body of an error. One that isn't ours is told without its text; the log has it."""
    status, code = _meaning(error)
    text = str(error) if isinstance(error, HeadraceError) else f"the server's log tells more under request id {request_id}"
    message = text.encode("utf-8", "replace").decode()  # a lone surrogate that was sent can't be sent back
    return status, orjson.dumps({"error_code": code, "message": message})


def not_kept(what: str) -> CodedError:
    """The error for a part of MLflow that we leave out."""
    return CodedError("NOT_IMPLEMENTED", 501, f"this server keeps no {what}; its API is described at /docs")


def left_out(path: str) -> CodedError | None:
    """The error for a path that MLflow's server has and we don't; None for one that it doesn't have either."""
    found = _PART.fullmatch(path)
    part = _PARTS.get(found[1]) if found else _WHOLE.get(path)
    return None if part is None else not_kept(part)


def _meaning(error: BaseException) -> tuple[int, str]:
    if isinstance(error, CodedError):
        return error.status, error.code
    found = (row[1:] for row in CODES if isinstance(error, row[0]))
    return next(found, (500, "INTERNAL_ERROR"))
