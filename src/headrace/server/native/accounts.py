"""Users, tokens, and who asks, for the app."""

from __future__ import annotations

from typing import Any

from headrace.accounts.roles import PERMISSIONS, ROLES, permissions_of
from headrace.definitions.plain import plain
from headrace.errors import InvalidInputError
from headrace.server.columns import dumps
from headrace.server.endpoint import Endpoint, Operation
from headrace.server.http import JSON, Call, Reply
from headrace.server.schema import Content, Field, Record, read_query

__all__ = ["ENDPOINTS"]

_ROLE = Field("What they may do.", choices=ROLES)
_USER = Record(
    "User",
    {
        "name": Field("Their name."),
        "role": _ROLE,
        "active": Field("Whether they are let in.", ("boolean",)),
        "password": Field("Whether they have one.", ("boolean",)),
        "created": Field("When, RFC 3339."),
    },
    whole=True,
)
_USERS = Record("Users", {"users": Field("By name.", ("array",), of=_USER)}, whole=True)
_NEW_USER = Record(
    "NewUser",
    {
        "name": Field("A name.", required=True),
        "role": Field("What they may do.", default="editor", choices=ROLES),
        "password": Field("A password, for the app; empty for none.", default=""),
    },
)
_CHANGE = Record(
    "UserChange",
    {
        "role": Field("Another role.", nullable=True, choices=ROLES),
        "active": Field("Let in, or no more.", ("boolean",), nullable=True),
        "password": Field("Another password.", nullable=True),
    },
)
_TOKEN_FIELDS = {
    "id": Field("Its id."),
    "user": Field("Who it stands for."),
    "label": Field("What it is for."),
    "scopes": Field("Roles and permissions that it is limited to.", ("array",), of=Field("A role or a permission.")),
    "created": Field("When, RFC 3339."),
    "expires": Field("When, RFC 3339.", nullable=True),
    "used": Field("When last, RFC 3339.", nullable=True),
    "revoked": Field("Whether it opens nothing any more.", ("boolean",)),
}
_TOKEN = Record("Token", _TOKEN_FIELDS, whole=True)
_MADE = Record("MadeToken", {**_TOKEN_FIELDS, "token": Field("The secret: shown this once.")}, whole=True)
_TOKENS = Record("Tokens", {"tokens": Field("Oldest first.", ("array",), of=_TOKEN)}, whole=True)
_NEW_TOKEN = Record(
    "NewToken",
    {
        "user": Field("Who it stands for. Default: who asks.", nullable=True),
        "label": Field("What it is for.", default=""),
        "scopes": Field("Roles and permissions to limit it to.", ("array",), nullable=True, of=Field("A role or a permission.")),
        "days": Field("How long it is good for. Default: until it is revoked.", ("number",), nullable=True),
    },
)
_ME = Record(
    "Me",
    {
        "open": Field("Nobody is asked who they are: the project has no users.", ("boolean",)),
        "name": Field("Who asks.", nullable=True),
        "role": Field("Their role.", nullable=True, choices=ROLES),
        "acts_as": Field(
            "The role that may do what they may by what they showed; null if there is none.", nullable=True, choices=ROLES
        ),
        "scopes": Field(
            "What the token that they showed is limited to; none for no limit.", ("array",), of=Field("A role or a permission.")
        ),
        "permissions": Field("What they may do.", ("array",), of=Field("A permission.")),
    },
    whole=True,
)
_ROLES = Record(
    "Roles",
    {
        "roles": Field(
            "Each may do what those before it may, and more.",
            ("array",),
            of=Record(
                "RolePermissions",
                {"role": _ROLE, "permissions": Field("What it may do.", ("array",), of=Field("A permission."))},
                whole=True,
            ),
        )
    },
    whole=True,
)
_NEW_PASSWORD = Record(
    "NewPassword",
    {
        "old": Field("The present one; empty if there is none.", default=""),
        "new": Field("Another one, of 8 characters at least.", required=True),
    },
)
_ACT = Record(
    "AccountAct",
    {
        "user": Field("Who; for `slow down`, in whose name somebody tried."),
        "action": Field("add user, change user, change password, create token, revoke token, or slow down: wrong passwords."),
        "before": Field("What was.", ("object",), of=Field("A value.", ("any",), nullable=True), keyed=True),
        "after": Field("What is since then.", ("object",), of=Field("A value.", ("any",), nullable=True), keyed=True),
        "origin": Field("From which address the server was asked; empty if it was done in the project itself."),
        "time": Field("When, RFC 3339."),
    },
    whole=True,
)
_ACTS = Record("AccountActs", {"acts": Field("Newest first.", ("array",), of=_ACT)}, whole=True)
MOST_ACTS = 1000
_HISTORY_QUERY = {"limit": Field(f"At most so many, up to {MOST_ACTS}.", ("integer",), default=100)}
_ID = Record("RevokedToken", {"id": Field("The token.")}, whole=True)
_OF = {"user": Field("Whose. Default: everybody's for an admin, one's own for others.", nullable=True)}


