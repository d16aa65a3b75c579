"""From an error to what a client is told: one table of statuses, and the problem document of RFC 9457."""

from __future__ import annotations

from typing import Any

import orjson

from headrace.errors import (
    AccessError,
    ConflictError,
    DefinitionError,
    GateError,
    HeadraceError,
    IntegrityError,
    InvalidInputError,
    MissingExtraError,
    ModelError,
    NotFoundError,
    QueryError,
    SettingsError,
    StorageError,
    TooManyAttemptsError,
    UnauthenticatedError,
    UnsafeModelError,
)
from headrace.serving.errors import OverloadedError, TimedOutError

__all__ = [
    "PROBLEM",
    "STATUSES",
    "BadRequestError",
    "BodyTooLargeError",
    "BusyError",
    "ForbiddenError",
    "HttpError",
    "MethodNotAllowedError",
    "NoRouteError",
    "TooSlowError",
    "UnsupportedMediaTypeError",
    "WrongHostError",
    "problem",
    "status_of",
]

PROBLEM = "application/problem+json"


class HttpError(HeadraceError):
    """A request that never gets as far as the store."""


class BadRequestError(HttpError):
    """A body or a parameter that isn't what the route takes."""


class ForbiddenError(HttpError):
    """A request from a web page of another site."""


class NoRouteError(HttpError):
    """A path that isn't served."""


class MethodNotAllowedError(HttpError):
    """A path that is served, but not with this method."""


class TooSlowError(HttpError):
    """A body that didn't arrive in time."""


class BodyTooLargeError(HttpError):
    """A body beyond the server's limit."""


class UnsupportedMediaTypeError(HttpError):
    """A body of a media type that the route doesn't take."""


class WrongHostError(HttpError):
    """A Host header that isn't a name of this server."""


class BusyError(HttpError):
    """More requests than the server can keep."""


STATUSES: tuple[tuple[type[HeadraceError], int, str], ...] = (
    (BadRequestError, 400, "The request can't be read"),
    (TooManyAttemptsError, 429, "Too many wrong passwords"),
    (UnauthenticatedError, 401, "Say who you are"),
    (AccessError, 403, "You may not do this"),
    (ForbiddenError, 403, "The request comes from another site"),
    (NoRouteError, 404, "No such path"),
    (MethodNotAllowedError, 405, "The path doesn't take this method"),
    (TooSlowError, 408, "The body didn't arrive in time"),
    (BodyTooLargeError, 413, "The body is too large"),
    (UnsupportedMediaTypeError, 415, "The body is of a type that isn't taken here"),
    (WrongHostError, 421, "The Host isn't this server"),
    (BusyError, 503, "The server is busy"),
    (DefinitionError, 422, "The definitions have faults"),
    (NotFoundError, 404, "There is nothing of that name"),
    (InvalidInputError, 422, "The input can't be used"),
    (ConflictError, 409, "The state changed meanwhile, or the name is taken"),
    (GateError, 409, "The gates refuse"),
    (UnsafeModelError, 403, "The model would run its author's code"),
    (MissingExtraError, 501, "The server lacks an optional package"),
    (TimedOutError, 504, "The model didn't answer in time"),
    (ModelError, 502, "The model failed"),
    (OverloadedError, 503, "The model has too much to do"),
    (IntegrityError, 503, "Stored bytes are damaged"),
    (StorageError, 503, "A store can't be used"),
    (SettingsError, 503, "The server's settings can't be used"),
)
"""What each error means to a client: the first row that fits."""
_UNEXPECTED = (500, "Something went wrong inside Headrace")


def status_of(error: BaseException) -> tuple[int, str]:
    """The status of an error, and what it is called."""
    for kind, status, title in STATUSES:
        if isinstance(error, kind):
            return status, title
    return _UNEXPECTED


def problem(error: BaseException, request_id: str) -> tuple[int, bytes]:
    """The status and the problem document of an error. One that isn't ours is told without its text; the log has it."""
    status, title = status_of(error)
    known = isinstance(error, HeadraceError)
    document: dict[str, Any] = {
        "type": f"urn:headrace:error:{type(error).__name__ if known else 'UnexpectedError'}",
        "title": title,
        "status": status,
        "detail": str(error) if known else f"the server's log tells more under request id {request_id}",
        "request_id": request_id,
    }
    if isinstance(error, DefinitionError):
        document["faults"] = list(error.faults)
    if isinstance(error, QueryError) and error.text:
        names = ("reason", "text", "start", "length", "suggestion")
        document["query"] = {name: getattr(error, name) for name in names}
    if isinstance(error, TooManyAttemptsError):
        document["retry_after"] = error.retry_after
    report = getattr(error, "report", None)
    if report is not None and hasattr(report, "to_dict"):
        document["report"] = report.to_dict()
    return status, orjson.dumps(document, default=str)
