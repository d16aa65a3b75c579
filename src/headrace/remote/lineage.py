"""The lineage that a server keeps, read only: verbs at the server write it."""

from __future__ import annotations

from headrace.arguments import checked
from headrace.lineage.graph import Direction, Graph
from headrace.lineage.store import Edge
from headrace.remote.transport import Transport

__all__ = ["RemoteLineage"]


@checked()
class RemoteLineage:
    """Implements `headrace.lineage.graph.LineageReads` over HTTP."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def upstream(self, urn: str, depth: int | None = None) -> Graph:
        """What a thing was made from, `depth` steps far or all the way. Raises NotFoundError."""
        return self._walk(urn, "upstream", depth)

    def downstream(self, urn: str, depth: int | None = None) -> Graph:
        """What was made from a thing, `depth` steps far or all the way. Raises NotFoundError."""
        return self._walk(urn, "downstream", depth)

    def find(self, urn: str) -> str:
        """The full URN of a name: its newest version if it names none. Raises NotFoundError."""
        return self._walk(urn, "upstream", 0).root

    def _walk(self, urn: str, direction: Direction, depth: int | None) -> Graph:
        found, _ = self._transport.work("lineage", {"urn": urn, "direction": direction, "depth": depth})
        return Graph(found["root"], direction, tuple(Edge(*edge) for edge in found["edges"]))
