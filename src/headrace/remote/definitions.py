"""The catalog of definitions at a server."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from headrace.catalog.store import CatalogState, Key
from headrace.definitions.version import DefinitionVersion, Kind
from headrace.remote.transport import Transport
from headrace.wire.definitions import state_from, version_from, version_to

__all__ = ["STAMP_SECONDS", "RemoteCatalogStore"]

STAMP_SECONDS = 0.005
"""How long an answer about the revision stands: less than it took to come, on most networks."""


class RemoteCatalogStore:
    """Implements `headrace.catalog.store.CatalogStore` over HTTP. The server checks what is committed as it checks its own."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._stamped: tuple[float, int] | None = None

    def stamp(self) -> int:
        """The revision: a question to the server, the cheapest there is. The look-ups of one verb ask it once."""
        stamped, now = self._stamped, time.monotonic()
        if stamped is None or now - stamped[0] > STAMP_SECONDS:
            self._stamped = stamped = now, self.revision()
        return stamped[1]

    def revision(self) -> int:
        """See CatalogStore."""
        found = int(self._transport.call("definitions/revision", {}))
        self._transport.revision = max(self._transport.revision, found)
        return found

    def state(self) -> CatalogState:
        """See CatalogStore."""
        return state_from(self._transport.call("definitions/state", {}))

    def version(self, kind: Kind, name: str, version: int) -> DefinitionVersion | None:
        """See CatalogStore."""
        return next((found for found in self.versions(kind, name) if found.version == version), None)

    def versions(self, kind: Kind, name: str) -> list[DefinitionVersion]:
        """See CatalogStore."""
        found: list[Any] = self._transport.call("definitions/versions", {"kind": kind, "name": name})
        return [version_from(values) for values in found]

    def commit(self, revision: int, added: Sequence[DefinitionVersion], removed: Sequence[Key]) -> None:
        """See CatalogStore. The server also writes the lineage of what was added."""
        values = {
            "revision": revision,
            "added": [version_to(version) for version in added],
            "removed": [list(key) for key in removed],
        }
        try:
            self._transport.call("definitions/commit", values, changes=True)
            self._transport.revision = max(self._transport.revision, revision + 1)
        finally:
            self._stamped = None
