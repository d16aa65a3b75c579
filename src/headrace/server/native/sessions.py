"""Signing in from a browser, by a cookie that its scripts can't read."""

from __future__ import annotations

import base64
from typing import Any

from headrace.accounts.service import SESSION_DAYS
from headrace.errors import InvalidInputError
from headrace.server.admission import COOKIE
from headrace.server.columns import dumps
from headrace.server.endpoint import Endpoint, Operation
from headrace.server.http import JSON, Call, Reply
from headrace.server.schema import Content, Field, Record

__all__ = ["ENDPOINTS"]

_SIGNED = Record("SignedIn", {"name": Field("Who."), "role": Field("Their role.")}, whole=True)
_DONE = Record("SignedOut", {"done": Field("Always true.", ("boolean",))}, whole=True)


def _sign_in(call: Call) -> Reply:
    """Sign in as the user whom the `Authorization` header names: the answer sets a cookie that holds for two weeks.

    The cookie stands for a token that was made for it, or for the one that the header showed.
    """
    account = call.account
    if account is None:
        msg = "this server asks nobody who they are: there is nobody to sign in as; make a user with: headrace users add"
        raise InvalidInputError(msg)
    secret = _secret(call.headers.get("authorization", "")) if account.token else call.store.accounts.sign_in()
    return _reply({"name": account.name, "role": account.role}, _cookie(call, secret, round(SESSION_DAYS * 86_400)))


def _sign_out(call: Call) -> Reply:
    """Sign out: the cookie stops working."""
    if call.account is not None:
        call.store.accounts.sign_out(call.account.token)
    return _reply({"done": True}, _cookie(call, "", 0))


def _secret(authorization: str) -> str:
    """The token in a header that was admitted: `Bearer TOKEN`, or `Basic` with it in the place of a password."""
    scheme, _, value = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    return base64.b64decode(value.strip()).decode().partition(":")[2]


def _cookie(call: Call, secret: str, seconds: int) -> str:
    """Never sent along by another site's page, never read by a script; over TLS alone where the page came that way."""
    secure = "; Secure" if call.headers.get("origin", "").startswith("https://") else ""
    return f"{COOKIE}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"


def _reply(value: Any, cookie: str) -> Reply:
    return Reply(dumps(value), media_type=JSON, headers={"cache-control": "no-store", "set-cookie": cookie})


ENDPOINTS = (
    Endpoint("POST", "/api/v1/session", "runs:read", Operation(_sign_in, gives=(Content(record=_SIGNED),))),
    Endpoint("DELETE", "/api/v1/session", "", Operation(_sign_out, gives=(Content(record=_DONE),))),
)
"""The routes."""
