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
from protocol.mlflow.wrong import REQUESTS, filled
from servers.headrace import headrace_server
from servers.mlflow import ENVIRONMENT, PYTHON, MlflowServer

API = "/api/2.0/mlflow/"
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
def peer(tmp_path_factory):
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
def ours(url):
    """What the client got from our server."""
    return spoken("session.py", url)


def test_the_client_gets_what_mlflows_server_gives_and_wrong_requests_change_nothing(peer, url, ours):
    """One test, so that one worker of several has to start MLflow's server."""
    peer.wait()
    theirs = spoken("session.py", peer.url)
    assert len(theirs) > 200
    differing = {name: (answer, ours.get(name)) for name, answer in theirs.items() if ours.get(name) != answer}
    assert {name: pair for name, pair in differing.items() if name not in FAULTS} == {}
    assert {name: ours[name] for name in FAULTS} == {name: {"error": "INVALID_PARAMETER_VALUE"} for name in FAULTS}
    compare_wrong_requests(peer.url, url)


class Asked:
    """A server with one of each, which is asked wrong things."""

    def __init__(self, url):
        self.client = httpx.Client(base_url=url, timeout=60)
        post = self._good
        experiment = post("experiments/create", name="asked wrong things")["experiment_id"]
        run = post("runs/create", experiment_id=experiment, run_name="n", start_time=1)["run"]["info"]["run_id"]
        logged = post("logged-models", experiment_id=experiment, name="l", source_run_id=run)["model"]["info"]["model_id"]
        self.client.patch(f"{API}logged-models/{logged}", json={"model_id": logged, "status": "LOGGED_MODEL_READY"})
        post("registered-models/create", name="asked")
        post("model-versions/create", name="asked", source=f"models:/{logged}", run_id=run, model_id=logged)
        self.names = {"experiment": experiment, "run": run, "logged": logged, "model": "asked"}

    def _good(self, path, **body):
        answer = self.client.post(API + path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, method, path, body):
        """The status of a request, and its error code and message if it has them."""
        told = filled(body, self.names)
        answer = self.client.request(method, path, **{"params" if method == "GET" else "json": told})
        error = answer.json() if answer.headers["content-type"] == "application/json" else {}
        return answer.status_code, error.get("error_code"), error.get("message", "")

    def state(self):
        """All that a wrong request could change."""
        names = self.names
        return [
            self.client.get(API + path, params=query).text
            for path, query in (
                ("experiments/search", {"max_results": 1000, "view_type": "ALL"}),
                ("runs/get", {"run_id": names["run"]}),
                ("metrics/get-history", {"run_id": names["run"], "metric_key": "m"}),
                (f"logged-models/{names['logged']}", {}),
                ("registered-models/search", {}),
                ("model-versions/search", {}),
            )
        ]

    def close(self):
        self.client.close()


STRICTER = re.compile(
    r"page_token eyJ|search max_results (-1|0|1001)$|runs/outputs models.0.model_id 'text'|run_id 'text'"
    r"|registered-models/create name 'a.nb'|logged-models name 'x+$|transition-stage stage 'none'|experiment_id '[ +]1'"
)
"""What MLflow's server takes, and we don't: pages before the first, models and runs that aren't there, no names."""
KINDER = re.compile(r"experiments/search max_results (None|left out)|model-versions/create model_id (None|''|left out)")
"""What it refuses, and we take."""
OTHERWISE = re.compile(r"experiment_id '-1'|alias version '-1'|create tags.0.value ")
"""What both refuse, each for another of its faults."""


def verdict(name, theirs, ours):
    """What is wrong with our answer, given theirs; None if nothing is."""
    (status, code, _), (our_status, our_code, message) = theirs, ours
    if our_status >= 500 or (our_status >= 400 and not our_code):
        return "no error of MLflow's"
    if (status, code) == (our_status, our_code) or status >= 500 or code == "BAD_REQUEST":
        return None  # errors of theirs that hold SQL have no code of their own
    if status == 200 and (re.match("Invalid value|Missing value", message) or STRICTER.search(name)):
        return None
    return None if (KINDER if our_status == 200 else OTHERWISE).search(name) else "another answer"


def compare_wrong_requests(their_url, our_url):
    """Each is answered as MLflow's server does, or better, and changes nothing."""
    peer, own = Asked(their_url), Asked(our_url)
    differing, refused = {}, []
    for name, *request in REQUESTS:
        expected, found = peer.send(*request), own.send(*request)
        if (fault := verdict(name, expected, found)) is not None:
            differing[name] = fault, expected, found
        if found[0] >= 400:
            refused.append(request)
    before = own.state()
    assert {own.send(*request)[0] for request in refused} <= {400, 404}
    assert own.state() == before
    peer.close()
    own.close()
    assert differing == {}
    assert len(refused) > 500


@pytest.mark.usefixtures("ours")
def test_what_the_client_logged_is_a_run_of_ours(project):
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
    for name, key in (("torch", "loss"), ("lightning", "train_loss"), ("former lightning", "train_loss"), ("keras", "accuracy")):
        found = told[name]  # None where it isn't installed, as in CI: these weigh gigabytes
        assert found is None or (found["points"][key], found["models"]) == (5 if name == "torch" else 3, ["READY"])
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
    left_out = re.compile("prompt|trace|dataset|workspace|mcp")
    assert {name for answer, names in by_answer.items() if answer != "ok" for name in names if not left_out.search(name)} == set()
    assert len(by_answer.pop("ok")) >= 70
    assert by_answer.pop("not in this client") == ["unlink_traces_from_run"]
    assert all("prompt" in name for name in by_answer.pop("RESOURCE_DOES_NOT_EXIST"))
    assert {"create_prompt", "register_prompt", "search_traces", "create_mcp_server"} <= set(by_answer.pop("NOT_IMPLEMENTED"))
    assert by_answer == {}
    counted = httpx.get(f"{url}/metrics", timeout=60).text.splitlines()
    assert [line for line in counted if re.search('status="5(?!01)', line)] == []
