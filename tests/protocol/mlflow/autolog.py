"""Trains models with scikit-learn under `mlflow.autolog()` and prints what was logged as JSON: `python autolog.py URL`."""

from __future__ import annotations

import json
import sys
import warnings

import mlflow
import pandas as pd
from mlflow import MlflowClient
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

warnings.filterwarnings("ignore")


def main(url):
    mlflow.set_tracking_uri(url)
    mlflow.set_experiment("autologged")
    # What a model needs is looked up by a process that loads it: seconds for each, of which a server sees nothing.
    mlflow.models.infer_pip_requirements = lambda _path, _flavor, fallback=(), **_options: list(fallback)
    mlflow.autolog(silent=True)
    data = load_iris(as_frame=True)
    x, y = pd.DataFrame(data.data), data.target
    model = LogisticRegression(max_iter=200)
    with mlflow.start_run(run_name="one") as run:
        model.fit(x, y)
        model.score(x, y)
    with mlflow.start_run(run_name="grid") as grid:
        GridSearchCV(LogisticRegression(max_iter=200), {"C": [0.1, 1.0]}, cv=2).fit(x, y)
    client = MlflowClient()
    found = client.get_run(run.info.run_id)
    (logged,) = found.outputs.model_outputs
    loaded = mlflow.sklearn.load_model(f"models:/{logged.model_id}")
    held = client.get_logged_model(logged.model_id)
    children = client.search_runs([run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{grid.info.run_id}'")
    told = {
        "params": {key: found.data.params[key] for key in ("max_iter", "solver")},
        "metrics": sorted(found.data.metrics),
        "dataset": [item.dataset.name for item in found.inputs.dataset_inputs],
        "estimator": found.data.tags["estimator_name"],
        "status": found.info.status,
        "model": [held.status, held.name, sorted({metric.key for metric in held.metrics or ()})],
        "same": bool((loaded.predict(x) == model.predict(x)).all()),
        "through its run": len(mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model").predict(x)),
        "children": sorted(child.data.params["C"] for child in children),
    }
    sys.stdout.write(f"\n{json.dumps(told)}\n")


if __name__ == "__main__":
    main(sys.argv[1])
