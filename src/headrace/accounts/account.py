"""What is kept of users and tokens, and who a request is from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from headrace.accounts.roles import PERMISSIONS, ROLES, Role, allows, permissions_of
from headrace.clock import isoformat
from headrace.errors import AccessError, InvalidInputError

__all__ = ["HIDDEN", "Account", "Token", "User", "check_scopes", "check_user_name"]

HIDDEN = "(kept by the server)"
"""Stands for a secret, or its hash, that is nobody else's matter."""
_NAME = re.compile(r"[\w.@+\-]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person or a program that may use a server.

    Attributes:
        name: unique; goes into the audit trail.
        role: what they may do at most.
        password: as `passwords.hashed` gives it; empty if only tokens may be used.
        active: one who isn't may do nothing; the name stays taken, since the trail names it.
        created: microseconds since 1970.
    """

    name: str
    role: Role
    password: str = ""
    active: bool = True
    created: int = 0

    def hidden(self) -> User:
        """The user without the password's hash: what leaves the server. Whether there is one still shows."""
        return replace(self, password=HIDDEN if self.password else "")

    def to_dict(self) -> dict[str, Any]:
        """The user as plain JSON values, without the password's hash."""
        return {
            "name": self.name,
            "role": self.role,
            "active": self.active,
            "password": bool(self.password),
            "created": isoformat(self.created),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a program sends instead of a password. The secret is shown once; its hash is kept.

    Attributes:
        id: names it, in lists and in the secret.
        user: who it stands for.
        label: what it is for, in a person's words.
        digest: SHA-256 of the secret, which is 256 random bits.
        scopes: roles or permissions that it is limited to; empty for all that the user may do.
        created, expires, used: microseconds since 1970; None for never.
        revoked: it opens nothing any more.
    """

    id: str
    user: str
    label: str = ""
    digest: str = ""
    scopes: tuple[str, ...] = ()
    created: int = 0
    expires: int | None = None
    used: int | None = None
    revoked: bool = False

    def hidden(self) -> Token:
        """The token without the secret's hash: what leaves the server."""
        return replace(self, digest=HIDDEN)

    def to_dict(self) -> dict[str, Any]:
        """The token as plain JSON values, without the secret's hash."""
        times = {name: None if (at := getattr(self, name)) is None else isoformat(at) for name in ("created", "expires", "used")}
        return {
            "id": self.id,
            "user": self.user,
            "label": self.label,
            "scopes": list(self.scopes),
            **times,
            "revoked": self.revoked,
        }


@dataclass(frozen=True, slots=True)
class Account:
    """Who a request is from.

    Attributes:
        name: the user's.
        role: the user's.
        scopes: what the token limits it to; empty for nothing.
        token: the token's id; empty if a password was given.
    """

    name: str
    role: Role
    scopes: tuple[str, ...] = ()
    token: str = ""

    def may(self, permission: str) -> bool:
        """Whether both the user's role and the token's scopes have the permission."""
        return allows(self.role, permission) and (not self.scopes or any(_covers(scope, permission) for scope in self.scopes))

    def require(self, permission: str) -> None:
        """Raise AccessError unless `may`."""
        if not self.may(permission):
            limit = f", and this token is limited to {', '.join(self.scopes)}" if self.scopes else ""
            msg = (
                f"{self.name} ({self.role}) may not do this: it needs the permission {permission!r}, which the role "
                f"{PERMISSIONS.get(permission, 'admin')} has{limit}; ask an admin"
            )
            raise AccessError(msg)

    @property
    def permissions(self) -> list[str]:
        """All that it may do, sorted."""
        return [permission for permission in permissions_of(self.role) if self.may(permission)]

    @property
    def acts_as(self) -> Role | None:
        """The role that may do exactly what this account may; None if there is none, since its scopes name permissions."""
        return next((role for role in ROLES if permissions_of(role) == self.permissions), None)


def check_user_name(name: str) -> None:
    """Raise InvalidInputError unless `name` can name a user."""
    if not _NAME.fullmatch(name):
        msg = f"{name[:80]!r} can't name a user: use 1 to 128 letters, digits and . @ + - _, for example 'ada'"
        raise InvalidInputError(msg)


def check_scopes(scopes: Sequence[str]) -> tuple[str, ...]:
    """The scopes themselves. Raises InvalidInputError for one that is neither a role nor a permission."""
    for scope in scopes:
        if scope not in ROLES and scope not in PERMISSIONS:
            msg = f"{scope!r} is neither a role ({', '.join(ROLES)}) nor a permission ({', '.join(sorted(PERMISSIONS))})"
            raise InvalidInputError(msg)
    return tuple(dict.fromkeys(scopes))


def _covers(scope: str, permission: str) -> bool:
    role = next((role for role in ROLES if role == scope), None)
    return scope == permission if role is None else allows(role, permission)
