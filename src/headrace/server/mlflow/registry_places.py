"""The files of registered versions in MLflow's tree of artifacts, beside those of runs and logged models.

`registry/NAME/3/artifacts/…` are the files that were registered as version 3, by their hash: they stay what they were, whatever
becomes of the run.
"""

from __future__ import annotations

from headrace.errors import NotFoundError
from headrace.server.mlflow.artifacts_paths import SCHEME, clean_path, find
from headrace.server.mlflow.registry_shapes import name_of
from headrace.server.placed import files_below
from headrace.store import Store
from headrace.tracking.files import Home
from headrace.tracking.run import ArtifactEntry

__all__ = ["below", "find_place"]


def find_place(store: Store, path: str) -> tuple[Home, str]:
    """Whose files a path leads to, and the path among them, which may be empty.

    Raises:
        InvalidInputError: it isn't a plain path.
        NotFoundError: it leads to nothing that has files.
    """
    try:
        return find(store.artifacts.index, path)
    except NotFoundError:
        segments = clean_path(path).split("/")
        if len(segments) < 4 or segments[0] != "registry" or segments[3] != "artifacts" or not segments[2].isdecimal():
            raise
        name, number = name_of(segments[1]), int(segments[2][:9])
        if name is None or not store.models.store.versions(name, [number]):
            raise
        return Home("version", f"models:/{name}/{number}", SCHEME + "/".join(segments[:4])), "/".join(segments[4:])


def below(store: Store, home: Home, path: str) -> list[ArtifactEntry]:
    """The file at a path, or those in the folder there, sorted by path. An empty path means all."""
    if home.kind != "version":
        return files_below(store, home, path)
    name, _, number = home.id.removeprefix("models:/").rpartition("/")
    files = store.models.get(name, int(number)).files
    found = [entry for entry in files if not path or entry.path == path or entry.path.startswith(f"{path}/")]
    return sorted(found, key=lambda entry: entry.path)
