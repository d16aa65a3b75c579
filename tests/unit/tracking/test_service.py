"""`store.runs`."""

from __future__ import annotations

import pyarrow as pa
import pytest

from headrace.errors import ConflictError, InvalidInputError, NotFoundError
from headrace.tracking.client.guard import TrackingWarning
from headrace.tracking.run import Metric


@pytest.fixture
def pair(runs):
    with runs.start("ranker", "first", params={"depth": 6, "lr": 0.1}) as first:
        first.log_metric("auc", 0.9, step=0)
        first.log_metric("auc", 0.7, step=1)
    with runs.start("ranker", "second", params={"depth": 7, "lr": 0.1}) as second:
        second.log_metric("auc", 0.8)
    return first.id, second.id


def test_runs_are_found_and_become_a_frame(runs, pair):
    first, second = pair
    found = runs.search("metrics.auc > 0.5 and params.lr = '0.1'", "ranker", order_by=["metrics.auc desc"])
    assert [run.id for run in found] == [second, first]
    frame = found.to_pandas()
    assert list(frame["params.depth"]) == ["7", "6"]
    assert list(frame["metrics.auc"]) == [0.8, 0.7]
    assert str(frame["start"].dtype.tz) == "UTC"
    assert len(found[:1]) == 1
    assert list(found["metrics.auc"]) == pa.table(found)["metrics.auc"].to_pylist() == found.to_polars()["metrics.auc"].to_list()
    assert found.columns == list(frame.columns)
    with pytest.raises(NotFoundError, match=r"did you mean 'metrics\.auc'"):
        found["metrics.au"]
    assert "second" in repr(found)
    assert list(runs.search("status = 'FAILED'").to_pandas().columns[:3]) == ["run_id", "name", "experiment"]


@pytest.mark.parametrize("moment", [2**62, -(2**62)])
def test_a_moment_that_no_date_can_say_is_shown_as_the_nearest(runs, moment):
    run = runs.recorder.start_in("0", "far", tags={}, start=moment)
    runs.recorder.update(run.id, status="FINISHED", end=moment)
    found = runs.search("run_name = 'far'")
    assert found[0].start == moment
    year = 9999 if moment > 0 else 1
    assert {found.to_pandas()["start"][0].year, found.to_arrow()["start"].to_pylist()[0].year} == {year}
    assert f"{year:04}-" in repr(found)
    assert f"{year:04}-" in found[0]._repr_html_()


def test_a_search_may_ask_for_all_that_the_grammar_takes(runs, pair):
    """Beyond it SQLite's planner refuses, or crashes."""
    order = [f"{('metrics', 'params', 'tags')[number % 3]}.k{number}" for number in range(20)]
    text = " and ".join(["metrics.auc > 0", "params.lr = '0.1'", "tags.none IS NULL", "start_time > 5"] * 125)
    assert len(runs.search(text, order_by=order)) == 2


def test_a_search_that_cant_be_done_says_why(runs, pair):
    with pytest.raises(NotFoundError, match="did you mean 'ranker'"):
        runs.search(experiment="rankr")
    for options in ({"limit": 0}, {"limit": 50_001}, {"offset": -1}, {"view": "some"}):
        with pytest.raises(InvalidInputError):
            runs.search(**options)


def test_the_start_of_an_id_is_enough_if_it_is_unique(runs, pair):
    first, second = pair
    common = next(size for size in range(33) if first[: size + 1] != second[: size + 1])
    assert runs.get(first[: common + 1]).id == first
    with pytest.raises(InvalidInputError, match="several runs start with"):
        runs.get(first[:common])
    for wrong in ("", "zz", first + "0"):
        with pytest.raises(NotFoundError):
            runs.get(wrong)


def test_the_history_has_every_point(runs, pair):
    history = runs.metric_history(pair[0], "auc")
    assert [(point.step, point.value) for point in history] == [(0, 0.9), (1, 0.7)]
    frame = history.to_pandas()
    assert list(frame.columns) == ["step", "time", "value", "dataset"]
    assert frame["value"].tolist() == [0.9, 0.7]
    with pytest.raises(NotFoundError, match="did you mean 'auc'"):
        runs.metric_history(pair[0], "auk")


def test_a_comparison_shows_what_differs(runs, pair):
    comparison = runs.compare(*pair)
    assert comparison.section("params") == {"depth": ("6", "7"), "lr": ("0.1", "0.1")}
    assert comparison.section("metrics")["auc"] == ("0.7", "0.8")
    assert comparison.section("metrics")["auc (highest)"] == ("0.9", None)
    assert all(len(set(values)) == 1 for values in comparison.section("packages").values())
    assert len(comparison.section("packages")) > 10
    text = str(comparison)
    assert "depth" in text
    assert "lr" not in text.split()
    assert {row.key for row in comparison.differences()} >= {"depth", "auc"}
    assert list(comparison.to_pandas().columns) == ["section", "key", *pair]
    with pytest.raises(InvalidInputError, match="two or more"):
        runs.compare(pair[0])


def test_what_the_machine_did_has_steps_of_its_own_and_is_not_told_at_the_best_one(runs, pair):
    for run_id in pair:
        runs.recorder.log(run_id, metrics=[Metric("system/cpu_percent", 50.0, 1)])
    told = runs.compare(*pair, best_of="auc").section("metrics")
    assert told["auc (at best auc)"] == ("0.9", "0.8")
    assert not [key for key in told if key.startswith("system/") and "at best" in key]


