"""What an import carried, and what it didn't and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["ImportReport", "Left", "Outcome"]

Outcome = Literal["new", "updated", "same"]


@dataclass(frozen=True, slots=True)
class Left:
    """Something that wasn't carried, or not as it was.

    Attributes:
        kind: run, metric, artifact, model version, …
        name: which one, in the source's words.
        reason: why, and what to do about it.
        count: how many of them there are.
    """

    kind: str
    name: str
    reason: str
    count: int = 1


@dataclass(slots=True)
class ImportReport:
    """The result of an import.

    Attributes:
        source: what was read, without passwords.
        dry_run: nothing was written; `counts` says what would have been.
        counts: kind → outcome → number, for example {"runs": {"new": 3, "same": 40}}.
        left: what wasn't carried.
    """

    source: str
    dry_run: bool = False
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    left: list[Left] = field(default_factory=list)

    def count(self, kind: str, outcome: Outcome, number: int = 1) -> None:
        """Add to the figures."""
        if number:
            by_outcome = self.counts.setdefault(kind, {"new": 0, "updated": 0, "same": 0})
            by_outcome[outcome] += number

    def leave(self, kind: str, name: str, reason: str, count: int = 1) -> None:
        """Note what isn't carried."""
        self.left.append(Left(kind, name, reason, count))

    @property
    def changed(self) -> int:
        """How many things were written, or would have been."""
        return sum(found["new"] + found["updated"] for found in self.counts.values())

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        left = [{"kind": item.kind, "name": item.name, "reason": item.reason, "count": item.count} for item in self.left]
        return {"source": self.source, "dry_run": self.dry_run, "changed": self.changed, "carried": self.counts, "left": left}

    def rows(self) -> Sequence[tuple[str, int, int, int]]:
        """Kind, new, updated, same: for a table."""
        return [(kind, found["new"], found["updated"], found["same"]) for kind, found in self.counts.items()]
