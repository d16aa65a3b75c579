"""An MLflow database comes over whole, under its own ids, once."""

from __future__ import annotations

import math
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import httpx
import numpy as np
import obstore
import pandas as pd
import pytest
import sqlalchemy as sa
from obstore.store import from_url

import headrace as hr
from headrace.errors import InvalidInputError, StorageError, UnsafeModelError
from headrace.importers.mlflow.carry import import_mlflow
from importing import contents
from servers.inside import served
from waiting import PATIENCE


def carry(store, url, **options):
    return import_mlflow(url, store.destination, **options)


def rows(path, query, *values):
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(query, values).fetchall()


def change(path, *statements):
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def points_of(history, run_id, key):
    found = rows(history.path, "SELECT timestamp, step, value, is_nan FROM metrics WHERE run_uuid = ? AND key = ?", run_id, key)
    infinite = sys.float_info.max
    values = [
        math.nan if nan else math.copysign(math.inf, value) if abs(value) >= infinite else value for _, _, value, nan in found
    ]
    return sorted((stamp * 1000, step, repr(value)) for (stamp, step, _, _), value in zip(found, values, strict=True))


@pytest.fixture(scope="module")
def carried(mlflow_history, tmp_path_factory):
    with hr.connect(tmp_path_factory.mktemp("project")) as store:
        report = carry(store, mlflow_history.url)
        yield store, report, mlflow_history


def test_every_run_is_here_under_its_id_with_its_facts(carried):
    store, report, history = carried
    found = rows(history.path, "SELECT run_uuid, name, status, start_time, end_time, user_id, lifecycle_stage FROM runs")
    assert report.counts["runs"] == {"new": len(found), "updated": 0, "same": 0}
    for run_id, name, status, start, end, user, stage in found:
        run = store.runs.get(run_id)
        ended = None if end is None else end * 1000
        assert (run.name, run.status, run.start, run.end, run.user) == (name, status, start * 1000, ended, user)
        assert run.lifecycle_stage == stage
        params = dict(rows(history.path, "SELECT key, value FROM params WHERE run_uuid = ?", run_id))
        tags = dict(rows(history.path, "SELECT key, value FROM tags WHERE run_uuid = ?", run_id))
        assert dict(run.params) == params
        assert {key: run.tags[key] for key in tags} == tags


def test_every_point_is_here_nan_and_infinities_too(carried):
    store, _, history = carried
    keys = rows(history.path, "SELECT DISTINCT run_uuid, key FROM metrics")
    assert len(keys) > 5
    for run_id, key in keys:
        here = sorted((point.time, point.step, repr(point.value)) for point in store.runs.metric_history(run_id, key))
        assert here == points_of(history, run_id, key)


def test_points_measured_on_a_model_say_so(carried):
    store, _, history = carried
    run_id = history.made["trained"][0]
    (point,) = store.runs.metric_history(run_id, "auc")
    assert point.model_id == history.made["versions"][run_id]
    assert {metric.key for metric in store.runs.model(point.model_id).metrics} == {"auc", "loss"}


def test_files_and_data_come_along(carried):
    store, _, history = carried
    run_id = history.made["trained"][0]
    assert [entry.path for entry in store.runs.artifacts(run_id)] == ["notes/first.md", "notes/ünïcode name.txt"]
    assert store.runs.read_artifact(run_id, "notes/ünïcode name.txt") == "grüße".encode()
    (data,) = store.runs.get(run_id).inputs
    assert (data.name, data.context, data.tags) == ("films", "training", {"split": "8:2"})
    assert '"a"' in data.schema


def test_nested_and_deleted_runs_stay_so(carried):
    store, _, history = carried
    assert [run.name for run in store.runs.search(f"tags.mlflow.parentRunId = '{history.made['odd']}'")] == ["inner"]
    assert store.runs.experiment("old ideas").lifecycle_stage == "deleted"
    assert store.runs.get(history.made["deleted"]).metrics == {"loss": 2.0}
    assert history.made["deleted"] not in {run.id for run in store.runs.search(limit=1000)}


def test_the_registry_has_its_numbers_stages_and_aliases(carried):
    store, _, history = carried
    versions = {version.version: version for version in store.models.versions("video-ranker")}
    assert {number: version.stage for number, version in versions.items()} == {1: "Archived", 3: "Production", 4: "Staging"}
    assert versions[3].aliases == ("blue", "champion")
    assert versions[3].description == "the good one"
    assert versions[1].tags["of"] == history.made["trained"][0][:4]
    assert store.models.model("video-ranker").description == "Ranks videos."
    assert store.models.model("video-ranker").tags["tier"] == "1"
    store.models.verify_history("video-ranker")


