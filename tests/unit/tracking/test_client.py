"""The run that training code holds."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from headrace.errors import ConflictError, InvalidInputError, NotFoundError, StorageError
from headrace.remote.tracking_journal import RemoteJournal
from headrace.tracking.client.guard import TrackingWarning
from headrace.tracking.client.run import current_run
from headrace.tracking.client.spool import Spool


@dataclass(frozen=True)
class FakeTrainingSet:
    name: str = "ranking-2026-11"
    version: int = 2
    fingerprint: str = "f" * 64
    urn: str = "training_set:ranking-2026-11:2"

    def __len__(self):
        return 10


def test_a_run_records_what_it_was_told(runs):
    with runs.start("ranker", "first", params={"depth": 6}, tags={"team": "x"}, description="why", capture=False) as run:
        run.log_param("lr", 0.1)
        run.log_metrics({"auc": 0.7, "loss": 1}, step=1)
        run.log_metric("auc", 0.8, step=2)
        run.set_tag("note", 5)
        assert runs.get(run.id).status == "RUNNING"
    found = runs.get(run.id)
    assert (found.name, found.experiment, found.status) == ("first", "ranker", "FINISHED")
    assert found.params == {"depth": "6", "lr": "0.1"}
    assert found.metrics == {"auc": 0.8, "loss": 1.0}
    assert (found.tags["team"], found.tags["note"], found.tags["mlflow.note.content"]) == ("x", "5", "why")
    assert found.end >= found.start
    assert found.duration >= 0


def test_the_origin_is_captured_behind_the_run(runs):
    with runs.start() as run:
        pass
    paths = [entry.path for entry in runs.artifacts(run.id, "capture")]
    assert {"capture/environment.json", "capture/requirements.txt"} <= set(paths)
    facts = json.loads(runs.read_artifact(run.id, "capture/environment.json"))
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    assert facts["host"]["pid"] == os.getpid()
    assert b"numpy==" in runs.read_artifact(run.id, "capture/requirements.txt")
    assert runs.get(run.id).tags["mlflow.source.type"] == "LOCAL"


def test_an_exception_fails_the_run_keeps_its_traceback_and_goes_on(runs):
    with pytest.raises(ValueError, match="bad"), runs.start(capture=False) as run:
        raise ValueError("bad postgres://u:hunter2@host/db")
    found = runs.get(run.id)
    text = runs.read_artifact(run.id, "traceback.txt").decode()
    assert found.status == "FAILED"
    assert found.tags["headrace.error"].startswith("ValueError: bad")
    assert "test_client.py" in text
    assert "hunter2" not in text + found.tags["headrace.error"]


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt, "KILLED"), (SystemExit, "FINISHED"), (MemoryError, "FAILED")])
def test_what_ends_the_block_decides_the_status(runs, error, status):
    with pytest.raises(error), runs.start(capture=False) as run:
        raise error
    assert runs.get(run.id).status == status


def test_ending_twice_keeps_the_first_status(runs):
    run = runs.start(capture=False)
    run.end("KILLED")
    run.end("FINISHED")
    assert runs.get(run.id).status == "KILLED"
    with pytest.raises(InvalidInputError, match="no status"):
        run.end("DONE")


def test_a_param_never_changes(runs):
    with runs.start(capture=False) as run:
        run.log_param("p", 1)
        run.log_param("p", "1")
        with pytest.raises(InvalidInputError, match="Changing param values is not allowed"):
            run.log_params({"q": 1, "p": 2})
    assert runs.get(run.id).params == {"p": "1"}


def test_numbers_of_every_library_are_metrics(runs):
    values = {"int": 3, "bool": True, "f32": np.float32(0.5), "i64": np.int64(7), "array": np.array([2.5]), "text": "1.5"}
    with runs.start(capture=False, strict=True) as run:
        run.log_metrics(values)
        run.log_metrics({"nan": math.nan, "inf": math.inf, "nanp": np.nan})
    found = runs.get(run.id).metrics
    assert {key: found[key] for key in values} == {"int": 3.0, "bool": 1.0, "f32": 0.5, "i64": 7.0, "array": 2.5, "text": 1.5}
    assert math.isnan(found["nan"])
    assert math.isnan(found["nanp"])
    assert found["inf"] == math.inf


@pytest.mark.parametrize("value", ["abc", None, 10**400, [1, 2], np.array([1, 2]), object(), 1j])
def test_what_is_no_number_warns_once_and_the_rest_is_kept(runs, value):
    with runs.start(capture=False) as run:
        with pytest.warns(TrackingWarning, match="isn't a number"):
            run.log_metrics({"bad": value, "good": 1.0})
        run.log_metric("bad", value)
    assert runs.get(run.id).metrics == {"good": 1.0}
    with runs.start(capture=False, strict=True) as strict, pytest.raises(InvalidInputError, match="isn't a number"):
        strict.log_metric("bad", value)


@pytest.mark.parametrize("key", ["", "a" * 251, "../x", "/x", "a//b", "a\\b", "a#b", 5, "."])
def test_a_key_that_cant_be_used_warns(runs, key):
    with runs.start(capture=False) as run:
        for log in (run.log_metric, run.log_param, run.set_tag):
            with pytest.warns(TrackingWarning, match="Invalid"):
                log(key, 1)
    found = runs.get(run.id)
    assert (found.params, found.metrics) == ({}, {})


def test_a_long_name_is_cut(runs):
    with runs.start(name="y" * 900, capture=False) as run:
        assert run.name == "y" * 500
    assert (runs.get(run.id).name, runs.get(run.id).tags["mlflow.runName"]) == (run.name, run.name)


@pytest.mark.parametrize("half", ["caf\udce9", "caf\0"])
def test_texts_that_are_not_whole_are_kept_as_far_as_they_are(runs, half):
    """Halves of characters, as Python has them in the names of files that aren't UTF-8, and NUL, which PostgreSQL can't hold."""
    with runs.start(name=half, params={"path": half}, capture=False) as run:
        run.set_tag("folder", half)
    found = runs.get(run.id)
    assert (found.name, found.params, found.tags["folder"]) == ("caf?", {"path": "caf?"}, "caf?")
    runs.set_experiment_tag("Default", "place", half)
    assert runs.experiment("Default").tags["place"] == "caf?"
    with pytest.raises(InvalidInputError, match="experiment name"):
        runs.start(half)


def test_entries_that_no_client_sends_are_refused_alone(runs):
    one = b"\1" + b"\0" * 7
    fine = ["m", "", "", "", one, one, one]
    wrong = [
        ("metrics", body)
        for body in (
            None,
            5,
            [5],
            "abc",
            [fine[1:]],
            [[*fine, 1]],
            [["m", "", "", "", None, None, None]],
            [["m", "", "", "", 8, 8, 8]],
            [["m", "", "", "", "x" * 8, "x" * 8, "x" * 8]],
            [[["m"], *fine[1:]]],
            [["m", "x" * 65, *fine[2:]]],
            [["m", "", "x" * 501, *fine[3:]]],
            [["m", "", "nul \0", *fine[3:]]],
            [["m", "", None, *fine[3:]]],
        )
    ]
    wrong += [("end", body) for body in (None, {}, {"status": "X", "time": 1}, {"status": "FAILED", "time": "x"})]
    wrong += [("params", [1]), ("files", None), ("model", {}), ("nonsense", [])]
    with runs.start(capture=False) as run:
        assert run.flush()
        entries = [(seq, *item) for seq, item in enumerate([("metrics", [fine]), *wrong, ("metrics", [fine])], start=1)]
        receipt = runs.sink.append(run.id, "w", entries)
        assert receipt.seq == len(entries)
        assert [seq for seq, _ in receipt.refused] == [seq for seq, *_ in entries[1:-1]]
        assert {type(error) for _, error in receipt.refused} == {InvalidInputError}
        assert list(runs.get(run.id).metrics) == ["m"]
        if isinstance(runs.sink, RemoteJournal):
            for number in (0, -1, True, 2**63):
                with pytest.raises(InvalidInputError):
                    runs.sink.append(run.id, "w", [(number, "metrics", [fine])])


def test_long_values_are_cut_as_mlflow_cuts_them(runs):
    with runs.start(capture=False, params={"p": "x" * 7000}) as run:
        run.set_tag("t", "y" * 9000)
    found = runs.get(run.id)
    assert (len(found.params["p"]), len(found.tags["t"])) == (6000, 8000)


def test_what_a_store_doesnt_take_now_it_takes_later(runs, monkeypatch):
    def full(*args, **kwargs):
        raise StorageError("disk full")

    with runs.start(capture=False) as run:
        monkeypatch.setattr(runs.sink, "append", full)
        run.log_metric("m", 0)
        run.log_text("t.txt", "x")
        run.set_tag("k", "v")
        assert not run.flush(0.3)
        monkeypatch.undo()
        assert run.flush()
    found = runs.get(run.id)
    assert (found.metrics, found.tags["k"]) == ({"m": 0.0}, "v")
    assert runs.read_artifact(run.id, "t.txt") == b"x"


def test_a_folder_for_files_that_is_full_warns_and_the_loop_goes_on(runs, monkeypatch):
    def full(*args, **kwargs):
        raise StorageError("disk full")

    with runs.start(capture=False) as run:
        monkeypatch.setattr(runs.bytes, "put_bytes", full)
        monkeypatch.setattr(Spool, "stage", full)
        with pytest.warns(TrackingWarning, match="disk full"):
            run.log_text("t.txt", "x")
        run.log_text("t.txt", "x")
        run.log_metric("m", 1)
        monkeypatch.undo()
    assert runs.get(run.id).metrics == {"m": 1.0}


def test_nested_runs_know_their_parent_and_share_its_experiment(runs):
    with runs.start("ranker", capture=False) as outer:
        assert current_run() is outer
        with pytest.raises(ConflictError, match="nested=True"):
            runs.start(capture=False)
        with runs.start(nested=True, capture=False) as inner:
            assert current_run() is inner
        assert current_run() is outer
    assert current_run() is None
    found = runs.get(inner.id)
    assert (found.parent, found.experiment) == (outer.id, "ranker")
    assert [run.id for run in runs.search(f"tags.mlflow.parentRunId = '{outer.id}'")] == [inner.id]
    with runs.start(parent=outer.id, capture=False) as late:
        pass
    assert runs.get(late.id).parent == outer.id
    with pytest.raises(NotFoundError):
        runs.start(parent="nope", capture=False)


def test_a_run_is_shared_by_threads_and_each_thread_starts_its_own(runs):
    started = []

    def work(worker):
        for step in range(10):
            run.log_metric("m", worker, step=step)
        with runs.start(capture=False) as own:
            started.append(own.id)

    with runs.start(capture=False) as run:
        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(runs.metric_history(run.id, "m")) == 40
    assert {runs.get(run_id).parent for run_id in started} == {None}


def test_files_of_every_kind_are_kept(runs, tmp_path):
    (tmp_path / "plots" / "deep").mkdir(parents=True)
    (tmp_path / "plots" / "a.txt").write_text("a")
    (tmp_path / "plots" / "deep" / "b.txt").write_text("b")
    with runs.start(capture=False, strict=True) as run:
        run.log_text("notes.md", "héllo")
        run.log_dict("config.json", {"a": np.float64(1.5), 2: [math.nan], "b": {3}})
        run.log_table("t.csv", pd.DataFrame({"a": [1, 2]}))
        run.log_table("t.parquet", pd.DataFrame({"a": [1, 2]}))
        run.log_table("t.json", {"a": [1, 2]})
        run.log_image("i.png", np.zeros((4, 5, 3)))
        run.log_artifact(tmp_path / "plots", "all")
        run.log_artifact(tmp_path / "plots" / "a.txt")
    read = runs.read_artifact
    assert read(run.id, "notes.md").decode() == "héllo"
    assert json.loads(read(run.id, "config.json")) == {"a": 1.5, "2": ["nan"], "b": [3]}
    assert read(run.id, "t.csv") == b"a\n1\n2\n"
    assert json.loads(read(run.id, "t.json")) == {"columns": ["a"], "data": [[1], [2]]}
    assert read(run.id, "i.png").startswith(b"\x89PNG")
    assert (read(run.id, "all/plots/deep/b.txt"), read(run.id, "a.txt")) == (b"b", b"a")


def test_a_figure_is_kept_in_the_format_of_its_path(runs):
    figure = pytest.importorskip("matplotlib.figure").Figure()
    figure.subplots().plot([1, 2])
    with runs.start(capture=False, strict=True) as run:
        run.log_figure("roc.png", figure)
        run.log_figure("roc.svg", figure)
    assert runs.read_artifact(run.id, "roc.png").startswith(b"\x89PNG")
    assert b"<svg" in runs.read_artifact(run.id, "roc.svg")


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "a\\b", "", "a//b", "a\0b", "the text\nfirst"])
def test_a_file_stays_below_its_run(runs, path):
    with runs.start(capture=False) as run, pytest.warns(TrackingWarning, match="Invalid path"):
        run.log_text(path, "x")
    assert runs.artifacts(run.id) == []


def test_a_folder_that_is_logged_as_a_dot_has_its_own_name(runs, tmp_path, monkeypatch):
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "a.txt").write_text("a")
    monkeypatch.chdir(tmp_path / "plots")
    with runs.start(capture=False, strict=True) as run:
        run.log_artifact(".")
    assert [entry.path for entry in runs.artifacts(run.id)] == ["plots/a.txt"]


@pytest.mark.parametrize(("first", "second"), [("a", "a/b"), ("a/b/c", "a/b"), ("a/b", "a/b/c/d")])
def test_a_file_is_no_folder_too(runs, first, second):
    with runs.start(capture=False, strict=True) as run:
        run.log_text(first, "x")
        run.log_text("a0", "near in the order of paths, but no file below")
        with pytest.raises(InvalidInputError, match="can't be a folder too"):
            run.log_text(second, "y")
    assert sorted(entry.path for entry in runs.artifacts(run.id)) == sorted([first, "a0"])


def test_what_is_no_mapping_warns_and_the_run_goes_on(runs):
    with runs.start(capture=False) as run:
        for log in (run.log_params, run.log_metrics, run.set_tags):
            with pytest.warns(TrackingWarning, match="are a mapping of names to values"):
                log(["depth", 6])
        with pytest.warns(TrackingWarning, match="the name of the data must be text, not of type list"):
            assert run.use(pd.DataFrame({"a": [1]}), name=["films"]) is None
    with pytest.raises(InvalidInputError, match="params are a mapping"):
        runs.start(params=["depth"])
    with pytest.raises(InvalidInputError, match="tags are a mapping"):
        runs.start(tags="depth")


def test_a_missing_file_or_a_wrong_object_warns(runs, tmp_path):
    with runs.start(capture=False) as run, pytest.warns(TrackingWarning, match="there is no file"):
        run.log_artifact(tmp_path / "nope")
    with runs.start(capture=False) as run, pytest.warns(TrackingWarning, match="the path comes first"):
        run.log_figure(object(), "x.png")
    with runs.start(capture=False) as run, pytest.warns(TrackingWarning, match="matplotlib"):
        run.log_figure("x.png", "not a figure")


def test_a_training_set_is_an_input_with_lineage(runs, lineage):
    data = FakeTrainingSet()
    with runs.start(capture=False) as run:
        used = run.use(data, "validation")
        run.log_metric("auc", 0.8, dataset=data)
        run.log_metric("loss", 0.3, dataset="ranking-2026-11")
    found = runs.get(run.id)
    assert found.inputs == (used,)
    assert (used.name, used.digest, used.context, used.urn) == (data.name, data.fingerprint, "validation", data.urn)
    assert json.loads(used.profile) == {"version": 2, "num_rows": 10}
    assert {(point.dataset_name, point.dataset_digest) for point in found.latest.values()} == {(data.name, data.fingerprint)}
    (edge,) = lineage.into([f"run:{run.id}"])
    assert (edge.source, edge.target, edge.kind) == (data.urn, run.urn, "uses")
    assert [item.id for item in runs.search("dataset.name = 'ranking-2026-11' and dataset.context = 'validation'")] == [run.id]


def test_frames_and_files_are_inputs_by_content(runs, tmp_path):
    path = tmp_path / "films.csv"
    path.write_text("a\n1\n")
    with runs.start(capture=False) as run:
        first = run.use(pd.DataFrame({"a": [1]}), name="films")
        again = run.use(pd.DataFrame({"a": [1]}), name="films")
        other = run.use(pd.DataFrame({"a": [2]}), name="films")
        run.use(path)
        with pytest.warns(TrackingWarning, match="a frame has no name"):
            assert run.use(pd.DataFrame({"a": [1]})) is None
    assert first == again
    assert first.digest != other.digest
    assert [item.name for item in runs.get(run.id).inputs] == ["films", "films", "films.csv"]


def test_a_model_is_logged_with_its_signature_view_and_lineage(runs, lineage):
    linear = pytest.importorskip("sklearn.linear_model")
    frame = pd.DataFrame({"a": [1.0, 2, 3, 4], "b": [0, 1, 0, 1]})
    model = linear.LogisticRegression().fit(frame, [0, 0, 1, 1])
    with runs.start("ranker", capture=False) as run:
        logged = run.log_model(model, "clf", view="ranking", example=frame[:3], params={"C": 1})
    assert runs.models(run.id) == [logged]
    assert (logged.view, logged.flavor, logged.serializer, logged.params) == ("ranking:3", "sklearn", "skops", {"C": "1"})
    assert str(logged.signature) == "(a float64, b int64) → (prediction int64)"
    assert {file.path for file in logged.files} == {"model.skops", "model.json", "example.json", "requirements.txt"}
    assert any(line.startswith("scikit-learn==") for line in logged.requirements)
    assert logged.details["features"] == {"a": "float64"}
    edges = {(edge.source, edge.kind) for edge in lineage.into([logged.urn])}
    assert edges == {(run.urn, "logs"), ("view:ranking:3", "uses")}
    assert list(runs.load_model(logged.id).predict(frame[["b", "a"]])) == [0, 0, 1, 1]


def test_a_model_name_or_a_model_that_cant_be_kept_raises(runs):
    with runs.start(capture=False) as run:
        with pytest.raises(InvalidInputError, match="Invalid model name"):
            run.log_model(object(), "a/b")
        with pytest.raises(InvalidInputError, match="Invalid model name"):
            run.log_model(object(), "a\0b")
        with pytest.raises(InvalidInputError, match="no predict"):
            run.log_model(object(), "clf")
    assert runs.get(run.id).outputs == ()


SCRIPT = """
import os, signal, sys, time
from pathlib import Path
from headrace.artifacts.objects import ObjectArtifactStore
from headrace.sql.database import Database
from headrace.sql.lineage import SqlLineageStore
from headrace.sql.tracking import tracking_stores
from headrace.tracking.service import Runs

