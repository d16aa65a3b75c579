"""What goes along with a run: its output, the machine, decorators, callbacks, the face of wandb, offline runs and their sync."""

from __future__ import annotations

import asyncio
import inspect
import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import headrace as hr
from headrace.compat import wandb
from headrace.integrations import boosting
from headrace.project import sync_spool
from headrace.tracking.client.guard import TrackingWarning
from headrace.tracking.client.output import OUTPUT_FILE, OutputCapture
from headrace.tracking.client.run import current_run
from headrace.tracking.service import Runs
from servers.inside import served
from waiting import until


@pytest.fixture
def here(tmp_path, monkeypatch):
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "headrace.toml").write_text("")
    monkeypatch.chdir(folder)
    monkeypatch.setattr("headrace.project._default", {})
    with hr.connect(folder) as store:
        yield store


def test_what_is_printed_is_a_file_without_its_secrets(here, capsys):
    with here.start_run() as run:
        sys.stdout.write("epoch 1\n")
        sys.stderr.write("token ghp_" + "a1" * 15 + "\n")
    sys.stdout.write("after\n")
    text = here.runs.read_artifact(run.id, OUTPUT_FILE).decode()
    assert "epoch 1" in text
    assert "ghp_a1" not in text
    assert "after" not in text
    assert "epoch 1" in capsys.readouterr().out


def test_long_output_keeps_its_beginning_and_its_end(here):
    with here.start_run(capture=False) as run:
        capture = OutputCapture(run._writer)
        for number in range(300_000):
            capture.take(f"line {number}\n")
        text = capture._text()
    assert text.startswith("line 0\n")
    assert text.endswith("line 299999\n")
    assert "left out" in text
    assert len(text) < 2_100_000


def test_the_machine_is_watched(here, monkeypatch):
    monkeypatch.setattr("headrace.tracking.client.system_metrics.FIRST_SECONDS", 0.05)
    with here.start_run() as run:
        until(lambda: "system/cpu_percent" in here.runs.get(run.id).metrics, "a look at the machine")
    found = here.runs.get(run.id).metrics
    assert found["system/process_memory_megabytes"] > 1
    assert 0 <= found["system/memory_percent"] <= 100


def test_a_run_is_started_alike_everywhere():
    """`hr.start_run`, which people type, says what `store.runs.start` takes."""
    own = inspect.signature(Runs.start).parameters
    assert list(inspect.signature(hr.start_run).parameters.values()) == list(own.values())[1:]


def test_each_call_of_a_tracked_function_is_a_run(here):
    @hr.track(experiment="ranker", capture=False)
    def train(depth, lr=0.1, data=None):
        assert current_run().name == "train"
        return {"auc": 0.8, "model": object()}

    assert train(6, data=[1])["auc"] == 0.8
    with pytest.raises(TypeError):
        train()
    (run,) = here.runs.search(experiment="ranker")
    assert (run.params, run.metrics, run.status) == ({"depth": "6", "lr": "0.1"}, {"auc": 0.8}, "FINISHED")


def test_a_run_of_an_async_function_lasts_until_it_is_done(here):
    @hr.track(experiment="ranker", capture=False)
    async def train(depth):
        await asyncio.sleep(0)
        assert current_run().name == "train"
        if depth < 0:
            msg = "no such depth"
            raise ValueError(msg)
        return {"auc": depth / 10}

    assert asyncio.run(train(6)) == {"auc": 0.6}
    with pytest.raises(ValueError, match="no such depth"):
        asyncio.run(train(-1))
    failed, fine = here.runs.search(experiment="ranker")
    assert (fine.params, fine.metrics, fine.status, failed.status) == ({"depth": "6"}, {"auc": 0.6}, "FINISHED", "FAILED")


