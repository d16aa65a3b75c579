"""Which version an alias named when, read off the audit trail: the champion's reigns, and those of every other alias. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from headrace.clock import isoformat
from headrace.models.audit import CLOSING, AuditEntry
from headrace.models.lifecycle import CHAMPION

__all__ = ["Reign", "aliases_in", "reigns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reign:
    """One version's time under an alias; under `champion` that is its time in Production.

    Attributes:
        began, ended: microseconds since 1970; None as long as it is there.
        action, user, reason: how it came there, by whom and why.
        forced: it was promoted past its gates.
    """

    version: int
    began: int
    ended: int | None = None
    action: str = ""
    user: str = ""
    reason: str = ""
    forced: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The reign as plain JSON values."""
        ended = None if self.ended is None else isoformat(self.ended)
        return {**asdict(self), "began": isoformat(self.began), "ended": ended}


def aliases_in(entries: Sequence[AuditEntry]) -> list[str]:
    """Every alias that ever named a version, sorted, the champion first."""
    found = {alias for entry in entries for alias in entry.after.get("aliases", {})}
    return sorted(found, key=lambda alias: (alias != CHAMPION, alias))


def reigns(entries: Sequence[AuditEntry], alias: str = CHAMPION) -> list[Reign]:
    """Every reign of an alias, oldest first."""
    found: list[Reign] = []
    for entry in entries:
        if entry.action not in CLOSING and alias not in entry.after.get("aliases", {}):
            continue
        if found and found[-1].ended is None:
            found[-1] = replace(found[-1], ended=entry.time)
        version = None if entry.action in CLOSING else entry.after["aliases"][alias]
        if version is not None:
            forced = bool((entry.report or {}).get("forced"))
            found.append(
                Reign(
                    version=version,
                    began=entry.time,
                    action=entry.action,
                    user=entry.user,
                    reason=entry.reason,
                    forced=forced,
                )
            )
    return found
