"""The contracts of tracking/store.py, over every backend."""

from __future__ import annotations

import json
import math
import threading
from array import array
from dataclasses import replace

import pytest

from contract.tracking_runs import make_run, names
from headrace.errors import AlreadyExistsError, ConflictError, InvalidInputError, NotFoundError
from headrace.flavors.signature import Column, Signature
from headrace.tracking.history import Series
from headrace.tracking.run import ArtifactEntry, DatasetInput, LoggedModel, Metric, ModelOutput, Purged
from headrace.tracking.search import LOGGED_MODELS, ModelOrder, Order, parse_filter


def test_the_default_experiment_is_there_from_the_start(stores):
    assert stores.experiments.get("0").name == "Default"
    assert [experiment.name for experiment in stores.experiments.list()] == ["Default"]


def test_experiment_names_are_unique_even_when_deleted(stores):
    made = stores.experiments.create("ranker", {"team": "recsys"}, 5)
    assert (made.tags, made.created, made.artifact_location) == ({"team": "recsys"}, 5, f"mlflow-artifacts:/{made.id}")
    stores.experiments.set_stage(made.id, "deleted", 6)
    with pytest.raises(ConflictError, match="deleted"):
        stores.experiments.create("ranker", {}, 7)
    assert stores.experiments.by_name("ranker").lifecycle_stage == "deleted"
    assert stores.experiments.by_name("other") is None


def test_the_same_run_again_changes_nothing_and_another_of_its_id_is_refused(stores):
    (run,) = stores.runs.get([make_run(stores, tags={"mood": "good"})])
    stores.runs.create(replace(run, tags={"mood": "bad"}))
    assert stores.runs.get([run.id]) == [run]
    with pytest.raises(AlreadyExistsError, match="another run"):
        stores.runs.create(replace(run, start=run.start + 1))


def test_deleting_an_experiment_deletes_and_restores_its_runs(stores):
    home = stores.experiments.create("ranker", {}, 5)
    run_id = make_run(stores, experiment_id=home.id)
    stores.experiments.set_stage(home.id, "deleted", 6)
    assert stores.runs.get([run_id])[0].lifecycle_stage == "deleted"
    with pytest.raises(ConflictError, match="active"):
        make_run(stores, experiment_id=home.id)
    stores.experiments.set_stage(home.id, "active", 7)
    assert stores.runs.get([run_id])[0].lifecycle_stage == "active"
    with pytest.raises(NotFoundError, match="No Experiment"):
        stores.experiments.set_stage(home.id, "active", 8)


def test_experiments_are_renamed_and_tagged(stores):
    home = stores.experiments.create("a", {}, 1)
    stores.experiments.rename(home.id, "b", 2)
    stores.experiments.set_tag(home.id, "k", "v")
    stores.experiments.set_tag(home.id, "k", "w")
    found = stores.experiments.get(home.id)
    assert (found.name, found.tags, found.updated) == ("b", {"k": "w"}, 2)
    stores.experiments.delete_tag(home.id, "k")
    with pytest.raises(NotFoundError, match="No tag"):
        stores.experiments.delete_tag(home.id, "k")
    with pytest.raises(ConflictError, match="exists"):
        stores.experiments.rename(home.id, "Default", 3)
    for wrong in ("99", "x", "-1"):
        with pytest.raises(NotFoundError):
            stores.experiments.get(wrong)


def test_a_run_comes_back_as_it_was_created(stores):
    run_id = make_run(stores, name="first", user="ann", params={"depth": "6"}, tags={"team": "x"}, artifact_uri="u")
    (run,) = stores.runs.get([run_id])
    facts = (run.name, run.user, run.status, run.start, run.end, run.experiment)
    assert facts == ("first", "ann", "RUNNING", 1_000, None, "Default")
    assert (run.params, run.tags) == ({"depth": "6"}, {"team": "x", "mlflow.runName": "first"})
    with pytest.raises(NotFoundError, match="Experiment"):
        make_run(stores, experiment_id="77")