folder = Path(sys.argv[1])
database = Database(f"sqlite:///{folder / 'catalog.db'}")
runs = Runs(tracking_stores(database), ObjectArtifactStore(folder / "artifacts"), SqlLineageStore(database))
"""

ENDINGS = {
    "finished": ("run = runs.start(capture=False)", "FINISHED", 0),
    "raised": ("run = runs.start(capture=False)\nraise ValueError('x')", "FAILED", 1),
    "terminated": ("run = runs.start(capture=False)\nos.kill(os.getpid(), signal.SIGTERM); time.sleep(9)", "KILLED", 143),
    "terminated inside": (
        "with runs.start(capture=False):\n  os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)",
        "KILLED",
        143,
    ),
    "interrupted": ("with runs.start(capture=False):\n  os.kill(os.getpid(), signal.SIGINT); time.sleep(9)", "KILLED", -2),
    "killed": (
        "run = runs.start(capture=False)\nrun.log_metric('m', 1)\nrun.flush()\nos.kill(os.getpid(), signal.SIGKILL)",
        "RUNNING",
        -9,
    ),
    "own handler": (
        """signal.signal(signal.SIGTERM, lambda *a: sys.exit(7))
with runs.start(capture=False):
  os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)""",
        "FAILED",
        7,
    ),
    "forked": (
        "with runs.start(capture=False):\n  pid = os.fork()\n  if pid == 0: sys.exit(3)\n  os.waitpid(pid, 0)",
        "FINISHED",
        0,
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_process_that_ends_leaves_its_run_in_the_right_state(runs, tmp_path, ending):
    body, status, code = ENDINGS[ending]
    done = subprocess.run([sys.executable, "-c", SCRIPT + body, str(tmp_path)], capture_output=True, check=False, timeout=60)
    assert done.returncode == code, done.stderr.decode()
    (run,) = runs.search()
    assert run.status == status
    assert (run.end is None) == (status == "RUNNING")
    if ending == "killed":
        assert run.metrics == {"m": 1.0}
    if ending == "raised":
        assert b"ValueError: x" in runs.read_artifact(run.id, "traceback.txt")


def test_secrets_that_are_lying_about_are_not_recorded(tmp_path):
    secret = "hunter2hunter2"
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(tmp_path)]
    for command in (["init", "-q"], ["remote", "add", "origin", f"https://me:{secret}@example.org/a.git"]):
        subprocess.run([*git, *command], check=True)
    (tmp_path / "train.py").write_text(SCRIPT + "with runs.start(capture=True): pass\n")
    for command in (["add", "train.py"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *command], check=True)
    (tmp_path / "settings.py").write_text(f"PASSWORD = '{secret}'\nx = 1\n")
    (tmp_path / ".env").write_text(f"A={secret}\n")
    (tmp_path / "id_rsa").write_text(secret)
    arguments = [f"--password={secret}", "--token", secret, f"--db=postgres://u:{secret}@h/d"]
    (tmp_path / ".gitignore").write_text(".state\n")
    state = tmp_path / ".state"
    state.mkdir()
    environment = {**os.environ, "MY_SECRET": secret, "DB_PASSWORD": secret}
    done = subprocess.run(
        [sys.executable, "train.py", str(state), *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    stored = [path for path in state.rglob("*") if path.is_file()]
    assert any(b"settings.py" in path.read_bytes() for path in stored)
    assert [path for path in stored if secret.encode() in path.read_bytes()] == []


def test_no_warning_is_heard_in_a_quiet_run(runs):
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with runs.start() as run:
            run.log_metric("m", 1)
    assert heard == []
