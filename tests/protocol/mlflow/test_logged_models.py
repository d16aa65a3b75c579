"""MLflow's logged models on the wire."""

from __future__ import annotations

import json

import pytest

from .test_tracking import T, failed, metric


def made(ask, **body):
    answer = ask.post("logged-models", **{"experiment_id": "0", **body})
    assert answer.status_code == 200, answer.text
    return answer.json()["model"]


@pytest.fixture
def home(ask, request):
    return ask.post("experiments/create", name=request.node.name).json()["experiment_id"]


def test_a_model_is_what_was_told(ask):
    run_id = ask.run()
    params, tags = [{"key": "depth", "value": "6"}], [{"key": "team", "value": "x"}]
    model = made(ask, name="clf", model_type="Agent", source_run_id=run_id, params=params, tags=tags)
    info = model["info"]
    assert info["model_id"].startswith("m-")
    assert len(info["model_id"]) == 34
    assert info["creation_timestamp_ms"] == info.pop("last_updated_timestamp_ms")
    assert {
        key: info[key] for key in ("experiment_id", "name", "artifact_uri", "status", "model_type", "source_run_id", "tags")
    } == {
        "experiment_id": "0",
        "name": "clf",
        "artifact_uri": f"mlflow-artifacts:/0/models/{info['model_id']}/artifacts",
        "status": "LOGGED_MODEL_PENDING",
        "model_type": "Agent",
        "source_run_id": run_id,
        "tags": tags,
    }
    assert model["data"] == {"params": params}
    assert ask.state(run_id)["outputs"] == {}  # until it is told
    assert ask.post("runs/outputs", run_id=run_id, models=[{"model_id": info["model_id"], "step": 3}]).json() == {}
    assert ask.state(run_id)["outputs"] == {"model_outputs": [{"model_id": info["model_id"], "step": 3}]}


def test_a_model_needs_no_run_and_no_name(ask):
    info = made(ask)["info"]
    assert (info["source_run_id"], bool(info["name"])) == ("", True)


@pytest.mark.parametrize("name", ["a/b", "a:b", "a.b", "50%", 'a"', "a'", " ", "x" * 501])
def test_a_name_that_would_be_a_path_is_refused(ask, name):
    assert "Invalid model name" in failed(ask.post("logged-models", experiment_id="0", name=name), "INVALID_PARAMETER_VALUE")


def test_a_model_belongs_to_what_exists(ask):
    failed(ask.post("logged-models", experiment_id="99"), "RESOURCE_DOES_NOT_EXIST", 404)
    failed(ask.post("logged-models", experiment_id="x"), "INVALID_PARAMETER_VALUE")
    failed(ask.post("logged-models", experiment_id="0", source_run_id="f" * 32), "RESOURCE_DOES_NOT_EXIST", 404)
    for path in ("logged-models/m-no", "logged-models/m-no?allow_deleted=true"):
        assert "Logged model with ID 'm-no' not found" in failed(ask.get(path), "RESOURCE_DOES_NOT_EXIST", 404)
    failed(ask.client.patch("/api/2.0/mlflow/logged-models/m-no", json={"status": 2}), "RESOURCE_DOES_NOT_EXIST", 404)
    failed(ask.post("logged-models/m-no/params", params=[{"key": "a"}]), "RESOURCE_DOES_NOT_EXIST", 404)


def test_a_model_is_finished_tagged_and_deleted(ask):
    model_id = made(ask, name="clf")["info"]["model_id"]
    path = f"/api/2.0/mlflow/logged-models/{model_id}"
    for given, kept in ((2, "READY"), ("LOGGED_MODEL_UPLOAD_FAILED", "UPLOAD_FAILED")):
        finished = ask.client.patch(path, json={"model_id": model_id, "status": given}).json()
        assert finished["model"]["info"]["status"] == f"LOGGED_MODEL_{kept}"
    failed(ask.client.patch(path, json={"status": "BOGUS"}), "INVALID_PARAMETER_VALUE")
    assert ask.client.patch(f"{path}/tags", json={"tags": [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]}).json() == {}
    assert ask.client.delete(f"{path}/tags/a").json() == {}
    assert "No tag with key 'a' found" in failed(ask.client.delete(f"{path}/tags/a"), "RESOURCE_DOES_NOT_EXIST", 404)
    for _ in range(2):
        assert ask.client.post(f"{path}/params", json={"params": [{"key": "p", "value": "1"}]}).json() == {}
    failed(ask.client.post(f"{path}/params", json={"params": [{"key": "p", "value": "2"}]}), "INVALID_PARAMETER_VALUE")
    found = ask.client.get(path).json()["model"]
    assert (found["info"]["tags"], found["data"]) == ([{"key": "b", "value": "2"}], {"params": [{"key": "p", "value": "1"}]})
    for _ in range(2):
        assert ask.client.delete(path).json() == {}
    failed(ask.client.delete(f"{path}0"), "RESOURCE_DOES_NOT_EXIST", 404)
    failed(ask.client.get(path), "RESOURCE_DOES_NOT_EXIST", 404)
    assert ask.client.get(path, params={"allow_deleted": "true"}).json()["model"]["info"]["model_id"] == model_id


