"""Errors in Feast's shape: a JSON text that holds a JSON object with the class that its client raises."""

from __future__ import annotations

from typing import Any

import orjson

from headrace.errors import HeadraceError, NotFoundError
from headrace.server.errors import ForbiddenError, status_of

__all__ = ["MalformedError", "NamedError", "failure", "not_found", "unusable"]


class NamedError(HeadraceError):
    """An error that Feast has a class for.

    Attributes:
        name: of the class in `feast.errors`.
        status: the HTTP status.
    """

    def __init__(self, name: str, status: int, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.status = status


class MalformedError(HeadraceError):
    """A body of the wrong shape; told as FastAPI tells it.

    Attributes:
        faults: `type`, `loc`, `msg` and `input` of each.
    """

    def __init__(self, faults: list[dict[str, Any]]) -> None:
        super().__init__("; ".join(fault["msg"] for fault in faults))
        self.faults = faults


def not_found(name: str, message: str) -> NamedError:
    """The error for a name that isn't there."""
    return NamedError(name, 404, message)


def unusable(name: str, message: str) -> NamedError:
    """The error for a request that is well formed and can't be answered."""
    return NamedError(name, 422, message)


def failure(error: BaseException, request_id: str) -> tuple[int, bytes]:
    """The status and the body of an error. One that isn't ours is told without its text; the log has it."""
    if isinstance(error, MalformedError):
        return 422, orjson.dumps({"detail": error.faults})
    if isinstance(error, NamedError):
        return error.status, _detail(error.name, str(error))
    status, _ = status_of(error)
    if not isinstance(error, HeadraceError):
        return status, _detail("FeastError", f"the server's log tells more under request id {request_id}")
    name = next((name for kind, name in _NAMES if isinstance(error, kind)), "FeastError")
    return status, _detail(name, str(error))


_NAMES: tuple[tuple[type[HeadraceError], str], ...] = (
    (NotFoundError, "FeastObjectNotFoundException"),
    (ForbiddenError, "FeastPermissionError"),
)


def _detail(name: str, message: str) -> bytes:
    return orjson.dumps(orjson.dumps({"module": "feast.errors", "class": name, "message": message}).decode())
