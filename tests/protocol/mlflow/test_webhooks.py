"""MLflow's webhooks: made, changed, tested and removed by its own client, told in its shape and signed as it signs."""

from __future__ import annotations

import json
import time

import pytest

from protocol.mlflow.test_client import spoken
from servers.headrace import headrace_server
from servers.hooks import receiver
from servers.mlflow import PYTHON

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="MLflow isn't installed beside: make .venv-mlflow/.ready")

EVENTS = [
    "registered_model.created",
    "model_version.created",
    "model_version_tag.set",
    "model_version_tag.deleted",
    "model_version_alias.created",
    "model_version_alias.deleted",
]


def test_webhooks_of_mlflows_client_are_told_as_mlflow_tells_them(tmp_path):
    (tmp_path / "headrace.toml").write_text('webhook_hosts = ["127.0.0.1"]', encoding="utf-8")
    with receiver() as hooks, headrace_server(tmp_path) as url:
        told = spoken("webhooks.py", url, hooks.url)
        deadline = time.monotonic() + 60
        while len(hooks.got) < 2 + len(EVENTS):
            assert time.monotonic() < deadline, hooks.got
            time.sleep(0.05)
        got = [(headers, json.loads(body)) for headers, body in hooks.got]
        (tmp_path / "sent").write_text(
            "".join(f"{json.dumps([headers, body.decode()])}\n" for headers, body in hooks.got if "x-mlflow-signature" in headers)
        )
        checked = spoken("webhooks.py", url, "check", str(tmp_path / "sent"))
    assert checked == [True] * (1 + len(EVENTS))
    assert told["made"] == told["got"] == ["ci-hook", "Tells CI.", EVENTS, "ACTIVE", None]
    assert told["pages"] == [["ci-hook"], ["quiet"]]
    assert told["test"] == [True, 200, "ok"]
    assert told["default test"] is True
    assert told["changed"] == ["renamed", "Tells CI.", EVENTS[:1], "DISABLED", None]
    wrong = "INVALID_PARAMETER_VALUE"
    assert told["refused"] == ["RESOURCE_DOES_NOT_EXIST", wrong, wrong, wrong, wrong]

    (headers, first), (_, second), *rest = got  # the tests are sent at once
    assert (first["entity"], first["action"]) == ("model_version_alias", "created")
    assert first["data"] == {"name": "example_model", "alias": "champion", "version": "1"}
    assert (second["entity"], second["data"]["version"]) == ("model_version", "1")
    assert {"x-mlflow-delivery-id", "x-mlflow-timestamp", "x-mlflow-signature"} <= set(headers)
    assert {f"{body['entity']}.{body['action']}": body["data"] for _, body in rest} == {
        "registered_model.created": {"name": "hooked", "tags": {"team": "r"}, "description": "A model."},
        "model_version.created": {
            "name": "hooked",
            "version": "1",
            "source": "s3://bucket/model",
            "run_id": told["run"],
            "tags": {"k": "v"},
            "description": "One.",
        },
        "model_version_tag.set": {"name": "hooked", "version": "1", "key": "a", "value": "1"},
        "model_version_tag.deleted": {"name": "hooked", "version": "1", "key": "a"},
        "model_version_alias.created": {"name": "hooked", "alias": "blue", "version": "1"},
        "model_version_alias.deleted": {"name": "hooked", "alias": "blue"},
    }
    assert all("timestamp" in body for _, body in got)
