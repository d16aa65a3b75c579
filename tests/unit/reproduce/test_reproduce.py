"""A run is run again from what it kept, and what differs is told."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import headrace as hr
from headrace.errors import InvalidInputError, NotFoundError, StorageError
from headrace.reproduce.environment import build_environment
from headrace.reproduce.outcome import compare_outcomes
from headrace.reproduce.recipe import read_recipe
from headrace.reproduce.service import reproduce
from headrace.tracking.run import Metric, MetricSummary, Run

SCRIPT = """
import os, sys
import headrace as hr
from helper import factor

with hr.start_run(experiment="again", name="train", params={"depth": sys.argv[1]}) as run:
    run.use("data.csv")
    for step in range(3):
        run.log_metric("loss", factor / (step + 1) + float(os.environ.get("NOISE", "0")), step=step)
    with hr.start_run(nested=True, name="inner", capture=False) as inner:
        inner.log_metric("loss", 9.0)
"""


@pytest.fixture
def code(tmp_path):
    """A project in a git repository: a script, a module beside it, and data."""
    folder = tmp_path / "code"
    (folder / "jobs").mkdir(parents=True)
    (folder / "jobs" / "train.py").write_text(SCRIPT)
    (folder / "jobs" / "helper.py").write_text("factor = 6\n")
    (folder / "data.csv").write_text("a\n1\n")
    (folder / "headrace.toml").write_text("")
    (folder / ".gitignore").write_text(".headrace/\n")
    git(folder, "init", "-q", "-b", "main")
    commit(folder, "first")
    return folder


def git(folder, *arguments):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    return subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder, message):
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)


def train(folder, *arguments):
    """Run the script as a user does; the run's id."""
    subprocess.run([sys.executable, "jobs/train.py", *(arguments or ("6",))], cwd=folder, check=True, capture_output=True)
    with hr.connect(folder) as store:
        return store.runs.search("attributes.run_name = 'train'")[0].id


def again(folder, run_id, **options):
    with hr.connect(folder) as store:
        return reproduce(store, run_id, build=False, **options)


def test_the_same_code_and_data_give_the_same(code):
    run_id = train(code)
    found = again(code, run_id)
    assert found.verdict == "same", found
    assert (found.metrics, found.differences, found.missing, found.environment) == (1, [], (), ())
    assert [item.state for item in found.data] == ["restored"]
    with hr.connect(code) as store:
        child = store.runs.get(found.again)
        assert child.parent == run_id
        assert child.tags["headrace.reproduces"] == run_id
        assert child.params == {"depth": "6"}
        nested = store.runs.search("attributes.run_name = 'inner'")
        assert {run.parent for run in nested} == {run_id, found.again}


def test_what_was_not_committed_is_applied_and_what_came_later_is_not(code):
    (code / "jobs" / "helper.py").write_text("from extra import factor\n")
    (code / "jobs" / "extra.py").write_text("factor = 7\n")
    run_id = train(code)
    (code / "jobs" / "helper.py").write_text("factor = 100\n")
    (code / "jobs" / "extra.py").unlink()
    commit(code, "later")
    before = git(code, "status", "--porcelain"), git(code, "rev-parse", "HEAD"), git(code, "worktree", "list")
    assert again(code, run_id).verdict == "same"
    assert (git(code, "status", "--porcelain"), git(code, "rev-parse", "HEAD"), git(code, "worktree", "list")) == before


def test_a_changed_text_that_is_not_utf8_comes_back_byte_for_byte(code):
    (code / "labels.txt").write_bytes(b"caf\xe9 1\n")
    commit(code, "labels")
    (code / "labels.txt").write_bytes(b"caf\xe9 2\n")
    found = again(code, train(code))
    assert (found.verdict, found.missing) == ("same", ())
    assert (Path(found.folder) / "code" / "labels.txt").read_bytes() == b"caf\xe9 2\n"


def test_a_submodule_has_the_commit_it_had_and_changes_inside_are_told(code, tmp_path):
    library = tmp_path / "elsewhere" / "library"
    library.mkdir(parents=True)
    git(library, "init", "-q", "-b", "main")
    (library / "size.py").write_text("size = 1\n")
    commit(library, "one")
    git(code, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "lib")
    git(code, "config", "-f", ".gitmodules", "submodule.lib.url", "../no-such-place")  # as seen from a host, not from here
    (code / "jobs" / "helper.py").write_text("import sys\nsys.path.append('lib')\nfrom size import size as factor\n")
    commit(code, "with a library")
    (code / "lib" / "size.py").write_text("size = 2\n")
    commit(code / "lib", "two, pushed nowhere")
    found = again(code, train(code))
    assert (found.verdict, found.missing) == ("same", ())
    (code / "lib" / "size.py").write_text("size = 3\n")
    found = again(code, train(code))
    assert found.verdict == "differs"
    assert "leaves out lib:" in found.missing[0]


