"""XGBoost boosters and estimators, saved in XGBoost's own JSON: numbers and names, no code."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace.errors import InvalidInputError, UnsafeModelError
from headrace.flavors.flavor import SavedModel
from headrace.flavors.native import package, requirements

__all__ = ["BoosterModel", "XGBoostFlavor"]

_FILE = "booster.json"  # model.json is the description that is written beside it
_ESTIMATORS = ("XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor")


class BoosterModel:
    """A booster that takes frames and arrays.

    Attributes:
        booster: XGBoost's own object.
    """

    def __init__(self, booster: Any) -> None:
        self.booster = booster

    def predict(self, data: Any) -> Any:
        """What the booster gives."""
        return self.booster.predict(sys.modules["xgboost"].DMatrix(data))


class XGBoostFlavor:
    """Boosters and the estimators around them."""

    name = "xgboost"
    serializer = "xgboost"

    def accepts(self, model: Any) -> bool:
        """Whether it is a booster of XGBoost, or an estimator around one."""
        xgboost = sys.modules.get("xgboost")
        return xgboost is not None and isinstance(model, (xgboost.Booster, xgboost.XGBModel, BoosterModel))

    def wrap(self, model: Any) -> Any:
        """The estimator itself; a booster with a `predict` that takes rows."""
        return BoosterModel(model) if isinstance(model, package("xgboost", "xgboost", "xgboost").Booster) else model

    def runs_code(self, details: Mapping[str, Any]) -> bool:
        """Never."""
        return False

    def by_position(self, model: Any) -> bool:
        """Never: boosters compare the names of a frame's columns with their own."""
        return False

    def save(self, model: Any, folder: Path) -> SavedModel:
        """Write booster.json."""
        kind = type(model).__name__ if type(model).__name__ in _ESTIMATORS else "Booster"
        (model.booster if isinstance(model, BoosterModel) else model).save_model(str(folder / _FILE))
        return SavedModel(
            self.name, self.serializer, requirements("xgboost", "xgboost-cpu", "numpy"), {"file": _FILE, "class": kind}
        )

    def load(self, folder: Path, details: Mapping[str, Any]) -> Any:
        """Read the JSON."""
        xgboost = package("xgboost", "xgboost", "xgboost")
        path, kind = folder / str(details.get("file", _FILE)), str(details.get("class", "Booster"))
        if kind not in (*_ESTIMATORS, "Booster"):
            msg = f"{kind!r} is none of the models of XGBoost that are loaded: {', '.join(_ESTIMATORS)}, Booster"
            raise UnsafeModelError(msg)
        model = getattr(xgboost, kind)()
        data = path.read_bytes()
        if not _is_whole(data):  # XGBoost reads what isn't its JSON as an old binary format, and ends the process over garbage
            msg = f"the model file {path.name} isn't JSON of XGBoost; it isn't what log_model wrote"
            raise InvalidInputError(msg)
        try:
            model.load_model(bytearray(data))  # from memory: a name would have it guess the format
        except (xgboost.core.XGBoostError, ValueError, TypeError) as error:
            msg = f"the model file {path.name} can't be read ({str(error)[:300]}); it isn't what log_model wrote"
            raise InvalidInputError(msg) from error
        return BoosterModel(model) if kind == "Booster" else model


def _is_whole(data: bytes) -> bool:
    """Whether bytes are a model as JSON, or begin as the binary JSON that MLflow keeps."""
    if data[:2] in (b"{L", b"{i", b"{U", b"{l"):  # UBJSON: a member's name begins with the type of its length
        return True
    try:
        return "gradient_booster" in json.loads(data)["learner"]
    except (ValueError, KeyError, TypeError):
        return False
