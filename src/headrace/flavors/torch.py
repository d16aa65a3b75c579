"""PyTorch modules: their weights in safetensors, and the name of their class, which has to be importable where they load."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headrace.errors import InvalidInputError, NotFoundError, UnsafeModelError
from headrace.flavors.flavor import SavedModel
from headrace.flavors.native import package, requirements

__all__ = ["TorchFlavor", "TorchModel"]

_FILE = "model.safetensors"
_WRAPPERS = ("DataParallel", "DistributedDataParallel")
_PROGRAM = "log what torch.export.export gives, or use serializer='pickle': both load with allow_pickle=True"


class TorchModel:
    """A module that takes frames and arrays as one tensor, and gives arrays; without what compiles it or spreads it over devices.

    Numbers go in as floats of the module's own precision. Whole numbers stay whole if it holds an embedding: they are indexes.

    Attributes:
        module: PyTorch's own object.
    """

    def __init__(self, module: Any) -> None:
        self.module = _bare(module)

    def predict(self, data: Any) -> Any:
        """What the module gives when it evaluates; a column alone as one dimension.

        Raises:
            ValueError: it refuses the values.
            InvalidInputError: it gives something else than a tensor.
        """
        torch = sys.modules["torch"]
        with torch.no_grad(), _evaluating(self.module):
            try:
                found = self.module(self._tensor(data))
            except (RuntimeError, IndexError) as error:  # a wrong shape, an index beyond an embedding
                raise ValueError(str(error)[:300]) from error
        found = getattr(found, "logits", found)  # of a classifier of transformers
        if not isinstance(found, torch.Tensor):
            msg = f"the module gives a {type(found).__name__}; to predict, it has to give one tensor"
            raise InvalidInputError(msg)
        found = (found.float() if found.dtype == torch.bfloat16 else found).cpu().numpy()  # NumPy has no bfloat16
        return found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found

    def _tensor(self, data: Any) -> Any:
        import numpy as np

        torch = sys.modules["torch"]
        values = data.to_numpy() if hasattr(data, "to_numpy") else np.asarray(data)
        weight = next((part for part in self.module.parameters() if part.is_floating_point()), torch.empty(0))
        indexes = values.dtype.kind in "iu" and any(isinstance(part, torch.nn.Embedding) for part in self.module.modules())
        if indexes:
            return torch.tensor(values.astype(np.int64), device=weight.device)
        wide = np.float64 if weight.dtype == torch.float64 else np.float32
        return torch.tensor(values.astype(wide), dtype=weight.dtype, device=weight.device)


@contextmanager
def _evaluating(module: Any) -> Iterator[None]:
    """The module without dropout and the like; a training that goes on finds it as it was."""
    training = [part for part in module.modules() if part.training]
    for part in training:
        part.training = False
    try:
        yield
    finally:
        for part in training:
            part.training = True


class TorchFlavor:
    """Modules whose class can be imported. Arguments of the class are taken from the module's `config`, a dict of JSON values, or
    from the hyperparameters that a module of Lightning saved. A model of transformers is made of its configuration."""

    name = "torch"
    serializer = "safetensors"

    def accepts(self, model: Any) -> bool:
        """Whether it is a module."""
        torch = sys.modules.get("torch")
        return isinstance(model, TorchModel) or (torch is not None and isinstance(model, torch.nn.Module))

    def wrap(self, model: Any) -> Any:
        """The module with a `predict`."""
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
        module = self.wrap(model).module
        kind, config = type(module), _config(module)
        path = f"{kind.__module__}:{kind.__qualname__}"
        if kind.__module__ == "__main__" or "<" in path:
            msg = f"{path} can't be imported by others; put the class at the top of a module, and log the model from there"
            raise InvalidInputError(msg)
        if not config and kind.__module__.startswith("torch."):
            hint = f"put it into a class of your own, or {_PROGRAM}"
            msg = f"what a {kind.__name__} of PyTorch holds can't be told from its class; {hint}"
            raise InvalidInputError(msg)
        with torch.no_grad():
            safetensors.save_model(module, str(folder / _FILE))
        details = {"file": _FILE, "class": path, "config": config}
        self.load(folder, details)
        return SavedModel(self.name, self.serializer, requirements("torch", "safetensors", "numpy"), details)

    def load(self, folder: Path, details: Mapping[str, Any]) -> Any:
        """Import the class, make a module of it, and fill in the weights in the precision that they have."""
        _, safetensors = _packages()
        kind, config = _class(str(details.get("class", ""))), details.get("config", {})
        path = str(folder / str(details.get("file", _FILE)))
        try:
            described = getattr(kind, "config_class", None)  # a model of transformers
            made = kind(described.from_dict(config)) if described else kind(**config)
            _give_precision(made, safetensors.load_file(path))
            safetensors.load_model(made, path)
        except Exception as error:  # the class is the user's, and safetensors has errors of its own
            hint = "keep what the class was made with in a dict, self.config"
            what = f"{type(error).__name__}: {str(error)[:300]}"
            msg = f"a {kind.__name__} can't be made of the saved weights: {what}; {hint}"
            raise InvalidInputError(msg) from error
        return TorchModel(made.eval())


def _bare(module: Any) -> Any:
    """The module within what compiles it or spreads it over devices."""
    while True:
        if hasattr(module, "_orig_mod"):
            module = module._orig_mod  # noqa: SLF001 - PyTorch has no other way to it
        elif type(module).__name__ in _WRAPPERS and type(module).__module__.startswith("torch.nn.parallel"):
            module = module.module
        else:
            return module


def _config(module: Any) -> Any:
    """What the module's class is to be called with, as JSON values."""
    config = getattr(module, "config", None)
    if config is None:
        config = getattr(module, "hparams", {})
    try:
        return json.loads(json.dumps(config.to_dict() if hasattr(config, "to_dict") else dict(config)))
    except (TypeError, ValueError) as error:
        kind = type(module).__name__
        msg = f"the config of {kind} must be a dict of JSON values, the arguments of its class: {error}"
        raise InvalidInputError(msg) from error


def _class(path: str) -> Any:
    """The class that `module:Name` names. Raises NotFoundError, and UnsafeModelError if it isn't one of modules."""
    module, _, name = path.partition(":")
    try:
        kind = getattr(importlib.import_module(module), name, None)
    except (ImportError, ValueError) as error:
        msg = f"the model is of the class {path}, whose module can't be imported here ({error}); install it, or set PYTHONPATH"
        raise NotFoundError(msg) from error
    if not isinstance(kind, type) or not issubclass(kind, sys.modules["torch"].nn.Module):
        msg = f"{path} isn't a module of PyTorch; nothing of it was run"
        raise UnsafeModelError(msg)
    return kind


def _give_precision(module: Any, weights: Mapping[str, Any]) -> None:
    """Let a module hold its parameters and buffers in the precision of the saved ones: it was made in that of its class."""
    for parts in (module.named_parameters(), module.named_buffers()):
        for name, part in parts:
            if name in weights:
                part.data = part.data.to(weights[name].dtype)


def _packages() -> tuple[Any, Any]:
    return package("torch", "torch", "torch"), package("safetensors.torch", "safetensors", "torch")
