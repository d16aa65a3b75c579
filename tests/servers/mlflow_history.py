"""Fills an MLflow tracking store with what teams have in theirs. Runs in MLflow's own environment, as a user of mlflow.

.venv-mlflow/bin/python mlflow_history.py TRACKING_URI        prints what it made as one line of JSON
"""

from __future__ import annotations

import json
import math
import sys
import warnings

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression

STEPS = 300


def main(uri: str) -> None:
    warnings.simplefilter("ignore")
    mlflow.set_tracking_uri(uri)
    client = MlflowClient()
    made = {"trained": trained(client), "odd": odd(client), "bare": bare(), "deleted": deleted(client)}
    made["versions"] = registry(client, made["trained"])
    sys.stdout.write(json.dumps(made) + "\n")


def trained(client: MlflowClient) -> list[str]:
    """Three runs that train: params, histories, data, files, a model each."""
    mlflow.set_experiment("ranker")
    client.set_experiment_tag(mlflow.get_experiment_by_name("ranker").experiment_id, "team", "recsys")
    frame = pd.DataFrame(np.random.default_rng(1).normal(size=(60, 2)), columns=["a", "b"])
    truth = (frame["a"] > 0).astype(int)
    ids = []
    for depth, names in enumerate(
        (("skops", {"serialization_format": "skops"}), ("pickle", {"serialization_format": "pickle"})), 1
    ):
        with mlflow.start_run(run_name=f"depth {depth}") as run:
            mlflow.log_params({"depth": depth, "solver": "lbfgs", "long": "x" * 5000})
            data = mlflow.data.from_pandas(frame, source="films.csv", name="films")
            mlflow.log_input(data, context="training", tags={"split": "8:2"})
            points = [Metric("loss", 1 / (step + depth), 1_700_000_000_000 + step, step) for step in range(STEPS)]
            client.log_batch(run.info.run_id, metrics=points)
            mlflow.set_tag("mlflow.note.content", "Which *depth* is best?")
            mlflow.log_text("what we saw", "notes/first.md")
            mlflow.log_text("grüße", "notes/ünïcode name.txt")
            model = LogisticRegression().fit(frame, truth)
            info = mlflow.sklearn.log_model(
                model,
                name="clf",
                signature=infer_signature(frame, model.predict(frame)),
                pip_requirements=["scikit-learn"],
                **names[1],
            )
            mlflow.log_metric("auc", 0.8 + depth / 100, model_id=info.model_id)
        ids.append(run.info.run_id)
    return ids


def odd(client: MlflowClient) -> str:
    """Numbers that are none, steps out of order, repeated timestamps, a nested run, a run that failed."""
    with mlflow.start_run(run_name="odd") as run:
        stamp = 1_700_000_000_000
        values = [(3, math.nan), (1, math.inf), (2, -math.inf), (0, 1e-300), (1, 0.5), (1, 0.25)]
        client.log_batch(run.info.run_id, metrics=[Metric("odd/values", value, stamp, step) for step, value in values])
        client.log_metric(run.info.run_id, "negative", -1.0, timestamp=stamp, step=-5)
        with mlflow.start_run(run_name="inner", nested=True):
            mlflow.log_param("empty", "")
        client.set_terminated(run.info.run_id, "FAILED")
    return run.info.run_id


def bare() -> str:
    """A run with nothing in it, in the experiment that is always there."""
    run = MlflowClient().create_run("0", run_name="bare")
    return run.info.run_id


def deleted(client: MlflowClient) -> str:
    """A deleted run, in a deleted experiment."""
    experiment = client.create_experiment("old ideas")
    run = client.create_run(experiment, tags={"why": "too slow"})
    client.log_metric(run.info.run_id, "loss", 2.0)
    client.delete_run(run.info.run_id)
    client.delete_experiment(experiment)
    return run.info.run_id


def registry(client: MlflowClient, runs: list[str]) -> dict[str, object]:
    """Versions with a gap, in all stages, with aliases, tags and texts; one whose model came from elsewhere."""
    name = "video-ranker"
    client.create_registered_model(name, tags={"tier": "1"}, description="Ranks videos.")
    models = {
        run: client.search_logged_models([client.get_run(run).info.experiment_id], f"source_run_id = '{run}'")[0] for run in runs
    }
    for run in (runs[0], runs[1], runs[0], runs[1]):
        model = models[run]
        client.create_model_version(name, f"models:/{model.model_id}", run, model_id=model.model_id, tags={"of": run[:4]})
    client.delete_model_version(name, "2")
    client.transition_model_version_stage(name, "1", "Archived")
    client.transition_model_version_stage(name, "3", "Production")
    client.transition_model_version_stage(name, "4", "Staging")
    client.update_model_version(name, "3", "the good one")
    client.set_registered_model_alias(name, "blue", "3")
    client.set_registered_model_alias(name, "champion", "3")
    client.create_registered_model("empty model")
    client.create_registered_model("by its run")
    client.create_model_version("by its run", f"runs:/{runs[0]}/notes", runs[0])
    return {model.source_run_id: model.model_id for model in models.values()}


if __name__ == "__main__":
    main(sys.argv[1])
