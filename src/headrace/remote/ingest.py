"""Rows on their way to a server: checked and typed here, so that faults are told before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from headrace.catalog.service import Catalog
from headrace.features.ingest import Pushed, Written, typed_rows
from headrace.features.materialize import Materialized
from headrace.ids import new_id
from headrace.progress import Progress, silent
from headrace.remote.transport import Transport

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["RemoteIntake", "RemoteMaterializer"]


class RemoteIntake:
    """Implements `headrace.features.services.Intake`. Each call bears a name, so a repeat of it on the way changes nothing."""

    def __init__(self, transport: Transport, catalog: Catalog) -> None:
        self._transport = transport
        self._catalog = catalog

    def write(self, name: str, data: Any, batch_id: str | None = None) -> Written:
        """Append rows to a source in batch; a batch id is written once. Raises as the embedded verb does."""
        rows = self._rows(name, data, f"store.write({name!r})")
        arguments = {"source": name, "batch_id": batch_id or f"call-{new_id()}"}
        found, _ = self._transport.work("features/write", arguments, rows, changes=True)
        done = Written(**found)
        if done.replayed and batch_id is None:  # the first attempt of this very call got through
            return Written(done.source, rows.num_rows)
        return done

    def push(self, name: str, data: Any) -> Pushed:
        """Take rows in now: durable and online when it returns. Raises as the embedded verb does."""
        rows = self._rows(name, data, f"store.push({name!r})")
        found, _ = self._transport.work("features/push", {"source": name}, rows, changes=True)
        return Pushed(**found)

    def repair(self) -> dict[str, list[tuple[int, int]]]:
        """Keep what can be read of the server's damaged logs; source name to the offsets lost."""
        found, _ = self._transport.work("features/repair", {}, changes=True)
        return {name: [(first, last) for first, last in ranges] for name, ranges in found.items()}

    def _rows(self, name: str, data: Any, where: str) -> pa.Table:
        return typed_rows(self._catalog, self._catalog.source(name), data, where)


class RemoteMaterializer:
    """Implements `headrace.features.services.Materializing`: the server does it, and tells how far it is."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def run(
        self, names: Sequence[str] | None = None, *, rebuild: bool = False, progress: Progress = silent
    ) -> list[Materialized]:
        """Bring groups up to date; all if none is named."""
        arguments = {"groups": None if names is None else list(names), "rebuild": rebuild}
        found, _ = self._transport.work("features/materialize", arguments, changes=True, progress=progress)
        return [Materialized(**item) for item in found]

    def retire(self, reference: str) -> None:
        """Forget the online values of a superseded group version."""
        self._transport.work("features/retire", {"group": reference}, changes=True)