def test_the_name_and_its_tag_follow_each_other(stores):
    run_id = make_run(stores)
    info = stores.runs.update(run_id, name="second", status="FINISHED", end=7)
    held = stores.runs.get([run_id])[0]
    assert (info.name, info.status, info.end, held.tags["mlflow.runName"]) == ("second", "FINISHED", 7, "second")
    assert {name: getattr(held, name) for name in info.__slots__} == {name: getattr(info, name) for name in info.__slots__}
    stores.runs.log(run_id, tags={"mlflow.runName": "third"})
    assert stores.runs.get([run_id])[0].name == "third"


def test_params_are_written_once_and_all_or_nothing(stores):
    run_id = make_run(stores)
    stores.runs.log(run_id, params={"p": "1"})
    stores.runs.log(run_id, params={"p": "1"})
    with pytest.raises(InvalidInputError, match="Changing param values is not allowed"):
        stores.runs.log(run_id, metrics=[Metric("m", 1.0, 1)], params={"q": "2", "p": "2"}, tags={"t": "x"})
    run = stores.runs.get([run_id])[0]
    assert (run.params, run.metrics, "t" in run.tags) == ({"p": "1"}, {}, False)


def test_the_latest_metric_is_the_highest_step_time_value(stores):
    run_id = make_run(stores)
    stores.runs.log(run_id, [Metric("m", 5.0, 10, 3), Metric("m", 9.0, 99, 1)])
    stores.runs.log(run_id, [Metric("m", 7.0, 20, 2)])
    assert stores.runs.get([run_id])[0].metrics == {"m": 5.0}
    stores.runs.log(run_id, [Metric("m", 4.0, 10, 3)])
    assert stores.runs.get([run_id])[0].metrics == {"m": 5.0}
    stores.runs.log(run_id, [Metric("m", 1.0, 11, 3)])
    assert stores.runs.get([run_id])[0].metrics == {"m": 1.0}
    assert [point.step for point in stores.metrics.history(run_id, "m")] == [3, 3, 3, 2, 1]


def test_nan_and_infinities_are_kept_and_repeats_are_dropped(stores):
    run_id = make_run(stores)
    points = [Metric("m", math.nan, 1), Metric("m", math.inf, 2), Metric("m", -math.inf, 3), Metric("m", math.nan, 1)]
    stores.runs.log(run_id, points)
    stores.runs.log(run_id, points)
    history = [point.value for point in stores.metrics.history(run_id, "m")]
    assert math.isnan(history[0])
    assert history[1:] == [math.inf, -math.inf]
    summary = stores.metrics.summaries(run_id)["m"]
    assert (summary.count, summary.low, summary.high) == (3, -math.inf, math.inf)
    assert len(stores.metrics.history(run_id, "other")) == 0


def test_a_point_keeps_its_dataset_and_lands_on_its_model(stores):
    run_id = make_run(stores)
    model = LoggedModel(
        id="m-1", run_id=run_id, experiment_id="0", name="clf", flavor="sklearn", serializer="skops", created=1, updated=1
    )
    stores.models.create(model)
    point = Metric("auc", 0.8, 5, 2, "m-1", "films", "abc")
    stores.runs.log(run_id, [point])
    assert stores.runs.get([run_id])[0].latest["auc"] == point
    (on_model,) = stores.models.get("m-1").metrics
    assert (on_model.value, on_model.dataset_name, on_model.dataset_digest) == (0.8, "films", "abc")
    others = [Metric("auc", 0.7, 5, 2, "m-1", "films", "abd"), Metric("auc", 0.6, 5, 2, "m-1", "books", "abc")]
    stores.runs.log(run_id, [point, *others])
    kept = stores.models.get("m-1").metrics
    assert sorted(item.value for item in kept) == [0.6, 0.7, 0.8]


