"""MLflow's registry protocol over our registry: its words, its errors, our invariants."""

from __future__ import annotations

import os
import subprocess
import uuid
from urllib.parse import quote

import pytest

import headrace as hr
from headrace.models.gates import Gate
from protocol.mlflow.conftest import Asking
from servers.headrace import headrace_server
from servers.mlflow import ENVIRONMENT, PYTHON

FILES = "/api/2.0/mlflow-artifacts/artifacts/"
API = "/api/2.0/mlflow/"


class Registry:
    """What a client asks of the registry, each as one call that gives the status and the answer."""

    def __init__(self, ask):
        self.ask = ask

    def call(self, method, verb, **body):
        if method == "GET":
            answer = self.ask.client.get(API + verb, params=body)
        else:
            answer = self.ask.client.request(method, API + verb, json=body)
        return answer.status_code, answer.json()

    def good(self, method, verb, **body):
        status, answer = self.call(method, verb, **body)
        assert status == 200, answer
        return answer

    def model(self, **body):
        name = f"model-{uuid.uuid4().hex[:8]}"
        self.good("POST", "registered-models/create", name=name, **body)
        return name

    def logged(self, run=None):
        """A ready logged model with one file; its id and its run."""
        run = run or self.ask.run()
        made = self.good("POST", "logged-models", experiment_id="0", name="model", source_run_id=run)["model"]["info"]
        place = made["artifact_uri"].removeprefix("mlflow-artifacts:/")
        assert self.ask.client.put(f"{FILES}{place}/MLmodel", content=made["model_id"]).status_code == 200
        self.good("PATCH", f"logged-models/{made['model_id']}", model_id=made["model_id"], status="LOGGED_MODEL_READY")
        return made["model_id"], run

    def version(self, name, **body):
        model_id, run = self.logged()
        source = {"source": f"models:/{model_id}", "model_id": model_id, "run_id": run}
        return self.good("POST", "model-versions/create", name=name, **{**source, **body})["model_version"]

    def state(self, name):
        """Stage by version, and alias to version."""
        found = self.good("GET", "model-versions/search", filter=f"name = '{name}'").get("model_versions", [])
        aliases = self.good("GET", "registered-models/get", name=name)["registered_model"].get("aliases", [])
        return {v["version"]: v["current_stage"] for v in found}, {a["alias"]: a["version"] for a in aliases}

    def move(self, name, version, stage, *, archive=False):
        body = {"name": name, "version": version, "stage": stage, "archive_existing_versions": archive}
        return self.call("POST", "model-versions/transition-stage", **body)


@pytest.fixture(scope="module")
def registry(ask):
    return Registry(ask)


@pytest.fixture
def name(registry):
    """A model with three versions."""
    name = registry.model()
    for _ in range(3):
        registry.version(name)
    return name


