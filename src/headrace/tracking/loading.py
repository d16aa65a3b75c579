"""From a model's files in the artifact store to a model in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from headrace.artifacts.store import ArtifactStore
from headrace.errors import IntegrityError, NotFoundError
from headrace.flavors.loaded import LoadedModel
from headrace.flavors.saving import load_model
from headrace.flavors.signature import Signature
from headrace.tracking.run import ArtifactEntry

__all__ = ["KeptModel", "fetch", "load"]


class KeptModel(Protocol):
    """A logged model or a version of a registered one: what loading it needs to know. Attributes as in `LoggedModel`."""

    @property
    def urn(self) -> str:
        """What errors call it."""
        ...

    @property
    def files(self) -> Sequence[ArtifactEntry]:
        """Its files."""
        ...

    @property
    def flavor(self) -> str:
        """How it was saved."""
        ...

    @property
    def serializer(self) -> str:
        """In which format."""
        ...

    @property
    def details(self) -> Mapping[str, Any]:
        """What the flavor needs to load it."""
        ...

    @property
    def signature(self) -> Signature | None:
        """The columns that it takes and gives, if known."""
        ...


def load(model: KeptModel, artifacts: ArtifactStore, *, allow_pickle: bool = False) -> LoadedModel:
    """The model in memory. Its files pass through a temporary folder, each checked against its SHA-256.

    Raises:
        IntegrityError: a file is gone, isn't what was logged, or would be written outside of its folder.
        UnsafeModelError: the format runs code when loaded, and `allow_pickle` isn't given.
    """
    with tempfile.TemporaryDirectory(prefix="headrace-model-") as name:
        folder = Path(name)
        fetch(model, artifacts, folder)
        return load_model(
            folder,
            flavor=model.flavor,
            serializer=model.serializer,
            details=model.details,
            signature=model.signature,
            allow_pickle=allow_pickle,
        )


def fetch(model: KeptModel, artifacts: ArtifactStore, folder: Path) -> None:
    """Write the model's files into a folder, each checked against its SHA-256.

    Raises:
        IntegrityError: a file is gone, isn't what was logged, or would be written outside of its folder.
    """
    for file in model.files:
        _fetch(model.urn, file, folder, artifacts)


def _fetch(urn: str, file: ArtifactEntry, folder: Path, artifacts: ArtifactStore) -> None:
    inside = PurePosixPath(file.path)
    if inside.is_absolute() or ".." in inside.parts or "\\" in file.path:
        msg = f"{urn} names a file outside of its folder ({file.path!r}); don't use it, and ask who registered it"
        raise IntegrityError(msg)
    path = folder / inside
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        artifacts.get_file(file.digest, path)
    except NotFoundError as error:
        msg = f"{urn} can't be loaded: its file {file.path!r} (SHA-256 {file.digest}) is gone; put it back from a backup"
        raise IntegrityError(msg) from error