def test_a_metric_lands_on_the_run_and_on_the_model(ask):
    run_id = ask.run()
    model_id = made(ask, source_run_id=run_id)["info"]["model_id"]
    origin = {"model_id": model_id, "dataset_name": "films", "dataset_digest": "abc"}
    assert ask.post("runs/log-metric", run_id=run_id, **metric("auc", 0.5, step=1, **origin)).json() == {}
    other = ask.run()
    assert ask.post("runs/log-batch", run_id=other, metrics=[metric("auc", "NaN", step=2, model_id=model_id)]).json() == {}
    found = ask.get(f"logged-models/{model_id}").json()["model"]["data"]["metrics"]
    first = {"key": "auc", "value": 0.5, "timestamp": T, "step": 1, **origin, "run_id": run_id}
    second = {"key": "auc", "value": "NaN", "timestamp": T, "step": 2, "model_id": model_id, "run_id": other}
    assert found == [first, second]
    assert ask.state(run_id)["data"]["metrics"] == [{key: value for key, value in first.items() if key != "run_id"}]


def test_models_are_searched(ask, home):
    run_id = ask.run()
    ids = {}
    for name, depth, scores in (("a", "6", {"films": 0.5}), ("b", "7", {"films": 0.9, "books": 0.1}), ("c", "6", {})):
        params, tags = [{"key": "depth", "value": depth}], [{"key": "name", "value": name}]
        model = made(ask, experiment_id=home, name=name, params=params, tags=tags, source_run_id=run_id)
        ids[name] = model["info"]["model_id"]
        for place, (data, score) in enumerate(scores.items()):
            point = metric("auc", score, T + place, step=place, model_id=ids[name], dataset_name=data, dataset_digest="d")
            ask.post("runs/log-metric", run_id=run_id, **point)

    def found(text="", order=(), **asked):
        page = ask.post("logged-models/search", experiment_ids=[home], filter=text, order_by=list(order), **asked)
        assert page.status_code == 200, page.text
        return "".join(model["info"]["name"] for model in page.json().get("models", []))

    assert found() == "cba"
    assert found("name = 'a'") == found("attributes.name IN ('a', 'z')") == "a"
    assert found("params.depth = '6' AND tags.name != 'c'") == "a"
    assert found("params.depth IN ('6', '8') AND tags.name NOT IN ('a')") == "c"
    assert found("metrics.auc > 0.4") == "ba"
    assert found("metrics.auc > 0.4", datasets=[{"dataset_name": "books"}]) == ""
    assert found("metrics.auc < 0.4", datasets=[{"dataset_name": "books", "dataset_digest": "d"}]) == "b"
    assert found(datasets=[{"dataset_name": "films"}]) == "ba"
    assert found(f"source_run_id = '{run_id}' AND creation_timestamp > 5 AND status = 'PENDING'") == "cba"
    assert found(order=[{"field_name": "name"}]) == "abc"
    assert found(order=[{"field_name": "creation_time", "ascending": True}]) == "abc"
    assert found(order=[{"field_name": "metrics.auc", "ascending": False}]) == "abc"
    assert found(order=[{"field_name": "metrics.auc", "ascending": False, "dataset_name": "films"}]) == "bac"
    token = ask.post("logged-models/search", experiment_ids=[home], max_results=2).json()["next_page_token"]
    assert found(max_results=2, page_token=token) == "a"
    for other in ({"filter": "name = 'a'"}, {"order_by": [{"field_name": "name"}]}, {"experiment_ids": ["0", home]}):
        asked = {"experiment_ids": [home], "page_token": token, **other}
        assert "another search" in failed(ask.post("logged-models/search", **asked), "INVALID_PARAMETER_VALUE")
    ask.client.delete(f"/api/2.0/mlflow/logged-models/{ids['a']}")
    assert found() == "cb"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"experiment_ids": "0"},
        {"filter": "nam = 'x'"},
        {"filter": "datasets.name = 'x'"},
        {"filter": "name > 'x'"},
        {"order_by": [{"field_name": "nope"}]},
        {"order_by": [{"field_name": "params.a"}]},
        {"order_by": [{}]},
        {"order_by": ["name"]},
        {"order_by": [{"field_name": "metrics.a", "dataset_digest": "x"}]},
        {"order_by": [{"field_name": "name", "ascending": "yes"}]},
        {"datasets": [{}]},
        {"datasets": [{"dataset_name": "films"}] * 101},
        {"order_by": [{"field_name": f"metrics.m{number}"} for number in range(21)]},
        {"max_results": 1001},
        {"max_results": -1},
        {"page_token": "zzz"},
    ],
)
def test_a_search_with_a_fault_is_refused(ask, body):
    failed(ask.post("logged-models/search", **({"experiment_ids": ["0"], **body} if body else {})), "INVALID_PARAMETER_VALUE")


def test_a_model_of_old_clients_is_noted_in_its_tag(ask):
    run_id = ask.run()
    model = {"artifact_path": "model", "flavors": {}, "utc_time_created": "now", "run_id": run_id}
    for _ in range(2):
        assert ask.post("runs/log-model", run_id=run_id, model_json=json.dumps(model)).json() == {}
    tags = {item["key"]: item["value"] for item in ask.state(run_id)["data"]["tags"]}
    assert json.loads(tags["mlflow.log-model.history"]) == [model, model]
    for wrong in ("{", "[]", "{}", ""):
        failed(ask.post("runs/log-model", run_id=run_id, model_json=wrong), "INVALID_PARAMETER_VALUE")
