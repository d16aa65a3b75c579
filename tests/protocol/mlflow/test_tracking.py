"""MLflow's tracking protocol on the wire: its transport, its limits, its errors. Whatever is wrong changes nothing."""

from __future__ import annotations

import json
import math

import pytest

T = 1_700_000_000_000
TOO_LONG = "k" * 251
JSON = "application/json"


def failed(answer, code, status=400):
    """The message of an answer that must be an error in MLflow's shape."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json"), answer.text
    body = answer.json()
    assert set(body) == {"error_code", "message"}
    assert body["error_code"] == code
    return body["message"]


def metric(key="m", value=1.0, timestamp=T, **more):
    return {"key": key, "value": value, "timestamp": timestamp, **more}


def pairs(count, key="k"):
    return [{"key": f"{key}{place}", "value": "v"} for place in range(count)]


def test_both_prefixes_serve_the_same(ask):
    default = ask.get("experiments/get", experiment_id="0").json()["experiment"]
    assert (default["name"], default["artifact_location"], default["lifecycle_stage"]) == (
        "Default",
        "mlflow-artifacts:/0",
        "active",
    )
    assert ask.client.get("/ajax-api/2.0/mlflow/experiments/get?experiment_id=0").json()["experiment"] == default


def test_a_body_may_be_double_encoded_and_its_names_in_camel_case(ask):
    body = json.dumps(json.dumps({"experimentId": "0", "startTime": str(T), "unknown": 1}))
    made = ask.client.post("/api/2.0/mlflow/runs/create", content=body, headers={"content-type": "application/json"})
    info = made.json()["run"]["info"]
    assert (info["start_time"], info["run_uuid"]) == (T, info["run_id"])
    assert ask.get("runs/get", run_uuid=info["run_id"]).json()["run"]["info"] == info


def test_a_run_is_what_was_told(ask):
    run_id = ask.run(user_id="ann", start_time=T, run_name="first", tags=[{"key": "team", "value": "x"}])
    assert ask.state(run_id) == {
        "info": {
            "run_id": run_id,
            "run_uuid": run_id,
            "run_name": "first",
            "experiment_id": "0",
            "user_id": "ann",
            "status": "RUNNING",
            "start_time": T,
            "artifact_uri": f"mlflow-artifacts:/0/{run_id}/artifacts",
            "lifecycle_stage": "active",
        },
        "data": {"tags": [{"key": "mlflow.runName", "value": "first"}, {"key": "team", "value": "x"}]},
        "inputs": {},
        "outputs": {},
    }


def test_whole_numbers_come_as_texts_too_and_go_out_as_numbers(ask):
    run_id = ask.run()
    for item in (metric(timestamp=str(T), step="3", value="1.5"), metric(step=4, value=True), metric(step=5, value=2)):
        assert ask.post("runs/log-metric", run_id=run_id, **item).json() == {}
    history = ask.get("metrics/get-history", run_id=run_id, metric_key="m").json()["metrics"]
    assert [(point["value"], point["step"], point["timestamp"]) for point in history] == [(1.5, 3, T), (1.0, 4, T), (2.0, 5, T)]


def test_nan_and_infinities_come_back(ask):
    run_id = ask.run()
    items = [metric("n", "NaN"), metric("i", "Infinity"), metric("j", "-Infinity")]
    assert ask.post("runs/log-batch", run_id=run_id, metrics=items).json() == {}
    raw = f'{{"run_id":"{run_id}","key":"raw","value":NaN,"timestamp":{T}}}'
    sent = ask.client.post("/api/2.0/mlflow/runs/log-metric", content=raw, headers={"content-type": "application/json"})
    assert sent.status_code == 200
    found = {item["key"]: item["value"] for item in ask.state(run_id)["data"]["metrics"]}
    assert found == {"n": "NaN", "i": "Infinity", "j": "-Infinity", "raw": "NaN"}
    assert math.isnan(float(found["n"]))


def test_runs_are_the_same_on_a_page_and_alone(ask):
    home = ask.post("experiments/create", name=f"pages {T}").json()["experiment_id"]
    odd = {"key": "b", "value": 'a "quoted" \\ line\nand é'}
    held = [
        {},
        {"metrics": [metric("a", 1.5, step=3), metric("b", 2)], "params": [odd, {"key": "c", "value": ""}], "tags": [odd]},
        {"metrics": [metric("a", "NaN"), metric("b", 2)]},
        {"metrics": [metric("a", 1, dataset_name="d", dataset_digest="e"), metric("b", -0.0)]},
    ]
    ids = [ask.post("runs/create", experiment_id=home).json()["run"]["info"]["run_id"] for _ in held]
    for run_id, items in zip(ids, held, strict=True):
        assert ask.post("runs/log-batch", run_id=run_id, **items).json() == {}
    found = ask.post("runs/search", experiment_ids=[home], order_by=["run_id"]).json()["runs"]
    assert found == [ask.state(run_id) for run_id in sorted(ids)]


@pytest.mark.parametrize("key", ["a/b c.d-e:f_g", "é", "0", "k" * 250, "x" * 249 + "ü"])
def test_a_key_may_hold_what_mlflow_allows(ask, key):
    run_id = ask.run()
    assert ask.post("runs/log-metric", run_id=run_id, **metric(key)).status_code == 200
    assert ask.post("runs/log-parameter", run_id=run_id, key=key, value="v").status_code == 200
    assert ask.post("runs/set-tag", run_id=run_id, key=key, value="v").status_code == 200
    assert [item["key"] for item in ask.state(run_id)["data"]["metrics"]] == [key]


@pytest.mark.parametrize("key", [TOO_LONG, "..", ".", "/a", "a/../b", "a//b", "a#b", "a\\b", "a\nb", "a?", "a\0", "./a", "a/"])
def test_a_key_beyond_that_is_refused(ask, key):
    run_id = ask.run(run_name="n")
    failed(ask.post("runs/log-metric", run_id=run_id, **metric(key)), "INVALID_PARAMETER_VALUE")
    failed(ask.post("runs/log-parameter", run_id=run_id, key=key, value="v"), "INVALID_PARAMETER_VALUE")
    failed(ask.post("runs/set-tag", run_id=run_id, key=key, value="v"), "INVALID_PARAMETER_VALUE")
    wrong = {"key": key, "value": "v"}
    for name, good in (("params", {"key": "p", "value": "v"}), ("tags", {"key": "t", "value": "v"})):
        sent = ask.post("runs/log-batch", run_id=run_id, metrics=[metric("m")], **{name: [good, wrong]})
        failed(sent, "INVALID_PARAMETER_VALUE")
    assert ask.state(run_id)["data"] == {"tags": [{"key": "mlflow.runName", "value": "n"}]}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"metrics": [metric()] * 1001}, "at most 1000 metrics. Got 1001"),
        ({"params": pairs(101)}, "at most 100 params. Got 101"),
        ({"tags": pairs(101)}, "at most 100 tags. Got 101"),
        ({"metrics": [metric()] * 950, "params": pairs(51)}, "at most 1000 metrics, params, and tags. Got 1001"),
        ({"params": [*pairs(2), {"key": "k1", "value": "w"}]}, r"Duplicate parameter keys have been submitted: ['k1']"),
        ({"metrics": [metric("ok"), metric(timestamp=None)]}, "required parameter 'metrics[1].timestamp'"),
        ({"metrics": [{"key": "m", "timestamp": 1}]}, "required parameter 'metrics[0].value'"),
        ({"metrics": [metric("")]}, "required parameter 'metrics[0].key'"),
        ({"params": [{"value": "v"}]}, "required parameter 'params[0].key'"),
        ({"tags": [{"key": ""}]}, "required parameter 'tags[0].key'"),
        ({"metrics": [metric(value="abc")]}, "Invalid value \"abc\" for parameter 'metrics[0].value'"),
        ({"metrics": [metric(value="nan")]}, 'Invalid value "nan"'),
        ({"metrics": [metric(value=[1])]}, "Value was of type 'list'"),
        ({"metrics": [metric(value={})]}, "Value was of type 'dict'"),
        ({"metrics": [metric(timestamp=-1)]}, "nonnegative long"),
        ({"metrics": [metric(timestamp=1.5)]}, "Invalid value 1.5 for parameter 'metrics[0].timestamp'"),
        ({"metrics": [metric(timestamp=True)]}, "Value was of type 'bool'"),
        ({"metrics": [metric(timestamp=2**63)]}, "'metrics[0].timestamp'"),
        ({"metrics": [metric(timestamp=2**62)]}, "beyond what a clock tells"),
        ({"metrics": [metric(step="x")]}, "'metrics[0].step'"),
        ({"metrics": [metric(step=-(2**63) - 1)]}, "'metrics[0].step'"),
        ({"metrics": [metric(key=1)]}, "Invalid value 1 for parameter 'metrics[0].key'"),
        ({"metrics": {}}, "for parameter 'metrics'"),
        ({"metrics": ["x"]}, "for parameter 'metrics[0]'"),
        ({"params": [{"key": "k", "value": 1}]}, "Invalid value 1 for parameter 'params[0].value'"),
        ({"tags": [["k", "v"]]}, "for parameter 'tags[0]'"),
        ({"run_id": 7}, "Invalid value 7 for parameter 'run_id'"),
    ],
)
def test_a_batch_with_a_fault_leaves_nothing(ask, body, says):
    run_id = ask.run(run_name="n")
    message = failed(ask.post("runs/log-batch", **{"run_id": run_id, **body}), "INVALID_PARAMETER_VALUE")
    assert says in message
    assert ask.state(run_id)["data"] == {"tags": [{"key": "mlflow.runName", "value": "n"}]}


def test_a_batch_at_its_limits_is_kept_whole(ask):
    run_id = ask.run(run_name="n")
    points = [metric(f"m{place % 8}", place, step=place) for place in range(800)]
    sent = ask.post("runs/log-batch", run_id=run_id, metrics=points, params=pairs(100), tags=pairs(100))
    assert (sent.status_code, sent.json()) == (200, {})
    data = ask.state(run_id)["data"]
    assert {item["key"]: item["value"] for item in data["metrics"]} == {f"m{place}": 792.0 + place for place in range(8)}
    assert (len(data["params"]), len(data["tags"])) == (100, 101)


def test_long_values_of_params_and_tags_are_cut(ask):
    run_id = ask.run(run_name="n")
    ask.post("runs/log-parameter", run_id=run_id, key="p", value="x" * 6001)
    ask.post(
        "runs/log-batch", run_id=run_id, params=[{"key": "q", "value": "x" * 6001}], tags=[{"key": "t", "value": "y" * 8001}]
    )
    data = ask.state(run_id)["data"]
    assert [len(item["value"]) for item in data["params"]] == [6000, 6000]
    assert {item["key"]: len(item["value"]) for item in data["tags"]} == {"mlflow.runName": 1, "t": 8000}


def test_a_param_is_written_once(ask):
    run_id = ask.run(run_name="n")
    for _ in range(2):
        assert ask.post("runs/log-parameter", run_id=run_id, key="p", value="1").json() == {}
    says = failed(ask.post("runs/log-parameter", run_id=run_id, key="p", value="2"), "INVALID_PARAMETER_VALUE")
    assert "Changing param values is not allowed. Param with key='p' was already logged with value='1'" in says
    sent = ask.post("runs/log-batch", run_id=run_id, metrics=[metric()], params=[{"key": "q"}, {"key": "p", "value": "2"}])
    failed(sent, "INVALID_PARAMETER_VALUE")
    assert ask.state(run_id)["data"]["params"] == [{"key": "p", "value": "1"}]
    assert "metrics" not in ask.state(run_id)["data"]


def test_a_name_is_cut_to_what_an_index_holds(ask):
    long = "ab" * 3000
    for started in ({"run_name": long}, {"tags": [{"key": "mlflow.runName", "value": long}]}):
        made = ask.post("runs/create", experiment_id="0", **started).json()["run"]
        assert (made["info"]["run_name"], {item["key"]: item["value"] for item in made["data"]["tags"]}["mlflow.runName"]) == (
            long[:500],
        ) * 2
    ask.post("runs/update", run_id=made["info"]["run_id"], run_name=f"x{long}")
    assert ask.state(made["info"]["run_id"])["info"]["run_name"] == f"x{long}"[:500]


def test_the_name_and_its_tag_follow_each_other(ask):
    run_id = ask.run(run_name="a")
    ask.post("runs/set-tag", run_id=run_id, key="mlflow.runName", value="b")
    assert ask.state(run_id)["info"]["run_name"] == "b"
    assert ask.post("runs/update", run_id=run_id, run_name="c").json()["run_info"]["run_name"] == "c"
    assert ask.state(run_id)["data"]["tags"] == [{"key": "mlflow.runName", "value": "c"}]
    both = [{"key": "mlflow.runName", "value": "b"}]
    failed(ask.post("runs/create", experiment_id="0", run_name="a", tags=both), "INVALID_PARAMETER_VALUE")


def test_a_status_is_told_by_name_or_number_and_any_may_follow_any(ask):
    run_id = ask.run()
    for given, kept in (("FINISHED", "FINISHED"), (1, "RUNNING"), (5, "KILLED"), ("SCHEDULED", "SCHEDULED")):
        assert ask.post("runs/update", run_id=run_id, status=given, end_time=T).json()["run_info"]["status"] == kept
    for wrong in ("BOGUS", 9, 0, -1, ""):
        failed(ask.post("runs/update", run_id=run_id, status=wrong), "INVALID_PARAMETER_VALUE")
    assert ask.state(run_id)["info"]["status"] == "SCHEDULED"


def test_a_deleted_run_takes_nothing_until_it_is_restored(ask):
    run_id = ask.run(run_name="n")
    for _ in range(2):
        assert ask.post("runs/delete", run_id=run_id).json() == {}
    for path, body in (
        ("log-metric", metric()),
        ("log-parameter", {"key": "p", "value": "v"}),
        ("log-batch", {"metrics": [metric()]}),
        ("set-tag", {"key": "t", "value": "v"}),
        ("delete-tag", {"key": "mlflow.runName"}),
        ("update", {"status": "FINISHED"}),
        ("log-inputs", {}),
        ("outputs", {"models": []}),
    ):
        says = failed(ask.post(f"runs/{path}", run_id=run_id, **body), "INVALID_PARAMETER_VALUE")
        assert f"The run {run_id} must be in the 'active' state. Current state is deleted." in says
    assert ask.state(run_id)["info"]["lifecycle_stage"] == "deleted"
    for _ in range(2):
        assert ask.post("runs/restore", run_id=run_id).json() == {}
    assert ask.state(run_id)["info"]["lifecycle_stage"] == "active"


@pytest.mark.parametrize(
    "path", ["log-metric", "log-parameter", "log-batch", "set-tag", "delete-tag", "update", "delete", "restore"]
)
def test_an_unknown_run_is_a_404(ask, path):
    value = 1 if path == "log-metric" else "v"
    sent = ask.post(f"runs/{path}", run_id="f" * 32, **metric(value=value))
    assert f"Run with id={'f' * 32} not found" in failed(sent, "RESOURCE_DOES_NOT_EXIST", 404)


def test_experiments_live_die_and_come_back(ask):
    made = ask.post(
        "experiments/create", name="ranker", tags=[{"key": "team", "value": "x"}], artifact_location="my/place"
    ).json()
    home = made["experiment_id"]
    found = ask.get("experiments/get-by-name", experiment_name="ranker").json()["experiment"]
    assert (found["tags"], found["artifact_location"]) == ([{"key": "team", "value": "x"}], "mlflow-artifacts:/my/place")
    run_id = ask.post("runs/create", experiment_id=home).json()["run"]["info"]["run_id"]
    assert ask.post("experiments/delete", experiment_id=home).json() == {}
    assert ask.state(run_id)["info"]["lifecycle_stage"] == "deleted"
    says = failed(ask.post("runs/create", experiment_id=home), "INVALID_PARAMETER_VALUE")
    assert "must be in the 'active' state" in says
    failed(ask.post("experiments/create", name="ranker"), "RESOURCE_ALREADY_EXISTS")
    failed(ask.post("experiments/update", experiment_id=home, new_name="other"), "INVALID_PARAMETER_VALUE")
    failed(ask.post("experiments/delete", experiment_id=home), "RESOURCE_DOES_NOT_EXIST", 404)
    assert ask.post("experiments/restore", experiment_id=home).json() == {}
    assert ask.state(run_id)["info"]["lifecycle_stage"] == "active"
    failed(ask.post("experiments/restore", experiment_id=home), "RESOURCE_DOES_NOT_EXIST", 404)
    assert "sql" not in failed(ask.post("experiments/update", experiment_id=home, new_name="Default"), "RESOURCE_ALREADY_EXISTS")
    assert ask.post("experiments/update", experiment_id=home, new_name="renamed").json() == {}
    assert ask.get("experiments/get", experiment_id=home).json()["experiment"]["name"] == "renamed"


@pytest.mark.parametrize(
    "place",
    [
        *("/etc", "file:///etc", "FILE:/etc", "C:\\x", "//h/x", "../x", "a/../../b", "..%2fx", "a\\b", "a\nb"),
        *(
            "runs:/x",
            "http://h/p",
            "https://h",
            "ftp://h",
            "sftp://h",
            "hdfs://h",
            "mlflow-artifacts://h/x",
            "mlflow-artifacts:/../x",
        ),
        *("s3://b/../c", "s3:///x", "a#f", "a;p", "a?q", "x" * 2049, "1/x", "mlflow-artifacts:/0"),
    ],
)
def test_an_experiment_keeps_its_files_in_no_place_of_the_servers(ask, place):
    failed(ask.post("experiments/create", name=f"at {place[:40]}", artifact_location=place), "INVALID_PARAMETER_VALUE")
    failed(ask.get("experiments/get-by-name", experiment_name=f"at {place[:40]}"), "RESOURCE_DOES_NOT_EXIST", 404)


def test_pages_follow_each_other_to_the_end(ask):
    home = ask.post("experiments/create", name="paged").json()["experiment_id"]
    made = [ask.post("runs/create", experiment_id=home, start_time=T + place).json() for place in range(5)]
    ids = [item["run"]["info"]["run_id"] for item in made]
    found, token = [], None
    while len(found) < 10:
        page = ask.post("runs/search", experiment_ids=[home], max_results=2, page_token=token, order_by=["start_time"]).json()
        found += [item["info"]["run_id"] for item in page["runs"]]
        token = page.get("next_page_token")
        if token is None:
            break
    assert found == ids


@pytest.mark.parametrize("token", ["zzz", "e30=", "eyJvZmZzZXQiOiAtMX0=", "eyJvZmZzZXQiOiAieCJ9", "bm8=", "[]", "é"])
def test_a_token_of_no_page_is_refused(ask, token):
    for path in ("runs/search", "experiments/search"):
        sent = ask.post(path, experiment_ids=["0"], max_results=2, page_token=token)
        assert "Invalid page token" in failed(sent, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize("limit", [0, -1, 50_001, 2**63, "x"])
def test_a_page_of_no_size_is_refused(ask, limit):
    for path in ("runs/search", "experiments/search"):
        failed(ask.post(path, experiment_ids=["0"], max_results=limit), "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize("path", ["runs/search", "logged-models/search"])
def test_a_search_looks_into_each_experiment_once_and_into_as_many_as_a_statement_holds(ask, path):
    """Beyond that PostgreSQL would fail each time, which clients take for a server that is down."""
    assert ask.post(path, experiment_ids=["0"] * 100_000, max_results=1).status_code == 200
    assert ask.post(path, experiment_ids=[str(10**6 + number) for number in range(20_000)]).json() == {}
    says = failed(ask.post(path, experiment_ids=[str(10**6 + number) for number in range(20_001)]), "INVALID_PARAMETER_VALUE")
    assert "at most 20,000" in says


def test_experiments_are_found_by_name_tag_and_stage(ask):
    ids = {}
    for name, team in (("find b", "x"), ("find a", "y"), ("find C", "x")):
        made = ask.post("experiments/create", name=name, tags=[{"key": "team", "value": team}])
        ids[name] = made.json()["experiment_id"]

    def found(**asked):
        return [item["name"] for item in ask.post("experiments/search", max_results=100, **asked).json().get("experiments", [])]

    assert found(filter="name LIKE 'find %'") == ["find C", "find a", "find b"]
    assert found(filter="name ILIKE 'FIND %' AND tags.team = 'x'", order_by=["name DESC"]) == ["find b", "find C"]
    assert found(filter=f"experiment_id IN ('{ids['find a']}', '99')") == ["find a"]
    assert found(filter="name LIKE 'find %' AND tags.team IS NULL") == []
    assert found(filter="name LIKE 'find %' AND creation_time > 5 AND last_update_time < 5") == []
    ask.post("experiments/delete", experiment_id=ids["find a"])
    assert found(filter="name LIKE 'find %'", view_type="DELETED_ONLY") == ["find a"]
    assert len(found(filter="name LIKE 'find %'", view_type=3)) == 3
    for path, tag in (("set-experiment-tag", {"key": "a", "value": "b"}), ("delete-experiment-tag", {"key": "team"})):
        says = failed(ask.post(f"experiments/{path}", experiment_id=ids["find a"], **tag), "INVALID_PARAMETER_VALUE")
        assert "must be in the 'active' state" in says
    kept = ask.get("experiments/get", experiment_id=ids["find a"]).json()["experiment"]["tags"]
    assert kept == [{"key": "team", "value": "y"}]
    for wrong in ("metrics.m > 1", "nam = 'x'", "name > 'x'", "experiment_id LIKE 'x'", "tags.a"):
        failed(ask.post("experiments/search", max_results=1, filter=wrong), "INVALID_PARAMETER_VALUE")


def test_inputs_are_kept_with_their_context(ask):
    run_id = ask.run()
    dataset = {"name": "films", "digest": "abc", "source_type": "local", "source": "{}", "schema": "{}", "profile": "{}"}
    tags = [{"key": "mlflow.data.context", "value": "training"}, {"key": "who", "value": "ann"}]
    for _ in range(2):
        assert ask.post("runs/log-inputs", run_id=run_id, datasets=[{"dataset": dataset, "tags": tags}]).json() == {}
    (found,) = ask.state(run_id)["inputs"]["dataset_inputs"]
    assert (found["dataset"], sorted(found["tags"], key=str)) == (dataset, sorted(tags, key=str))
    ask.post("runs/log-inputs", run_id=run_id, datasets=[{"dataset": dataset}])  # as the client sends it along with a metric
    ask.post("runs/log-inputs", run_id=run_id, datasets=[{"dataset": {**dataset, "digest": "def"}}])
    assert [item["dataset"]["digest"] for item in ask.state(run_id)["inputs"]["dataset_inputs"]] == ["abc", "def"]
    for name, most in {"name": 500, "digest": 36, "source": 65_535, "schema": 1_048_575}.items():
        wrong = {**dataset, name: "x" * (most + 1)}
        says = failed(ask.post("runs/log-inputs", run_id=run_id, datasets=[{"dataset": wrong}]), "INVALID_PARAMETER_VALUE")
        assert f"exceeds the maximum length of {most} characters" in says
    summaries = ask.post("experiments/search-datasets", experiment_ids=["0"]).json()["dataset_summaries"]
    assert {"experiment_id": "0", "name": "films", "digest": "abc", "context": "training"} in summaries
    for wrong in ([], ["0"] * 21, ["x"], [1]):
        failed(ask.post("experiments/search-datasets", experiment_ids=wrong), "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize("moment", [1_700_000_000_000_000, 9_000_000_000_000_000, -9_000_000_000_000_000])
def test_a_time_of_a_clock_that_counts_otherwise_is_kept_and_hides_no_other_run(ask, moment):
    """Such as microseconds where milliseconds are due: years that no date can say."""
    started = {"experiment_id": "0", "start_time": moment, "run_name": f"at {moment}"}
    run_id = ask.post("runs/create", **started).json()["run"]["info"]["run_id"]
    assert ask.post("runs/update", run_id=run_id, status="FINISHED", end_time=moment).status_code == 200
    assert ask.post("runs/log-metric", run_id=run_id, **metric("far", timestamp=abs(moment))).status_code == 200
    assert ask.state(run_id)["info"]["start_time"] == moment
    native = ask.client.build_request("GET", f"/api/v1/runs/{run_id}").url
    for path in ("", "/points?key=far", "/points?key=far&format=arrow"):
        assert ask.client.get(f"{native}{path}").status_code == 200
    found = ask.client.post("/api/v1/runs/search", json={"filter": f"run_name = 'at {moment}'", "columns": ["metrics.far"]})
    assert [run["id"] for run in found.json()["runs"]] == [run_id]


def test_a_history_is_read_whole_in_pages_and_thinned_out(ask):
    run_id = ask.run()
    ask.post(
        "runs/log-batch", run_id=run_id, metrics=[metric(value=place, timestamp=T + place, step=place) for place in range(10)]
    )

    def steps(path, **query):
        return [item["step"] for item in ask.get(path, **{"metric_key": "m", **query}).json().get("metrics", [])]

    assert steps("metrics/get-history", run_id=run_id) == list(range(10))
    page = ask.get("metrics/get-history", run_id=run_id, metric_key="m", max_results=4).json()
    assert [item["step"] for item in page["metrics"]] == [0, 1, 2, 3]
    assert steps("metrics/get-history", run_id=run_id, max_results=6, page_token=page["next_page_token"]) == [4, 5, 6, 7, 8, 9]
    assert steps("metrics/get-history-bulk", run_id=[run_id, run_id], max_results=12) == [*range(10), 0, 1]
    assert steps("metrics/get-history-bulk-interval", run_ids=[run_id], max_results=4) == [0, 3, 6, 9]
    assert steps("metrics/get-history-bulk-interval", run_ids=[run_id], max_results=7) == [0, 2, 4, 6, 7, 8, 9]
    assert steps("metrics/get-history-bulk-interval", run_ids=run_id, max_results=1) == [9]
    assert steps("metrics/get-history-bulk-interval", run_ids=run_id, start_step=2, end_step=4) == [2, 3, 4]
    assert steps("metrics/get-history", run_id=run_id, metric_key="other") == []
    failed(ask.get("metrics/get-history", run_id="f" * 32, metric_key="m"), "RESOURCE_DOES_NOT_EXIST", 404)
    for path, query in (
        ("get-history", {"run_id": run_id, "max_results": 0}),
        ("get-history-bulk", {}),
        ("get-history-bulk", {"run_id": ["x"] * 101}),
        ("get-history-bulk-interval", {"run_ids": ["x"] * 101}),
        ("get-history-bulk-interval", {"run_ids": run_id, "max_results": 2501}),
        ("get-history-bulk-interval", {"run_ids": run_id, "start_step": 1}),
        ("get-history-bulk-interval", {"run_ids": run_id, "start_step": 3, "end_step": 1}),
    ):
        failed(ask.get(f"metrics/{path}", metric_key="m", **query), "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"{bad", JSON),
        (b"[]", JSON),
        (b"7", JSON),
        (b'"[]"', JSON),
        (b'{"experiment_id":"0"}', "text/plain"),
        (b'{"experiment_id":"0"}', ""),
        (b'{"experiment_id":"0","run_name":"\\ud800"}', JSON),
        (b"\xff\xfe", JSON),
        (b"[" * 100_000, JSON),
        (b'{"a":' * 50_000, JSON),
        (b'{"experiment_id":"0","start_time":1e400}', JSON),
        (b'{"experiment_id":"\xed\xa0\x80"}', JSON),
    ],
)
def test_garbage_is_told_in_mlflows_shape(ask, body, media_type):
    headers = {"content-type": media_type} if media_type else {}
    sent = ask.client.post("/api/2.0/mlflow/runs/create", content=body, headers=headers)
    failed(sent, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize("path", ["/api/2.0/mlflow/nope", "/ajax-api/2.0/mlflow/nope", "/api/3.0/nope/traces", "/v1/traces/x"])
def test_what_isnt_served_is_told_in_mlflows_shape(ask, path):
    failed(ask.client.get(path), "ENDPOINT_NOT_FOUND", 404)


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/api/2.0/mlflow/traces", "traces"),
        ("/api/3.0/mlflow/traces/x/assessments", "traces"),
        ("/ajax-api/3.0/mlflow/gateway/endpoints/create", "gateway"),
        ("/api/3.0/mlflow/datasets/create", "datasets"),
        ("/api/3.0/mlflow/scorers/register", "scorers"),
        ("/ajax-api/3.0/mlflow/workspaces", "workspaces"),
        ("/api/3.0/mlflow/mcp-servers/io.github.x/y/versions", "MCP servers"),
        ("/v1/traces", "traces"),
        ("/graphql", "GraphQL"),
    ],
)
def test_what_is_left_out_is_told_as_not_implemented(ask, path, part):
    for answer in (ask.client.get(path), ask.client.post(path, content=b"{}")):
        failed(answer, "NOT_IMPLEMENTED", 501)
        assert part in answer.json()["message"]


def test_another_method_and_another_origin_are_told_in_mlflows_shape(ask):
    failed(ask.client.get("/api/2.0/mlflow/runs/create"), "ENDPOINT_NOT_FOUND", 405)
    sent = ask.client.post("/api/2.0/mlflow/runs/create", json={"experiment_id": "0"}, headers={"origin": "http://evil.example"})
    failed(sent, "PERMISSION_DENIED", 403)


def test_the_server_says_what_it_can_do(ask):
    info = ask.client.get("/api/3.0/mlflow/server-info").json()
    assert (info["store_type"], info["workspaces_enabled"]) == ("SqlStore", False)
