"""Values as of each row's own time, from a server: keys and moments go there, features come back, the frame stays here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace.catalog.service import Catalog
from headrace.definitions.version import ViewVersion
from headrace.features.frames import queries_of
from headrace.features.history import beside_on_demand, checked, needed_columns
from headrace.progress import Progress, silent
from headrace.remote.transport import Transport

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["RemoteHistory", "TablePin"]


@dataclass(frozen=True, slots=True)
class TablePin:
    """A version of a source's table in the server's lake."""

    version: int


class RemoteHistory:
    """Implements `headrace.features.services.HistoryReads` and `PinnedHistory`.

    Where the server can't load the code of on-demand features it gives the others, and those are computed here.
    """

    def __init__(self, transport: Transport, catalog: Catalog) -> None:
        self._transport = transport
        self._catalog = catalog

    def read(self, reference: str, frame: Any, timestamp: str, *, as_known: bool = False, progress: Progress = silent) -> Any:
        """The frame with the view's features appended: same kind of frame, rows, order, index and columns."""
        view = self._catalog.view(reference)
        queries, restore = queries_of(frame, needed_columns(view, timestamp))
        return restore(self.append(view, queries, timestamp, None, as_known=as_known, progress=progress))

    def pin(self, view: ViewVersion) -> Mapping[str, TablePin]:
        """Source name to the version of its table now, everything pushed included."""
        found, _ = self._transport.work("features/pin", {"view": view.id})
        return {source: TablePin(version) for source, version in found.items()}

    def pinned(self, view: ViewVersion, versions: Mapping[str, int]) -> Mapping[str, TablePin]:
        """Source name to a version of its table."""
        sources = {version.group.source.name for version in view.groups.values()}
        return {source: TablePin(versions[source]) for source in sources}

    def append(
        self,
        view: ViewVersion,
        queries: pa.Table,
        timestamp: str,
        snapshots: Mapping[str, TablePin] | None,
        *,
        as_known: bool = False,
        progress: Progress = silent,
    ) -> pa.Table:
        """The view's features for each query row, in the view's order; without snapshots, from the lake as it is."""
        checked(view, queries, timestamp)
        arguments = {
            "view": view.id,
            "timestamp": timestamp,
            "as_known": as_known,
            "versions": None if snapshots is None else {source: pin.version for source, pin in snapshots.items()},
        }
        sent = queries.select(dict.fromkeys([*view.view.request_keys, timestamp, *view.view.request_inputs]))
        found, features = self._transport.work("features/history", arguments, sent, progress=progress)
        assert features is not None  # noqa: S101 - the answer has a table by its protocol
        if found["computed"]:
            return features
        columns = {name: features.column(name).combine_chunks() for name in features.column_names}
        return beside_on_demand(view, queries, columns)