def test_a_script_of_wandb_moves_by_one_import(here):
    with pytest.raises(hr.ConflictError, match="init"):
        wandb.log({"loss": 1})
    with wandb.init(project="ranker", name="first", config={"lr": 0.1, "net": {"depth": 3}}, tags=["base"]) as run:
        wandb.config.batch = 32
        assert (wandb.config.lr, wandb.config["batch"]) == (0.1, 32)
        for step in range(3):
            wandb.log({"loss": 1 / (step + 1), "nested": {"acc": np.float32(0.5)}}, commit=False)
            wandb.log({"picture": wandb.Image(np.zeros((4, 4, 3)))})
        wandb.log({"late": 1}, step=10)
        wandb.summary["best"] = 0.9
        assert wandb.run is run
    assert wandb.run is None
    found = here.runs.get(run.id)
    assert (found.experiment, found.name, found.tags["base"]) == ("ranker", "first", "true")
    assert found.params == {"lr": "0.1", "net.depth": "3", "batch": "32"}
    assert (found.metrics["nested.acc"], found.metrics["best"], found.latest["late"].step) == (0.5, 0.9, 10)
    assert [point.step for point in here.runs.metric_history(run.id, "loss")] == [0, 1, 2]
    assert here.runs.read_artifact(run.id, "media/picture_2.png").startswith(b"\x89PNG")


def test_what_scripts_of_wandb_log_besides_numbers_becomes_files(here, tmp_path):
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"w")
    with wandb.init(project="ranker") as run:
        assert wandb.init(project="other") is run  # as scripts that are imported do
        wandb.define_metric("acc", summary="max")
        for acc in (0.5, 0.9, 0.7):
            wandb.log({"acc": acc, "one": np.array([2.0]), "nothing": None, "said": "text"})
        table = wandb.Table(columns=["word", "n"], data=[["a", 1]])
        table.add_data("b", 2)
        wandb.log({"t": table, "h": wandb.Histogram([1, 1, 3], num_bins=2), "many": np.arange(3), "page": wandb.Html("<b>x</b>")})
        wandb.log({"pictures": [wandb.Image(np.zeros((2, 2)), caption="black")] * 2})
        artifact = wandb.Artifact("model", type="model", metadata={"depth": 3})
        artifact.add_file(weights, "deep/weights.bin")
        wandb.log_artifact(artifact)
        wandb.save(str(tmp_path / "*.bin"))
        run.name = "renamed"
        Path(run.dir, "left.txt").write_text("in the run's folder")
        with pytest.raises(hr.InvalidInputError, match="mapping"):
            wandb.log(3)
    found = here.runs.get(run.id)
    assert (found.name, found.tags["said"], "nothing" in found.tags) == ("renamed", "text", False)
    assert found.metrics == found.metrics | {"acc": 0.7, "acc.max": 0.9, "one": 2.0}
    assert json.loads(here.runs.read_artifact(run.id, "media/t_3.json")) == {
        "columns": ["word", "n"],
        "data": [["a", 1], ["b", 2]],
    }
    assert json.loads(here.runs.read_artifact(run.id, "media/h_3.json"))["counts"] == [2, 1]
    files = {entry.path for entry in here.runs.artifacts(run.id)}
    assert files >= {"media/many_3.json", "media/page_3.html", "media/pictures/0_4.png", "media/pictures/1_4.txt"}
    assert files >= {"artifacts/model/deep/weights.bin", "artifacts/model/artifact.json", "weights.bin", "left.txt"}