def test_a_version_that_names_files_of_a_run_has_these(carried):
    store, _, _ = carried
    (version,) = store.models.versions("by its run")
    assert [file.path for file in version.files] == ["first.md", "ünïcode name.txt"]


def test_lineage_leads_from_the_alias_to_the_run(carried):
    store, _, history = carried
    assert f"run:{history.made['trained'][0]}" in store.lineage.upstream("models:/video-ranker@champion")


def test_the_champion_predicts_without_running_foreign_code(carried):
    store, _, _ = carried
    frame = pd.DataFrame({"b": [0.0, 0.0], "a": [-3.0, 3.0]})
    assert store.models.load("models:/video-ranker@champion").predict(frame).tolist() == [0, 1]
    with pytest.raises(UnsafeModelError, match="allow_pickle"):
        store.models.load("models:/video-ranker@challenger")
    assert store.models.load("models:/video-ranker@challenger", allow_pickle=True).predict(frame).tolist() == [0, 1]


def test_all_of_it_has_a_place(carried):
    store, report, _ = carried
    assert not report.left
    assert store.models.versions("empty model") == []


def test_again_is_nothing_new(carried):
    store, _, history = carried
    again = carry(store, history.url)
    assert again.changed == 0
    assert again.counts["runs"]["same"] == 6


def test_a_dry_run_writes_nothing_and_tells_the_same_figures(store, mlflow_history):
    told = carry(store, mlflow_history.url, dry_run=True)
    assert len(store.runs.search()) == 0
    assert [item.name for item in store.runs.experiments("all")] == ["Default"]
    assert not store.models.list()
    assert told.counts == carry(store, mlflow_history.url).counts


def test_what_is_new_in_the_source_is_added(store, mlflow_history, tmp_path):
    source = mlflow_history.copy(tmp_path)
    carry(store, source.url)
    run_id = mlflow_history.made["trained"][1]
    change(
        source.path,
        "INSERT INTO metrics (key, value, timestamp, step, is_nan, run_uuid) "
        f"VALUES ('loss', 0.1, 1800000000000, 999, 0, '{run_id}')",
        "UPDATE latest_metrics SET value = 0.1, timestamp = 1800000000000, step = 999 "
        f"WHERE run_uuid = '{run_id}' AND key = 'loss'",
        f"INSERT INTO tags (key, value, run_uuid) VALUES ('late', 'yes', '{run_id}')",
        "UPDATE registered_model_aliases SET version = 4 WHERE alias = 'blue'",
    )
    report = carry(store, source.url)
    assert report.counts["runs"] == {"new": 0, "updated": 1, "same": 5}
    assert report.counts["metric points"]["new"] == 1
    assert store.runs.get(run_id).metrics["loss"] == 0.1
    assert len(store.runs.metric_history(run_id, "loss")) == 301
    assert store.runs.get(run_id).tags["late"] == "yes"
    assert store.models.model("video-ranker").aliases["blue"] == 4
    assert carry(store, source.url).changed == 0


def test_times_that_arent_milliseconds_are_kept_as_the_last_moment_and_told(store, mlflow_history, tmp_path):
    source = mlflow_history.copy(tmp_path)
    run_id = mlflow_history.made["trained"][1]
    nanoseconds = "1700000000000000000"
    change(
        source.path,
        *(
            f"UPDATE {table} SET timestamp = {nanoseconds} WHERE run_uuid = '{run_id}' AND key = 'auc'"
            for table in ("metrics", "latest_metrics")
        ),
        f"UPDATE runs SET start_time = {nanoseconds}, name = '{'n' * 900}' WHERE run_uuid = '{run_id}'",
    )
    report = carry(store, source.url)
    assert [(left.name, left.count) for left in report.left if left.kind == "metric time"] == [(run_id, 1)]
    assert store.runs.get(run_id).name == "n" * 500
    assert store.runs.get(run_id).latest["auc"].time == store.runs.get(run_id).start == 2**63 - 1
    assert carry(store, source.url).changed == 0


def test_stages_that_were_moved_here_stay_where_they_are(store, mlflow_history, tmp_path):
    source = mlflow_history.copy(tmp_path)
    carry(store, source.url)
    store.models.promote("video-ranker", 4, reason="ours is better")
    change(source.path, "UPDATE registered_model_aliases SET version = 4 WHERE alias = 'blue'")
    report = carry(store, source.url)
    assert "life of its own" in report.left[-1].reason
    assert store.models.model("video-ranker").champion == 4
    assert store.models.model("video-ranker").aliases["blue"] == 3


