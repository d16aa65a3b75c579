"""Training sets that a server keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from headrace.features.store import TrainingSetRecord
from headrace.remote.transport import Transport

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["RemoteKept"]


class RemoteKept:
    """Implements `headrace.features.services.KeptTrainingSets` over HTTP."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def keep(self, record: TrainingSetRecord, frame: pa.Table) -> TrainingSetRecord:
        """Keep rows under the next version of the record's name; the server checks them against their fingerprint."""
        found, _ = self._transport.work("training-sets/keep", asdict(record), frame, changes=True)
        return TrainingSetRecord(**found)

    def get(self, name: str, version: int | None = None) -> TrainingSetRecord | None:
        """The newest record of the name, or the one of this version; None if there is none."""
        found = self._transport.call("training-sets/get", {"name": name, "version": version})
        return None if found is None else TrainingSetRecord(**found)

    def all(self) -> Sequence[TrainingSetRecord]:
        """All records, by name and version."""
        return [TrainingSetRecord(**found) for found in self._transport.call("training-sets/all", {})]

    def load(self, record: TrainingSetRecord) -> pa.Table:
        """The rows; the server verifies their bytes."""
        _, frame = self._transport.work("training-sets/rows", {"name": record.name, "version": record.version})
        assert frame is not None  # noqa: S101 - the answer has a table by its protocol
        return frame.combine_chunks()