def test_what_differs_is_told_within_tolerances(code, monkeypatch):
    run_id = train(code)
    monkeypatch.setenv("NOISE", "0.01")
    found = again(code, run_id)
    assert found.verdict == "differs"
    assert [item.name for item in found.differences] == ["loss (last)", "loss (lowest)", "loss (highest)"]
    assert again(code, run_id, tolerance=0.01).verdict == "same"


def test_data_outside_of_git_is_copied_while_it_is_as_it_was(code):
    git(code, "rm", "-q", "--cached", "data.csv")
    (code / ".gitignore").write_text(".headrace/\ndata.csv\n")
    commit(code, "data stays out")
    run_id = train(code)
    found = again(code, run_id)
    assert (found.verdict, [item.state for item in found.data]) == ("same", ["restored"])
    (code / "data.csv").write_text("a\n3\n")
    found = again(code, run_id)
    assert (found.verdict, [item.state for item in found.data]) == ("differs", ["missing"])
    assert [(item.kind, item.name, item.after) for item in found.differences] == [("data", "data.csv", None)]


def test_a_frame_is_compared_by_its_own_digest_and_not_by_that_of_the_file_it_came_from(code):
    script = (code / "jobs" / "train.py").read_text()
    frame = 'pandas.read_csv("data.csv"), name="rows", source="data.csv"'
    (code / "jobs" / "train.py").write_text("import pandas\n" + script.replace('"data.csv"', frame))
    (code / ".gitignore").write_text(".headrace/\ndata.csv\n")
    git(code, "rm", "-q", "--cached", "data.csv")
    commit(code, "reads a frame from a file outside of git")
    run_id = train(code)
    found = again(code, run_id)
    assert (found.verdict, [item.state for item in found.data]) == ("same", ["unknown"])
    (code / "data.csv").write_text("a\n3\n")
    found = again(code, run_id)
    assert (found.verdict, [(item.kind, item.name) for item in found.differences]) == ("differs", [("data", "rows")])


def test_a_training_set_is_restored_though_the_lake_went_on(code, tmp_path):
    (code / "jobs" / "train.py").write_text(
        textwrap.dedent(
            """
            from datetime import datetime, UTC
            import headrace as hr
            import pandas as pd

            store = hr.connect()
            labels = pd.DataFrame({"user": [1, 2], "ts": [datetime(2030, 1, 1, tzinfo=UTC)] * 2, "liked": [0, 1]})
            with store.start_run(experiment="again", name="train") as run:
                ts = store.training_set("taste", labels, timestamp="ts", label="liked", name="set")
                run.use(ts)
                run.log_metric("rated", float(ts.to_pandas()["n"].sum()))
            store.close()
            """
        )
    )
    commit(code, "a training set")
    user = hr.Entity("user", keys={"user": "int64"})
    source = hr.EventSource("rates", timestamp="at", schema={"user": "int64", "at": "timestamp"})
    group = hr.FeatureGroup("rated", entity=user, source=source, features={"n": hr.count()})
    rows = pd.DataFrame({"user": [1, 1, 2], "at": pd.to_datetime(["2026-01-01"] * 3, utc=True)})
    with hr.connect(code) as store:
        store.apply([hr.FeatureView("taste", features=[group])])
        store.write("rates", rows)
    run_id = train(code)
    with hr.connect(code) as store:
        store.write("rates", rows)
        found = reproduce(store, run_id, build=False)
        assert found.verdict == "same", found
        assert [(item.state, item.pin) for item in found.data] == [("restored", "set:1")]
        metrics = store.runs.get(found.again).metrics  # on a slow machine also what was measured of it
        assert {key: value for key, value in metrics.items() if not key.startswith("system/")} == {"rated": 3.0}
        assert len(store.training_sets.all()) == 1


def test_a_command_that_fails_is_told(code):
    run_id = train(code)
    (code / "jobs" / "train.py").write_text("raise SystemExit(3)\n")
    commit(code, "broken")
    with hr.connect(code) as store:
        store.runs.set_tag(run_id, "mlflow.source.git.commit", git(code, "rev-parse", "HEAD"))
    found = again(code, run_id)
    assert (found.verdict, found.exit_code, found.again) == ("failed", 3, "")


def test_a_commit_that_is_gone_is_told(code):
    run_id = train(code)
    with hr.connect(code) as store:
        store.runs.set_tag(run_id, "mlflow.source.git.commit", "a" * 40)
        with pytest.raises(NotFoundError, match="never pushed, or its branch is gone; name a repository"):
            reproduce(store, run_id, build=False)


