"""A version goes from one registry to another, through a server or not, with all that it was made from."""

from __future__ import annotations

import pytest

import headrace as hr
from headrace.errors import ConflictError, IntegrityError, InvalidInputError
from headrace.models.transfer import SOURCE_TAG, Side, copy_version
from headrace.tracking.run import DatasetInput
from servers.inside import served


class Half:
    """A model of our own."""

    def predict(self, data):
        return [0.5] * len(data)


@pytest.fixture
def staging(tmp_path):
    folder = tmp_path / "staging"
    folder.mkdir()
    with hr.connect(folder) as store:
        with store.start_run(experiment="ranker", params={"depth": "6"}, tags={"team": "recsys"}) as run:
            for step in range(5):
                run.log_metrics({"auc": 0.1 * step}, step=step)
            model = run.log_model(Half(), "m", serializer="pickle")
        store.runs.recorder.add_inputs(run.id, [DatasetInput(name="autumn", digest="ab", urn="training_set:autumn:1")])
        store.models.register(model, "ranker", "first", {"k": "v"})
        store.models.promote("ranker", 1)
        yield store


@pytest.mark.parametrize("through", ["folder", "server"])
def test_a_copy_has_everything_and_is_made_once(staging, tmp_path, through):
    folder = tmp_path / "production"
    folder.mkdir()
    with served(folder) as url, hr.connect(url if through == "server" else folder) as production:
        sides = Side(staging.models, staging.runs), Side(production.models, production.runs)
        copied = copy_version(*sides, "models:/ranker@champion", origin="staging")
        assert copy_version(*sides, "models:/ranker@champion", origin="staging") == copied
        made = copied.version
        here = staging.models.get("ranker", 1)
        assert (made.version, made.stage, made.description) == (1, "None", "first")
        assert (made.files, made.run_id, made.model_id) == (here.files, here.run_id, here.model_id)
        assert made.tags == {"k": "v", SOURCE_TAG: "staging models:/ranker/1"}
        assert (made.metrics, made.origin.params, made.datasets) == (here.metrics, here.origin.params, here.datasets)
        assert made.origin.environment == here.origin.environment != {}
        points = production.runs.metric_history(made.run_id, "auc")
        assert [point.value for point in points] == [point.value for point in staging.runs.metric_history(here.run_id, "auc")]
        assert {file.path for file in production.runs.artifacts(made.run_id)} >= {"capture/environment.json"}
        assert production.models.load("models:/ranker/1", allow_pickle=True).predict([1, 2]) == [0.5, 0.5]
        upstream = {node for edge in production.lineage.upstream("models:/ranker/1").edges for node in (edge.source, edge.target)}
        assert {f"run:{here.run_id}", f"logged_model:{here.model_id}", "training_set:autumn:1"} <= upstream


def test_what_cannot_be_copied_changes_nothing(staging, tmp_path):
    folder = tmp_path / "production"
    folder.mkdir()
    with hr.connect(folder) as production:
        sides = Side(staging.models, staging.runs), Side(production.models, production.runs)
        with pytest.raises(InvalidInputError, match="no version of a logged model"):
            copy_version(*sides, f"models:/{staging.models.get('ranker', 1).model_id}")
        file = staging.models.get("ranker", 1).files[0]
        (path,) = [found for found in (tmp_path / "staging").rglob(f"*{file.digest[2:]}*") if found.is_file()]
        path.chmod(0o600)
        path.write_bytes(b"tampered")
        with pytest.raises(IntegrityError):
            copy_version(*sides, "models:/ranker/1")
        assert production.models.list() == []


def ratings():
    import pandas as pd

    user = hr.Entity("user", keys={"user_id": "int64"})
    schema = {"user_id": "int64", "stars": "float64", "at": "timestamp"}
    source = hr.EventSource("ratings", timestamp="at", schema=schema)
    group = hr.FeatureGroup("taste", entity=user, source=source, features={"stars_avg": hr.mean("stars", "7d")})
    times = pd.date_range("2026-01-01", periods=8, freq="h", tz="UTC")
    frame = pd.DataFrame({"user_id": [1, 2] * 4, "stars": [1.0, 2.0, 3.0, 4.0] * 2, "at": times})
    return [hr.FeatureView("ranking", features=[group])], frame


