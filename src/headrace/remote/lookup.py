"""Online features from a server, in one round trip; freshness beside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.catalog.functions import unloaded
from headrace.catalog.service import Catalog
from headrace.clock import from_micros, to_micros
from headrace.definitions.version import ViewVersion
from headrace.features.asked import broadcast, listed, require_columns
from headrace.features.cache import checked_staleness
from headrace.features.freshness import Freshness
from headrace.features.lookup import OnlineFeatures, complete
from headrace.remote.transport import Transport
from headrace.wire.online import Shape, answer_from, shape_from

__all__ = ["RemoteFreshness", "RemoteLookup"]


class RemoteLookup:
    """Implements `headrace.features.services.OnlineReads`.

    The server finds the view and says which version answered; what doesn't change from answer to answer of a version comes
    with the first one and is kept. On-demand features whose code the server can't load are computed here.
    """

    def __init__(self, transport: Transport, catalog: Catalog) -> None:
        self._transport = transport
        self._catalog = catalog
        self._shapes: dict[str, Shape] = {}
        self._views: dict[str, ViewVersion] = {}

    def read(
        self,
        reference: str,
        entities: Mapping[str, Any],
        at: Any = None,
        sample: float | None = None,
        max_staleness: float | None = None,
        request: str | None = None,
    ) -> OnlineFeatures:
        """The features of a view for some entities. Raises as the embedded verb does."""
        checked_staleness(max_staleness)
        options = {"sample": sample, "max_staleness": max_staleness, "request": request}
        keys, found, known = self._ask(reference, entities, at, compute=True, **options)
        return found if known.computed else complete(self._view(known.view), found, keys)

    def inputs(self, reference: str, entities: Mapping[str, Any], at: Any = None, sample: float | None = None) -> OnlineFeatures:
        """The same without on-demand features."""
        return self._ask(reference, entities, at, sample=sample, max_staleness=None, request=None, compute=False)[1]

    def _ask(
        self, reference: str, entities: Mapping[str, Any], at: Any, *, compute: bool, **options: Any
    ) -> tuple[dict[str, list[Any]], OnlineFeatures, Shape]:
        """The columns of the request, the answer, and its shape."""
        moment = None if at is None else from_micros(to_micros(at))
        require_columns(entities)
        asked = {name: listed(column) for name, column in entities.items()}
        known = self._shapes.get(reference) if isinstance(reference, str) else None
        request = {
            "view": reference,
            "entities": asked,
            "at": moment,
            **options,
            "compute": compute,
            "known": None if known is None else known.version,
        }
        found = self._transport.call("features/online", request)
        if found["shape"] is not None:
            known = self._shapes[reference] = shape_from(found["shape"])
        assert known is not None  # noqa: S101 - the server leaves out only the shape that it was told we know
        keys, _ = broadcast(known.view, known.keys, known.inputs if compute else (), asked)
        return keys, answer_from(found["answer"], keys, known.types), known

    def _view(self, reference: str) -> ViewVersion:
        """A view version with its functions; kept once they are all there, for it never changes."""
        found = self._views.get(reference)
        if found is None:
            found = self._catalog.view(reference)
            if not unloaded(found.view):
                self._views[reference] = found
        return found


class RemoteFreshness:
    """Implements `headrace.features.services.FreshnessReads`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def read(self) -> dict[str, Freshness]:
        """Group version id to its freshness, by the server's clock."""
        return {item["group"]: Freshness(**item) for item in self._transport.call("features/freshness", {})}