def test_a_commit_is_fetched_from_where_it_came(code, tmp_path):
    origin = tmp_path / "origin"
    git(tmp_path, "clone", "-q", "--bare", str(code), str(origin))
    git(code, "remote", "add", "origin", origin.as_uri())
    run_id = train(code)
    with hr.connect(code) as store:
        store.runs.set_tag(run_id, "headrace.git.root", str(tmp_path / "gone"))
        with pytest.raises(InvalidInputError, match="isn't in the repository at that commit"):
            reproduce(store, run_id, build=False, into=tmp_path / "again")
    assert (tmp_path / "again" / "code" / "jobs" / "train.py").is_file()


def test_what_of_the_code_was_not_kept_is_told(code):
    run_id = train(code)
    with hr.connect(code) as store:
        store.runs.set_tag(run_id, "headrace.git.dirty", "true")
        store.runs.set_tag(run_id, "headrace.git.skipped", json.dumps(["big.bin"]))
    found = again(code, run_id)
    assert len(found.missing) == 2
    assert "no diff of them was kept" in found.missing[0]
    assert "big.bin" in found.missing[1]


def test_a_diff_that_does_not_apply_is_told(code):
    (code / "jobs" / "helper.py").write_text("factor = 7\n")
    run_id = train(code)
    git(code, "checkout", "-q", "--", "jobs/helper.py")
    (code / "jobs" / "helper.py").write_text("other = 1\n" * 9)
    commit(code, "other")
    with hr.connect(code) as store:
        store.runs.set_tag(run_id, "mlflow.source.git.commit", git(code, "rev-parse", "HEAD"))
        with pytest.raises(StorageError, match=r"diff of run .* doesn't apply"):
            reproduce(store, run_id, build=False)
        store.runs.set_tag(run_id, "headrace.git.redacted", "true")
        with pytest.raises(StorageError, match="looks like a password"):
            reproduce(store, run_id, build=False)


def test_a_run_without_a_command_is_told(tmp_path):
    with hr.connect(tmp_path) as store:
        with store.start_run(capture=False) as run:
            pass
        with pytest.raises(InvalidInputError, match="kept nothing of how it was started"):
            reproduce(store, run.id)


def test_a_secret_on_the_command_line_is_told(code):
    run_id = train(code, "6", "--api-key=hush12345")
    with hr.connect(code) as store, pytest.raises(InvalidInputError, match="a secret that wasn't kept"):
        reproduce(store, run_id, build=False)


def test_a_folder_that_is_in_use_is_left_alone(code):
    run_id = train(code)
    with hr.connect(code) as store, pytest.raises(hr.ConflictError, match="isn't an empty folder"):
        reproduce(store, run_id, build=False, into=code)


def run_with(values, **options):
    latest = {key: Metric(key, value, 1) for key, value in values.items()}
    return Run(id="r", name="r", experiment_id="0", experiment="e", status="FINISHED", start=0, latest=latest, **options)


def compared(before, after, tolerance=0.0, **own):
    sides = tuple({key: MetricSummary(1, value, value) for key, value in side.items()} for side in (before, after))
    found, _ = compare_outcomes(run_with(before), run_with(after), sides, tolerance, own)
    return [(item.name, item.before, item.after) for item in found]


def test_nan_equals_nan_and_a_missing_metric_differs():
    nan = float("nan")
    assert compared({"a": nan}, {"a": nan}) == []
    assert compared({"a": 1.0}, {}) == [("a", 1.0, None)]
    assert compared({}, {"a": 1.0}) == [("a", None, 1.0)]


def test_a_tolerance_of_its_own_goes_before_the_general_one():
    assert compared({"a": 100.0}, {"a": 101.0}, tolerance=0.02) == []
    assert compared({"a": 100.0}, {"a": 101.0}, tolerance=0.02, a=0.001) == [("a", 100.0, 101.0)]
    assert compared({"a": 100.0}, {"a": 101.0}, tolerance=0.001, a=0.02) == []
    assert compared({"a": 0.0}, {"a": 1e-9}, tolerance=0.5) == [("a", 0.0, 1e-9)]


def test_what_the_machine_did_is_not_compared():
    assert compared({"system/cpu": 1.0}, {"system/cpu": 2.0}) == []


def test_an_environment_of_its_own_has_the_recorded_packages(code, monkeypatch):
    """Of packages that no index has, Headrace itself is linked, and others are told."""
    run_id = train(code)
    with hr.connect(code) as store:
        recipe = read_recipe(store.runs, run_id)
    packages = "headrace==0.0.0\nno-such-package-of-ours==1.0\niniconfig==2.1.0\n"
    built = build_environment(replace(recipe, packages=packages), code.parent / "venv")
    assert any(note.startswith("headrace: the one that runs this") for note in built.notes)
    assert "no-such-package-of-ours==1.0: no index here has it" in built.notes
    monkeypatch.delenv("PYTHONPATH", raising=False)
    program = "import headrace, iniconfig; print(headrace.__file__)"
    shown = subprocess.run([built.python, "-c", program], capture_output=True, text=True, check=True).stdout
    assert Path(shown.strip()).is_relative_to(code.parent / "venv")
