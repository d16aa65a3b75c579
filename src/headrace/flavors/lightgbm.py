"""LightGBM boosters and estimators, saved in LightGBM's own text format: numbers and names, no code."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace.errors import InvalidInputError
from headrace.flavors.flavor import SavedModel
from headrace.flavors.native import classes_of, package, requirements, scores_of

__all__ = ["BoostedTrees", "LightGBMFlavor"]

_FILE = "model.txt"


class BoostedTrees:
    """A booster that predicts as the estimator did from which it was saved.

    Attributes:
        booster: LightGBM's own object.
        classes: those of a classifier, in order; None for a booster or a regressor.
    """

    def __init__(self, booster: Any, classes: list[Any] | None) -> None:
        self.booster = booster
        self.classes = classes
        if classes is not None:
            self.predict_proba = lambda data: scores_of(booster.predict(data))

    def predict(self, data: Any) -> Any:
        """The class of each row, or what the booster gives."""
        raw = self.booster.predict(data)
        return raw if self.classes is None else classes_of(scores_of(raw), self.classes)


class LightGBMFlavor:
    """Boosters, LGBMClassifier and LGBMRegressor."""

    name = "lightgbm"
    serializer = "lightgbm"

    def accepts(self, model: Any) -> bool:
        """Whether it is a booster of LightGBM, or an estimator around one."""
        lightgbm = sys.modules.get("lightgbm")
        return lightgbm is not None and isinstance(model, (lightgbm.Booster, lightgbm.LGBMModel, BoostedTrees))

    def wrap(self, model: Any) -> Any:
        """The model itself."""
        return model

    def runs_code(self, details: Mapping[str, Any]) -> bool:
        """Never."""
        return False

    def by_position(self, model: Any) -> bool:
        """Always."""
        return True

    def save(self, model: Any, folder: Path) -> SavedModel:
        """Write model.txt."""
        classes = getattr(model, "classes_", getattr(model, "classes", None))
        booster = getattr(model, "booster_", getattr(model, "booster", model))
        booster.save_model(str(folder / _FILE))
        details = {
            "file": _FILE,
            "classes": None if classes is None else [getattr(item, "item", lambda i=item: i)() for item in classes],
        }
        return SavedModel(self.name, self.serializer, requirements("lightgbm", "numpy"), details)

    def load(self, folder: Path, details: Mapping[str, Any]) -> Any:
        """Read the text."""
        lightgbm = package("lightgbm", "lightgbm", "lightgbm")
        path = folder / str(details.get("file", _FILE))
        try:
            return BoostedTrees(lightgbm.Booster(model_file=str(path)), details.get("classes"))
        except lightgbm.basic.LightGBMError as error:
            msg = f"the model file {path.name} can't be read ({error}); it isn't what log_model wrote"
            raise InvalidInputError(msg) from error
