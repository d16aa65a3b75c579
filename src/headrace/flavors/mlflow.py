"""Models in MLflow's layout, as its clients and importers bring them: read here where the format is simple, else by MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from headrace.errors import InvalidInputError
from headrace.flavors.flavor import Flavor
from headrace.flavors.lightgbm import LightGBMFlavor
from headrace.flavors.native import package
from headrace.flavors.onnx import ONNXFlavor
from headrace.flavors.xgboost import XGBoostFlavor

__all__ = ["MLflowFlavor"]

_OURS: Mapping[str, tuple[Flavor, tuple[str, ...]]] = {
    "lightgbm": (LightGBMFlavor(), (".lgb", ".txt")),
    "onnx": (ONNXFlavor(), (".onnx",)),
    "xgboost": (XGBoostFlavor(), (".xgb", ".ubj", ".json")),
}
"""Formats that need none of MLflow, with how their files are named."""


class MLflowFlavor:
    """Folders with an MLmodel file. Nothing is saved so: models are saved by their own flavors.

    What only MLflow can read is pickled, or code: loading it needs the word for pickle, and the package `mlflow`.
    """

    name = "mlflow"
    serializer = "mlflow"

    def accepts(self, model: Any) -> bool:
        """Never."""
        return False

    def wrap(self, model: Any) -> Any:
        """The model itself."""
        return model

    def runs_code(self, details: Mapping[str, Any]) -> bool:
        """Unless the file is of a format that is read here."""
        return _ours(details) is None

    def by_position(self, model: Any) -> bool:
        """Never: MLflow's models look at the types of a frame's columns."""
        return False

    def save(self, model: Any, folder: Path) -> NoReturn:
        """Raises InvalidInputError."""
        msg = "models aren't saved in MLflow's layout here; leave serializer= out, or use MLflow's own client on this server"
        raise InvalidInputError(msg)

    def load(self, folder: Path, details: Mapping[str, Any]) -> Any:
        """Read the model by the flavor that MLmodel names."""
        ours = _ours(details)
        if ours is not None:
            return ours[0].load(folder, ours[1])
        pyfunc = package("mlflow.pyfunc", "mlflow", "mlflow")
        try:
            return pyfunc.load_model(str(folder))
        except Exception as error:  # whatever the model's own loader raises
            msg = f"MLflow can't load the model: {type(error).__name__}: {str(error)[:300]}"
            raise InvalidInputError(msg) from error


def _ours(details: Mapping[str, Any]) -> tuple[Flavor, Mapping[str, Any]] | None:
    """What reads the model without MLflow, and the details that it needs; None if nothing does."""
    flavors = dict(details.get("mlflow", {}).get("flavors", {}))
    for name, (flavor, endings) in _OURS.items():
        said = flavors.get(name) or {}
        file = str(said.get("data", ""))
        if file.endswith(endings) and "/" not in file and said.get("model_class", "Booster").endswith(("Booster", "ModelProto")):
            return flavor, {"file": file}
    return None