def test_a_name_that_is_taken_keeps_its_versions_and_champion(store, mlflow_history):
    with store.start_run(capture=False) as run:
        from sklearn.linear_model import LogisticRegression

        own = run.log_model(LogisticRegression().fit(np.eye(2), [0, 1]), "own")
    store.models.register(own, "video-ranker")
    store.models.promote("video-ranker", 1)
    report = carry(store, mlflow_history.url)
    versions = store.models.versions("video-ranker")
    assert [version.version for version in versions] == [1, 2, 3, 4]
    assert store.models.model("video-ranker").champion == 1
    assert {item.kind for item in report.left} >= {"model version", "stages and aliases"}
    assert carry(store, mlflow_history.url).changed == 0


def test_experiments_keep_their_ids(carried):
    store, report, history = carried
    found = rows(history.path, "SELECT experiment_id, name FROM experiments")
    assert {store.runs.experiment(name).id: name for _, name in found} == {str(number): name for number, name in found}
    assert not [item for item in report.left if item.kind == "experiment id"]


def test_an_experiment_whose_id_is_taken_or_whose_name_is_here_is_found_by_its_old_id_where_it_can_be(
    store, mlflow_history, tmp_path
):
    source = mlflow_history.copy(tmp_path)
    ids = dict(rows(source.path, "SELECT name, experiment_id FROM experiments"))
    create = store.destination.tracking.experiments.create
    create("mine", {}, 1, "", str(ids["old ideas"]))
    create("ranker", {}, 1, "", "77")
    report = carry(store, source.url)
    told = {item.name: item.reason for item in report.left if item.kind == "experiment id"}
    assert set(told) == {f"{ids['old ideas']} of old ideas", f"{ids['ranker']} of ranker"}
    assert "another experiment has that id" in told[f"{ids['old ideas']} of old ideas"]
    assert int(store.runs.experiment("old ideas").id) > 77
    change(source.path, "UPDATE experiments SET name = 'ranker of films' WHERE name = 'ranker'")
    assert carry(store, source.url).changed == 0  # it is still the same
    store.close()
    with served(tmp_path / "project") as url:
        ask = {"experiment_ids": [str(ids["ranker"])]}
        found = httpx.post(f"{url}/api/2.0/mlflow/runs/search", json=ask).json()["runs"]
        assert {run["info"]["experiment_id"] for run in found} == {"77"}
        models = httpx.post(f"{url}/api/2.0/mlflow/logged-models/search", json=ask).json()["models"]
        assert {model["info"]["experiment_id"] for model in models} == {"77"}
        data = httpx.post(f"{url}/api/2.0/mlflow/experiments/search-datasets", json=ask).json()["dataset_summaries"]
        assert {item["experiment_id"] for item in data} == {"77"}
        body = {"experiment_id": str(ids["ranker"]), "run_name": "from an old script"}
        made = httpx.post(f"{url}/api/2.0/mlflow/runs/create", json=body).json()["run"]
        assert made["info"]["experiment_id"] == "77"


def test_a_run_whose_id_is_taken_gets_another_one_for_good(store, mlflow_history):
    from headrace.tracking.run import Run

    taken = mlflow_history.made["trained"][0]
    home = store.runs.experiment("Default")
    ours = Run(id=taken, name="ours", experiment_id=home.id, experiment=home.name, status="FINISHED", start=1)
    store.destination.tracking.runs.create(ours)
    carry(store, mlflow_history.url)
    assert store.runs.get(taken).name == "ours"
    (found,) = store.runs.search(f"tags.headrace.import.id = 'mlflow:{taken}'")
    assert found.name == "depth 1"
    assert store.models.get("video-ranker", 1).run_id == found.id
    assert carry(store, mlflow_history.url).changed == 0


def test_a_run_that_was_deleted_here_stays_deleted(store, mlflow_history, tmp_path):
    source = mlflow_history.copy(tmp_path)
    carry(store, source.url)
    run_id = mlflow_history.made["odd"]
    store.runs.delete(run_id)
    change(source.path, f"INSERT INTO tags (key, value, run_uuid) VALUES ('late', 'yes', '{run_id}')")
    report = carry(store, source.url)
    assert store.runs.get(run_id).lifecycle_stage == "deleted"
    assert "runs restore" in report.left[0].reason


