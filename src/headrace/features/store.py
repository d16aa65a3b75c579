"""What the feature store keeps in the catalog beside definitions: the records of training sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["TrainingSetRecord", "TrainingSetStore"]


@dataclass(frozen=True, slots=True)
class TrainingSetRecord:
    """Everything that a training set was made from; with the lake it is enough to make it again.

    Attributes:
        fingerprint: SHA-256 of the values, whatever their storage: equal fingerprints mean equal training sets.
        frame: the name under which the lake keeps its rows.
        view: the view version, `ranking:3`.
        tables: source name to the lake table's version.
        labels: SHA-256 of the frame it was asked for.
        timestamp, label: names of columns; label is empty if none was named.
        created: microseconds since 1970.
    """

    name: str
    version: int
    fingerprint: str
    frame: str
    view: str
    tables: Mapping[str, int]
    labels: str
    timestamp: str
    label: str
    as_known: bool
    rows: int
    created: int
    author: str = ""

    @property
    def urn(self) -> str:
        """What names it in the lineage."""
        return f"training_set:{self.name}:{self.version}"


class TrainingSetStore(Protocol):
    """Training sets by name and version; versions count from 1 and never change."""

    def add(self, record: TrainingSetRecord) -> TrainingSetRecord:
        """Keep a record under the next version of its name (the given version is ignored); returns it with its version."""
        ...

    def get(self, name: str, version: int | None = None) -> TrainingSetRecord | None:
        """The newest record of the name, or the one of this version; None if there is none."""
        ...

    def all(self) -> Sequence[TrainingSetRecord]:
        """All records, by name and version."""
        ...
