"""Callbacks of deep learning libraries. CI doesn't install these: they weigh gigabytes; run this where they are."""

from __future__ import annotations

import subprocess
import sys

import pytest

import headrace as hr
from headrace.integrations.keras import keras_callback
from headrace.integrations.lightning import lightning_logger
from headrace.integrations.transformers import transformers_callback

pytestmark = pytest.mark.filterwarnings("default")  # these libraries warn of each other
WHY = "it needs torch, and weighs gigabytes"


@pytest.fixture
def run(tmp_path):
    with hr.connect(tmp_path) as store, store.start_run(capture=False) as run:
        run.store = store
        yield run


def steps(run, key):
    return [point.step for point in run.store.runs.metric_history(run.id, key)]


def test_the_integrations_import_nothing_of_these_libraries():
    code = (
        "import sys, headrace.integrations.keras, headrace.integrations.lightning, headrace.integrations.transformers as t;"
        "assert t.transformers_callback; print(sorted({'torch', 'keras', 'lightning', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("package", "make"),
    [("lightning", lightning_logger), ("keras", keras_callback), ("transformers", transformers_callback)],
)
def test_a_library_that_is_missing_is_named(run, monkeypatch, package, make):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setitem(sys.modules, "pytorch_lightning", None)
    for name in [name for name in sys.modules if name.startswith(f"{package}.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(hr.HeadraceError, match=f"pip install {package}"):
        make(run)


def test_lightning_logs_what_a_module_logs(run, tmp_path):
    pytest.importorskip("lightning", reason=WHY)
    import lightning
    import torch

    class Line(lightning.LightningModule):
        def __init__(self, lr):
            super().__init__()
            self.save_hyperparameters()
            self.layer = torch.nn.Linear(1, 1)

        def training_step(self, batch, _index):
            loss = ((self.layer(batch[0]) - batch[1]) ** 2).mean()
            self.log("loss", loss)
            return loss

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)

    rows = torch.arange(16.0).reshape(-1, 1) / 16
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(rows, 2 * rows), batch_size=4)
    trainer = lightning.Trainer(
        max_epochs=2,
        logger=lightning_logger(run),
        log_every_n_steps=1,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(Line(0.25), data)
    assert steps(run, "loss") == list(range(8))
    assert run.store.runs.get(run.id).params == {"lr": "0.25"}


def test_keras_logs_each_epoch(run, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras", reason=WHY)
    import numpy as np

    rows = np.arange(16.0).reshape(-1, 1) / 16
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(0.25, name="sgd"), loss="mse", metrics=["mae"])
    options = {"epochs": 3, "batch_size": 4, "verbose": 0, "validation_data": (rows, 2 * rows)}
    model.fit(rows, 2 * rows, callbacks=[keras_callback(run, every=2)], **options)
    assert (steps(run, "val_mae"), steps(run, "batch/loss")) == ([0, 1, 2], [2, 4, 6, 8, 10, 12])
    found = run.store.runs.get(run.id).params
    assert (found["epochs"], found["optimizer/learning_rate"], found["optimizer/name"]) == ("3", "0.25", "sgd")
    with run.store.start_run(capture=False, nested=True) as other:
        model.compile(optimizer=keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.25, 100, 0.5)), loss="mse")
        model.fit(rows, 2 * rows, callbacks=[keras_callback(other)], verbose=0)
    rate = run.store.runs.get(other.id).params["optimizer/learning_rate"]
    assert rate.startswith("ExponentialDecay(initial_learning_rate=0.25, decay_steps=100, decay_rate=0.5")


def test_a_trainer_of_transformers_logs_its_steps(run, tmp_path):
    transformers = pytest.importorskip("transformers", reason=WHY)
    import torch

    class Line(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)

        def forward(self, x, labels):
            return {"loss": ((self.layer(x) - labels) ** 2).mean()}

    rows = [{"x": torch.tensor([float(n)]), "labels": torch.tensor([2.0 * n])} for n in range(8)]
    args = transformers.TrainingArguments(
        output_dir=str(tmp_path / "out"),
        max_steps=4,
        per_device_train_batch_size=2,
        logging_steps=2,
        report_to="none",
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
        hub_token="hf_planted",
    )
    transformers.Trainer(Line(), args=args, train_dataset=rows, callbacks=[transformers_callback(run)]).train()
    assert steps(run, "loss") == [2, 4]
    found = run.store.runs.get(run.id)
    assert found.params["max_steps"] == "4"
    assert "None" not in found.params.values()
    assert "hf_planted" not in str(found)