def _me(call: Call) -> Reply:
    """Who asks, and what they may do here."""
    account = call.account
    if account is None:
        is_open = call.store.door is None or not call.store.door.exist
        permissions = sorted(PERMISSIONS) if is_open else []
        return _reply({"open": is_open, "name": None, "role": None, "acts_as": None, "scopes": [], "permissions": permissions})
    who = {"name": account.name, "role": account.role, "acts_as": account.acts_as, "scopes": account.scopes}
    return _reply({"open": False, **who, "permissions": account.permissions})


def _roles(call: Call) -> Reply:
    """The roles there are, and what each may do."""
    del call
    return _reply({"roles": [{"role": role, "permissions": permissions_of(role)} for role in ROLES]})


def _change_password(call: Call) -> Reply:
    """Change your own password. The present one, if there is one, has to be given, also by a request with a token or a cookie."""
    asked, account = _NEW_PASSWORD.read(call.json()), call.account
    if account is None:
        msg = "a password is somebody's, and this project has no users yet"
        raise InvalidInputError(msg)
    return _reply(call.store.accounts.change_password(account.name, asked["old"], asked["new"]).to_dict())


def _users(call: Call) -> Reply:
    """All users."""
    return _reply({"users": [user.to_dict() for user in call.store.accounts.users()]})


def _add_user(call: Call) -> Reply:
    """Make a user. The first one is an admin; from then on, requests have to say who asks."""
    asked = _NEW_USER.read(call.json())
    return _reply(call.store.accounts.add_user(asked["name"], asked["role"], asked["password"]).to_dict())


def _change_user(call: Call) -> Reply:
    """Change a user's role or password, or shut the user out."""
    return _reply(call.store.accounts.change_user(call.path["user"], **_CHANGE.read(call.json())).to_dict())


def _tokens(call: Call) -> Reply:
    """Tokens: an admin sees everybody's, others their own."""
    asked = read_query(call.query, _OF)["user"]
    return _reply({"tokens": [token.to_dict() for token in call.store.accounts.tokens(asked)]})


def _create_token(call: Call) -> Reply:
    """Make a token for yourself, or as an admin for another user. The answer has its secret, which isn't shown again."""
    asked = _NEW_TOKEN.read(call.json())
    scopes = list(map(str, asked["scopes"] or ()))
    token, secret = call.store.accounts.create_token(asked["user"], asked["label"], scopes, asked["days"])
    return _reply({**token.to_dict(), "token": secret})


def _revoke(call: Call) -> Reply:
    """Revoke a token."""
    call.store.accounts.revoke(call.path["token"])
    return _reply({"id": call.path["token"]})


def _history(call: Call) -> Reply:
    """What was done to users and tokens, newest first, wrong passwords in a row too."""
    limit = read_query(call.query, _HISTORY_QUERY)["limit"]
    return _reply({"acts": [act.to_dict() for act in call.store.accounts.history(max(1, min(limit, MOST_ACTS)))]})


def _reply(value: Any) -> Reply:
    return Reply(dumps(plain(value)), media_type=JSON)


def _operation(handler: Any, gives: Record, takes: Record | None = None, query: Any = None) -> Operation:
    taken = () if takes is None else (Content(record=takes),)
    return Operation(handler, takes=taken, gives=(Content(record=gives),), query=query or {})


ENDPOINTS = (
    Endpoint("GET", "/api/v1/accounts/me", "", _operation(_me, _ME)),
    Endpoint("GET", "/api/v1/accounts/roles", "runs:read", _operation(_roles, _ROLES)),
    Endpoint("POST", "/api/v1/accounts/password", "runs:read", _operation(_change_password, _USER, _NEW_PASSWORD)),
    Endpoint("GET", "/api/v1/accounts/users", "accounts:admin", _operation(_users, _USERS)),
    Endpoint("POST", "/api/v1/accounts/users", "accounts:admin", _operation(_add_user, _USER, _NEW_USER)),
    Endpoint("POST", "/api/v1/accounts/users/{user}", "accounts:admin", _operation(_change_user, _USER, _CHANGE)),
    Endpoint("GET", "/api/v1/accounts/history", "accounts:admin", _operation(_history, _ACTS, query=_HISTORY_QUERY)),
    Endpoint("GET", "/api/v1/accounts/tokens", "runs:read", _operation(_tokens, _TOKENS, query=_OF)),
    Endpoint("POST", "/api/v1/accounts/tokens", "runs:read", _operation(_create_token, _MADE, _NEW_TOKEN)),
    Endpoint("DELETE", "/api/v1/accounts/tokens/{token}", "runs:read", _operation(_revoke, _ID)),
)
"""The routes. Whoever may read may have tokens of their own."""
