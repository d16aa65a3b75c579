"""The verbs of runs and models over a real project with two trained models."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import headrace as hr
from headrace.cli.models import _parts
from headrace.errors import InvalidInputError

FRAME = pd.DataFrame({"a": np.linspace(-1, 1, 40), "b": np.tile([0.0, 1.0], 20)})
TRUTH = pd.Series((FRAME["a"] > 0).astype(int), name="y")


def train(store, *, depth, auc):
    with store.start_run(experiment="ranker", name=f"depth {depth}", params={"depth": depth}, capture=False, strict=True) as run:
        for step, value in enumerate(np.linspace(0.5, auc, 8)):
            run.log_metric("auc", float(value), step=step)
        run.log_text("notes/readme.txt", f"depth {depth}")
        run.log_model(LogisticRegression().fit(FRAME, TRUTH), "ranker", example=FRAME[:3])
    return run.id


@pytest.fixture
def runs(cli, project):
    """The ids of two runs, the weaker first."""
    with hr.connect(project) as store:
        return [train(store, depth=3, auc=0.7), train(store, depth=6, auc=0.9)]


@pytest.fixture
def ranker(cli, runs):
    """A registered model with two versions, the first in Production."""
    for run in runs:
        cli("models", "register", run, "ranker")
    cli("models", "promote", "ranker", 1, "--reason", "first")
    return "ranker"


def test_runs_are_listed_searched_and_ordered(cli, runs):
    assert [run["run_id"] for run in cli("runs", "list", "--json").json] == runs[::-1]
    assert cli("runs", "list", "-q", "metrics.auc > 99").out.strip() == "no run is like that"
    found = cli("runs", "list", "-q", "metrics.auc > 0.8 and params.depth = '6'", "-e", "ranker", "--json").json
    assert [run["params"] for run in found] == [{"depth": "6"}]
    ordered = cli("runs", "list", "--order-by", "metrics.auc asc", "--limit", 1, "--json").json
    assert ordered[0]["metrics"] == {"auc": pytest.approx(0.7)}
    assert "depth 6" in cli("runs", "list").out


def test_a_run_is_shown_by_the_start_of_its_id(cli, runs):
    shown = cli("runs", "show", runs[1][:30]).out if runs[0][:30] != runs[1][:30] else cli("runs", "show", runs[1]).out
    assert runs[1] in shown
    assert "depth" in shown
    assert cli("runs", "show", runs[0], "--json").json["outputs"][0]["model_id"].startswith("m-")


def test_a_run_is_shown_with_all_that_it_kept(cli, project):
    with hr.connect(project) as store, store.start_run(experiment="whole", strict=True) as run:
        run.log_metric("auc", 0.9)
    assert cli("runs", "note", run.id, "the *first* one").code == 0
    shown = cli("runs", "show", run.id)
    for word in ("the *first* one", "command", "machine", "packages", "capture/environment.json"):
        assert word in shown.out
    told = cli("runs", "show", run.id, "--json").json
    assert told["note"] == "the *first* one"
    assert told["environment"]["packages"]["numpy"]
    assert told["environment"]["host"]["memory"] > 0
    assert {file["path"] for file in told["artifacts"]} >= {"capture/environment.json", "capture/requirements.txt"}


def test_runs_are_compared(cli, runs):
    said = cli("runs", "compare", *runs).out
    assert "depth 3" in said
    rows = cli("runs", "compare", *runs, "--json").json["rows"]
    assert {"section": "params", "key": "depth", "values": ["3", "6"], "differs": True} in rows


def test_a_metric_is_drawn_and_listed(cli, runs):
    assert "auc  ▁▂▃▄▅▆▇█" in cli("runs", "metrics", runs[0], "auc").out
    points = cli("runs", "metrics", runs[0], "auc", "--json").json["points"]
    assert [point["step"] for point in points] == list(range(8))
    assert "did you mean 'auc'" in cli("runs", "metrics", runs[0], "auk", code=2).err


def test_artifacts_are_listed_and_downloaded(cli, runs, project):
    assert "notes/readme.txt" in cli("runs", "artifacts", runs[0]).out
    cli("runs", "artifacts", runs[0], "--path", "notes", "--download", "out")
    assert (project / "out" / "notes" / "readme.txt").read_text() == "depth 3"


def test_runs_are_deleted_and_restored(cli, runs):
    cli("runs", "delete", runs[0])
    assert len(cli("runs", "list", "--json").json) == 1
    assert len(cli("runs", "list", "--deleted", "--json").json) == 1
    cli("runs", "restore", runs[0])
    assert len(cli("runs", "list", "--json").json) == 2


def test_deleted_runs_are_purged_when_they_are_old_enough(cli, runs, project):
    cli("runs", "delete", runs[0])
    assert cli("runs", "purge", "--json").json == {"runs": 0, "experiments": 0, "kept": 0}
    with hr.connect(project) as store:
        store.runs.stores.runs.set_stage(runs[1], "deleted", 1)  # long ago
    assert cli("runs", "purge", "--dry-run", "--json").json["runs"] == 1
    cli("runs", "purge")
    assert [run["run_id"] for run in cli("runs", "list", "--deleted", "--json").json] == [runs[0]]


def test_models_are_registered_listed_and_shown(cli, ranker):
    assert cli("models", "list", "--json").json[0]["champion"] == 1
    assert "@champion → 1" in cli("models", "show", ranker).out
    assert cli("models", "show", "ranker@champion", "--json").json["version"] == 1
    assert cli("models", "show", "models:/ranker/2", "--json").json["stage"] == "None"
    assert "auc" in cli("models", "compare", ranker, 1, 2).out


def test_a_version_is_promoted_and_rolled_back_and_the_history_says_so(cli, ranker):
    assert "in Production @champion" in cli("models", "promote", ranker, 2, "--reason", "better").out
    assert cli("models", "rollback", ranker, "--reason", "clicks fell", "--json").json["version"] == 1
    assert "in Staging @challenger" in cli("models", "transition", ranker, 2, "Staging").out
    assert [entry["action"] for entry in cli("models", "history", ranker, "--json").json][-3:] == [
        "promote",
        "rollback",
        "restore",
    ]
    assert "the trail is whole" in cli("models", "history", ranker, "--verify").out


def test_a_gate_that_refuses_exits_with_1_and_gives_its_report(cli, ranker, project):
    with hr.connect(project) as store:
        store.models.set_gates("ranker", [hr.Gate("auc", min_improvement=None, at_least=0.95)])
    assert "FAILED" in cli("models", "gates", ranker, "--version", 2, code=1).out
    assert "0.95" in cli("models", "gates", ranker).out
    refused = cli("models", "promote", ranker, 2, "--json", code=1).json["error"]
    assert refused["type"] == "GateError"
    assert not refused["report"]["passed"]
    assert "refused" in cli("models", "promote", ranker, 2, code=1).err
    assert cli("models", "promote", ranker, 2, "--force", "--reason", "the gate is wrong", "--json").json["report"]["forced"]


def test_lineage_leads_from_an_alias_to_its_run(cli, ranker, runs):
    assert f"run:{runs[0]}" in cli("lineage", "models:/ranker@champion").out


def test_lineage_takes_the_beginning_of_an_id(cli, ranker, runs):
    others = [run for run in runs if run != runs[0]]
    length = next(n for n in range(1, 33) if not any(run.startswith(runs[0][:n]) for run in others))
    assert cli("lineage", f"run:{runs[0][:length]}", "--downstream", "--json").json["root"] == f"run:{runs[0]}"


def test_a_run_without_one_model_asks_which(cli, runs, project):
    with hr.connect(project) as store, store.start_run(capture=False) as run:
        pass
    assert "logged 0 models" in cli("models", "register", run.id, "ranker", code=2).err


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("a", ("a", "")),
        ("a/3", ("a", "3")),
        ("a@champion", ("a", "@champion")),
        ("models:/a/latest", ("a", "latest")),
        ("a b", ("a b", "")),
    ],
)
def test_a_model_is_named_as_people_and_as_machines_write_it(address, parts):
    assert _parts(address) == parts


@pytest.mark.parametrize("address", ["", "/3", "a/", "a/3/4", "a@"])
def test_what_names_no_model_is_refused(address):
    with pytest.raises(InvalidInputError):
        _parts(address)


def test_doctor_misses_the_file_of_a_model(cli, ranker, project):
    checks = {check["name"]: check for check in cli("doctor", "--json").json["checks"]}
    assert checks["model ranker"]["level"] == "ok"
    with hr.connect(project) as store:
        digest = store.models.get("ranker", 1).files[0].digest
    next(path for path in (project / ".headrace" / "artifacts").rglob(digest)).unlink()
    checks = {check["name"]: check for check in cli("doctor", "--json", code=1).json["checks"]}
    assert "is gone in the artifact store" in checks["model ranker"]["found"]


def test_runs_are_exported_to_a_file(cli, runs, tmp_path):
    said = cli("runs", "export", tmp_path / "runs.csv", "--json").json
    assert said["rows"] == said["runs"] >= 2
    assert (tmp_path / "runs.csv").read_text().startswith('"run_id","name"')
    assert cli("runs", "export", tmp_path / "points.parquet", "--points", "auc", "--json").json["rows"] >= 2


def test_points_of_a_metric_that_no_run_has_are_refused_and_no_file_is_written(cli, runs, tmp_path):
    for asked in (("auk",), ("auc", "auk")):
        given = [part for key in asked for part in ("--points", key)]
        assert "no metric named 'auk'; did you mean 'auc'?" in cli("runs", "export", "points.csv", *given, code=2).err
    assert not (tmp_path / "points.csv").exists()


def test_runs_are_compared_where_a_metric_was_best(cli, runs):
    rows = cli("runs", "compare", *runs, "--best-of", "auc", "--all", "--json").json["rows"]
    assert "auc (at best auc)" in {row["key"] for row in rows}


def test_a_fault_in_a_query_is_marked_and_told_as_a_place(cli, runs):
    del runs
    found = cli("runs", "list", "-q", "auc > 0.5", "--json", code=2).json["error"]
    assert found["query"] == {**found["query"], "start": 0, "length": 3, "suggestion": "metrics.auc"}


def test_a_card_is_written_and_shown_with_its_facts(cli, ranker, tmp_path):
    path = tmp_path / "card.md"
    path.write_text("For films alone.", encoding="utf-8")
    shown = cli("models", "card", ranker, 1, "--write", path).out
    for fact in ("For films alone.", "| stage | Production |", "| aliases | @champion |", "| depth | 3 |", "| a | float64 |"):
        assert fact in shown
    assert "For films alone." in cli("models", "card", ranker, "@champion", "--json").json["card"]
    assert "can't be read" in cli("models", "card", ranker, 1, "--write", tmp_path / "none.md", code=2).err


def test_what_was_done_to_accounts_is_listed(cli, project):
    (project / "headrace.toml").touch()
    cli("users", "add", "ada", "--role", "admin")
    cli("users", "change", "ada", "--inactive", code=2)  # the last admin
    cli("tokens", "create", "ada", "--label", "laptop")
    acts = cli("users", "history", "--json").json
    assert [act["action"] for act in acts] == ["create token", "add user"]
    assert "account ada, role admin" in cli("users", "history", "--limit", 5).out
