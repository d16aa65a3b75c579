"""What one user does with MLflow's client against one server, and what it gets: run by a Python that has MLflow.

    python session.py http://127.0.0.1:5000

Prints, as its last line, a JSON object: the name of each step to its answer. Ids are numbered as they appear, and times that the
server chose are left out, so that the answers of two servers can be compared.
"""

from __future__ import annotations

import json
import math
import re
import sys
import warnings

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput, LoggedModelOutput, Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException

T = 1_700_000_000_000
ID = re.compile(r"(?:m-)?[0-9a-f]{32}")
NAMED = re.compile(r"[a-z]+-[a-z]+-\d+")

warnings.filterwarnings("ignore")
seen: dict[str, str] = {}
steps: dict[str, object] = {}


def plain(value):
    """A value of MLflow's as JSON, without what differs from server to server."""
    if isinstance(value, float):
        value = math.copysign(math.inf, value) if abs(value) > 1.7e308 else value
        return repr(value)
    if isinstance(value, str):
        named = ID.sub(lambda found: seen.setdefault(found.group(), f"id{len(seen)}"), value)
        return "a name" if NAMED.fullmatch(named) else named
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in sorted(value.items(), key=str)}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (int, bool)):
        return value
    return plain(facts(value))


def facts(value):
    found = {name: getattr(value, name, None) for name in dir(type(value)) if isinstance(getattr(type(value), name), property)}
    for name in ("creation_time", "last_update_time", "creation_timestamp", "last_updated_timestamp", "workspace", "model_uri"):
        found.pop(name, None)
    if type(value).__name__ == "RunInputs":
        found["dataset_inputs"] = sorted(found["dataset_inputs"], key=lambda item: item.dataset.name)
    if isinstance(found.get("metrics"), list):
        found["metrics"] = sorted(found["metrics"], key=lambda item: (item.key, item.step, item.timestamp))
    return found


def step(name, call):
    """Keep what a call gives, or the code of the error it raises."""
    try:
        found = call()
        steps[name] = plain(found)
    except MlflowException as error:
        steps[name] = {"error": error.error_code}
        return None
    return found


def experiments(client):
    home = step("create", lambda: client.create_experiment("ranker", tags={"team": "x", "é": "ü"}))
    other = step("create another", lambda: client.create_experiment("retrieval"))
    step("get", lambda: client.get_experiment(home))
    step("default", lambda: client.get_experiment("0"))
    step("get by name", lambda: client.get_experiment_by_name("retrieval"))
    step("get by no name", lambda: client.get_experiment_by_name("nobody"))
    step("get nothing", lambda: client.get_experiment("987"))
    step("get no number", lambda: client.get_experiment("abc"))
    step("create twice", lambda: client.create_experiment("ranker"))
    step("create without a name", lambda: client.create_experiment(""))
    step("create with a long name", lambda: client.create_experiment("x" * 501))
    step("rename", lambda: client.rename_experiment(other, "two towers"))
    step("renamed", lambda: client.get_experiment(other))
    step("tag", lambda: client.set_experiment_tag(home, "note", "y"))
    step("tag too long", lambda: client.set_experiment_tag(home, "note", "y" * 20_001))
    step("untag", lambda: client.delete_experiment_tag(home, "team"))
    step("untag nothing", lambda: client.delete_experiment_tag(home, "team"))
    step("tagged", lambda: client.get_experiment(home))
    step("delete", lambda: client.delete_experiment(other))
    step("delete twice", lambda: client.delete_experiment(other))
    step("deleted", lambda: client.get_experiment(other))
    step("run in a deleted one", lambda: client.create_run(other))
    step("run in no experiment", lambda: client.create_run("987"))
    step("create a deleted one", lambda: client.create_experiment("two towers"))
    for text in (
        "name = 'ranker'",
        "name LIKE 'r%'",
        "name ILIKE 'RANK%'",
        "tags.note = 'y'",
        "tags.team IS NULL AND name != 'x'",
        "attribute.name != 'ranker'",
        "creation_time > 5",
        "last_update_time < 5",
        "experiment_id IN ('0', '1')",
        "nam = 'x'",
        "name > 'x'",
        "metrics.m > 1",
        "name = 'a' OR name = 'b'",
        "tags.`é` = 'ü'",
    ):
        step(f"search {text}", lambda text=text: [item.name for item in client.search_experiments(filter_string=text)])
    for view in (ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY, ViewType.ALL):
        step(
            f"view {view}", lambda view=view: [item.name for item in client.search_experiments(view_type=view, order_by=["name"])]
        )
    for order in (["name DESC"], ["experiment_id"], ["experiment_id DESC"], ["tag.x"], ["nope"]):
        step(f"order {order}", lambda order=order: [item.name for item in client.search_experiments(order_by=order, view_type=3)])
    page = step("page", lambda: list(client.search_experiments(max_results=1, order_by=["name"])))
    step("page size", lambda: len(page))
    step("restore", lambda: client.restore_experiment(other))
    step("restore twice", lambda: client.restore_experiment(other))
    return home


