"""Trains with every library that this Python has under `mlflow.autolog()`, saves, loads and evaluates its models, and prints what
was logged as JSON: `python libraries.py URL`. Each library is told under its name; one that isn't installed is told as null.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

warnings.filterwarnings("ignore")
X, Y = load_iris(return_X_y=True, as_frame=True)
BINARY = (Y == 2).astype(int)


def have(*names):
    return all(importlib.util.find_spec(name) for name in names)


def facts(run):
    """What a run holds after it has logged itself."""
    client = MlflowClient()
    found = client.get_run(run.info.run_id)
    outputs = found.outputs.model_outputs if found.outputs else []
    return {
        "params": dict(found.data.params),
        "metrics": sorted(found.data.metrics),
        "points": {key: len(client.get_metric_history(found.info.run_id, key)) for key in sorted(found.data.metrics)},
        "files": sorted(item.path for item in client.list_artifacts(found.info.run_id)),
        "datasets": len(found.inputs.dataset_inputs),
        "status": found.info.status,
        "models": [client.get_logged_model(item.model_id).status for item in outputs],
        "model": outputs[0].model_id if outputs else None,
    }


def boosted_trees(name, train, flavor, predict):
    """One that logs itself at each round; its model is loaded back as itself and as a Python function."""
    with mlflow.start_run(run_name=name) as run:
        model = train()
    told = facts(run)
    address = f"models:/{told.pop('model')}"
    told["same"] = bool(np.allclose(predict(flavor.load_model(address)), predict(model)))
    told["as a function"] = len(mlflow.pyfunc.load_model(address).predict(X))
    return told


def lightgbm():
    import lightgbm

    def train():
        data = lightgbm.Dataset(X, BINARY)
        options = {"objective": "binary", "num_leaves": 4, "verbose": -1, "num_threads": 1}
        return lightgbm.train(options, data, 7, valid_sets=[data], valid_names=["train"])

    return boosted_trees("lightgbm", train, mlflow.lightgbm, lambda model: model.predict(X))


def xgboost():
    import xgboost

    def train():
        data = xgboost.DMatrix(X, BINARY)
        options = {"objective": "binary:logistic", "max_depth": 2, "nthread": 1}
        return xgboost.train(options, data, 7, evals=[(data, "train")], verbose_eval=False)

    return boosted_trees("xgboost", train, mlflow.xgboost, lambda model: model.predict(xgboost.DMatrix(X)))


def xgboost_as_sklearn():
    import xgboost

    with mlflow.start_run(run_name="xgboost as sklearn") as run:
        xgboost.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1).fit(X, BINARY, eval_set=[(X, BINARY)], verbose=False)
    told = facts(run)
    told.pop("model")
    return told


def torch():
    import torch as pytorch

    model = pytorch.nn.Sequential(pytorch.nn.Linear(4, 8), pytorch.nn.ReLU(), pytorch.nn.Linear(8, 2))
    sample = X.to_numpy().astype("float32")
    optimizer = pytorch.optim.SGD(model.parameters(), 0.01)
    with mlflow.start_run(run_name="torch") as run:
        for step in range(5):
            optimizer.zero_grad()
            loss = pytorch.nn.functional.cross_entropy(model(pytorch.tensor(sample)), pytorch.tensor(BINARY.to_numpy()))
            loss.backward()
            optimizer.step()
            mlflow.log_metric("loss", loss.item(), step=step)
        with pytorch.no_grad():
            signature = infer_signature(sample, model(pytorch.tensor(sample)).numpy())
        logged = mlflow.pytorch.log_model(model, name="net", signature=signature, input_example=sample)
    told = facts(run)
    told.pop("model")
    loaded = mlflow.pytorch.load_model(logged.model_uri)
    with pytorch.no_grad():
        told["same"] = bool(pytorch.equal(loaded(pytorch.tensor(sample)), model(pytorch.tensor(sample))))
    told["as a function"] = len(mlflow.pyfunc.load_model(logged.model_uri).predict(sample))
    return told


def former_lightning():
    """Under the name by which `mlflow.autolog()` knows it."""
    import pytorch_lightning

    return fitted("pytorch_lightning", pytorch_lightning)


def lightning():
    import lightning as pl

    mlflow.pytorch.autolog()  # `mlflow.autolog()` looks for it under its former name
    return fitted("lightning", pl)


def fitted(name, pl):
    import torch as pytorch

    class Net(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = pytorch.nn.Linear(4, 2)

        def training_step(self, batch, _):
            loss = pytorch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1])
            self.log("train_loss", loss, on_epoch=True)
            return loss

        def configure_optimizers(self):
            return pytorch.optim.SGD(self.parameters(), 0.01)

    data = pytorch.utils.data.TensorDataset(pytorch.tensor(X.to_numpy().astype("float32")), pytorch.tensor(BINARY.to_numpy()))
    with mlflow.start_run(run_name=name) as run:
        quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
        pl.Trainer(max_epochs=3, enable_checkpointing=False, **quiet).fit(Net(), pytorch.utils.data.DataLoader(data, 50))
    told = facts(run)
    told.pop("model")
    return told


def keras():
    backends = [name for name in ("jax", "torch", "tensorflow") if have(name)]
    os.environ.setdefault("KERAS_BACKEND", next(iter(backends), "numpy"))
    import keras as library

    layers = [library.layers.Input((4,)), library.layers.Dense(1, activation="sigmoid")]
    model = library.Sequential(layers)
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    with mlflow.start_run(run_name="keras") as run:
        model.fit(X.to_numpy().astype("float32"), BINARY.to_numpy().astype("float32"), epochs=3, verbose=0)
    told = facts(run)
    told.pop("model")
    return told


def python_function():
    class Doubled(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input["x"] * int(Path(context.artifacts["factor"]).read_text(encoding="utf-8"))

    with tempfile.TemporaryDirectory() as folder, mlflow.start_run(run_name="function") as run:
        place = Path(folder) / "factor.txt"
        place.write_text("2", encoding="utf-8")
        frame = pd.DataFrame({"x": [1, 2, 3]})
        logged = mlflow.pyfunc.log_model(
            name="doubled",
            python_model=Doubled(),
            artifacts={"factor": str(place)},
            input_example=frame,
            registered_model_name="doubled",
            pip_requirements=["pandas"],
        )
    values = [list(map(int, mlflow.pyfunc.load_model(uri).predict(frame))) for uri in (logged.model_uri, "models:/doubled/1")]
    return {"status": facts(run)["status"], "values": values}


def evaluation():
    model = LogisticRegression(max_iter=200).fit(X, BINARY)
    with mlflow.start_run(run_name="evaluated") as run:
        logged = mlflow.sklearn.log_model(model, name="judged", input_example=X[:2])
        data = pd.concat([X, BINARY.rename("label")], axis=1)
        options = {"evaluator_config": {"log_model_explainability": False}}
        result = mlflow.models.evaluate(logged.model_uri, data, targets="label", model_type="classifier", **options)
        table = mlflow.search_logged_models(filter_string="metrics.accuracy_score > 0.5", output_format="list")
    told = facts(run)
    return {
        "metrics": sorted(result.metrics),
        "kept": told["metrics"] == sorted(result.metrics),
        "files": sorted(result.artifacts),
        "on the model": sorted({metric.key for metric in MlflowClient().get_logged_model(logged.model_id).metrics or ()}),
        "found": [item.model_id == logged.model_id for item in table],
    }


def fluent():
    """What notebooks use beside: asynchronous logging, search as frames, the last run, files by their address."""
    with mlflow.start_run(run_name="fluent", log_system_metrics=False) as run:
        mlflow.log_params({"a": 1, "b": "x"}, synchronous=False)
        for step in range(50):
            mlflow.log_metric("slow", step, step=step, synchronous=False)
        mlflow.flush_async_logging()
        mlflow.log_dict({"a": [1]}, "one/two.json")
        mlflow.log_input(mlflow.data.from_pandas(X, name="iris", targets=None), context="training")
        with mlflow.start_run(run_name="inner", nested=True):
            mlflow.log_metric("m", 1)
    frame = mlflow.search_runs(filter_string="run_name = 'fluent'", order_by=["metrics.slow DESC"])
    uri = f"runs:/{run.info.run_id}/one/two.json"
    return {
        "rows": frame[["params.a", "params.b", "metrics.slow", "status"]].values.tolist(),
        "last": mlflow.last_active_run().info.run_id == run.info.run_id,
        "points": len(MlflowClient().get_metric_history(run.info.run_id, "slow")),
        "file": mlflow.artifacts.load_dict(uri),
        "names": [item.path for item in mlflow.artifacts.list_artifacts(run_id=run.info.run_id)],
        "children": len(mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{run.info.run_id}'")),
    }


LIBRARIES = {
    "lightgbm": (lightgbm, ("lightgbm",)),
    "xgboost": (xgboost, ("xgboost",)),
    "xgboost as sklearn": (xgboost_as_sklearn, ("xgboost",)),
    # Before what uses torch otherwise: MLflow's client, then, doesn't take notice of it any more.
    "former lightning": (former_lightning, ("torch", "pytorch_lightning")),
    "torch": (torch, ("torch",)),
    "lightning": (lightning, ("torch", "lightning")),
    "keras": (keras, ("keras",)),
    "python function": (python_function, ()),
    "evaluation": (evaluation, ()),
    "fluent": (fluent, ()),
}


def main(url):
    mlflow.set_tracking_uri(url)
    mlflow.set_experiment("libraries")
    # What a model needs is looked up by a process that loads it: seconds for each, of which a server sees nothing.
    mlflow.models.infer_pip_requirements = lambda _path, _flavor, fallback=(), **_options: list(fallback)
    mlflow.autolog(silent=True, log_input_examples=True, log_model_signatures=True)
    told = {}
    with contextlib.redirect_stdout(sys.stderr):
        for name, (use, needs) in LIBRARIES.items():
            told[name] = use() if have(*needs) else None
    sys.stdout.write(f"\n{json.dumps(told)}\n")


if __name__ == "__main__":
    main(sys.argv[1])
