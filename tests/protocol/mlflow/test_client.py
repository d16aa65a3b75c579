"""MLflow's own client as the user: it gets from us what it gets from MLflow's server, and what it logs is a run of ours."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import httpx
import pytest

import headrace as hr
from servers.headrace import headrace_server
from servers.mlflow import ENVIRONMENT, PYTHON, MlflowServer

HERE = Path(__file__).parent
FAULTS = {"runs by ['metrics.m', 'metrics.m DESC']", "models nope = 'x'"}
"""Steps that MLflow's server answers with INTERNAL_ERROR, which its client then repeats for minutes."""

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="MLflow isn't installed beside: make .venv-mlflow/.ready")


def spoken(script, url, *arguments):
    """What a script of MLflow's Python prints last, as JSON."""
    environment = {
        **{key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        **ENVIRONMENT,
        "MLFLOW_TRACKING_URI": url,
    }
    command = [PYTHON, HERE / script, url, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """MLflow's server; it takes its time to start, so it does while ours is asked."""
    arguments = ("--workers", "1")
    with MlflowServer(
        tmp_path_factory.mktemp("mlflow"), *arguments, environment={"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    ) as it:
        yield it


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ours")
    (folder / "headrace.toml").touch()
    return folder


@pytest.fixture(scope="module")
def url(project):
    with headrace_server(project) as address:
        yield address


@pytest.fixture(scope="module")
def answers(theirs, url):
    ours = spoken("session.py", url)
    theirs.wait()
    return spoken("session.py", theirs.url), ours


def test_the_client_gets_what_mlflows_server_gives(answers):
    theirs, ours = answers
    assert len(theirs) > 200
    differing = {name: (answer, ours.get(name)) for name, answer in theirs.items() if ours.get(name) != answer}
    assert {name: pair for name, pair in differing.items() if name not in FAULTS} == {}
    assert {name: ours[name] for name in FAULTS} == {name: {"error": "INVALID_PARAMETER_VALUE"} for name in FAULTS}


def test_what_the_client_logged_is_a_run_of_ours(answers, project):
    with hr.connect(project) as store:
        (run,) = store.runs.search("run_name = 'parent'", "by the fluent API")
        assert (run.status, run.params, run.metrics["loss"]) == ("FINISHED", {"a": "1", "b": "[1, 2]", "c": "None"}, 1 / 3)
        assert [point.value for point in store.runs.metric_history(run.id, "acc")] == [0, 1 / 3, 2 / 3]
        assert (run.tags["mlflow.note.content"], run.inputs[0].name) == ("what it is for", "frame")
        (child,) = store.runs.search("run_name = 'child'", "by the fluent API")
        assert child.parent == run.id


def test_a_run_of_ours_is_one_for_the_client(url, project):
    with hr.connect(project) as store, store.start_run(experiment="ours", name="made here", params={"depth": 6}) as run:
        for place in range(3):
            run.log_metric("loss", 1 / (place + 1), step=place)
        run.set_tag("team", "x")
    told = spoken("reader.py", url, run.id)
    assert told == {
        "name": "made here",
        "experiment": "ours",
        "status": "FINISHED",
        "params": {"depth": "6"},
        "metrics": {"loss": 1 / 3},
        "history": [1.0, 0.5, 1 / 3],
        "team": "x",
        "found": ["made here"],
    }


def test_scikit_learn_logs_itself(url):
    told = spoken("autolog.py", url)
    metrics = told.pop("metrics")
    assert {"training_accuracy_score", "training_log_loss", "LogisticRegression_score_x"} <= set(metrics)
    (status, name, measured) = told.pop("model")
    assert (status, name, "training_accuracy_score" in measured) == ("READY", "model", True)
    assert told == {
        "params": {"max_iter": "200", "solver": "lbfgs"},
        "dataset": ["dataset"],
        "estimator": "LogisticRegression",
        "status": "FINISHED",
        "same": True,
        "through its run": 150,
        "children": ["0.1", "1.0"],
    }


def test_boosted_trees_functions_and_evaluations_log_themselves(url):
    told = spoken("libraries.py", url)
    boosted = {"datasets": 2, "status": "FINISHED", "models": ["READY"]}
    for name, metric, param in (
        ("lightgbm", "train-binary_logloss", ("num_leaves", "4")),
        ("xgboost", "train-logloss", ("max_depth", "2")),
        ("xgboost as sklearn", "validation_0-logloss", ("max_depth", "2")),
    ):
        found = told[name]
        assert {key: found[key] for key in boosted} == boosted
        assert found["params"][param[0]] == param[1]
        assert found["points"] == {metric: 3 if "sklearn" in name else 7}
        assert any(path.startswith("feature_importance") for path in found["files"])
        if "sklearn" not in name:
            assert (found["same"], found["as a function"]) == (True, 150)
    assert told["python function"] == {"status": "FINISHED", "values": [[2, 4, 6], [2, 4, 6]]}
    evaluation = told["evaluation"]
    assert {"accuracy_score", "roc_auc", "log_loss"} <= set(evaluation["metrics"])
    assert (evaluation["kept"], evaluation["on the model"], evaluation["found"]) == (True, evaluation["metrics"], [True])
    assert "roc_curve_plot" in evaluation["files"]
    assert told["fluent"] == {
        "rows": [["1", "x", 49.0, "FINISHED"]],
        "last": True,
        "points": 50,
        "file": {"a": [1]},
        "names": ["one"],
        "children": 1,
    }


def test_every_method_of_the_client_works_or_is_told_to_be_left_out(url):
    told = spoken("surface.py", url)
    by_answer: dict[str, list[str]] = {}
    for name, answer in told.items():
        by_answer.setdefault(answer, []).append(name)
    left_out = re.compile("prompt|trace|webhook|dataset|workspace|mcp")
    assert {name for answer, names in by_answer.items() if answer != "ok" for name in names if not left_out.search(name)} == set()
    assert len(by_answer.pop("ok")) >= 70
    assert by_answer.pop("not in this client") == ["unlink_traces_from_run"]
    assert all("prompt" in name for name in by_answer.pop("RESOURCE_DOES_NOT_EXIST"))
    assert {"create_prompt", "register_prompt", "search_traces", "create_mcp_server"} <= set(by_answer.pop("NOT_IMPLEMENTED"))
    assert by_answer == {}
    counted = httpx.get(f"{url}/metrics").text.splitlines()
    assert [line for line in counted if re.search('status="5(?!01)', line)] == []
