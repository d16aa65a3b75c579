"""The files of runs and logged models as one tree of paths, the way that MLflow's clients see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from headrace.tracking.run import ArtifactEntry

__all__ = ["FileIndex", "Home"]


@dataclass(frozen=True, slots=True)
class Home:
    """Whose files they are.

    Attributes:
        id: of the run or of the logged model; of a registered version, its address: its files are kept with it, and never change.
        uri: where MLflow's clients find the files, for example `mlflow-artifacts:/0/RUN/artifacts`.
    """

    kind: Literal["run", "model", "version"]
    id: str
    uri: str


class FileIndex(Protocol):
    """Which file stands at which path. The bytes are in the artifact store."""

    def home(self, kind: Literal["run", "model"], id: str) -> Home | None:  # noqa: A002 - what it is
        """The run or logged model of this id; a deleted run too, a deleted model not."""
        ...

    def add(self, home: Home, entries: Sequence[ArtifactEntry]) -> None:
        """Add files; a path that exists is replaced.

        Raises:
            NotFoundError: the home is gone.
            ConflictError: the run is deleted, or the model is ready: its files don't change any more.
            InvalidInputError: a path leads through a file, or is a folder.
        """
        ...

    def remove(self, home: Home, path: str) -> int:
        """Remove a file, or a folder with all below it; how many files that were. An empty path means all. Raises as `add`."""
        ...

    def below(self, home: Home, path: str = "") -> list[ArtifactEntry]:
        """The file at a path, or those in the folder there, sorted by path. An empty path means all."""
        ...
