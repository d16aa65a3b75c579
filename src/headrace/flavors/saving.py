"""Saves and loads models: the list of flavors, and which one takes which model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace.errors import InvalidInputError, NotFoundError, UnsafeModelError
from headrace.flavors.flavor import Flavor, SavedModel
from headrace.flavors.function import FunctionFlavor
from headrace.flavors.keras import KerasFlavor
from headrace.flavors.lightgbm import LightGBMFlavor
from headrace.flavors.loaded import LoadedModel
from headrace.flavors.mlflow import MLflowFlavor
from headrace.flavors.onnx import ONNXFlavor
from headrace.flavors.pickle import PickleFlavor
from headrace.flavors.signature import Column, Signature, infer_columns
from headrace.flavors.sklearn import SklearnFlavor
from headrace.flavors.torch import TorchFlavor
from headrace.flavors.torch_export import TorchExportFlavor
from headrace.flavors.xgboost import XGBoostFlavor

__all__ = ["FLAVORS", "infer_signature", "load_model", "save_model"]

FLAVORS: tuple[Flavor, ...] = (
    LightGBMFlavor(),  # before scikit-learn's: its estimators are some of those too
    XGBoostFlavor(),
    SklearnFlavor(),
    ONNXFlavor(),
    KerasFlavor(),  # before PyTorch's: on that backend its models are modules too
    TorchFlavor(),
    TorchExportFlavor(),
    FunctionFlavor(),
    MLflowFlavor(),
    PickleFlavor(),
)


_RUNS_CODE = (
    "this model is saved as {}: loading it runs code that its author chose; if you trust them, load with allow_pickle=True"
)


def save_model(model: Any, folder: Path, serializer: str | None = None) -> SavedModel:
    """Write a model's files into an empty folder.

    Args:
        serializer: the format. Default: the safe one for this kind of model.

    Raises:
        UnsafeModelError: no safe format holds it; the message names the word that allows pickle.
        InvalidInputError: it has no predict method, or can't be saved this way.
        NotFoundError: no such serializer.
        MissingExtraError: a package that saving needs isn't installed.
    """
    _require_predict(model)
    return _flavor_for(model, serializer).save(model, folder)


def load_model(
    folder: Path,
    *,
    flavor: str,
    serializer: str,
    details: Mapping[str, Any],
    signature: Signature | None = None,
    allow_pickle: bool = False,
) -> LoadedModel:
    """Load what `save_model` wrote.

    Args:
        flavor, serializer, details: what saving returned.
        allow_pickle: run the code in a pickled model.

    Raises:
        UnsafeModelError: loading would run code or build types that nothing vouches for; nothing was run.
        NotFoundError: no such flavor.
        MissingExtraError: a package that loading needs isn't installed.
    """
    for candidate in FLAVORS:
        named = serializer == candidate.serializer and (flavor == candidate.name or serializer == MLflowFlavor.serializer)
        if named:
            if candidate.runs_code(details) and not allow_pickle:
                raise UnsafeModelError(_RUNS_CODE.format(serializer))
            model = _predictive(candidate.load(folder, details))
            return LoadedModel(model, signature, flavor, by_position=candidate.by_position(model))
    known = [f"{item.name}/{item.serializer}" for item in FLAVORS]
    wanted = f"{flavor}/{serializer}"
    raise NotFoundError.of("flavor", wanted, known)


def infer_signature(model: Any, example: Any) -> Signature:
    """The signature of a model, by predicting an example of its input.

    Raises:
        InvalidInputError: the example isn't a table, or the model can't predict it.
    """
    _require_predict(model)
    inputs, container = infer_columns(example)
    loaded = LoadedModel(_predictive(model), Signature(inputs, (), container), "")
    outputs, kind = infer_columns(loaded.predict(example))
    if kind == "array" and len(outputs) == 1:
        outputs = (Column("prediction", outputs[0].type),)
    return Signature(inputs, outputs, container)


def _require_predict(model: Any) -> None:
    if not callable(getattr(_predictive(model), "predict", None)):
        what = "decorate it with hr.predictor" if callable(model) else "wrap it in a class that has one"
        msg = f"a {type(model).__name__} isn't a model: it has no predict method; {what}"
        raise InvalidInputError(msg)


def _predictive(model: Any) -> Any:
    """What of a model predicts."""
    return next((flavor.wrap(model) for flavor in FLAVORS if flavor.accepts(model)), model)


def _flavor_for(model: Any, serializer: str | None) -> Flavor:
    if serializer is None:
        for flavor in FLAVORS:
            if flavor.accepts(model):
                return flavor
        msg = (
            f'a {type(model).__name__} has no safe format; log it with serializer="pickle" if you must: '
            "loading it then runs code and needs allow_pickle=True"
        )
        raise UnsafeModelError(msg)
    for flavor in FLAVORS:
        if flavor.serializer == serializer and (serializer == "pickle" or flavor.accepts(model)):
            return flavor
    if serializer in {flavor.serializer for flavor in FLAVORS}:
        msg = f"serializer {serializer!r} doesn't hold a {type(model).__name__}; leave it out, or use 'pickle'"
        raise InvalidInputError(msg)
    raise NotFoundError.of("serializer", serializer, [flavor.serializer for flavor in FLAVORS])
