"""What the flavors of boosted trees and networks share: packages by name, numbers from frames, classes from scores."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from importlib import metadata
from types import ModuleType
from typing import Any

from headrace.errors import MissingExtraError

__all__ = ["classes_of", "package", "requirements", "scores_of"]


def package(name: str, distribution: str, extra: str) -> ModuleType:
    """A package that an extra installs. Raises MissingExtraError."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingExtraError.of(distribution, extra) from error


def requirements(*distributions: str) -> tuple[str, ...]:
    """Pip requirements with the versions here, of those that are installed."""
    found = []
    for name in distributions:
        try:
            found.append(f"{name}=={metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return tuple(found)


def scores_of(raw: Any) -> Any:
    """Probabilities of each class, shape (rows, classes), from those of the second class alone or of all."""
    import numpy as np

    scores = np.asarray(raw)
    return np.column_stack([1 - scores, scores]) if scores.ndim == 1 else scores


def classes_of(scores: Any, classes: Sequence[Any]) -> Any:
    """The most probable class of each row."""
    import numpy as np

    return np.asarray(classes)[np.argmax(scores, axis=1)]