def test_files_that_are_gone_are_reported_and_come_later(store, mlflow_history, tmp_path):
    source = mlflow_history.copy(tmp_path)
    run_id = mlflow_history.made["trained"][0]
    change(
        source.path,
        f"UPDATE runs SET artifact_uri = 'mlflow-artifacts:/7/{run_id}/artifacts' WHERE run_uuid = '{run_id}'",
        f"UPDATE logged_models SET artifact_location = '{tmp_path}/gone' WHERE source_run_id = '{run_id}'",
        f"DELETE FROM model_versions WHERE run_id = '{run_id}'",
    )
    report = carry(store, source.url)
    assert report.counts["logged models"] == {"new": 1, "updated": 0, "same": 0}  # of two
    assert [(item.kind, item.name) for item in report.left if item.kind == "artifacts"] == [("artifacts", run_id)]
    assert "--artifacts" in report.left[0].reason
    root = tmp_path / "root"
    (root / "7" / run_id / "artifacts").mkdir(parents=True)
    (root / "7" / run_id / "artifacts" / "late.txt").write_text("found")
    carry(store, source.url, artifacts=str(root))
    assert store.runs.read_artifact(run_id, "late.txt") == b"found"


def test_files_in_buckets_are_carried_and_a_bucket_that_cant_be_read_is_told_and_tried_again(
    store, mlflow_history, bucket, tmp_path
):
    source, (first, second) = mlflow_history.copy(tmp_path), mlflow_history.made["trained"]
    for place in (f"mlflow/1/{first}/artifacts", f"root/1/{second}/artifacts"):
        obstore.put(from_url(f"{bucket}/{place}"), "plots/ä b.txt", place.encode())
    proxied = f"UPDATE runs SET artifact_uri = 'mlflow-artifacts:/1/{second}/artifacts' WHERE run_uuid = '{second}'"
    elsewhere = f"UPDATE runs SET artifact_uri = '{{}}/mlflow/1/{first}/artifacts' WHERE run_uuid = '{first}'"
    change(source.path, proxied, elsewhere.format("s3://there-is-no-such-bucket"))
    report = carry(store, source.url, artifacts=f"{bucket}/root")
    assert store.runs.read_artifact(second, "plots/ä b.txt").startswith(b"root/1/")
    (left,) = [item for item in report.left if item.kind == "artifacts" and item.name == first]
    assert "there-is-no-such-bucket" in left.reason
    assert store.runs.get(first).params["depth"] == "1"
    change(source.path, elsewhere.format(bucket))
    again = carry(store, source.url, artifacts=f"{bucket}/root")
    assert again.counts["artifacts"]["new"] == 1
    assert store.runs.read_artifact(first, "plots/ä b.txt").startswith(b"mlflow/1/")
    assert carry(store, source.url, artifacts=f"{bucket}/root").changed == 0


def test_a_version_from_before_logged_models_brings_its_files(store, mlflow_history, tmp_path):
    source = mlflow_history.copy(tmp_path)
    model = mlflow_history.made["versions"][mlflow_history.made["trained"][0]]
    (folder,) = rows(source.path, "SELECT artifact_location FROM logged_models WHERE model_id = ?", model)[0]
    change(
        source.path,
        f"UPDATE model_versions SET source = '{folder}', storage_location = '{folder}' WHERE version = 1",
        f"UPDATE model_versions SET source = '{folder}', storage_location = '{folder}', run_id = NULL WHERE version = 3",
    )
    carry(store, source.url)
    assert store.models.load("models:/video-ranker/1").predict(pd.DataFrame({"a": [3.0], "b": [0.0]})).tolist() == [1]
    assert store.models.load("models:/video-ranker/3").predict(pd.DataFrame({"a": [3.0], "b": [0.0]})).tolist() == [1]
    assert store.models.get("video-ranker", 3).run_id == ""


def test_what_has_no_place_is_counted_and_a_model_without_a_run_is_carried(store, mlflow_history, tmp_path):
    source = mlflow_history.copy(tmp_path)
    (first, second) = (mlflow_history.made["versions"][run] for run in mlflow_history.made["trained"])
    change(
        source.path,
        f"UPDATE logged_models SET source_run_id = NULL WHERE model_id = '{first}'",
        f"UPDATE logged_models SET status = 1 WHERE model_id = '{second}'",
        "DELETE FROM model_versions WHERE version = 4",
        "INSERT INTO scorers (experiment_id, scorer_name, scorer_id) VALUES (1, 'judge', 'x')",
        "INSERT INTO registered_models (name) VALUES ('greeting')",
        "INSERT INTO registered_model_tags (name, key, value) VALUES ('greeting', 'mlflow.prompt.is_prompt', 'true')",
    )
    report = carry(store, source.url)
    left = {(item.kind, item.name, item.count) for item in report.left}
    assert left == {("logged model", second, 1), ("scorers", "all", 1), ("prompt", "greeting", 1)}
    assert "greeting" not in [model.name for model in store.models.list()]
    assert store.runs.model(first).run_id == ""
    assert store.runs.model(first).artifact_uri.endswith(f"/models/{first}/artifacts")


