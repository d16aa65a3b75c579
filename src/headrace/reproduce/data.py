"""The data of a run: whether it can be had again as it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from headrace.capture.dataset import describe_dataset
from headrace.errors import HeadraceError
from headrace.store import Store
from headrace.tracking.run import DatasetInput, Run

__all__ = ["Restored", "restore_data"]

_SET = "training_set:"


@dataclass(frozen=True, slots=True)
class Restored:
    """A data set of a run.

    Attributes:
        state: restored, changed, missing, or unknown for data that the run only described.
        words: what was found.
        pin: a training set that is there as it was, `ranking:3`; else empty.
    """

    name: str
    state: Literal["restored", "changed", "missing", "unknown"]
    words: str
    pin: str = ""


def restore_data(store: Store, run: Run, here: Path, there: Path) -> Sequence[Restored]:
    """Each data set of the run: training sets by their fingerprint, from the rows that were kept; files by their content.

    Args:
        here: the folder in which the command is going to be run.
        there: the one in which it was; a file that git doesn't have is copied from it.
    """
    return [_one(store, given, here, there) for given in run.inputs]


def _one(store: Store, given: DatasetInput, here: Path, there: Path) -> Restored:
    if given.urn.startswith(_SET):
        return _training_set(store, given)
    if given.source_type == "file":
        return (_frame if _is_frame(given) else _file)(given, here, there)
    return Restored(given.name, "unknown", "it was in memory; only its digest was kept, and is compared after the run")


def _training_set(store: Store, given: DatasetInput) -> Restored:
    reference = given.urn.removeprefix(_SET)
    try:
        found = store.training_sets.get(reference)
        if found.fingerprint != given.digest:
            words = f"{reference} has the fingerprint {found.fingerprint[:12]}, and the run read {given.digest[:12]}"
            return Restored(given.name, "changed", words)
        checked = found.verify()
    except HeadraceError as error:
        return Restored(given.name, "missing", f"the training set {reference} can't be restored: {error}")
    if not checked:
        columns = ", ".join(checked.differing) or "its rows"
        return Restored(given.name, "changed", f"computed again from the lake, {reference} differs in {columns}")
    return Restored(given.name, "restored", f"{reference}: {checked.rows} rows, equal to the bit", reference)


def _is_frame(given: DatasetInput) -> bool:
    """Whether the digest is that of a frame whose source was told, and not that of the file."""
    try:
        told = json.loads(given.profile or "{}")
    except ValueError:
        return False
    return isinstance(told, dict) and told.get("size") is None


def _frame(given: DatasetInput, here: Path, there: Path) -> Restored:
    path, old = here / given.source, there / given.source
    later = "what was read from it has a digest, which is compared after the run"
    if path.exists():
        return Restored(given.name, "unknown", f"{given.source} is there; {later}")
    if not old.exists():
        return Restored(given.name, "missing", f"the repository doesn't have {given.source}, and {old} isn't there any more")
    _copy(old, path)
    return Restored(given.name, "unknown", f"git doesn't have {given.source}; it was copied from {old}; {later}")


def _file(given: DatasetInput, here: Path, there: Path) -> Restored:
    path, old = here / given.source, there / given.source
    if not path.exists() and old.exists() and _digest(old) == given.digest:
        _copy(old, path)
        return Restored(given.name, "restored", f"git doesn't have {given.source}; it was copied from {old}, which is as it was")
    if not path.exists():
        state = "has another content now" if old.exists() else "isn't there any more"
        return Restored(given.name, "missing", f"the repository doesn't have {given.source}, and {old} {state}")
    if _digest(path) != given.digest:
        return Restored(given.name, "changed", f"{path} has another content than the run read")
    return Restored(given.name, "restored", f"{given.source} is as it was")


def _copy(old: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(old, path) if old.is_dir() else shutil.copyfile(old, path)


def _digest(path: Path) -> str:
    try:
        return describe_dataset(path).digest
    except (HeadraceError, OSError):  # unreadable is not the same either
        return ""
