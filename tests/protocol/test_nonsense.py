"""Nonsense to every route: whatever is sent, the answer says what is wrong with it, and is never that something broke inside."""

from __future__ import annotations

import json
import random
import re
from urllib.parse import quote

import httpx
import pytest

from headrace.server.app import ENDPOINTS
from headrace.server.openapi import document
from servers.headrace import HeadraceServer

REQUESTS = 1000
SLOW = re.compile("live|materialize|vacuum|optimize|webhooks|historical")
"""Routes that stream for ever, work for long, or send to other hosts."""
NUMBERS = (
    0,
    1,
    -1,
    2**31,
    -(2**31) - 1,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    10**30,
    1.5,
    1e308,
    -0.0,
    "NaN",
    "Infinity",
    "1e400",
    "\u0661",
)
TEXTS = (
    "",
    "a",
    "0",
    "\x00",
    "a\x00b",
    "\ud800",
    "😀" * 300,
    "x" * 251,
    "x" * 10_000,
    "../..",
    "..%2f",
    "%00",
    "a/b",
    "\\",
    "'",
    '"',
    "`",
)
QUERIES = (
    *("metrics.m > 1", "params.p = 'a'", "metrics.`m` DESC", "start_time", "((((", "tags.a LIKE '%", "a" * 100 + "%" * 50),
    *("eyJvZmZzZXQiOiA5MjIzMzcyMDM2ODU0Nzc1ODA3fQ==", "FINISHED", "Production", "champion", "models:/m/1", "9999-99-99"),
)
SHAPES = (None, True, [], {}, [[]], [{}], ["a"], [None], {"a": 1}, [{"key": "m", "value": 1, "timestamp": 1, "step": 1}])
NASTY = (*NUMBERS, *TEXTS, *QUERIES, *SHAPES)


class Nonsense:
    """Makes requests to routes out of their description: fields of their names, with values of any kind."""

    def __init__(self, known, seed):
        self.known = known
        self.dice = random.Random(seed)
        self.document = json.loads(json.dumps(document(ENDPOINTS)))

    def value(self, name):
        if name in self.known and self.dice.random() < 0.6:
            return self.known[name]
        return self.dice.choice(NASTY)

    def request(self, endpoint):
        """The target, and the body if the route takes one."""
        described = self.document["paths"][endpoint.path.replace("...}", "}")][endpoint.method.lower()]
        path = re.sub(r"\{(\w+)(?:\.\.\.)?\}", lambda found: self.text(self.value(found[1])) or "x", endpoint.path)
        names = [item["name"] for item in described.get("parameters", []) if item["in"] == "query" and self.dice.random() < 0.8]
        query = "&".join(f"{name}={self.text(self.value(name))}" for name in names)
        return f"{path}?{query}" if query else path, self.body(described.get("requestBody"))

    def body(self, described):
        if described is None:
            return {}
        ((kind, content), *_) = described["content"].items()
        if "json" not in kind:
            return {"content": self.dice.choice([b"", b"x" * 1000, b"\x00\xff" * 50]), "headers": {"content-type": kind}}
        fields = self.fields(content.get("schema", {}))
        made = (
            {name: self.value(name) for name in fields if self.dice.random() < 0.85}
            if self.dice.random() < 0.97
            else self.value("")
        )
        return {"content": json.dumps(made).encode(), "headers": {"content-type": "application/json"}}

    def fields(self, schema):
        while "$ref" in schema:
            schema = self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return schema.get("properties", {})

    def text(self, value):
        return quote((value if isinstance(value, str) else json.dumps(value)).encode("utf-8", "surrogatepass"), safe="")


def some_of_each(client):
    """Ids that exist, by the names of the fields that take them."""

    def post(path, **body):
        return client.post(f"/api/2.0/mlflow/{path}", json=body).raise_for_status().json()

    experiment = post("experiments/create", name="e")["experiment_id"]
    run = post("runs/create", experiment_id=experiment)["run"]["info"]["run_id"]
    model = post("logged-models", experiment_id=experiment, source_run_id=run)["model"]["info"]["model_id"]
    client.patch(f"/api/2.0/mlflow/logged-models/{model}", json={"status": "LOGGED_MODEL_READY"}).raise_for_status()
    post("registered-models/create", name="m")
    post("model-versions/create", name="m", source=f"models:/{model}", run_id=run, model_id=model)
    one = {"experiment_id": experiment, "run_id": run, "run": run, "model_id": model, "name": "m", "version": "1"}
    return {**one, "experiment_ids": [experiment], "run_ids": [run], "experiment": experiment, "experiments": experiment}


@pytest.mark.parametrize("dialect", ["mlflow", "native"])
def test_nonsense_is_refused_and_breaks_nothing(tmp_path, dialect):
    (tmp_path / "headrace.toml").touch()
    routes = [item for item in ENDPOINTS if (item.dialect == "mlflow") == (dialect == "mlflow") and not SLOW.search(item.path)]
    with HeadraceServer(tmp_path, "--no-access-log") as server, httpx.Client(base_url=server.url, timeout=60) as client:
        nonsense = Nonsense(some_of_each(client), seed=len(dialect))
        broken, refused = [], 0
        for _ in range(REQUESTS):
            endpoint = nonsense.dice.choice(routes)
            target, body = nonsense.request(endpoint)
            answer = client.request(endpoint.method, target, **body)
            refused += 400 <= answer.status_code < 500
            if answer.status_code >= 500 and answer.status_code != 501:
                broken.append((endpoint.method, target[:300], body, answer.text))
        assert broken == []
        assert refused > REQUESTS // 2
        beyond = client.get("/api/v1/requests", params={"version": 10**30})  # what SQLite's driver can't take
        assert (beyond.status_code, "nothing was changed" in beyond.json()["detail"]) == (422, True)
        assert server.stop() == 0
        assert "Traceback" not in server.said