def test_the_view_and_the_training_set_are_carried_as_facts_and_what_is_not_is_told(tmp_path):
    import json

    folders = [tmp_path / name for name in ("staging", "production", "other")]
    for folder in folders:
        folder.mkdir()
    definitions, frame = ratings()
    with hr.connect(folders[0]) as staging, hr.connect(folders[1]) as production, hr.connect(folders[2]) as other:
        staging.apply(definitions)
        staging.write("ratings", frame)
        labels = frame[["user_id", "at"]].assign(liked=[0, 1] * 4)
        autumn = staging.training_set("ranking", labels, timestamp="at", label="liked", name="autumn")
        with staging.start_run(experiment="e") as run:
            run.use(autumn)
            model = run.log_model(Half(), "m", serializer="pickle", view="ranking")
        staging.models.register(model, "ranker", docker="ghcr.io/team/ranker:1@sha256:" + "ab" * 32)
        staging.models.set_owner("ranker", "recsys", 1)
        staging.models.write_card("ranker", "For films alone.", 1)
        rows = frame.assign(liked=[0, 1] * 4, stars_avg=1.0)[["stars_avg", "liked"]]
        kept = staging.models.evaluate("ranker", 1, rows, label="liked", metrics=["brier"], allow_pickle=True)
        card = staging.models.card("ranker", 1)
        for fact in (
            "For films alone.",
            "recsys",
            "ghcr.io/team/ranker:1",
            "`training_set:autumn:1`",
            "`source:ratings`",
            "brier on",
        ):
            assert fact in card

        copied = staging.copy_model("models:/ranker/1", production)
        assert any("view ranking:1 isn't there" in each for each in copied.left)
        assert any("rows of the data 'autumn'" in each for each in copied.left)
        there = production.models.get("ranker", 1)
        assert (there.owner, there.card, there.view) == ("recsys", "For films alone.", "ranking:1")
        assert there.origin.environment["image digest"] == "sha256:" + "ab" * 32
        (evaluation,) = production.models.evaluations("ranker", 1)
        assert (evaluation.figures, evaluation.examples, evaluation.user) == (kept.figures, kept.examples, kept.user)
        (path,) = [file for file in production.runs.artifacts(run.id) if file.path == "copied/ranker-1.json"]
        facts = json.loads(production.artifacts.files.get_bytes(path.digest))
        assert [(each["kind"], each["name"]) for each in facts["definitions"]][:2] == [("view", "ranking"), ("group", "taste")]
        (data,) = facts["training_sets"]
        assert (data["fingerprint"], data["view"], data["rows"]) == (autumn.fingerprint, "ranking:1", 8)
        again = staging.copy_model("models:/ranker/1", production)
        assert again.version.version == 1
        assert len(production.models.evaluations("ranker", 1)) == 1

        production.apply(definitions)
        left = staging.copy_model("models:/ranker/1", production).left
        assert not any("view" in each.partition(":")[0] for each in left if "isn't there" in each)
        group = hr.FeatureGroup(
            "taste",
            entity=hr.Entity("user", keys={"user_id": "int64"}),
            source=hr.EventSource("ratings", timestamp="at", schema={"user_id": "int64", "stars": "float64", "at": "timestamp"}),
            features={"stars_avg": hr.mean("stars", "30d")},
        )
        other.apply([hr.FeatureView("ranking", features=[group])])
        with pytest.raises(ConflictError, match="computes something else"):
            staging.copy_model("models:/ranker/1", other)
        assert other.models.list() == []


def test_a_copy_that_was_cut_off_goes_on(staging, tmp_path, monkeypatch):
    folder = tmp_path / "production"
    folder.mkdir()
    staging.models.write_card("ranker", "For tests.", 1)
    with hr.connect(folder) as production:
        for place, step in ((production.models, "register"), (production.models, "write_card")):
            with monkeypatch.context() as patch:
                patch.setattr(place, step, cut_off)
                with pytest.raises(KeyboardInterrupt):
                    staging.copy_model("models:/ranker/1", production)
        assert [version.card for version in production.models.versions("ranker")] == [""]
        made = staging.copy_model("models:/ranker/1", production).version
        assert (made.version, made.card, len(production.models.versions("ranker"))) == (1, "For tests.", 1)
        assert len(production.runs.metric_history(made.run_id, "auc")) == 5


def cut_off(*_arguments, **_options):
    raise KeyboardInterrupt
