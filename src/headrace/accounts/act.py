"""What somebody did to users and tokens, for the audit trail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headrace.clock import isoformat

__all__ = ["TRAIL", "Act"]

TRAIL = "server:accounts"
"""The subject of these entries in the trail: no model can be called so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something somebody did to users or tokens.

    Attributes:
        user: who.
        action: add user, change user, change password, create token, revoke token or slow down.
        before, after: what changed; never a secret or its hash.
        origin: the address from which they asked the server; empty if they did it in the project itself.
        time: microseconds since 1970.
    """

    user: str
    action: str
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    origin: str = ""
    time: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The act as plain JSON values."""
        told = {"user": self.user, "action": self.action, "before": dict(self.before), "after": dict(self.after)}
        return {**told, "origin": self.origin, "time": isoformat(self.time)}