def test_a_postgresql_database_reads_the_same(store, mlflow_history, postgres):
    url = postgres.new_database()
    source = sa.create_engine(mlflow_history.url)
    target = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    metadata = sa.MetaData()
    names = ("experiments", "experiment_tags", "runs", "metrics", "latest_metrics", "params", "tags", "datasets", "inputs")
    registry = ("registered_models", "registered_model_tags", "registered_model_aliases", "model_versions", "model_version_tags")
    logged = ("input_tags", "logged_models", "logged_model_metrics", "logged_model_params", "logged_model_tags")
    with source.connect() as reading, target.begin() as writing:
        for name in (*names, *registry, *logged):
            table = sa.Table(name, metadata, autoload_with=reading, resolve_fks=False)
            bare = sa.Table(name, sa.MetaData(), *[sa.Column(column.name, column.type) for column in table.columns])
            bare.create(writing)
            found = [dict(row) for row in reading.execute(sa.select(table)).mappings()]
            if found:
                writing.execute(bare.insert(), found)
    report = carry(store, url)
    assert report.counts["runs"]["new"] == 6
    assert report.counts["model versions"]["new"] == 4
    assert carry(store, mlflow_history.url).changed == 0
    source.dispose()
    target.dispose()


def test_a_killed_import_is_completed_by_the_next_and_nothing_is_twice(mlflow_history, tmp_path):
    source = mlflow_history.copy(tmp_path)
    run_id = mlflow_history.made["trained"][0]
    with closing(sqlite3.connect(source.path)) as connection, connection:
        for number in range(40):
            new = f"{number:032x}"
            names = [row[1] for row in connection.execute("PRAGMA table_info(runs)")]
            picked = ", ".join(f"'{new}'" if name == "run_uuid" else name for name in names)
            connection.execute(f"INSERT INTO runs ({', '.join(names)}) SELECT {picked} FROM runs WHERE run_uuid = ?", (run_id,))
            for table in ("metrics", "latest_metrics", "params", "tags"):
                names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
                picked = ", ".join(f"'{new}'" if name == "run_uuid" else name for name in names)
                query = f"INSERT INTO {table} ({', '.join(names)}) SELECT {picked} FROM {table} WHERE run_uuid = ?"
                connection.execute(query, (run_id,))
    project = tmp_path / "killed"
    (project / ".headrace").mkdir(parents=True)
    kills = [kill_at(project, source.url, runs) for runs in (4, 20)]
    assert any(kills), "the import was never interrupted"
    with hr.connect(project) as interrupted, hr.connect(tmp_path / "whole") as whole:
        carry(interrupted, source.url)
        carry(whole, source.url)
        assert carry(interrupted, source.url).changed == 0
        assert contents(interrupted) == contents(whole)
        interrupted.models.verify_history("video-ranker")


def kill_at(project, url, runs):
    """Start an import and kill it as soon as so many runs are there; whether it was still at work."""
    command = [sys.executable, "-c", "from headrace.cli import main; main()", "-C", str(project), "import", "mlflow", url]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE
    catalog = project / ".headrace" / "catalog.db"
    while process.poll() is None and time.monotonic() < deadline:
        if catalog.is_file() and count_runs(catalog) >= runs:
            os.kill(process.pid, signal.SIGKILL)
            break
    return process.wait(PATIENCE) == -signal.SIGKILL


def count_runs(catalog):
    try:
        return rows(catalog, "SELECT count(*) FROM runs")[0][0]
    except sqlite3.OperationalError:  # not migrated yet
        return 0


@pytest.mark.parametrize(
    ("address", "kind", "words"),
    [
        ("sqlite:///{tmp}/none.db", InvalidInputError, "there is no file"),
        ("sqlite:///{tmp}/other.db", InvalidInputError, "isn't an MLflow database"),
        ("sqlite:///{tmp}/garbage.db", StorageError, "can't be read"),
        ("{tmp}", InvalidInputError, "a folder of files; start MLflow over it"),
        ("{tmp}/other.db", InvalidInputError, "write for example sqlite:///"),
        ("mysql://host/mlflow", InvalidInputError, "import from MLflow's server"),
    ],
)
def test_an_address_that_is_none_is_told_and_changes_nothing(store, tmp_path, address, kind, words):
    change(tmp_path / "other.db", "CREATE TABLE runs (id INTEGER)")
    (tmp_path / "garbage.db").write_bytes(b"\xff" * 4096)
    with pytest.raises(kind, match=words):
        carry(store, address.format(tmp=tmp_path))