def test_a_deleted_run_takes_no_writes_and_comes_back(stores):
    run_id = make_run(stores)
    stores.runs.set_stage(run_id, "deleted", 9)
    stores.runs.set_stage(run_id, "deleted", 9)
    writes = [
        lambda: stores.runs.log(run_id, params={"p": "1"}),
        lambda: stores.runs.update(run_id, status="FINISHED"),
        lambda: stores.runs.add_inputs(run_id, [DatasetInput(name="d", digest="1")]),
        lambda: stores.artifacts.add(run_id, [ArtifactEntry("a", "0" * 64, 1)]),
    ]
    for write in writes:
        with pytest.raises(ConflictError, match="'active' state"):
            write()
    assert names(stores) == []
    assert names(stores, view="deleted") == ["r"]
    stores.runs.set_stage(run_id, "active", 9)
    assert names(stores) == ["r"]
    for missing in (
        lambda: stores.runs.set_stage("nope", "deleted", 9),
        lambda: stores.runs.log("nope"),
        lambda: stores.runs.get(["nope"]),
    ):
        with pytest.raises(NotFoundError):
            missing()


def test_tags_change_and_go(stores):
    run_id = make_run(stores)
    stores.runs.log(run_id, tags={"t": "1"})
    stores.runs.log(run_id, tags={"t": "2"})
    assert stores.runs.get([run_id])[0].tags["t"] == "2"
    stores.runs.delete_tag(run_id, "t")
    with pytest.raises(NotFoundError, match="No tag with name: t"):
        stores.runs.delete_tag(run_id, "t")


def test_inputs_outputs_and_files_are_kept_once_in_their_order(stores):
    run_id = make_run(stores)
    first, second = DatasetInput(name="z", digest="1", context="training", urn="u"), DatasetInput(name="a", digest="2")
    stores.runs.add_inputs(run_id, [first])
    stores.runs.add_inputs(run_id, [first, second])
    stores.runs.add_outputs(run_id, [ModelOutput("m-1", 3), ModelOutput("m-1", 4)])
    run = stores.runs.get([run_id])[0]
    assert run.inputs == (first, second)
    assert run.outputs == (ModelOutput("m-1", 4),)
    stores.artifacts.add(run_id, [ArtifactEntry("b", "0" * 64, 1), ArtifactEntry("a", "1" * 64, 2)])
    stores.artifacts.add(run_id, [ArtifactEntry("b", "2" * 64, 3)])
    assert stores.artifacts.list(run_id) == [ArtifactEntry("a", "1" * 64, 2), ArtifactEntry("b", "2" * 64, 3)]


def test_a_logged_model_comes_back_as_it_was(stores):
    run_id = make_run(stores)
    model = LoggedModel(
        id="m-1",
        run_id=run_id,
        experiment_id="0",
        name="clf",
        flavor="sklearn",
        serializer="skops",
        created=1,
        updated=1,
        kind="classifier",
        artifact_uri="mlflow-artifacts:/0/models/m-1/artifacts",
        view="ranking:3",
        signature=Signature((Column("a", "float64"),), (Column("prediction", "int64"),)),
        requirements=("numpy==2",),
        files=(ArtifactEntry("model.skops", "0" * 64, 10),),
        details={"types": ["x"]},
        params={"p": "1"},
        tags={"t": "2"},
    )
    stores.models.create(model)
    assert stores.models.get("m-1") == model
    assert stores.models.of_run(run_id) == [model]
    assert stores.runs.get([run_id])[0].outputs == (ModelOutput("m-1"),)
    stores.models.set_tags("m-1", {"t": "3"})
    stores.models.update("m-1", status="UPLOAD_FAILED", time=9)
    changed = stores.models.get("m-1")
    assert (changed.tags, changed.status, changed.updated) == ({"t": "3"}, "UPLOAD_FAILED", 9)
    stores.models.update("m-1", stage="deleted", time=10)
    with pytest.raises(NotFoundError, match="not found"):
        stores.models.get("m-1")


def test_ids_are_found_by_their_start(stores):
    for run_id in ("abc1", "abc2", "abd1"):
        make_run(stores, id=run_id)
    assert stores.runs.starting_with("abc", 10) == stores.runs.starting_with("ab", 2) == ["abc1", "abc2"]
    assert stores.runs.starting_with("x", 2) == []


