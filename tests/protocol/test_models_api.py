"""The registry's JSON routes: what an app changes, compares and lists."""

from __future__ import annotations

import httpx
import pandas as pd
import pytest

import headrace as hr
from headrace.serving.messages import pack
from headrace.serving.predictions import Made
from servers.inside import served


class Always:
    """A model of our own."""

    def __init__(self, value):
        self.value = value

    def predict(self, data):
        return [self.value] * len(data)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A server of a project with a model of three versions, two of them measured, and predictions of two."""
    folder = tmp_path_factory.mktemp("models_api")
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "y": [0, 1, 0, 1]})
    with hr.connect(folder) as store:
        for depth, value in enumerate((0.9, 0.5, 0.4)):
            with store.start_run(experiment="e", params={"depth": depth}) as run:
                run.log_metrics({"loss": value, "system/cpu_percent": 100.0})
                model = run.log_model(Always(value), "m", serializer="pickle")
            store.models.register(model, "ranker")
        for version in (1, 2):
            store.models.evaluate("ranker", version, frame, label="y", metrics=["brier"], allow_pickle=True)
        store.models.promote("ranker", 1, reason="the first")
        for number in range(3):
            store.predictions.keep(made(f"r{number}", version=1 + number % 2, at=number))
        store.record_outcomes(pd.DataFrame({"request": ["r0"], "outcome": [1]}))
    with served(folder) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def made(request, version, at):
    return Made(
        request=request,
        model="ranker",
        version=version,
        role="main",
        view="",
        source="request",
        method="predict",
        keys=pack({}),
        asked=pack(("predict", {"x": [1.0, 2.0]})),
        json=b"[0.5,0.25]",
        rows=2,
        at=1_700_000_000_000_000 + at,
        seconds=0.001,
    )


def test_two_versions_are_compared_side_by_side(client):
    found = client.get("/api/v1/models/ranker/compare", params={"a": "1", "b": "2"}).json()
    lines = {(line["section"].partition(" on ")[0], line["name"]): line for line in found["lines"]}
    assert (found["a"], found["b"]) == (1, 2)
    figures = lines["figures", "brier"]
    assert (figures["better"], figures["differs"], round(figures["change"], 6)) == (True, True, -0.16)
    assert lines["params", "depth"]["differs"]
    assert ("metrics as logged", "loss") in lines
    assert not [name for _, name in lines if name.startswith("system/")]  # how busy the machine was is nothing of the model
    assert lines["environment", "python"]["differs"] is False
    assert client.get("/api/v1/models/ranker/compare", params={"a": "2"}).json()["b"] == 1  # the champion
    assert client.get("/api/v1/models/ranker/compare", params={"a": "9"}).status_code == 404
    assert client.get("/api/v1/models/ranker/compare").status_code == 400


def test_predictions_are_listed_newest_first_with_their_outcomes(client):
    def listed(**query):
        answer = client.get("/api/v1/models/ranker/predictions", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()["predictions"]

    assert [(each["request"], each["row"]) for each in listed()] == [(f"r{n}", row) for n in (2, 1, 0) for row in (0, 1)]
    assert {each["uri"] for each in listed(version=2)} == {"models:/ranker/2"}
    (first, second) = listed(limit=2, until=listed()[-1]["time"])
    assert (first["request"], first["outcome"], second["outcome"]) == ("r0", 1, None)
    assert (first["prediction"], first["features"], first["keys"]) == (0.5, {"x": 1.0}, {})
    assert listed(role="shadow") == []
    found = client.get("/api/v1/predictions/r1").json()["predictions"]
    assert [(each["row"], each["prediction"]) for each in found] == [(0, 0.5), (1, 0.25)]
    assert client.get("/api/v1/predictions/none").status_code == 404
    for query in ({"limit": 0}, {"until": "then"}):
        assert client.get("/api/v1/models/ranker/predictions", params=query).status_code == 422


def test_gates_are_set_and_their_decisions_listed(client):
    gates = "/api/v1/models/ranker/gates"
    asked = {
        "gates": [{"metric": "brier", "min_improvement": 0.01}, {"metric": "size_mb", "min_improvement": None, "at_most": 1}]
    }
    told = client.put(gates, json=asked).json()["gates"]
    assert [(gate["metric"], gate["min_improvement"], gate["at_most"]) for gate in told] == [
        ("brier", 0.01, None),
        ("size_mb", None, 1),
    ]
    assert client.get(gates).json()["gates"] == told
    refused = client.post("/api/v1/models/ranker/versions/3/stage", json={"to": "Production", "reason": "hope"})
    assert refused.status_code == 409
    (decision, *_) = client.get("/api/v1/models/ranker/decisions", params={"version": 3}).json()["decisions"]
    assert (decision["action"], decision["reason"], decision["report"]["passed"]) == ("refuse", "hope", False)
    assert {each["metric"] for each in decision["report"]["conditions"]} == {"brier", "size_mb"}
    for bad in ({"metric": "brier", "at_lest": 1}, {"metric": "auc", "min_improvement": None}, {"metric": " "}, "brier"):
        assert client.put(gates, json={"gates": [bad]}).status_code == 400
    assert client.get(gates).json()["gates"] == told
    assert client.put(gates, json={"gates": []}).json()["gates"] == []


def test_texts_tags_and_aliases_are_changed(client):
    model, version = "/api/v1/models/texts", "/api/v1/models/texts/versions/1"
    assert client.post("/api/v1/models", json={"name": "texts", "tags": {"a": "1", "b": "2"}}).status_code == 200
    assert client.post("/api/v1/models", json={"name": "texts"}).status_code == 409
    change = {"description": "Ranks.", "owner": "team", "set": {"a": "3"}, "remove": ["b", "none"]}
    assert client.patch(model, json=change).json() == {"changed": "models:/texts"}
    found = client.get(model).json()
    assert (found["description"], found["owner"], found["tags"]) == ("Ranks.", "team", {"a": "3"})
    assert client.patch(version, json={"description": "x"}).status_code == 404
    assert client.patch(model, json={"name": "renamed"}).json() == {"changed": "models:/renamed"}
    assert client.delete("/api/v1/models/renamed").status_code == 200
    assert client.get(model).status_code == client.get("/api/v1/models/renamed").status_code == 404

    ranker = "/api/v1/models/ranker"
    assert client.patch(f"{ranker}/versions/3", json={"owner": "ada", "card": "For tests.", "set": {"k": "v"}}).status_code == 200
    assert client.put(f"{ranker}/aliases/blue", json={"version": 3}).json() == {"changed": "models:/ranker/3"}
    newest = client.get(ranker).json()["versions"][0]
    assert (newest["owner"], newest["tags"], newest["aliases"]) == ("ada", {"k": "v"}, ["blue"])
    assert client.put(f"{ranker}/aliases/champion", json={"version": 3}).status_code == 409
    assert client.delete(f"{ranker}/aliases/champion").status_code == 409
    assert client.put(f"{ranker}/aliases/blue", json={"version": 99}).status_code == 404
    assert client.delete(f"{ranker}/aliases/blue").status_code == 200
    timeline = client.get(f"{ranker}/timeline").json()
    named = {each["alias"]: each["reigns"] for each in timeline["aliases"]}
    assert next(iter(named)) == "champion"
    assert named["champion"] == timeline["reigns"]
    (blue,) = named["blue"]
    assert (blue["version"], blue["action"], blue["ended"] is None) == (3, "alias", False)
    assert client.delete(f"{ranker}/versions/1").status_code == 409  # it is in Production
    assert client.delete(f"{ranker}/versions/3").status_code == 200
    assert [each["version"] for each in client.get(ranker).json()["versions"]] == [2, 1]


def test_the_trail_is_recomputed_on_demand(tmp_path):
    import sqlite3

    with hr.connect(tmp_path) as store, served(tmp_path) as url:
        store.models.create("changed")
        httpx.post(f"{url}/api/2.0/mlflow/registered-models/create", json={"name": "whole"}).raise_for_status()
        told = httpx.get(f"{url}/api/v1/audit").json()["entries"]
        assert {each["subject"]: each["origin"] for each in told} == {"changed": "", "whole": "127.0.0.1"}
        clean = httpx.get(f"{url}/api/v1/audit/verify").json()["histories"]
        assert [(each["subject"], each["entries"], each["fault"]) for each in clean] == [("changed", 1, ""), ("whole", 1, "")]
        with sqlite3.connect(tmp_path / ".headrace" / "catalog.db") as catalog:
            (table,) = [
                name for (name,) in catalog.execute("select name from sqlite_master where type = 'table'") if "audit" in name
            ]
            for (trigger,) in catalog.execute("select name from sqlite_master where type = 'trigger'").fetchall():
                catalog.execute(f"drop trigger {trigger}")
            catalog.execute(f"update {table} set reason = 'another' where subject = 'changed'")
        changed, whole = httpx.get(f"{url}/api/v1/audit/verify").json()["histories"]
        assert "changed" in changed["fault"]
        assert whole["fault"] == ""


def test_of_promotions_at_once_each_is_in_the_history_or_told_that_another_came_first(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    with hr.connect(tmp_path) as store:
        with store.start_run(experiment="e") as run:
            model = run.log_model(Always(0.5), "m", serializer="pickle")
        for _ in range(12):
            store.models.register(model, "raced")
        store.models.promote("raced", 1)
    with served(tmp_path) as url, httpx.Client(base_url=url, timeout=60) as racing:

        def promote(version):
            return racing.post(f"/api/v1/models/raced/versions/{version}/stage", json={"to": "Production", "reason": "race"})

        with ThreadPoolExecutor(11) as pool:
            answers = list(pool.map(promote, range(2, 13)))
        found = racing.get("/api/v1/models/raced").json()
        entries = racing.get("/api/v1/models/raced/history").json()["entries"]
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert all("came first" in answer.json()["detail"] for answer in answers if answer.status_code == 409)
    won = [number for number, answer in enumerate(answers, start=2) if answer.status_code == 200]
    promoted = [entry["version"] for entry in reversed(entries) if entry["action"] == "promote"]
    assert won
    assert sorted(promoted) == [1, *won]
    assert found["champion"] == promoted[-1]
    assert [each["version"] for each in found["versions"] if each["stage"] == "Production"] == [promoted[-1]]