def test_a_deleted_run_is_hidden_and_restored(runs, pair):
    runs.delete(pair[0])
    assert [run.id for run in runs.search()] == [pair[1]]
    assert [run.id for run in runs.search(view="deleted")] == [pair[0]]
    with pytest.raises(ConflictError, match="restore"):
        runs.set_tag(pair[0], "k", "v")
    runs.restore(pair[0])
    runs.set_tag(pair[0], "k", "v")
    assert runs.get(pair[0]).tags["k"] == "v"
    runs.delete_tag(pair[0], "k")
    assert "k" not in runs.get(pair[0]).tags


def test_a_run_deleted_while_it_runs_warns_and_goes_on(runs):
    run = runs.start(capture=False)
    runs.delete(run.id)
    with pytest.warns(TrackingWarning, match="must be in the 'active' state"):
        run.log_metric("m", 1)
        run.flush()
    run.end()
    assert runs.get(run.id).status == "RUNNING"


def test_experiments_are_made_deleted_and_restored(runs, pair):
    assert {item.name for item in runs.experiments()} == {"Default", "ranker"}
    runs.delete_experiment("ranker")
    assert {item.name for item in runs.experiments()} == {"Default"}
    assert list(runs.search()) == []
    with pytest.raises(ConflictError, match="restore_experiment"):
        runs.start("ranker", strict=True)  # else a run goes on, and what the server refuses is a warning
    runs.restore_experiment("ranker")
    assert len(runs.search(experiment=["ranker"])) == 2
    with pytest.raises(ConflictError):
        runs.create_experiment("ranker")
    for name in ("", " ", "x" * 501):
        with pytest.raises(InvalidInputError, match="experiment name"):
            runs.create_experiment(name)


def test_experiments_are_renamed_and_tagged(runs, pair):
    number = runs.experiment("ranker").id
    runs.rename_experiment("ranker", "video ranker")
    assert runs.experiment("video ranker").id == number
    assert len(runs.search(experiment="video ranker")) == 2
    with pytest.raises(ConflictError, match="already exists"):
        runs.rename_experiment("video ranker", "Default")
    with pytest.raises(NotFoundError, match="video ranker"):
        runs.rename_experiment("ranker", "other")
    with pytest.raises(InvalidInputError, match="experiment name"):
        runs.rename_experiment("video ranker", "")
    runs.set_experiment_tag("video ranker", "team", 5)
    assert runs.experiment("video ranker").tags["team"] == "5"
    runs.delete_experiment_tag("video ranker", "team")
    assert "team" not in runs.experiment("video ranker").tags
    with pytest.raises(NotFoundError):
        runs.delete_experiment_tag("video ranker", "team")
    runs.delete_experiment("video ranker")
    with pytest.raises(ConflictError, match="restore"):
        runs.rename_experiment("video ranker", "again")


def test_files_are_listed_read_and_downloaded(runs, tmp_path):
    with runs.start(capture=False) as run:
        run.log_text("a/b/c.txt", "c")
        run.log_text("a/d.txt", "d")
        run.log_text("ab.txt", "e")
    assert [entry.path for entry in runs.artifacts(run.id)] == ["a/b/c.txt", "a/d.txt", "ab.txt"]
    assert [entry.path for entry in runs.artifacts(run.id, "a")] == ["a/b/c.txt", "a/d.txt"]
    folder = runs.download(run.id, "a", tmp_path / "out")
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.txt")) == ["b/c.txt", "d.txt"]
    assert (runs.download(run.id, to=tmp_path / "all") / "ab.txt").read_text() == "e"
    for wrong in (lambda: runs.read_artifact(run.id, "a/d.tx"), lambda: runs.download(run.id, "zzz", tmp_path)):
        with pytest.raises(NotFoundError):
            wrong()


@pytest.mark.parametrize("wrong", [None, 7, object()])
def test_a_run_is_named_by_text(runs, wrong):
    with pytest.raises(InvalidInputError, match="run_id must be the id of a run"):
        runs.get(wrong)


def test_a_metric_is_of_a_model_that_is_given_itself_or_by_its_id(runs):
    linear = pytest.importorskip("sklearn.linear_model")
    with runs.start(capture=False, strict=True) as run:
        logged = run.log_model(linear.LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0]), "line")
        for key, given in zip("abcd", (logged, logged.id, f"models:/{logged.id}", logged.urn), strict=True):
            run.log_metric(key, 1.0, model=given)
            assert runs.load_model(given).predict([[3.0]])[0] == pytest.approx(3.0)
    assert sorted(point.key for point in runs.model(logged.id).metrics) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [("text", "'text'"), ("", "''"), ("models:/ranker@champion", "'models:/ranker@champion'"), (7, "a value of type int")],
)
def test_what_is_no_logged_model_is_named_and_the_metric_is_kept(runs, wrong, told):
    told = f"{told} isn't a logged model; pass what run.log_model returned, or its id"
    with runs.start(capture=False) as run, pytest.warns(TrackingWarning, match=told):
        run.log_metric("auc", 0.5, model=wrong)
    assert runs.get(run.id).metrics == {"auc": 0.5}
    with runs.start(capture=False, strict=True) as strict, pytest.raises(InvalidInputError, match=told):
        strict.log_metrics({"auc": 0.5}, model=wrong)
    with pytest.raises(InvalidInputError, match=told):
        runs.load_model(wrong)
