"""Roles and what each may do. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from headrace.errors import InvalidInputError

__all__ = ["PERMISSIONS", "ROLES", "Role", "allows", "parse_role", "permissions_of"]

Role = Literal["viewer", "editor", "approver", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do what those before it may, and more."""

PERMISSIONS: Mapping[str, Role] = {
    "definitions:read": "viewer",
    "features:read": "viewer",
    "lineage:read": "viewer",
    "metrics:read": "viewer",
    "models:predict": "viewer",
    "models:read": "viewer",
    "runs:read": "viewer",
    "definitions:write": "editor",
    "features:materialize": "editor",
    "features:write": "editor",
    "models:write": "editor",
    "runs:write": "editor",
    "training-sets:write": "editor",
    "models:approve": "approver",
    "models:promote": "approver",
    "accounts:admin": "admin",
    "models:force": "admin",
    "runs:purge": "admin",
    "webhooks:admin": "admin",
}
"""Each permission and the first role that has it. One that isn't here is an admin's alone."""


def allows(role: Role, permission: str) -> bool:
    """Whether a role has a permission."""
    return ROLES.index(role) >= ROLES.index(PERMISSIONS.get(permission, "admin"))


def permissions_of(role: Role) -> list[str]:
    """What a role may do, sorted."""
    return sorted(permission for permission in PERMISSIONS if allows(role, permission))


def parse_role(text: str) -> Role:
    """The role of this name. Raises InvalidInputError with the roles there are."""
    for role in ROLES:
        if role == text.lower():
            return role
    msg = f"no role named {text!r}; the roles are: {', '.join(ROLES)}"
    raise InvalidInputError(msg)
