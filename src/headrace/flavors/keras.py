"""Keras models: their configuration as JSON and their weights as plain arrays. Only Keras's own layers are made of it."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from headrace.errors import InvalidInputError, UnsafeModelError
from headrace.flavors.flavor import SavedModel
from headrace.flavors.native import package, requirements

__all__ = ["KerasFlavor", "KerasModel"]

_FILE, _WEIGHTS = "keras.json", "weights.npz"
_PLACES = {"__keras_tensor__", "__tensor__", "__numpy__", "__ellipsis__", "__slice__"}
"""What stands in a configuration for a value, and names no class."""
_REFUSED = ("Lambda", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer")
"""Layers of Keras that hold code, or files of another format."""


class KerasModel:
    """A model that takes frames and arrays as one matrix of its input's type, and gives arrays.

    Attributes:
        model: Keras's own object.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    def predict(self, data: Any) -> Any:
        """What the model gives; a column alone as one dimension."""
        import numpy as np

        values = data.to_numpy() if hasattr(data, "to_numpy") else np.asarray(data)
        inputs = getattr(self.model, "inputs", None) or ()
        kind = getattr(inputs[0], "dtype", "float32") if inputs else "float32"
        found = _whole(np.asarray(self.model.predict(values if kind == "string" else values.astype(kind), verbose=0)))
        return found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found


class KerasFlavor:
    """Models of Keras 3, on any of its backends, that are made of Keras's own layers."""

    name = "keras"
    serializer = "keras"

    def accepts(self, model: Any) -> bool:
        """Whether it is a model of Keras."""
        kind = getattr(sys.modules.get("keras"), "Model", None)
        return isinstance(model, KerasModel) or (kind is not None and isinstance(model, kind))

    def wrap(self, model: Any) -> Any:
        """The model, taking frames."""
        return model if isinstance(model, KerasModel) else KerasModel(model)

    def runs_code(self, details: Mapping[str, Any]) -> bool:
        """Never: its classes are checked before anything is built."""
        return False

    def by_position(self, model: Any) -> bool:
        """Always."""
        return True

    def save(self, model: Any, folder: Path) -> SavedModel:
        """Write keras.json and weights.npz, and see that they can be loaded."""
        import numpy as np

        keras = package("keras", "keras", "keras")
        model = model.model if isinstance(model, KerasModel) else model
        try:
            config = keras.saving.serialize_keras_object(model)
            config.pop("compile_config", None)  # optimizer, loss and metrics: predicting needs none of them
            (folder / _FILE).write_text(json.dumps(config), encoding="utf-8")
        except (TypeError, ValueError, NotImplementedError) as error:
            msg = f"the model's configuration can't be told: {error}; {_ADVICE}"
            raise InvalidInputError(msg) from error
        np.savez(folder / _WEIGHTS, **_weights(model))
        details = {"file": _FILE, "weights": _WEIGHTS}
        self.load(folder, details)
        named = (
            "keras",
            {"jax": "jax", "torch": "torch", "tensorflow": "tensorflow"}.get(keras.backend.backend(), "numpy"),
            "numpy",
        )
        return SavedModel(self.name, self.serializer, requirements(*dict.fromkeys(named)), details)

    def load(self, folder: Path, details: Mapping[str, Any]) -> Any:
        """Make the model of its configuration, and fill in the weights."""
        import numpy as np

        keras = package("keras", "keras", "keras")
        path = folder / str(details.get("file", _FILE))
        try:
            config = json.loads(path.read_bytes())
            refused = sorted(set(_not_of_keras(config, keras)))
        except (ValueError, RecursionError) as error:
            msg = f"the model file {path.name} can't be read ({error}); it isn't what log_model wrote"
            raise InvalidInputError(msg) from error
        if refused:
            what = "what isn't a layer of Keras's own, or holds code, or reads files"
            msg = f"the model holds {what}: {', '.join(refused)}; {_ADVICE}"
            raise UnsafeModelError(msg)
        try:
            model = keras.saving.deserialize_keras_object(config, safe_mode=True)
            with np.load(folder / str(details.get("weights", _WEIGHTS)), allow_pickle=False) as arrays:
                _fill(model, arrays)
        except Exception as error:  # Keras and a damaged file fail in many ways
            msg = f"the model can't be made of its saved parts: {type(error).__name__}: {str(error)[:300]}; {_ADVICE}"
            raise InvalidInputError(msg) from error
        return KerasModel(model)


def _layers(model: Any) -> list[Any]:
    """The model and all that it is made of, in an order that its configuration decides."""
    return list(model._flatten_layers())  # noqa: SLF001 - Keras has no public way to layers within layers


def _weights(model: Any) -> dict[str, Any]:
    """What each layer keeps, under the layer's place and its own name for it."""
    import numpy as np

    found: dict[str, Any] = {}
    for place, layer in enumerate(_layers(model)):
        kept: dict[str, Any] = {}
        layer.save_own_variables(kept)
        found |= {f"{place}/{name}": _whole(np.asarray(value)) for name, value in kept.items()}
    return found


def _whole(array: Any) -> Any:
    """As float32 if it is of bfloat16, which NumPy doesn't have."""
    return array.astype("float32") if array.dtype.kind == "V" else array


def _fill(model: Any, arrays: Mapping[str, Any]) -> None:
    kept: dict[str, dict[str, Any]] = {}
    for key in arrays:
        place, _, name = key.partition("/")
        kept.setdefault(place, {})[name] = arrays[key]
    for number, layer in enumerate(_layers(model)):
        layer.load_own_variables(kept.get(str(number), {}))


_ADVICE = "log it with serializer='pickle' if you must; loading it then runs code and needs allow_pickle=True"


def _not_of_keras(config: Any, keras: Any) -> Iterator[str]:
    """The classes and functions that a configuration names and that aren't safe to be made of it."""
    if isinstance(config, list):
        for item in config:
            yield from _not_of_keras(item, keras)
    elif isinstance(config, dict):
        if "class_name" in config and not _is_known(config, keras):
            yield f"{config.get('module')}.{config['class_name']}"
        for item in config.values():
            yield from _not_of_keras(item, keras)


def _is_known(config: Mapping[str, Any], keras: Any) -> bool:
    name, module, registered = str(config["class_name"]), config.get("module"), config.get("registered_name")
    if name in _PLACES and module is None:
        return True
    if registered not in (None, name) or not isinstance(module, str) or module.partition(".")[0] != "keras":
        return False
    try:
        kind = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return False
    bases = (
        keras.Operation,  # layers and models are such
        keras.initializers.Initializer,
        keras.regularizers.Regularizer,
        keras.constraints.Constraint,
        keras.dtype_policies.DTypePolicy,
        keras.random.SeedGenerator,
    )
    reads_files = hasattr(kind, "load_assets")  # the vocabulary of a lookup
    return isinstance(kind, type) and issubclass(kind, bases) and name not in _REFUSED and not reads_files
