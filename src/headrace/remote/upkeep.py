"""Upkeep of the lake and of the artifacts that a server keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headrace.artifacts.garbage import Collected
from headrace.definitions.window import Duration, parse_duration
from headrace.lake.table import Optimized, TableState, Vacuumed
from headrace.progress import Progress, silent
from headrace.remote.transport import Transport

__all__ = ["RemoteCollect", "RemoteUpkeep"]


class RemoteCollect:
    """Implements `headrace.parts.Collect` over HTTP."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __call__(self, older_than: int, *, dry_run: bool = False) -> Collected:
        """Remove files that nothing names and that were handed in before so many microseconds ago."""
        done, _ = self._transport.work("artifacts/collect", {"older_than": older_than, "dry_run": dry_run}, changes=True)
        return Collected(**done)


class RemoteUpkeep:
    """Implements `headrace.features.services.Upkeep` over HTTP."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def tables(self, names: Sequence[str] | None = None) -> list[TableState]:
        """Tables as they are now. All if none is named."""
        found, _ = self._transport.work("lake/tables", {"names": _listed(names)})
        return [TableState(**item) for item in found]

    def optimize(self, names: Sequence[str] | None = None, *, progress: Progress = silent) -> list[Optimized]:
        """Merge the small files of tables. All if none is named."""
        found, _ = self._transport.work("lake/optimize", {"names": _listed(names)}, changes=True, progress=progress)
        return [Optimized(**item) for item in found]

    def vacuum(
        self,
        names: Sequence[str] | None = None,
        *,
        older_than: Duration = "7d",
        dry_run: bool = False,
        progress: Progress = silent,
    ) -> list[Vacuumed]:
        """Remove files of tables that only old versions name. All if none is named."""
        arguments: dict[str, Any] = {
            "names": _listed(names),
            "older_than": f"{parse_duration(older_than)}us",
            "dry_run": dry_run,
        }
        found, _ = self._transport.work("lake/vacuum", arguments, changes=True, progress=progress)
        return [Vacuumed(**item) for item in found]


def _listed(names: Sequence[str] | None) -> list[str] | None:
    return None if names is None else list(names)
