"""A version goes from one registry to another, through a server or not, with all that it was made from."""

from __future__ import annotations

import pytest

import headrace as hr
from headrace.errors import IntegrityError, InvalidInputError
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
        made = copy_version(*sides, "models:/ranker@champion", origin="staging")
        assert copy_version(*sides, "models:/ranker@champion", origin="staging") == made
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