def test_a_config_of_wandb_changes_only_if_told_so_and_a_disabled_run_keeps_nothing(here, monkeypatch):
    with wandb.init(project="ranker", config={"lr": 0.1}) as run:
        with pytest.raises(hr.ConflictError, match="allow_val_change"):
            wandb.config.update({"lr": 0.2, "depth": 3})
        assert wandb.config.as_dict() == {"lr": 0.1}
        wandb.config.update({"lr": 0.2}, allow_val_change=True)
        assert wandb.config.lr == 0.2
    found = here.runs.get(run.id)
    assert (found.params, found.tags["config.lr"]) == ({"lr": "0.1"}, "0.2")
    with pytest.raises(hr.InvalidInputError, match="no mode"):
        wandb.init(mode="of line")
    with pytest.raises(AttributeError, match="define_metric"):
        wandb.sweep({})
    with pytest.raises(AttributeError, match=r"no 'use_artifact'.*log_artifact"):
        run.use_artifact("films:latest")
    monkeypatch.setenv("WANDB_MODE", "disabled")
    with wandb.init(project="ranker", config={"lr": 0.1}) as silent:
        wandb.log({"loss": 1, "picture": wandb.Image(np.zeros((2, 2)))})
        assert (wandb.config.lr, wandb.summary["loss"], silent.url) == (0.1, 1, None)
    assert [one.id for one in here.runs.search()] == [run.id]


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_boosting_libraries_log_each_round(here, library):
    module = pytest.importorskip(library, reason=f"{library} isn't installed")
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(200, 2))
    truth = (rows[:, 0] > 0).astype(int)
    with here.start_run(capture=False) as run:
        if library == "lightgbm":
            data = module.Dataset(rows, truth)
            options = {"objective": "binary", "metric": "auc", "verbose": -1, "num_threads": 1, "learning_rate": 0.2}
            module.train(options, data, 5, valid_sets=[data], valid_names=["valid"], callbacks=[boosting.lightgbm_callback(run)])
        else:
            data = module.DMatrix(rows, truth)
            options = {"objective": "binary:logistic", "eval_metric": "auc", "nthread": 1, "eta": 0.2}
            callbacks = [boosting.xgboost_callback(run)]
            module.train(options, data, 5, evals=[(data, "valid")], verbose_eval=False, callbacks=callbacks)
    assert here.runs.get(run.id).params["learning_rate"] == "0.2"
    assert [point.step for point in here.runs.metric_history(run.id, "valid.auc")] == [0, 1, 2, 3, 4]


def test_a_second_training_in_a_run_with_other_settings_goes_on(here):
    lightgbm = pytest.importorskip("lightgbm", reason="lightgbm isn't installed")
    rows = np.random.default_rng(1).normal(size=(100, 2))
    data = lightgbm.Dataset(rows, (rows[:, 0] > 0).astype(int), free_raw_data=False)
    with here.start_run(capture=False) as run:
        options = {"callbacks": [boosting.lightgbm_callback(run)], "valid_sets": [data], "valid_names": ["valid"]}
        settings = {"objective": "binary", "metric": "auc", "verbose": -1, "num_threads": 1}
        lightgbm.train({**settings, "max_depth": 2}, data, 3, **options)
        with pytest.warns(TrackingWarning, match="max_depth"):
            lightgbm.train({**settings, "max_depth": 3, "lambda_l2": 1.0}, data, 5, **options)
    found = here.runs.get(run.id)
    assert (found.params["max_depth"], found.params["lambda_l2"], found.latest["valid.auc"].step) == ("2", "1.0", 4)


def test_offline_runs_wait_and_are_synced_to_where_they_belong_or_elsewhere(here, tmp_path, monkeypatch):
    monkeypatch.setenv("HEADRACE_MODE", "offline")
    runs = []
    for number in range(2):
        with hr.start_run(capture=False, params={"n": number}) as run:
            run.log_metric("m", number)
            run.log_text("note.txt", f"run {number}")
        runs.append(run.id)
    monkeypatch.delenv("HEADRACE_MODE")
    assert list(here.runs.search()) == []
    folder = here.settings.project
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with served(elsewhere) as url, hr.connect(url) as server:
        with closing(sync_spool(folder, url)) as found:
            next(found)[1]()
        assert server.runs.read_artifact(runs[0], "note.txt") == b"run 0"
    done = subprocess.run(
        [sys.executable, "-c", "from headrace.cli import main; main()", "sync", "--json"],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    (sent,) = json.loads(done.stdout)["sent"]
    assert (sent["run_id"], sent["refused"]) == (runs[1], [])
    assert here.runs.get(runs[1]).metrics == {"m": 1.0}
    assert here.runs.read_artifact(runs[1], "note.txt") == b"run 1"
    assert list(sync_spool(folder)) == []
