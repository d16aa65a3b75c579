"""Requests that come at once share a commit: each is told what became of its own, and none keeps the server from others."""

from __future__ import annotations

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext

import pytest

from protocol.mlflow.conftest import Asking
from servers.headrace import headrace_server
from waiting import PATIENCE


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def place(request, tmp_path_factory):
    """A server, and its catalog if that is in a file."""
    folder = tmp_path_factory.mktemp("project")
    file = folder / "catalog.db"
    url = f"sqlite:///{file}" if request.param == "sqlite" else request.getfixturevalue("postgres").new_database()
    (folder / "headrace.toml").write_text(f"catalog = {json.dumps(url)}")
    with headrace_server(folder) as address:
        asking = Asking(address)
        yield asking, file if request.param == "sqlite" else None
        asking.client.close()


def held(file):
    """What has a catalog in a file wait for another process, for as long as it is open."""
    if file is None:
        return nullcontext()
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return closing(other)


def test_each_of_many_writers_is_told_what_became_of_its_own(place):
    asking, file = place
    run, gone = asking.run(), asking.run()
    asking.post("runs/delete", run_id=gone)
    asking.post("runs/log-parameter", run_id=run, key="depth", value="6")
    now = {"timestamp": 1000, "step": 3}
    metrics = [{"key": f"m{place}", "value": place, **now} for place in range(3)]
    wanted = {
        "a point": ("runs/log-metric", {"run_id": run, "key": "loss", "value": 0.5, **now}, 200),
        "a batch": ("runs/log-batch", {"run_id": run, "metrics": metrics, "tags": [{"key": "team", "value": "x"}]}, 200),
        "a tag": ("runs/set-tag", {"run_id": run, "key": "who", "value": "me"}, 200),
        "the same param": ("runs/log-parameter", {"run_id": run, "key": "depth", "value": "6"}, 200),
        "another param": ("runs/log-parameter", {"run_id": run, "key": "depth", "value": "7"}, "INVALID_PARAMETER_VALUE"),
        "no such run": ("runs/log-metric", {"run_id": "0" * 32, "key": "loss", "value": 1, **now}, "RESOURCE_DOES_NOT_EXIST"),
        "a deleted run": ("runs/log-metric", {"run_id": gone, "key": "loss", "value": 1, **now}, "INVALID_PARAMETER_VALUE"),
        "half a batch": (
            "runs/log-batch",
            {"run_id": run, "metrics": metrics, "params": [{"key": "depth", "value": "8"}]},
            "INVALID_PARAMETER_VALUE",
        ),
    }
    with ThreadPoolExecutor(len(wanted)) as pool:
        with held(file):
            came = {name: pool.submit(asking.post, path, **body) for name, (path, body, _) in wanted.items()}
            assert asking.client.get("/version").status_code == 200
            if file is not None:
                assert not any(answer.done() for answer in came.values())
        answers = {name: answer.result(PATIENCE) for name, answer in came.items()}
    told = {name: 200 if answer.status_code == 200 else answer.json()["error_code"] for name, answer in answers.items()}
    assert told == {name: expected for name, (_, _, expected) in wanted.items()}
    data = asking.state(run)["data"]
    assert {point["key"]: point["value"] for point in data["metrics"]} == {"loss": 0.5, "m0": 0.0, "m1": 1.0, "m2": 2.0}
    assert {tag["key"]: tag["value"] for tag in data["tags"]}.items() >= {"team": "x", "who": "me"}.items()
    assert data["params"] == [{"key": "depth", "value": "6"}]
    history = asking.get("metrics/get-history", run_id=run, metric_key="m1").json()["metrics"]
    assert len(history) == 1
    assert "metrics" not in asking.state(gone)["data"]


def test_points_of_many_senders_are_each_kept_once_while_their_chunks_are_joined(place):
    asking, _ = place
    run = asking.run()
    body = {"run_id": run, "key": "loss", "value": 1.5, "timestamp": 1000}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda step: asking.post("runs/log-metric", **body, step=step), range(300)))
    assert {answer.status_code for answer in answers} == {200}
    history = asking.get("metrics/get-history", run_id=run, metric_key="loss", max_results=1000).json()["metrics"]
    assert sorted(point["step"] for point in history) == list(range(300))
