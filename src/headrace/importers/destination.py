"""Where importers write: the contracts of tracking and of the registry."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.artifacts.store import ArtifactStore
from headrace.lineage.store import LineageStore
from headrace.models.audit import Author
from headrace.models.store import ModelStore
from headrace.tracking.store import TrackingStores

__all__ = ["Destination"]


@dataclass(frozen=True, slots=True)
class Destination:
    """The stores of a project. Importers keep what they find under its own ids and times, which services would give anew."""

    tracking: TrackingStores
    artifacts: ArtifactStore
    lineage: LineageStore
    models: ModelStore
    author: Author
