"""The lineage store's contract: which thing was made from which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Edge", "LineageStore"]


@dataclass(frozen=True, slots=True)
class Edge:
    """`target` was made from, or refers to, `source`.

    Attributes:
        source, target: URNs, for example `group:user_taste:1` and `view:ranking:1`.
        kind: the verb that wrote it: defines, materializes, reads, uses, logs, registers, points.
        time: microseconds since 1970.
    """

    source: str
    target: str
    kind: str
    time: int


class LineageStore(Protocol):
    """Edges are only ever added; the same (source, target, kind) is kept once, with its first time."""

    def add(self, edges: Sequence[Edge]) -> None:
        """Add edges, all or none."""
        ...

    def into(self, targets: Sequence[str]) -> list[Edge]:
        """The edges that end in any of these."""
        ...

    def out_of(self, sources: Sequence[str]) -> list[Edge]:
        """The edges that start in any of these."""
        ...

    def urns(self, prefix: str) -> list[str]:
        """The URNs with edges that start with the prefix; those with the newest edge first."""
        ...
