"""Where training sets are kept: rows in the lake, records in the catalog, and the lineage beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from headrace.features.store import TrainingSetRecord, TrainingSetStore
from headrace.lake.table import Lake
from headrace.lineage.store import Edge, LineageStore

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Kept"]


class Kept:
    """Implements `headrace.features.services.KeptTrainingSets` over this project's stores."""

    def __init__(self, lake: Lake, store: TrainingSetStore, lineage: LineageStore) -> None:
        self._lake = lake
        self._store = store
        self._lineage = lineage

    def keep(self, record: TrainingSetRecord, frame: pa.Table) -> TrainingSetRecord:
        """Keep rows under the next version of the record's name. The rows come first: a record's rows are always there."""
        record = replace(record, frame=f"training-sets/{record.name}/{record.fingerprint[:32]}")
        self._lake.write_frame(record.frame, frame)
        kept = self._store.add(record)
        self._lineage.add([Edge(f"view:{kept.view}", kept.urn, "reads", kept.created)])
        return kept

    def get(self, name: str, version: int | None = None) -> TrainingSetRecord | None:
        """The newest record of the name, or the one of this version; None if there is none."""
        return self._store.get(name, version)

    def all(self) -> Sequence[TrainingSetRecord]:
        """All records, by name and version."""
        return self._store.all()

    def load(self, record: TrainingSetRecord) -> pa.Table:
        """The rows, their bytes verified."""
        return self._lake.read_frame(record.frame)
