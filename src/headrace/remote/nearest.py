"""Nearest neighbours, found where the server holds the vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.features.asked import listed
from headrace.features.nearest import Neighbours
from headrace.remote.transport import Transport

__all__ = ["RemoteNearest"]


class RemoteNearest:
    """Implements `headrace.features.services.NearestReads` over HTTP."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def find(
        self,
        reference: str,
        vector: Any,
        k: int = 10,
        *,
        by: str | None = None,
        where: str | None = None,
        metric: str = "cosine",
        entities: Mapping[str, Any] | None = None,
    ) -> Neighbours:
        """The `k` entities nearest to a vector, of those for which a condition is true. Raises as the embedded verb does."""
        arguments = {"view": reference, "vector": listed(vector), "k": k, "by": by, "where": where, "metric": metric}
        found = self._transport.call("features/nearest", {**arguments, "entities": dict(entities or {})})
        return Neighbours(**found)
