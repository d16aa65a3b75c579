"""PyTorch modules: their weights in safetensors, and the name of their class, which has to be importable where they load."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace.errors import InvalidInputError, NotFoundError, UnsafeModelError
from headrace.flavors.flavor import SavedModel
from headrace.flavors.native import package, requirements

__all__ = ["TorchFlavor", "TorchModel"]

_FILE = "model.safetensors"


class TorchModel:
    """A module that takes frames and arrays as one matrix of float32, and gives arrays.

    Attributes:
        module: PyTorch's own object, set to evaluate.
    """

    def __init__(self, module: Any) -> None:
        self.module = module.eval()

    def predict(self, data: Any) -> Any:
        """What the module gives; a column alone as one dimension."""
        import numpy as np

        torch = sys.modules["torch"]
        values = data.to_numpy() if hasattr(data, "to_numpy") else np.asarray(data)
        with torch.no_grad():
            found = self.module(torch.tensor(np.asarray(values, np.float32))).cpu().numpy()
        return found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found


class TorchFlavor:
    """Modules whose class can be imported. Arguments of the class are taken from the module's `config`, a dict of JSON values."""

    name = "torch"
    serializer = "safetensors"

    def accepts(self, model: Any) -> bool:
        """Whether it is a module."""
        torch = sys.modules.get("torch")
        return isinstance(model, TorchModel) or (torch is not None and isinstance(model, torch.nn.Module))

    def wrap(self, model: Any) -> Any:
        """The module, ready to predict."""
        return model if isinstance(model, TorchModel) else TorchModel(model)

    def runs_code(self, details: Mapping[str, Any]) -> bool:
        """Not the files' author's: the class is one of this machine."""
        return False

    def by_position(self, model: Any) -> bool:
        """Always."""
        return True

    def save(self, model: Any, folder: Path) -> SavedModel:
        """Write model.safetensors, and see that it can be loaded."""
        torch, safetensors = _packages()
        module = model.module if isinstance(model, TorchModel) else model
        kind, config = type(module), getattr(module, "config", {})
        try:
            config = json.loads(json.dumps(dict(config)))
        except (TypeError, ValueError) as error:
            msg = f"the config of {kind.__name__} must be a dict of JSON values, the arguments of its class: {error}"
            raise InvalidInputError(msg) from error
        path = f"{kind.__module__}:{kind.__qualname__}"
        if kind.__module__ == "__main__" or "<" in path:
            msg = f"{path} can't be imported by others; put the class at the top of a module, and log the model from there"
            raise InvalidInputError(msg)
        with torch.no_grad():
            safetensors.save_model(module, str(folder / _FILE))
        details = {"file": _FILE, "class": path, "config": config}
        self.load(folder, details)
        return SavedModel(self.name, self.serializer, requirements("torch", "safetensors", "numpy"), details)

    def load(self, folder: Path, details: Mapping[str, Any]) -> Any:
        """Import the class, make a module of it, and fill in the weights."""
        torch, safetensors = _packages()
        path = str(details.get("class", ""))
        module, _, name = path.partition(":")
        try:
            kind = getattr(importlib.import_module(module), name, None)
        except (ImportError, ValueError) as error:
            msg = (
                f"the model is of the class {path}, whose module can't be imported here ({error}); install it, or set PYTHONPATH"
            )
            raise NotFoundError(msg) from error
        if not isinstance(kind, type) or not issubclass(kind, torch.nn.Module):
            msg = f"{path} isn't a module of PyTorch; nothing of it was run"
            raise UnsafeModelError(msg)
        try:
            made = kind(**details.get("config", {}))
            safetensors.load_model(made, str(folder / str(details.get("file", _FILE))))
        except Exception as error:  # the class is the user's, and safetensors has errors of its own
            hint = "keep what the class was made with in a dict, self.config"
            msg = f"a {name} can't be made of the saved weights: {type(error).__name__}: {str(error)[:300]}; {hint}"
            raise InvalidInputError(msg) from error
        return TorchModel(made)


def _packages() -> tuple[Any, Any]:
    return package("torch", "torch", "torch"), package("safetensors.torch", "safetensors", "torch")
