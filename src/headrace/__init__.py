"""Headrace: a feature store, experiment tracking and a model registry over one catalog with one lineage."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from headrace.definitions import expectation as expect
from headrace.definitions.aggregation import (
    Aggregation,
    column,
    count,
    count_distinct,
    first,
    last,
    last_n,
    max,  # noqa: A004 - the field's word
    mean,
    min,  # noqa: A004 - the field's word
    std,
    sum,  # noqa: A004 - the field's word
)
from headrace.definitions.entity import Entity
from headrace.definitions.group import FeatureGroup
from headrace.definitions.on_demand import on_demand
from headrace.definitions.source import EventSource, TableSource
from headrace.definitions.view import FeatureView
from headrace.errors import (
    AccessError,
    AlreadyExistsError,
    ConflictError,
    DefinitionError,
    GateError,
    HeadraceError,
    IntegrityError,
    InvalidInputError,
    MissingExtraError,
    ModelError,
    NotFoundError,
    QueryError,
    SettingsError,
    StorageError,
    TooManyAttemptsError,
    UnauthenticatedError,
    UnsafeModelError,
)

if TYPE_CHECKING:
    from headrace.flavors.function import predictor
    from headrace.models.gates import Gate
    from headrace.project import connect, start_run, track
    from headrace.store import Store

    __version__: str

__all__ = [
    "AccessError",
    "Aggregation",
    "AlreadyExistsError",
    "ConflictError",
    "DefinitionError",
    "Entity",
    "EventSource",
    "FeatureGroup",
    "FeatureView",
    "Gate",
    "GateError",
    "HeadraceError",
    "IntegrityError",
    "InvalidInputError",
    "MissingExtraError",
    "ModelError",
    "NotFoundError",
    "QueryError",
    "SettingsError",
    "StorageError",
    "Store",
    "TableSource",
    "TooManyAttemptsError",
    "UnauthenticatedError",
    "UnsafeModelError",
    "__version__",
    "column",
    "connect",
    "count",
    "count_distinct",
    "expect",
    "first",
    "last",
    "last_n",
    "max",
    "mean",
    "min",
    "on_demand",
    "predictor",
    "start_run",
    "std",
    "sum",
    "track",
]

_LATER = {
    "Gate": "headrace.models.gates",
    "Store": "headrace.store",
    "connect": "headrace.project",
    "predictor": "headrace.flavors.function",
    "start_run": "headrace.project",
    "track": "headrace.project",
}


def __getattr__(name: str) -> Any:
    """Names that need more than the standard library are imported when they are first used."""
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("headrace")
    elif name in _LATER:
        value = getattr(importlib.import_module(_LATER[name]), name)
    elif name == "compat":
        importlib.import_module("headrace.compat.wandb")
        value = importlib.import_module("headrace.compat")
    else:
        msg = f"module 'headrace' has no attribute {name!r}"
        raise AttributeError(msg)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, those not yet imported included."""
    return sorted(__all__)