def runs(client, home):
    run = step("start", lambda: client.create_run(home, start_time=T, tags={"a": "1", "mlflow.user": "ann"}, run_name="first"))
    run_id = run.info.run_id
    step("start with two names", lambda: client.create_run(home, run_name="a", tags={"mlflow.runName": "b"}))
    step("start without a name", lambda: client.create_run(home, start_time=T + 1))
    step("metric", lambda: client.log_metric(run_id, "loss", 0.5, timestamp=T, step=1))
    step("metric again", lambda: client.log_metric(run_id, "loss", 0.5, timestamp=T, step=1))
    step("metric before", lambda: client.log_metric(run_id, "loss", 9.0, timestamp=T + 5, step=0))
    step("metric tied", lambda: client.log_metric(run_id, "loss", 0.7, timestamp=T, step=1))
    step("metric later", lambda: client.log_metric(run_id, "late", 1.0, timestamp=T + 9, step=-3))
    step("param", lambda: client.log_param(run_id, "depth", 6))
    step("param again", lambda: client.log_param(run_id, "depth", "6"))
    step("param changed", lambda: client.log_param(run_id, "depth", 7))
    step("param too long", lambda: client.log_param(run_id, "long", "x" * 6001))
    step("param empty", lambda: client.log_param(run_id, "empty", ""))
    step("tag of a run", lambda: client.set_tag(run_id, "team", "x" * 8001))
    step("untag of a run", lambda: client.delete_tag(run_id, "a"))
    step("untag of a run twice", lambda: client.delete_tag(run_id, "a"))
    points = [
        Metric("nan", math.nan, T, 0),
        Metric("inf", math.inf, T, 0),
        Metric("neg", -math.inf, T, 0),
        Metric("big", 1e300, T, 2**40),
    ]
    step("batch", lambda: client.log_batch(run_id, points, [Param("lr", "0.1")], [RunTag("kind", "y")]))
    step("batch twice", lambda: client.log_batch(run_id, points, [Param("lr", "0.1")], [RunTag("kind", "z")]))
    step("batch changes", lambda: client.log_batch(run_id, [Metric("no", 1.0, T, 0)], [Param("lr", "0.2")]))
    step("batch duplicates", lambda: client.log_batch(run_id, [], [Param("d", "1"), Param("d", "2")]))
    step("batch of a bad key", lambda: client.log_batch(run_id, [Metric("ok", 1.0, T, 0), Metric("a#b", 1.0, T, 0)]))
    for key in ("a/b", "a b", "a:b", "..", "a/../b", "/a", "", "x" * 250, "x" * 251, "a\\b", "ключ"):
        step(f"metric key {key}", lambda key=key: client.log_metric(run_id, key, 1.0, timestamp=T))
        step(f"param key {key}", lambda key=key: client.log_param(run_id, key, "v"))
        step(f"tag key {key}", lambda key=key: client.set_tag(run_id, key, "v"))
    step("history", lambda: client.get_metric_history(run_id, "loss"))
    step("history of NaN", lambda: client.get_metric_history(run_id, "nan"))
    step("history of no metric", lambda: client.get_metric_history(run_id, "nope"))
    step("rename run", lambda: client.set_tag(run_id, "mlflow.runName", "second"))
    step("update run", lambda: client.update_run(run_id, status="FAILED", name="third"))
    step("end", lambda: client.set_terminated(run_id, "FINISHED", T + 1000))
    step("run", lambda: client.get_run(run_id))
    step("no run", lambda: client.get_run("f" * 32))
    step("delete run", lambda: client.delete_run(run_id))
    step("write to a deleted run", lambda: client.log_metric(run_id, "m", 1.0))
    step("tag a deleted run", lambda: client.set_tag(run_id, "m", "1"))
    step("deleted run", lambda: client.get_run(run_id).info)
    step("restore run", lambda: client.restore_run(run_id))
    dataset = Dataset("films", "abc", "local", '{"uri": "films.csv"}', '{"columns": []}', '{"rows": 3}')
    inputs = [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])]
    step("inputs", lambda: client.log_inputs(run_id, inputs))
    step("inputs twice", lambda: client.log_inputs(run_id, inputs))
    step("with inputs", lambda: client.get_run(run_id).inputs)


