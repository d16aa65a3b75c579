"""Any object with a predict method, saved with pickle: loading runs code that the file's author chose."""

from __future__ import annotations

import functools
import pickle
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from headrace.errors import InvalidInputError
from headrace.flavors.flavor import SavedModel

__all__ = ["PickleFlavor"]

_FILE = "model.pkl"


class PickleFlavor:
    """Pickled objects. Callers ask for it by name, both ways; nothing takes it by itself."""

    name = "pickle"
    serializer = "pickle"

    def accepts(self, model: Any) -> bool:
        """Never: pickle needs an explicit word."""
        return False

    def wrap(self, model: Any) -> Any:
        """The object itself."""
        return model

    def runs_code(self, details: Mapping[str, Any]) -> bool:
        """Always."""
        return True

    def by_position(self, model: Any) -> bool:
        """Never: what an object does with its rows is its own affair."""
        return False

    def save(self, model: Any, folder: Path) -> SavedModel:
        """Write model.pkl."""
        try:
            data = pickle.dumps(model, protocol=5)
        except Exception as error:  # pickling calls the object's own code
            msg = (
                f"{type(model).__name__} can't be pickled: {error}; keep locks, files, lambdas and local classes out of the model"
            )
            raise InvalidInputError(msg) from error
        (folder / _FILE).write_bytes(data)
        kind = f"{type(model).__module__}.{type(model).__qualname__}"
        return SavedModel(self.name, self.serializer, _requirements(model), {"file": _FILE, "class": kind, "unsafe": True})

    def load(self, folder: Path, details: Mapping[str, Any]) -> Any:
        """Read model.pkl. Runs code of whoever wrote it: the caller has asked whether that is wanted."""
        try:
            return pickle.loads((folder / _FILE).read_bytes())  # noqa: S301 - asked for by allow_pickle=True
        except Exception as error:
            msg = f"the pickled model can't be loaded: {type(error).__name__}: {error}; its module must be importable here"
            raise InvalidInputError(msg) from error


def _requirements(model: Any) -> tuple[str, ...]:
    package = type(model).__module__.partition(".")[0]
    names = _owners(tuple(map(_stamp, sys.path))).get(package, [])
    return tuple(f"{name}=={metadata.version(name)}" for name in dict.fromkeys(names))


@functools.lru_cache(maxsize=1)
def _owners(_places: tuple[tuple[str, int], ...]) -> Mapping[str, list[str]]:
    """Top-level packages to the names they were installed by. Read once while nothing is installed or removed, for all lists of
    files have to be read."""
    return metadata.packages_distributions()


def _stamp(entry: str) -> tuple[str, int]:
    place = Path(entry)
    return entry, place.stat().st_mtime_ns if place.is_dir() else 0
