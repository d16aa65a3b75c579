"""What changes in a project while somebody watches: a sequence that every writer adds to, and that is read from a cursor on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Change", "Changes", "Cursor"]

Cursor = tuple[int, int]
"""How far the sequence was read."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that changed.

    Attributes:
        kind: created, changed or ended, of a run; points, of a run's metrics; experiment; model.
        subject: the id of the run or the experiment, or the name of the model.
        keys: the metrics that have new points; none stands for many.
    """

    kind: str
    subject: str
    keys: tuple[str, ...] = ()


class Changes(Protocol):
    """The sequence. A change is in it before anybody is told that it is done, and no later one is seen before it."""

    def end(self) -> Cursor:
        """Where the sequence ends now."""
        ...

    def since(self, cursor: Cursor, limit: int) -> tuple[list[Change], Cursor] | None:
        """At most so many changes after a cursor, in order, and how far that is. None if some of them were forgotten already."""
        ...