FILTERS = (
    "metrics.m > 2",
    "metrics.m >= 2 AND metrics.m != 3",
    "metrics.m = 2",
    "metrics.nan != 1",
    "metrics.nan > 0",
    "metrics.nan = 0",
    "params.p = 'a'",
    "params.p != 'a'",
    "params.p LIKE 'A%'",
    "params.p ILIKE 'A%'",
    "params.p IS NULL",
    "params.p IS NOT NULL",
    "params.`p q` = 'x'",
    'params."p q" = "x"',
    "tags.t = '1'",
    "tags.t != '1'",
    "tags.t LIKE '%'",
    "tag.t IS NULL",
    "tags.a.b = 'c'",
    "attributes.status = 'FINISHED'",
    "status != 'RUNNING'",
    "attr.run_name = 'r1'",
    "run_name LIKE 'r%'",
    "`run name` ILIKE 'R2'",
    "start_time > 1700000000001",
    "created <= 1700000000001",
    "end_time > 0",
    "attributes.end_time = 1700000000100",
    "user_id = 'ann'",
    "artifact_uri LIKE '%artifacts'",
    "datasets.name = 'films'",
    "dataset.digest IN ('abc', 'x')",
    "datasets.context = 'training'",
    "datasets.name LIKE 'f%' AND metrics.m < 9",
    "metrics.m > 1 and params.p = 'a' AnD tags.t = '1'",
    "",
    "metrics.m > 'x'",
    "params.p > 'a'",
    "params.p = a",
    "status IN ('x')",
    "nope = 'x'",
    "metrics.m > 1 OR metrics.m < 0",
    "NOT metrics.m > 1",
    "(metrics.m > 1)",
    "metrics.m > 1;",
    "metrics.m",
    "models.m = 'x'",
    "start_time > 'x'",
    "metrics.m LIKE 'x'",
    "tags.t = 'it''s'",
    "params.p = ''",
    "metrics.m > -1e3",
    "metrics.m BETWEEN 1 AND 2",
    "metrics.missing > 0",
    "run_id IN ('x', 'y')",
)
ORDERS = (
    ["metrics.m"],
    ["metrics.m DESC"],
    ["metrics.nan"],
    ["metrics.nan DESC"],
    ["params.p"],
    ["params.p DESC"],
    ["tags.t desc"],
    ["start_time"],
    ["attributes.start_time DESC"],
    ["run_name DESC"],
    ["status ASC", "metrics.m DESC"],
    ["end_time"],
    ["metrics.missing"],
    ["metrics.m sideways"],
    ["nope"],
    ["datasets.name"],
    ["metrics.m", "metrics.m DESC"],
    ["metrics.m DESC ASC"],
)


def searches(client):
    home = client.create_experiment("searched")
    for place, (m, p, t) in enumerate(
        ((1.0, "a", "1"), (2.0, "b", "1"), (3.0, "a", "2"), (None, None, None), (math.nan, "Ab", "1"))
    ):
        run = client.create_run(home, start_time=T + place, run_name=f"r{place}", tags={"mlflow.user": "ann", "a.b": "c"})
        if m is not None:
            client.log_batch(
                run.info.run_id,
                [Metric("nan" if math.isnan(m) else "m", m, T, 0)],
                [Param("p", p), Param("p q", "x")],
                [RunTag("t", t)],
            )
        if place == 2:
            client.log_metric(run.info.run_id, "nan", 5.0, timestamp=T)
            client.set_terminated(run.info.run_id, "FINISHED", T + 100)
            data = DatasetInput(Dataset("films", "abc", "local", "{}"), [InputTag("mlflow.data.context", "training")])
            client.log_inputs(run.info.run_id, [data])

    def names(**asked):
        return [run.info.run_name for run in client.search_runs([home], **asked)]

    for text in FILTERS:
        step(f"runs {text}", lambda text=text: names(filter_string=text))
    for order in ORDERS:
        step(f"runs by {order}", lambda order=order: names(order_by=order))
    first = client.search_runs([home], max_results=2, order_by=["start_time"])
    step("runs page 1", lambda: [run.info.run_name for run in first])
    second = client.search_runs([home], max_results=2, order_by=["start_time"], page_token=first.token)
    step("runs page 2", lambda: [run.info.run_name for run in second])
    step("runs of a bad page", lambda: names(page_token="zzz"))
    step("runs of too many", lambda: names(max_results=50_001))
    step("runs of nowhere", lambda: list(client.search_runs(["987"])))
    step("runs of no number", lambda: list(client.search_runs(["x"])))