def test_writers_in_threads_lose_nothing(stores):
    run_id = make_run(stores)

    def write(worker):
        for step in range(20):
            stores.runs.log(run_id, [Metric(f"m{worker % 2}", float(step), worker, step)], tags={f"t{worker}": str(step)})

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stores.metrics.history(run_id, "m0")) == 40
    run = stores.runs.get([run_id])[0]
    assert run.metrics == {"m0": 19.0, "m1": 19.0}
    assert {run.tags[f"t{worker}"] for worker in range(4)} == {"19"}


def test_a_tag_that_holds_a_list_grows(stores):
    run_id = make_run(stores, tags={"broken": "{", "other": "{}"})
    for key in ("new", "new", "broken", "other"):
        stores.runs.append_to_tag(run_id, key, '{"a": 1}')
    tags = stores.runs.get([run_id])[0].tags
    assert [json.loads(tags[key]) for key in ("new", "broken", "other")] == [[{"a": 1}, {"a": 1}], [{"a": 1}], [{"a": 1}]]
    with pytest.raises(NotFoundError):
        stores.runs.append_to_tag("nobody", "k", "1")


def test_models_and_data_that_a_run_read_are_kept_once(stores):
    run_id = make_run(stores)
    data = DatasetInput(name="films", digest="d", context="training", tags={"who": "ann"})
    for _ in range(2):
        stores.runs.add_inputs(run_id, [data])
        stores.runs.add_model_inputs(run_id, ["m-1"])
    run = stores.runs.get([run_id])[0]
    assert (run.inputs, run.model_inputs) == ((data,), ("m-1",))
    assert [(use.name, use.digest, use.context) for use in stores.runs.datasets(["0", "x"], 9)] == [("films", "d", "training")]
    stores.runs.set_stage(run_id, "deleted", 9)
    assert stores.runs.datasets(["0"], 9) == []


def test_logged_models_are_searched_and_changed(stores):
    run_id = make_run(stores)
    values = {"experiment_id": "0", "flavor": "f", "serializer": "", "updated": 1}
    for place, name in enumerate("abc"):
        parent = run_id if name != "c" else ""
        stores.models.create(LoggedModel(id=f"m-{name}", run_id=parent, name=name, created=place, params={"p": name}, **values))
    stores.runs.log(run_id, [Metric("auc", 0.5, 1, 1, "m-a", "films", "d"), Metric("auc", 0.9, 1, 1, "m-b", "films", "d")])
    stores.runs.log(run_id, [Metric("auc", 0.1, 2, 2, "m-b", "books", "d"), Metric("auc", math.nan, 2, 2, "m-c")])

    def found(text="", order=(), **options):
        filters = parse_filter(text, LOGGED_MODELS)
        return "".join(model.name for model in stores.models.search(filters, order, experiments=["0", "x"], **options))

    by_auc = Order("metric", "auc", ascending=False)
    assert found() == "cba"
    assert found("metrics.auc >= 0.5 AND params.p LIKE '_'") == "ba"
    assert found("metrics.auc < 0.5", datasets=[("books", "d")]) == found(datasets=[("books", "")]) == "b"
    assert found(order=[ModelOrder(by_auc)]) == "abc"
    assert found(order=[ModelOrder(by_auc, "films", "d")], limit=2) == "ba"
    assert stores.models.get("m-b").measured_by == (run_id, run_id)
    stores.models.add_params("m-a", {"p": "a", "q": "1"})
    with pytest.raises(InvalidInputError, match="Changing param values"):
        stores.models.add_params("m-a", {"r": "1", "p": "b"})
    assert stores.models.get("m-a").params == {"p": "a", "q": "1"}
    stores.models.set_tags("m-a", {"t": "1"})
    stores.models.delete_tag("m-a", "t")
    with pytest.raises(NotFoundError, match="No tag"):
        stores.models.delete_tag("m-a", "t")
    stores.models.update("m-a", stage="deleted", time=3)
    assert (found(), stores.models.get("m-a", deleted=True).name) == ("cb", "a")
    with pytest.raises(NotFoundError):
        stores.models.update("m-a", stage="deleted", time=3)
    stores.runs.add_outputs(run_id, [ModelOutput("m-b", 7)])
    assert ModelOutput("m-b", 7) in stores.runs.get([run_id])[0].outputs


