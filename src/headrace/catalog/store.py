"""The catalog store's contract: immutable versions of definitions, and one revision that counts the commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from headrace.definitions.version import DefinitionVersion, Kind

__all__ = ["CatalogState", "CatalogStore", "Key"]

Key = tuple[Kind, str]
"""Kind and name of a definition."""


@dataclass(frozen=True, slots=True)
class CatalogState:
    """What the catalog holds at one revision.

    Attributes:
        heads: the latest version of each name.
        removed: the latest version of each name that was removed; a new definition of that name goes on from it.
    """

    revision: int
    heads: Mapping[Key, DefinitionVersion]
    removed: Mapping[Key, DefinitionVersion]


class CatalogStore(Protocol):
    """Keeps versions of definitions. None is ever changed or deleted; a name can be removed."""

    def stamp(self) -> int:
        """A number that differs after any commit by any process, and perhaps at other times; costs microseconds."""
        ...

    def revision(self) -> int:
        """The number of commits so far."""
        ...

    def state(self) -> CatalogState:
        """The latest versions, all as of one revision."""
        ...

    def version(self, kind: Kind, name: str, version: int) -> DefinitionVersion | None:
        """One version; None if it doesn't exist."""
        ...

    def versions(self, kind: Kind, name: str) -> list[DefinitionVersion]:
        """All versions of a name, oldest first; empty for an unknown name."""
        ...

    def commit(self, revision: int, added: Sequence[DefinitionVersion], removed: Sequence[Key]) -> None:
        """Add versions, each the new head of its name, and remove names: all in one atomic, durable step.

        Raises:
            ConflictError: the catalog isn't at `revision` any more; nothing was changed.
        """
        ...
