"""An export of Neptune comes over: attributes, series, files. The files have the schema that neptune-exporter writes."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from pyarrow import parquet

from headrace.errors import InvalidInputError
from headrace.importers.neptune import import_neptune

SCHEMA = pa.schema(
    [
        ("project_id", pa.string()),
        ("run_id", pa.string()),
        ("attribute_path", pa.string()),
        ("attribute_type", pa.string()),
        ("step", pa.decimal128(18, 6)),
        ("timestamp", pa.timestamp("ms", tz="UTC")),
        ("int_value", pa.int64()),
        ("float_value", pa.float64()),
        ("string_value", pa.string()),
        ("bool_value", pa.bool_()),
        ("datetime_value", pa.timestamp("ms", tz="UTC")),
        ("string_set_value", pa.list_(pa.string())),
        ("file_value", pa.struct([("path", pa.string())])),
        (
            "histogram_value",
            pa.struct([("type", pa.string()), ("edges", pa.list_(pa.float64())), ("values", pa.list_(pa.float64()))]),
        ),
    ]
)
START = datetime(2025, 3, 1, 12, tzinfo=UTC)
MICROS = 1_740_830_400_000_000


def value(path, kind, held):
    return {"attribute_path": path, "attribute_type": kind, f"{kind}_value": held}


def series(path, kind, *points, column):
    return [
        {
            "attribute_path": path,
            "attribute_type": kind,
            "step": Decimal(step),
            "timestamp": datetime.fromtimestamp(START.timestamp() + number, UTC),
            column: held,
        }
        for number, (step, held) in enumerate(points)
    ]


def write(folder, project, run_id, rows, part=0):
    place = folder / "data" / f"{project.replace('/', '_')}_1a2b"
    place.mkdir(parents=True, exist_ok=True)
    whole = [{"project_id": project, "run_id": run_id, **row} for row in rows]
    parquet.write_table(pa.Table.from_pylist(whole, SCHEMA), place / f"{run_id}_part_{part}.parquet")


@pytest.fixture
def export(tmp_path):
    folder = tmp_path / "exports"
    files = folder / "files" / "team_ranker_1a2b" / "SAN-1"
    files.mkdir(parents=True)
    (files / "model.bin").write_bytes(b"weights")
    (files / "step_5.png").write_bytes(b"image")
    rows = [
        value("sys/id", "string", "SAN-1"),
        value("sys/name", "string", "deep one"),
        value("sys/owner", "string", "ann"),
        value("sys/creation_time", "datetime", START),
        value("sys/running_time", "float", 90.5),
        value("sys/description", "string", "Looks good."),
        value("sys/tags", "string_set", ["best", "v2"]),
        value("params/depth", "int", 6),
        value("params/rate", "float", 0.1),
        value("params/fast", "bool", True),
        value("params/since", "datetime", START),
        value("odd[name]", "string", "kept"),
        *series("metrics/loss", "float_series", ("0", 1.0), ("1", 0.5), ("2", float("nan")), column="float_value"),
        *series("monitoring/stdout", "string_series", ("0", "hello, you"), ("1", 'a "quote"'), column="string_value"),
        *series(
            "weights",
            "histogram_series",
            ("0", {"type": "COUNTING", "edges": [0.0, 1.0], "values": [3.0]}),
            column="histogram_value",
        ),
        {"attribute_path": "model", "attribute_type": "file", "file_value": {"path": "team_ranker_1a2b/SAN-1/model.bin"}},
        {"attribute_path": "gone", "attribute_type": "file", "file_value": {"path": "team_ranker_1a2b/SAN-1/gone.bin"}},
        {"attribute_path": "out", "attribute_type": "file", "file_value": {"path": "../../etc/passwd"}},
        {
            "attribute_path": "images",
            "attribute_type": "file_series",
            "step": Decimal(5),
            "file_value": {"path": "SAN-1/step_5.png"},
        },
    ]
    write(folder, "team/ranker", "SAN-1", rows[:10])
    write(folder, "team/ranker", "SAN-1", rows[10:], part=1)
    failed = [
        value("sys/failed", "bool", True),
        value("sys/creation_time", "datetime", START),
        value("sys/trashed", "bool", True),
    ]
    write(folder, "team/ranker", "SAN-2", failed)
    halves = series("loss", "float_series", ("0", 1.0), ("0.25", 0.5), column="float_value")
    write(folder, "team/other", "baseline", [value("sys/creation_time", "datetime", START), *halves])
    write(folder, "team/third", "baseline", [value("sys/creation_time", "datetime", START)])
    return folder


def carry(store, folder, **options):
    return import_neptune(folder, store.destination, **options)


def test_attributes_are_params_tags_and_the_run_itself(store, export):
    report = carry(store, export)
    run = store.runs.get("SAN-1")
    assert (run.name, run.user, run.experiment, run.status) == ("deep one", "ann", "team/ranker", "FINISHED")
    assert (run.start, run.end) == (MICROS, MICROS + 90_500_000)
    assert {key: run.params[key] for key in ("params/depth", "params/rate", "params/fast")} == {
        "params/depth": "6",
        "params/rate": "0.1",
        "params/fast": "True",
    }
    assert run.params["params/since"] == "2025-03-01T12:00:00+00:00"
    assert run.tags["neptune.sys/tags"] == "best, v2"
    assert run.tags["mlflow.note.content"] == "Looks good."
    renamed = [key for key in run.params if key.startswith("odd_name_")]
    assert run.params[renamed[0]] == "kept"
    assert any("'odd[name]'" in item.name for item in report.left)
    assert store.runs.get("SAN-2").status == "FAILED"
    assert store.runs.get("SAN-2").lifecycle_stage == "deleted"


def test_float_series_are_metrics(store, export):
    carry(store, export)
    points = [(point.step, repr(point.value), point.time) for point in store.runs.metric_history("SAN-1", "metrics/loss")]
    assert points == [(0, "1.0", MICROS), (1, "0.5", MICROS + 1_000_000), (2, "nan", MICROS + 2_000_000)]


def test_steps_between_whole_ones_are_scaled_and_the_run_says_so(store, export):
    carry(store, export)
    (run,) = store.runs.search(experiment="team/other")
    assert [point.step for point in store.runs.metric_history(run.id, "loss")] == [0, 25]
    assert run.tags["headrace.import.step_scale"] == "100"


def test_files_texts_and_histograms_are_artifacts_and_none_from_elsewhere(store, export):
    report = carry(store, export)
    files = {entry.path: store.runs.read_artifact("SAN-1", entry.path) for entry in store.runs.artifacts("SAN-1")}
    assert files["model.bin"] == b"weights"
    assert files["images/step_5.png"] == b"image"
    lines = files["monitoring/stdout.csv"].decode().splitlines()
    assert lines[0] == "step,time,value"
    assert lines[1] == '0,2025-03-01T12:00:00+00:00,"hello, you"'
    assert b'"edges": [0.0, 1.0]' in files["weights.jsonl"]
    assert {item.name for item in report.left if item.kind == "artifact"} == {"gone of SAN-1", "out of SAN-1"}
    assert len(files) == 4


def test_two_projects_may_name_a_run_alike(store, export):
    carry(store, export)
    runs = [*store.runs.search(experiment="team/other"), *store.runs.search(experiment="team/third")]
    assert [run.name for run in runs] == ["baseline", "baseline"]
    assert len({run.id for run in runs}) == 2
    assert {run.tags["headrace.import.id"] for run in runs} == {"neptune:team/other/baseline", "neptune:team/third/baseline"}


def test_again_is_nothing_new_and_later_is_what_came_later(store, export):
    carry(store, export)
    assert carry(store, export).changed == 0
    more = series("metrics/loss", "float_series", ("3", 0.25), column="float_value")
    write(export, "team/ranker", "SAN-1", more, part=2)
    report = carry(store, export)
    assert report.counts["runs"] == {"new": 0, "updated": 1, "same": 3}
    assert report.counts["metric points"]["new"] == 1


def test_the_folder_of_data_alone_will_do(store, export):
    carry(store, export / "data")
    assert store.runs.read_artifact("SAN-1", "model.bin") == b"weights"


def test_a_part_that_is_damaged_is_told_and_the_rest_comes(store, export):
    place = next(export.rglob("SAN-1_part_1.parquet"))
    place.write_bytes(place.read_bytes()[:-20])
    report = carry(store, export)
    assert any("can't be read" in item.reason for item in report.left)
    assert store.runs.get("SAN-1").params["params/rate"] == "0.1"


def test_a_folder_of_something_else_is_told(store, tmp_path):
    (tmp_path / "x").mkdir()
    for folder, words in ((tmp_path / "none", "no folder"), (tmp_path / "x", "holds no runs")):
        with pytest.raises(InvalidInputError, match=words):
            carry(store, folder)


def test_a_file_whose_name_cant_be_is_told_with_the_one_it_got(store, tmp_path):
    folder = tmp_path / "exports"
    place = folder / "files" / "SAN-1"
    place.mkdir(parents=True)
    (place / "a.txt").write_text("content")
    write(folder, "team/odd", "SAN-1", [value("back\\slash", "file", {"path": "SAN-1/a.txt"})])
    report = carry(store, folder)
    (entry,) = store.runs.artifacts("SAN-1")
    assert "\\" not in entry.path
    assert [left.name for left in report.left] == ["'back\\\\slash.txt' of SAN-1"]
    assert repr(entry.path) in report.left[0].reason


def test_files_of_runs_that_are_called_alike_are_those_of_their_own_project(store, tmp_path):
    folder = tmp_path / "exports"
    for project in ("team/ranker", "team/other"):
        place = folder / "files" / f"{project.replace('/', '_')}_1a2b" / "baseline"
        place.mkdir(parents=True)
        (place / "note.txt").write_text(project)
        write(folder, project, "baseline", [value("note.txt", "file", {"path": "baseline/note.txt"})])
    carry(store, folder)
    found = {run.experiment: store.runs.read_artifact(run.id, "note.txt").decode() for run in store.runs.search()}
    assert found == {"team/ranker": "team/ranker", "team/other": "team/other"}


def test_models_that_were_exported_too_are_told_as_left(store, export):
    place = export / "model_data" / "team_ranker_1a2b" / "models"
    place.mkdir(parents=True)
    parquet.write_table(pa.Table.from_pylist([], SCHEMA), place / "RAN-MOD_part_0.parquet")
    parquet.write_table(pa.Table.from_pylist([], SCHEMA), place / "RAN-MOD_part_1.parquet")
    for given in (export, export / "data"):
        (left,) = [left for left in carry(store, given, dry_run=True).left if left.kind == "models"]
        assert (left.name, left.count) == (str(export / "model_data"), 1)