def test_series_and_points_are_kept_alike(stores):
    """Against the same points logged one by one, whatever their order, repeats and NaN."""
    points = [(3, 10, 5.0), (1, 99, 9.0), (2, 20, math.nan), (3, 10, 6.0), (3, 10, 6.0), (3, 11, math.nan), (0, 5, -math.inf)]
    for chosen in (points, points[:1], points[2:3], points * 100):
        one, other = make_run(stores), make_run(stores)
        times, steps, values = (
            array("q", [p[1] for p in chosen]),
            array("q", [p[0] for p in chosen]),
            array("d", [p[2] for p in chosen]),
        )
        series = Series.of("m", ("", "", ""), times.tobytes(), steps.tobytes(), values.tobytes())
        stores.runs.log(one, params={"p": "1"}, series=[series])
        for step, time, value in chosen:
            stores.runs.log(other, [Metric("m", value, time, step)])
        assert str(list(stores.metrics.history(one, "m"))) == str(list(stores.metrics.history(other, "m")))
        assert str(stores.runs.get([one])[0].latest) == str(stores.runs.get([other])[0].latest)
        assert str(stores.metrics.summaries(one)) == str(stores.metrics.summaries(other))


def test_writers_at_once_each_keep_all_or_nothing(stores):
    """Whatever their writes were committed with."""
    run_id, told = make_run(stores, params={"fixed": "1"}), []

    def write(number):
        for step in range(10):
            params = {"fixed": "2"} if step % 5 == 4 else {f"p{number}.{step}": "1"}
            try:
                stores.runs.log(run_id, [Metric(f"m{number}", 1.0, step, step)], params)
            except InvalidInputError:
                told.append((number, step))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == [(number, step) for number in range(6) for step in (4, 9)]
    assert len(stores.runs.get([run_id])[0].params) == 1 + 6 * 8
    for number in range(6):
        assert [point.step for point in stores.metrics.history(run_id, f"m{number}")] == [0, 1, 2, 3, 5, 6, 7, 8]


def test_what_was_deleted_long_ago_is_purged_and_what_others_stand_on_stays(stores):
    old, new, needed, user = (make_run(stores, name=name) for name in ("old", "new", "needed", "user"))
    stores.runs.log(old, metrics=[Metric("auc", 0.5, 0, 1)], params={"p": "1"}, tags={"t": "1"})
    for run_id in old, needed:
        facts = {"experiment_id": "0", "name": "clf", "flavor": "sklearn", "serializer": "skops", "created": 1, "updated": 1}
        model = LoggedModel(id=f"m-{run_id}", run_id=run_id, **facts)
        stores.models.create(model)
    stores.runs.add_model_inputs(user, [f"m-{needed}"])
    for run_id, time in (old, 10), (needed, 10), (new, 30):
        stores.runs.set_stage(run_id, "deleted", time)
        stores.runs.set_stage(run_id, "deleted", time + 100)  # again: it was deleted when it was
    assert stores.runs.purge(20, dry_run=True) == Purged(1, 0, 1)
    assert set(names(stores, view="deleted")) == {"new", "needed", "old"}
    assert stores.runs.purge(20) == Purged(1, 0, 1)
    assert set(names(stores, view="deleted")) == {"new", "needed"}
    for gone in lambda: stores.runs.get([old]), lambda: stores.models.get(f"m-{old}", deleted=True):
        with pytest.raises(NotFoundError):
            gone()
    assert stores.metrics.history(old, "auc").to_arrow().num_rows == 0
    assert stores.models.get(f"m-{needed}").run_id == needed


def test_a_purged_experiment_leaves_its_name(stores):
    home = stores.experiments.create("home", {}, 1)
    run_id = make_run(stores, experiment_id=home.id, experiment=home.name)
    stores.experiments.set_stage(home.id, "deleted", 10)
    purged = [stores.runs.purge(10), stores.runs.purge(11, dry_run=True), stores.runs.purge(11)]
    assert purged == [Purged(0, 0, 0), Purged(1, 1, 0), Purged(1, 1, 0)]
    with pytest.raises(NotFoundError):
        stores.runs.get([run_id])
    assert stores.experiments.create("home", {}, 12).id != home.id
