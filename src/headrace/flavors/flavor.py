"""The flavor's contract: how a model of one kind becomes files, and files a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Flavor", "SavedModel"]


@dataclass(frozen=True, slots=True)
class SavedModel:
    """What saving wrote, besides the files.

    Attributes:
        flavor, serializer: which flavor reads it, for example ("sklearn", "skops").
        requirements: pip requirements that loading needs, with versions.
        details: what the flavor needs to load it, JSON values.
    """

    flavor: str
    serializer: str
    requirements: tuple[str, ...]
    details: Mapping[str, Any]


class Flavor(Protocol):
    """One way to save and load models. A flavor is safe when loading runs no code that the files' author chose."""

    @property
    def name(self) -> str:
        """What names it, for example sklearn."""
        ...

    @property
    def serializer(self) -> str:
        """The format of its files, for example skops."""
        ...

    def accepts(self, model: Any) -> bool:
        """Whether this flavor saves such a model without being asked to."""
        ...

    def wrap(self, model: Any) -> Any:
        """What predicts: the model itself, or what gives it a `predict` that takes rows."""
        ...

    def runs_code(self, details: Mapping[str, Any]) -> bool:
        """Whether loading runs code that the files' author chose; then callers have to ask for it in a word."""
        ...

    def by_position(self, model: Any) -> bool:
        """Whether a loaded model takes its columns by their order alone, so that an array may stand for a frame of numbers."""
        ...

    def save(self, model: Any, folder: Path) -> SavedModel:
        """Write the model's files into an empty folder.

        Raises:
            UnsafeModelError: loading it again wouldn't be safe.
            InvalidInputError: it can't be saved.
            MissingExtraError: a package that saving needs isn't installed.
        """
        ...

    def load(self, folder: Path, details: Mapping[str, Any]) -> Any:
        """The model that these files hold.

        Raises:
            UnsafeModelError: loading it isn't safe.
            InvalidInputError: the files can't be read.
            MissingExtraError: a package that loading needs isn't installed.
        """
        ...
