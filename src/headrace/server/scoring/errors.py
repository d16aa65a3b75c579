"""Errors in the shape of MLflow's scoring server."""

from __future__ import annotations

import orjson

from headrace.errors import HeadraceError
from headrace.server.errors import status_of

__all__ = ["scoring_failure"]

_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    405: "BAD_REQUEST",
    408: "BAD_REQUEST",
    413: "BAD_REQUEST",
    415: "BAD_REQUEST",
    421: "BAD_REQUEST",
    501: "NOT_IMPLEMENTED",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "TEMPORARILY_UNAVAILABLE",
}


def scoring_failure(error: BaseException, request_id: str) -> tuple[int, bytes]:
    """The status and the body. MLflow has 400 for whatever is wrong with the input."""
    status, _ = status_of(error)
    if status == 422:
        status = 400
    message = str(error) if isinstance(error, HeadraceError) else f"the server's log tells more under request id {request_id}"
    return status, orjson.dumps({"error_code": _CODES.get(status, "INTERNAL_ERROR"), "message": message})