def test_a_model_is_made_described_tagged_renamed_and_deleted(registry):
    name = registry.model(description="first", tags=[{"key": "team", "value": "ads"}])
    model = registry.good("GET", "registered-models/get", name=name)["registered_model"]
    assert (model["description"], model["tags"]) == ("first", [{"key": "team", "value": "ads"}])
    status, error = registry.call("POST", "registered-models/create", name=name)
    assert (status, error["error_code"]) == (400, "RESOURCE_ALREADY_EXISTS")
    assert error["message"] == f"Registered Model (name={name}) already exists."
    registry.good("PATCH", "registered-models/update", name=name, description="second")
    registry.good("POST", "registered-models/set-tag", name=name, key="k", value="v")
    registry.good("DELETE", "registered-models/delete-tag", name=name, key="team")
    registry.good("DELETE", "registered-models/delete-tag", name=name, key="none")
    registry.version(name)
    registry.good("POST", "registered-models/rename", name=name, new_name=name)
    told = registry.good("POST", "registered-models/rename", name=name, new_name=f"{name}-new")["registered_model"]
    assert (told["name"], told["description"], told["tags"]) == (f"{name}-new", "second", [{"key": "k", "value": "v"}])
    assert [v["version"] for v in told["latest_versions"]] == ["1"]
    assert registry.call("GET", "registered-models/get", name=name)[0] == 404
    registry.good("DELETE", "registered-models/delete", name=f"{name}-new")
    status, error = registry.call("GET", "registered-models/get", name=f"{name}-new")
    assert (status, error["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert error["message"] == f"Registered Model with name={name}-new not found"


@pytest.mark.parametrize("bad", ["a/b", "a:b", "..", " ", "a\nb", "x" * 300])
def test_names_that_are_none_are_refused(registry, bad):
    status, error = registry.call("POST", "registered-models/create", name=bad)
    assert (status, error["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_a_prompt_is_told_to_be_left_out_before_there_is_a_model_for_it(registry):
    tag = {"key": "mlflow.prompt.is_prompt", "value": "true"}
    status, told = registry.call("POST", "registered-models/create", name="a prompt", tags=[tag])
    assert (status, told["error_code"]) == (501, "NOT_IMPLEMENTED")
    assert registry.call("GET", "registered-models/get", name="a prompt")[0] == 404


def test_a_version_tells_where_it_comes_from_and_its_files_never_change(registry, ask):
    name = registry.model()
    model_id, run = registry.logged()
    made = registry.good(
        "POST", "model-versions/create", name=name, source=f"models:/{model_id}", run_id=run, model_id=model_id,
        run_link="http://x", description="d", tags=[{"key": "k", "value": "v"}],
    )["model_version"]  # fmt: skip
    assert (made["version"], made["current_stage"], made["status"], made["source"]) == (
        "1",
        "None",
        "READY",
        f"models:/{model_id}",
    )
    assert (made["run_id"], made["model_id"], made["run_link"], made["description"]) == (run, model_id, "http://x", "d")
    place = registry.good("GET", "model-versions/get-download-uri", name=name, version="1")["artifact_uri"]
    path = FILES + place.removeprefix("mlflow-artifacts:/")
    assert ask.client.get(f"{path}/MLmodel").text == model_id
    assert ask.client.get("/model-versions/get-artifact", params={"name": name, "version": 1, "path": "MLmodel"}).text == model_id
    assert ask.client.get(FILES.rstrip("/"), params={"path": place.removeprefix("mlflow-artifacts:/")}).json()["files"]
    assert ask.client.put(f"{path}/MLmodel", content=b"other").status_code == 400
    assert ask.client.delete(f"{path}/MLmodel").status_code == 400
    assert ask.client.get(f"{path}/MLmodel").text == model_id


def test_versions_are_found_in_an_order_and_then_the_newest_first(registry, name):
    registry.good("PATCH", "model-versions/update", name=name, version="1", description="changed last")

    def found(**asked):
        versions = registry.good("GET", "model-versions/search", filter=f"name = '{name}'", **asked)["model_versions"]
        return [version["version"] for version in versions]

    assert found()[0] == "1"
    assert found(order_by=["name ASC"]) == ["3", "2", "1"]


def test_numbers_of_deleted_versions_are_never_given_again(registry, name):
    registry.good("POST", "registered-models/alias", name=name, alias="blue", version="3")
    registry.good("DELETE", "model-versions/delete", name=name, version="3")
    assert registry.state(name) == ({"1": "None", "2": "None"}, {})
    status, error = registry.call("GET", "model-versions/get", name=name, version="3")
    assert (status, error["message"]) == (404, f"Model Version (name={name}, version=3) not found")
    assert registry.version(name)["version"] == "4"
    assert registry.call("GET", "model-versions/get", name=name, version="x")[1]["message"].startswith(
        "Parameter 'version' must be an integer, got 'x'."
    )


def test_production_and_champion_are_one_whichever_is_set(registry, name):
    assert registry.move(name, "1", "production")[1]["model_version"]["current_stage"] == "Production"
    assert registry.state(name) == ({"1": "Production", "2": "None", "3": "None"}, {"champion": "1"})
    registry.move(name, "2", "Production")
    assert registry.state(name) == ({"1": "Archived", "2": "Production", "3": "None"}, {"champion": "2"})
    registry.good("POST", "registered-models/alias", name=name, alias="champion", version="3")
    assert registry.state(name) == ({"1": "Archived", "2": "Archived", "3": "Production"}, {"champion": "3"})
    registry.good("POST", "registered-models/alias", name=name, alias="champion", version="1")  # it was there: a rollback
    assert registry.state(name)[0] == {"1": "Production", "2": "Archived", "3": "Archived"}
    status, error = registry.call("DELETE", "registered-models/alias", name=name, alias="champion")
    assert (status, error["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "Production" in error["message"]


def test_the_newest_in_staging_and_challenger_are_one_whichever_is_set(registry, name):
    registry.move(name, "1", "Staging")
    registry.good("POST", "registered-models/alias", name=name, alias="challenger", version="2")
    assert registry.state(name) == ({"1": "Staging", "2": "Staging", "3": "None"}, {"challenger": "2"})
    registry.good("POST", "registered-models/alias", name=name, alias="challenger", version="1")
    assert registry.state(name)[1] == {"challenger": "1"}
    registry.move(name, "3", "Staging", archive=True)
    assert registry.state(name) == ({"1": "Archived", "2": "Archived", "3": "Staging"}, {"challenger": "3"})
    registry.move(name, "3", "Production")
    status, error = registry.call("POST", "registered-models/alias", name=name, alias="challenger", version="3")
    assert (status, "Staging first" in error["message"]) == (400, True)


def test_moves_that_cannot_be_are_told_and_change_nothing(registry, name):
    registry.move(name, "1", "Production")
    before = registry.state(name)
    for version, stage, archive in (("2", "Archived", True), ("2", "None", True), ("2", "foo", False), ("1", "None", False)):
        status, error = registry.move(name, version, stage, archive=archive)
        assert (status, error["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), (version, stage)
    assert registry.move(name, "2", "foo")[1]["message"].startswith(
        "Invalid Model Version stage: foo. Value must be one of None, Staging, Production, Archived."
    )
    assert registry.move(name, "2", "None", archive=True)[1]["message"].startswith(
        "Model version transition cannot archive existing model versions because"
    )
    assert registry.move(name, "9", "Staging")[0] == 404
    assert registry.call("DELETE", "model-versions/delete", name=name, version="1")[0] == 400
    assert registry.call("DELETE", "registered-models/delete", name=name)[0] == 400
    assert registry.state(name) == before


def test_aliases_are_set_moved_found_and_removed(registry, name):
    for version in ("1", "2"):
        registry.good("POST", "registered-models/alias", name=name, alias="blue", version=version)
    assert registry.good("GET", "registered-models/alias", name=name, alias="blue")["model_version"]["version"] == "2"
    assert registry.good("GET", "registered-models/alias", name=name, alias="latest")["model_version"]["version"] == "3"
    registry.good("DELETE", "registered-models/alias", name=name, alias="blue")
    registry.good("DELETE", "registered-models/alias", name=name, alias="blue")
    status, error = registry.call("GET", "registered-models/alias", name=name, alias="blue")
    assert (status, error["message"]) == (400, "Registered model alias blue not found.")
    for bad in ("latest", "LATEST", "v3", "a b", "a/b", "x" * 256):
        assert registry.call("POST", "registered-models/alias", name=name, alias=bad, version="1")[0] == 400
    assert registry.call("POST", "registered-models/alias", name=name, alias="red", version="9")[0] == 404


def test_the_newest_of_each_stage_is_told(registry, name):
    registry.move(name, "1", "Staging")
    for method in ("POST", "GET"):
        found = registry.good(method, "registered-models/get-latest-versions", name=name)["model_versions"]
        assert [(v["version"], v["current_stage"]) for v in found] == [("1", "Staging"), ("3", "None")]
    only = registry.good("POST", "registered-models/get-latest-versions", name=name, stages=["staging"])["model_versions"]
    assert [v["version"] for v in only] == ["1"]
    assert registry.call("POST", "registered-models/get-latest-versions", name=name, stages=["foo"])[0] == 400


def test_searches_follow_the_grammar_the_order_and_the_pages(registry):
    stem = f"s{uuid.uuid4().hex[:6]}"
    for letter in "abc":
        registry.good("POST", "registered-models/create", name=f"{stem}-{letter}", tags=[{"key": "t", "value": letter}])

    def models(text, **body):
        found = registry.good("GET", "registered-models/search", filter=text, **body)
        return [m["name"][-1] for m in found.get("registered_models", [])], found.get("next_page_token")

    assert models(f"name LIKE '{stem}%'") == (["a", "b", "c"], None)
    assert models(f"name ILIKE '{stem.upper()}%' and tags.t != 'b'")[0] == ["a", "c"]
    assert models(f"name LIKE '{stem}%'", order_by=["name DESC"])[0] == ["c", "b", "a"]
    assert models(f"name = '{stem}-b'")[0] == ["b"]
    assert models(f"name LIKE '{stem}%' AND tag.`mlflow.prompt.is_prompt` != 'true'")[0] == ["a", "b", "c"]
    first, token = models(f"name LIKE '{stem}%'", max_results=2)
    assert (first, models(f"name LIKE '{stem}%'", max_results=2, page_token=token)[0]) == (["a", "b"], ["c"])
    registry.version(f"{stem}-a", tags=[{"key": "k", "value": "v"}])
    mine = registry.version(f"{stem}-b")

    def versions(text, **body):
        found = registry.good("GET", "model-versions/search", filter=text, **body).get("model_versions", [])
        return [v["name"][-1] for v in found]

    assert versions(f"name LIKE '{stem}%'", order_by=["name ASC"]) == ["a", "b"]
    assert versions(f"run_id = '{mine['run_id']}'") == ["b"]
    assert versions(f"run_id IN ('{mine['run_id']}', 'x') AND version_number > 0") == ["b"]
    assert versions("tags.k = 'v'", max_results=1) == ["a"]
    for bad in ("name = x", "name = 'a' OR name = 'b'", "foo = 'x'", "name > 'a'", "(name = 'a')", "name LIKE"):
        assert registry.call("GET", "registered-models/search", filter=bad)[0] == 400
        assert registry.call("GET", "model-versions/search", filter=bad)[0] == 400
    for verb, most in (("registered-models/search", 1001), ("model-versions/search", 200_001)):
        assert {registry.call("GET", verb, max_results=n)[0] for n in (0, -1, most)} == {400}
        assert registry.call("GET", verb, page_token="zzz")[0] == 400


def test_a_pattern_that_could_take_for_ever_does_not(registry):
    registry.model()
    name = "a" * 200
    registry.call("POST", "registered-models/create", name=name)
    found = registry.good("GET", "registered-models/search", filter=f"name LIKE '{'%a' * 150}b'")
    assert "registered_models" not in found
    assert registry.good("GET", "registered-models/search", filter=f"name LIKE '{'%a_' * 50}%'")["registered_models"]


def test_a_version_is_copied_to_another_model(registry, ask, name):
    other = registry.model()
    made = registry.good("POST", "model-versions/create", name=other, source=f"models:/{name}/2")["model_version"]
    origin = registry.good("GET", "model-versions/get", name=name, version="2")["model_version"]
    assert (made["version"], made["source"], made["run_id"]) == ("1", f"models:/{name}/2", origin["run_id"])
    place = registry.good("GET", "model-versions/get-download-uri", name=other, version="1")["artifact_uri"]
    assert ask.client.get(f"{FILES}{place.removeprefix('mlflow-artifacts:/')}/MLmodel").text == origin["model_id"]


def test_files_of_a_run_become_a_version_that_outlives_them(registry, ask):
    name, run = registry.model(), ask.run()
    root = ask.state(run)["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
    ask.client.put(f"{FILES}{root}/old/MLmodel", content=b"old")
    made = registry.good("POST", "model-versions/create", name=name, source=f"runs:/{run}/old", run_id=run)["model_version"]
    assert made["source"] == f"mlflow-artifacts:/{root}/old"
    assert "model_id" not in made
    ask.client.put(f"{FILES}{root}/old/MLmodel", content=b"changed")
    place = registry.good("GET", "model-versions/get-download-uri", name=name, version="1")["artifact_uri"]
    assert ask.client.get(f"{FILES}{place.removeprefix('mlflow-artifacts:/')}/MLmodel").text == "old"
    again = {"name": name, "source": made["source"], "run_id": run}
    assert registry.good("POST", "model-versions/create", **again)["model_version"]["version"] == "2"


def test_odd_names_find_their_files(registry, ask):
    name = f"ünï #1 100% {uuid.uuid4().hex[:4]}"
    registry.good("POST", "registered-models/create", name=name)
    model_id = registry.version(name)["model_id"]
    place = registry.good("GET", "model-versions/get-download-uri", name=name, version="1")["artifact_uri"]
    assert place.isascii()
    assert ask.client.get(f"{FILES}{quote(place.removeprefix('mlflow-artifacts:/'))}/MLmodel").text == model_id


SOURCES = (
    "/etc",
    "file:///etc",
    "file:/etc",
    "./local",
    "",
    "s3://b/../x",
    "s3://b/%2e%2e/x",
    "s3://",
    "mlflow-artifacts:/0/../..",
    "mlflow-artifacts:/0/..%2f..%2fetc",
    "mlflow-artifacts:/0/%252e%252e/etc",
    "mlflow-artifacts://host/x",
    "mlflow-artifacts:/{other}",
    "runs:/{other_run}/model",
    "runs:/../model",
    "runs:/{run}/../../etc",
    "models:/{other_model}",
    "models:/m-none",
    "models:/none/1",
    "models:/../etc",
    "http://x/y",
    "http://169.254.169.254/latest",
    "http://[bad",
    "https://evil.com/api/2.0/mlflow-artifacts/artifacts/{other}",
    "ftp://host/x",
    "hdfs://host/x",
    "a\x00b",
    "C:\\windows",
    "\\\\host\\share",
    "x" * 3000,
)


@pytest.mark.parametrize("prompt", [False, True])
@pytest.mark.parametrize("source", SOURCES)
def test_no_source_leads_elsewhere_whatever_tags_say(registry, ask, source, prompt):
    """Neither to the server's disk, nor to a host, nor to what belongs to another run or model."""
    if not hasattr(registry, "place"):
        model_id, run = registry.logged()
        other_model, other_run = registry.logged()
        other = ask.state(other_run)["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
        ask.client.put(f"{FILES}{other}/model/MLmodel", content=b"x")
        registry.place = {"run": run, "other_run": other_run, "other_model": other_model, "other": other, "model": model_id}
    place = registry.place
    name = registry.model()
    for key, value in place.items():
        source = source.replace("{" + key + "}", value)
    tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}] if prompt else []
    status, error = registry.call(
        "POST", "model-versions/create", name=name, source=source, run_id=place["run"], model_id=place["model"], tags=tags
    )
    assert status in (400, 404), error
    assert registry.state(name)[0] == {}


@pytest.mark.parametrize("source", ["runs:/other/model", "models:/m-other", "models:/none@best", "s3://b/../x"])
def test_a_source_that_nothing_vouches_for_is_a_bad_value(registry, source):
    told = registry.call("POST", "model-versions/create", name=registry.model(), source=source)
    assert (told[0], told[1]["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_gates_are_asked_and_the_trail_is_written(tmp_path):
    with hr.connect(tmp_path) as store, headrace_server(tmp_path) as url:
        ask = Asking(url)
        registry = Registry(ask)
        name = registry.model()
        registry.version(name)
        registry.version(name)
        store.models.set_gates(name, [Gate("auc", min_improvement=None, at_least=0.9)])
        for status, error in (
            registry.move(name, "1", "Production"),
            registry.call("POST", "registered-models/alias", name=name, alias="champion", version="1"),
        ):
            assert (status, error["error_code"]) == (400, "BAD_REQUEST")
            assert "auc" in error["message"]
        assert [entry.action for entry in store.models.history(name)].count("refuse") == 2
        store.models.set_gates(name, [])
        registry.move(name, "1", "Production")
        registry.good("DELETE", "model-versions/delete", name=name, version="2")
        registry.good("POST", "registered-models/rename", name=name, new_name="kept")
        actions = [entry.action for entry in store.models.history("kept")]
        assert actions == ["rename"]
        assert store.models.verify_history("kept") == 1
        assert store.models.get("kept", "@champion").version == 1
        assert store.lineage.upstream("models:/kept/1")
        ask.client.close()


CLIENT = """
import mlflow, numpy, warnings
warnings.filterwarnings("ignore")
from mlflow import MlflowClient
from sklearn.linear_model import LinearRegression
X, y, client = numpy.array([[1.0], [2.0], [3.0]]), numpy.array([2.0, 4.0, 6.0]), MlflowClient()
mlflow.set_experiment("lines")
with mlflow.start_run() as run:
    mlflow.log_text("hello", "notes/n.txt")
    info = mlflow.sklearn.log_model(LinearRegression().fit(X, y), name="model", registered_model_name="lines")
client.set_registered_model_alias("lines", "blue", "1")
client.transition_model_version_stage("lines", "1", "Production")
client.copy_model_version("models:/lines/1", "copy")
addresses = [info.model_uri, f"runs:/{run.info.run_id}/model", "models:/lines/1", "models:/lines@blue", "models:/lines@champion",
             "models:/lines/latest", "models:/lines/Production", "models:/copy/1"]
for address in addresses:
    assert numpy.allclose(mlflow.sklearn.load_model(address).predict(X), y), address
assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/notes/n.txt") == "hello"
print(run.info.run_id, info.model_id)
"""


@pytest.mark.skipif(not PYTHON.exists(), reason="MLflow isn't installed beside: make .venv-mlflow/.ready")
def test_what_mlflows_client_logs_and_registers_it_loads_by_every_address_and_we_see_it(tmp_path):
    with hr.connect(tmp_path) as store, headrace_server(tmp_path) as url:
        environment = {**os.environ, **ENVIRONMENT, "MLFLOW_TRACKING_URI": url, "PYTHONPATH": ""}
        done = subprocess.run([PYTHON, "-c", CLIENT], capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        run_id, model_id = done.stdout.strip().splitlines()[-1].split()
        assert store.runs.read_artifact(run_id, "notes/n.txt") == b"hello"
        version = store.models.get("lines", "@champion")
        assert (version.version, version.run_id, version.model_id, version.stage) == (1, run_id, model_id, "Production")
        assert "MLmodel" in {file.path for file in version.files}
        assert store.models.verify_history("lines") > 0
        store.models.check_files("lines", 1)