def models(client, home):
    run = client.create_run(home, start_time=T, run_name="with models")
    run_id = run.info.run_id
    model = step("model", lambda: client.create_logged_model(home, "clf", run_id, {"t": "1"}, {"depth": "6"}, "Agent"))
    other = step("model of no run", lambda: client.create_logged_model(home, "other"))
    step("model of a bad name", lambda: client.create_logged_model(home, "a/b"))
    step("model of nowhere", lambda: client.create_logged_model("987", "x"))
    step("model output", lambda: client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 2)]))
    step("model input", lambda: client.log_inputs(run_id, models=[LoggedModelInput(other.model_id)]))
    step(
        "model metric",
        lambda: client.log_metric(
            run_id, "auc", 0.9, timestamp=T, step=1, model_id=model.model_id, dataset_name="films", dataset_digest="abc"
        ),
    )
    step("model finished", lambda: client.finalize_logged_model(model.model_id, "READY").status)
    step("model tags", lambda: client.set_logged_model_tags(model.model_id, {"a": "1", "b": "2"}))
    step("model untag", lambda: client.delete_logged_model_tag(model.model_id, "a"))
    step("model untag twice", lambda: client.delete_logged_model_tag(model.model_id, "a"))
    step("model params", lambda: client.log_model_params(model.model_id, {"width": "2"}))
    step("model again", lambda: client.get_logged_model(model.model_id))
    step("no model", lambda: client.get_logged_model("m-" + "f" * 32))
    step("run with models", lambda: client.get_run(run_id))
    for text in (
        "name = 'clf'",
        "name LIKE 'c%'",
        "params.depth = '6'",
        "tags.b != '3'",
        "metrics.auc > 0.5",
        "metrics.auc > 0.95",
        "model_type = 'Agent'",
        "creation_timestamp > 5",
        "nope = 'x'",
        "status = 'READY' AND name > 'a'",
    ):
        step(f"models {text}", lambda text=text: [item.name for item in client.search_logged_models([home], filter_string=text)])
    for order in (
        [{"field_name": "name"}],
        [{"field_name": "metrics.auc"}],
        [{"field_name": "nope"}],
        [{"field_name": "params.depth"}],
    ):
        step(
            f"models by {order}", lambda order=order: [item.name for item in client.search_logged_models([home], order_by=order)]
        )
    films = [{"dataset_name": "films", "dataset_digest": "abc"}]
    step(
        "models on data",
        lambda: [item.name for item in client.search_logged_models([home], filter_string="metrics.auc > 0", datasets=films)],
    )
    step("model deleted", lambda: client.delete_logged_model(other.model_id))
    step("model deleted twice", lambda: client.get_logged_model(other.model_id))


def fluent():
    mlflow.set_experiment("by the fluent API")
    with mlflow.start_run(
        run_name="parent", tags={"mlflow.source.name": "s", "mlflow.user": "u"}, description="what it is for"
    ) as parent:
        mlflow.log_params({"a": 1, "b": [1, 2], "c": None})
        for place in range(3):
            mlflow.log_metrics({"loss": 1 / (place + 1), "acc": place / 3}, step=place, timestamp=T + place)
        mlflow.set_tags({"x": True})
        frame = pd.DataFrame({"x": [1, 2], "y": [0.5, 1.5]})
        mlflow.log_input(mlflow.data.from_pandas(frame, name="frame", targets="y"), context="training", tags={"who": "ann"})
        with mlflow.start_run(nested=True, run_name="child", tags={"mlflow.source.name": "s", "mlflow.user": "u"}):
            mlflow.log_metric("m", 1.0, timestamp=T)
    step("parent", lambda: without_place(mlflow.get_run(parent.info.run_id)))
    with mlflow.start_run(run_id=parent.info.run_id):
        step("resumed", lambda: mlflow.get_run(parent.info.run_id).info.status)
    found = mlflow.search_runs(order_by=["metrics.loss"], filter_string="tags.`mlflow.source.name` = 's'")
    step("frame", lambda: found[["status", "metrics.loss", "params.b", "tags.mlflow.runName"]].astype(str).to_dict("records"))
    child = found[found["tags.mlflow.runName"] == "child"].iloc[0]
    step("nested", lambda: child["tags.mlflow.parentRunId"] == parent.info.run_id)


def without_place(run):
    found = facts(run.info)
    for name in ("start_time", "end_time", "user_id"):
        found.pop(name)
    tags = {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.source.git")}
    return {"info": found, "tags": tags, "params": run.data.params, "metrics": run.data.metrics, "inputs": run.inputs}


def main(url):
    mlflow.set_tracking_uri(url)
    client = MlflowClient(url)
    home = experiments(client)
    runs(client, home)
    searches(client)
    models(client, home)
    fluent()
    sys.stdout.write(f"\n{json.dumps(steps)}\n")


if __name__ == "__main__":
    main(sys.argv[1])
