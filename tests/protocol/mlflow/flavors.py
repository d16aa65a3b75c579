"""Runs in MLflow's environment: saves models by MLflow, loads them by Headrace, prints what became of each as JSON.

.venv-mlflow/bin/python flavors.py FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import lightgbm
import mlflow
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from headrace.errors import UnsafeModelError
from headrace.flavors.saving import load_model
from headrace.importers.mlflow.mlmodel import read_model

RNG = np.random.default_rng(6)
FRAME = pd.DataFrame({"a": RNG.normal(size=80), "b": RNG.normal(size=80)})
LABELS = (FRAME["a"] > 0).astype(int)


class Doubles(mlflow.pyfunc.PythonModel):
    """A model of the user's own, whose code MLflow pickles."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
        return model_input["a"] * 2


def saved(folder: Path) -> dict[str, tuple[Path, Any]]:
    """The models' folders, and what each says of FRAME."""
    linear = LogisticRegression().fit(FRAME, LABELS)
    trees = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(FRAME, LABELS)
    signature = mlflow.models.infer_signature(FRAME, LABELS)
    mlflow.pyfunc.save_model(folder / "own", python_model=Doubles(), signature=signature)
    mlflow.sklearn.save_model(linear, folder / "sklearn", serialization_format="cloudpickle", signature=signature)
    mlflow.lightgbm.save_model(trees, folder / "lightgbm", signature=signature)
    mlflow.lightgbm.save_model(trees.booster_, folder / "booster", signature=signature)
    expected = {
        "own": FRAME["a"] * 2,
        "sklearn": linear.predict(FRAME),
        "lightgbm": trees.predict(FRAME),
        "booster": trees.booster_.predict(FRAME),
    }
    return {name: (folder / name, said) for name, said in expected.items()}


def outcome(folder: Path, expected: Any) -> dict[str, Any]:
    """How a model was read, whether it needs the word for pickle, and whether it says what it should."""
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    facts = read_model(files)
    options: dict[str, Any] = {
        "flavor": facts.flavor,
        "serializer": facts.serializer,
        "details": facts.details,
        "signature": facts.signature,
    }
    try:
        load_model(folder, **options)
        word = False
    except UnsafeModelError:
        word = True
    found = load_model(folder, **options, allow_pickle=True).predict(FRAME)
    same = bool(np.array_equal(np.asarray(found), np.asarray(expected)))
    return {"read_as": f"{facts.flavor}/{facts.serializer}", "needs_the_word": word, "same": same}


if __name__ == "__main__":
    told = {name: outcome(*one) for name, one in saved(Path(sys.argv[1])).items()}
    sys.stdout.write(json.dumps(told) + "\n")
