"""A plain Python function as a model: kept as its import path and the hash of its source, never as code."""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from headrace.errors import IntegrityError, InvalidInputError, NotFoundError, UnsafeModelError
from headrace.flavors.flavor import SavedModel

__all__ = ["FunctionFlavor", "Predictor", "predictor"]


class Predictor:
    """A function that predicts; made by `hr.predictor`. Called like the function.

    Attributes:
        function: takes a frame, or what the model's signature says, and gives a prediction a row.
        path: `module:name`.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        if not callable(function) or not hasattr(function, "__qualname__"):
            msg = f"hr.predictor makes a model of a function, not of a value of type {type(function).__name__}"
            raise InvalidInputError(msg)
        self.function = function
        self.path = f"{function.__module__}:{function.__qualname__}"
        self.__doc__ = inspect.getdoc(function)

    def __call__(self, data: Any) -> Any:
        return self.function(data)

    def predict(self, data: Any) -> Any:
        """What the function gives."""
        return self.function(data)


def predictor(function: Callable[[Any], Any]) -> Predictor:
    """Make a function a model that can be logged, registered and served.

    Its code stays in its module, which has to be importable wherever the model is loaded; a changed function is refused. Only
    functions that bear this decorator can be loaded as models.
    """
    return Predictor(function)


class FunctionFlavor:
    """Functions decorated with `hr.predictor`."""

    name = "function"
    serializer = "function"

    def accepts(self, model: Any) -> bool:
        """Whether it is one."""
        return isinstance(model, Predictor)

    def wrap(self, model: Any) -> Any:
        """The function."""
        return model

    def runs_code(self, details: Mapping[str, Any]) -> bool:
        """Not the files' author's: the function is one of this machine, and its author decorated it for this."""
        return False

    def by_position(self, model: Any) -> bool:
        """Never: what a function does with its rows is its own affair."""
        return False

    def save(self, model: Any, folder: Path) -> SavedModel:
        """Write the function's source beside, for people to read; it is never run from there."""
        if model.path.startswith("__main__:") or "<" in model.path:
            msg = f"{model.path} can't be imported by others; put the function at the top of a module, and log it from there"
            raise InvalidInputError(msg)
        source = inspect.getsource(model.function)
        (folder / "function.py.txt").write_text(source, encoding="utf-8")
        return SavedModel(self.name, self.serializer, (), {"path": model.path, "source_hash": _hash(source)})

    def load(self, folder: Path, details: Mapping[str, Any]) -> Any:
        """Import the function; one that changed since it was logged is refused."""
        path = str(details.get("path", ""))
        module, _, name = path.partition(":")
        try:
            found = getattr(importlib.import_module(module), name, None)
        except (ImportError, ValueError) as error:
            msg = (
                f"the model is the function {path}, whose module can't be imported here ({error}); install it, or set PYTHONPATH"
            )
            raise NotFoundError(msg) from error
        if not isinstance(found, Predictor):
            msg = f"{path} isn't a function decorated with hr.predictor; nothing of it was run"
            raise UnsafeModelError(msg)
        if _hash(inspect.getsource(found.function)) != details.get("source_hash"):
            msg = f"the function {path} has changed since it was logged; log it again, or go back to the code of its run's commit"
            raise IntegrityError(msg)
        return found


def _hash(source: str) -> str:
    return hashlib.sha256(inspect.cleandoc(source).encode()).hexdigest()
