"""MLflow's description of a model's files, MLmodel, in our words: flavor, format, signature, packages."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headrace.flavors.signature import Column, Signature
from headrace.flavors.sklearn import is_allowed_type
from headrace.importers.source import ModelFacts

__all__ = ["DESCRIPTION", "read_model"]

DESCRIPTION = "MLmodel"
_TYPES = {
    "boolean": "bool",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "datetime": "timestamp",
    "string": "string",
}
_PICKLES = ("pickle", "cloudpickle", "joblib")


def read_model(files: Mapping[str, Path]) -> ModelFacts:
    """What the files say of themselves; a flavor `unknown` if there is no MLmodel that can be read."""
    import yaml

    try:
        said = yaml.safe_load(files[DESCRIPTION].read_text("utf-8"))
        flavors = dict(said["flavors"])
    except (KeyError, TypeError, ValueError, OSError, yaml.YAMLError):
        return ModelFacts("unknown", "mlflow")
    named = [name for name in flavors if name != "python_function"]
    flavor, serializer, details = _format(named[0] if named else "python_function", flavors, files)
    details = {**details, "mlflow": {"version": str(said.get("mlflow_version", "")), "flavors": _plain(flavors)}}
    return ModelFacts(flavor, serializer, _signature(said.get("signature")), _requirements(files), details)


def _format(name: str, flavors: Mapping[str, Any], files: Mapping[str, Path]) -> tuple[str, str, dict[str, Any]]:
    said = flavors.get(name) or {}
    file = str(said.get("pickled_model", ""))
    if name == "sklearn" and said.get("serialization_format") == "skops" and file in files:
        return "sklearn", "skops", {"file": file, "types": _types(files[file])}
    if file == "model.pkl" and said.get("serialization_format", "pickle") in _PICKLES:
        return "pickle", "pickle", {"file": file, "class": name, "unsafe": True}
    return name, "mlflow", {}


def _types(path: Path) -> list[str]:
    """The types in a skops file that may be built; without skops here none is recorded."""
    try:
        found = importlib.import_module("skops.io").get_untrusted_types(file=path)
    except Exception:  # noqa: BLE001 - not installed, or a file that isn't what it says: loading tells then
        return []
    return sorted(name for name in found if is_allowed_type(name))


def _requirements(files: Mapping[str, Path]) -> tuple[str, ...]:
    if "requirements.txt" not in files:
        return ()
    lines = files["requirements.txt"].read_text("utf-8", "replace").splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))


def _signature(said: Any) -> Signature | None:
    """Columns, or the columns of a matrix; None for what has neither, such as images."""
    if not isinstance(said, Mapping) or not said.get("inputs"):
        return None
    inputs = _columns(said["inputs"])
    if inputs is None:
        return None
    columns, is_array = inputs
    outputs = _columns(said["outputs"]) if said.get("outputs") else None
    return Signature(columns, () if outputs is None else outputs[0], "array" if is_array else "frame")


def _columns(text: Any) -> tuple[tuple[Column, ...], bool] | None:
    items = json.loads(text) if isinstance(text, str) else text
    if not isinstance(items, Sequence) or not items or not all(isinstance(item, Mapping) for item in items):
        return None
    if items[0].get("type") != "tensor":
        names = [str(item.get("name", number)) for number, item in enumerate(items)]
        types = [_TYPES.get(str(item.get("type")), "object") for item in items]
        return tuple(map(Column, names, types)), False
    spec = items[0].get("tensor-spec", {})
    shape = spec.get("shape", [])
    if len(items) != 1 or len(shape) not in (1, 2) or (len(shape) == 2 and shape[1] < 0):
        return None
    width = shape[1] if len(shape) == 2 else 1
    names = ["prediction"] if len(shape) == 1 else [str(number) for number in range(width)]
    return tuple(Column(name, str(spec.get("dtype", "object"))) for name in names), True


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))
