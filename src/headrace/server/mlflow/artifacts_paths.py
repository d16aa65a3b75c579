"""From the paths of MLflow's artifact protocol to the run or the logged model whose files they name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import unquote

from headrace.errors import InvalidInputError, NotFoundError
from headrace.tracking.files import FileIndex, Home
from headrace.tracking.rules import check_artifact_path
from headrace.tracking.run import ArtifactEntry

__all__ = ["SCHEME", "children", "clean_path", "file_at", "find", "owner"]

SCHEME = "mlflow-artifacts:/"
_MOST_DECODINGS = 8
_DRIVE = re.compile("[A-Za-z]:")


def clean_path(text: str) -> str:
    """The path itself, if it is a plain relative one however often it is decoded. Raises InvalidInputError.

    A client, a proxy or a tool behind us may decode it once more than we do; what would lead elsewhere then is refused now.
    """
    stage = text
    for _ in range(_MOST_DECODINGS):
        check_artifact_path(stage)
        if _DRIVE.match(stage):
            break
        decoded = unquote(stage, errors="strict") if "%" in stage else stage
        if decoded == stage:
            return text
        stage = decoded
    msg = f"Invalid path: {text[:80]!r}; give a relative path with forward slashes, for example plots/roc.png"
    raise InvalidInputError(msg)


def find(index: FileIndex, path: str) -> tuple[Home, str]:
    """Whose files a path leads to, and the path among them, which may be empty.

    Args:
        path: `0/RUN/artifacts/plots/roc.png` or `0/models/m-…/artifacts/MLmodel`, as it follows `mlflow-artifacts:/`.

    Raises:
        InvalidInputError: it isn't a plain path.
        NotFoundError: it leads to no run and no logged model.
    """
    segments = clean_path(path).split("/")
    for place in range(1, len(segments)):
        if segments[place] != "artifacts":
            continue
        kinds: list[Literal["run", "model"]] = ["model", "run"] if segments[max(place - 2, 0)] == "models" else ["run"]
        for kind in kinds:
            home = index.home(kind, segments[place - 1])
            if home is not None and home.uri == SCHEME + "/".join(segments[: place + 1]):
                return home, "/".join(segments[place + 1 :])
    if "#" in path:  # a client that forgot to quote: of a file's name only where a run has it
        msg = f"Invalid path: {path[:80]!r}"
        raise InvalidInputError(msg)
    msg = f"no run and no logged model has files at {path[:200]!r}; paths look like 0/RUN_ID/artifacts/plots/roc.png"
    raise NotFoundError(msg)


def owner(index: FileIndex, kind: Literal["run", "model"], id: str) -> Home:  # noqa: A002 - what it is
    """The run or logged model of this id. Raises NotFoundError in MLflow's words."""
    home = index.home(kind, id)
    if home is None:
        msg = f"Run with id={id} not found" if kind == "run" else f"Logged model with ID '{id}' not found."
        raise NotFoundError(msg)
    return home


def file_at(entries: Sequence[ArtifactEntry], path: str) -> ArtifactEntry:
    """The file at a path among those that `FileIndex.below` gave for it.

    Raises:
        NotFoundError: there is nothing.
        InvalidInputError: it is a folder.
    """
    for entry in entries:
        if entry.path == path:
            return entry
    if any(entry.path.startswith(f"{path}/") for entry in entries):
        msg = f"{path[:200]!r} is a folder; list it, and fetch its files"
        raise InvalidInputError(msg)
    msg = f"No such artifact: {path[:200]!r}"
    raise NotFoundError(msg)


def children(entries: Sequence[ArtifactEntry], folder: str) -> list[dict[str, Any]]:
    """The files and folders right in a folder, sorted by name; none for a file. Sizes of files alone are told."""
    start = len(folder) + 1 if folder else 0
    found: dict[str, dict[str, Any]] = {}
    for entry in entries:
        if folder and not entry.path.startswith(f"{folder}/"):
            continue
        name, slash, _ = entry.path[start:].partition("/")
        found[name] = {"path": name, "is_dir": True} if slash else {"path": name, "is_dir": False, "file_size": entry.size}
    return [found[name] for name in sorted(found)]
