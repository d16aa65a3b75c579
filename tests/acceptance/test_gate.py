"""What a pipeline asks on the command line: gate, wait, request, approve."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing

import pytest

import headrace as hr
from headrace.cli import entry


class Half:
    """A model of our own."""

    def predict(self, data):
        return [0.5] * len(data)


@pytest.fixture
def project(tmp_path):
    with hr.connect(tmp_path) as store:
        with store.start_run(experiment="e") as run:
            run.log_metrics({"auc": 0.8})
            model = run.log_model(Half(), "m", serializer="pickle")
        for _ in range(2):
            store.models.register(model, "ranker")
        store.models.set_gates(
            "ranker", [hr.Gate("auc", at_least=0.7, min_improvement=None), hr.Gate.approvals(by_requester=True)]
        )
    (tmp_path / "headrace.toml").touch()
    return tmp_path


@pytest.fixture
def run(project, capsys):
    """Runs a command line in this process; gives its exit code and what it printed."""

    def run(*words):
        code = entry.run([*words, "-C", str(project)])
        return code, capsys.readouterr().out

    return run


def test_a_version_goes_the_way_from_gate_to_production(project, run, tmp_path):
    report = tmp_path / "report.md"
    code, said = run("gate", "ranker", "2", "--markdown", str(report))
    assert code == 1
    assert "nobody has asked for it" in said
    assert "| ❌ | approved by 1 |" in report.read_text(encoding="utf-8")
    assert run("gate", "ranker", "9")[0] == 2
    code, said = run("models", "request", "ranker", "2", "--reason", "better", "--json")
    asked = json.loads(said)
    assert (code, asked["status"]) == (0, "open")
    assert json.loads(run("models", "requests", "--json")[1])[0]["id"] == asked["id"]
    assert run("models", "comment", asked["id"], "which users?")[0] == 0
    assert run("models", "approve", asked["id"])[0] == 0
    assert json.loads(run("wait", "models:/ranker@champion", "--version", "2", "--json")[1])["version"] == 2
    code, said = run("models", "audit", "--verify")
    assert code == 0
    assert "the trails are whole: 7 entries of models, and that of users and tokens" in said
    assert run("users", "add", "ada", "--role", "admin")[0] == 0
    with closing(sqlite3.connect(project / ".headrace" / "catalog.db")) as catalog:
        catalog.execute("DROP TRIGGER audit_no_update")
        catalog.execute("UPDATE audit SET user = 'eve' WHERE subject = 'server:accounts'")
        catalog.commit()
    assert run("models", "audit", "--verify")[0] != 0


def test_a_wait_ends_when_the_version_is_there_or_when_it_took_too_long(project, run):
    assert run("wait", "models:/ranker@champion", "--timeout", "0")[0] == 124
    done = []
    waiting = threading.Thread(target=lambda: done.append(run("wait", "models:/ranker@champion", "--timeout", "60")))
    waiting.start()
    with hr.connect(project) as store:
        store.models.promote("ranker", 1, force=True, reason="now")
    waiting.join(60)
    assert done[0][0] == 0


def test_users_tokens_and_webhooks_are_made_on_the_command_line(run):
    assert run("users", "add", "ada", "--role", "admin")[0] == 0
    code, said = run("tokens", "create", "ada", "--scope", "runs:write", "--days", "1", "--json")
    token = json.loads(said)
    assert token["token"].startswith("hr_")
    assert token["token"] not in run("tokens", "list", "--json")[1]
    assert run("tokens", "revoke", token["id"])[0] == 0
    assert json.loads(run("tokens", "list", "--json")[1])[0]["revoked"] is True
    assert run("users", "change", "ada", "--inactive")[0] == 2
    made = json.loads(run("webhooks", "create", "https://127.0.0.1/x", "--json")[1])
    code, said = run("webhooks", "test", made["id"], "--json")
    assert (code, json.loads(said)["status"]) == (1, "failed")
    assert run("webhooks", "remove", made["id"])[0] == 0
