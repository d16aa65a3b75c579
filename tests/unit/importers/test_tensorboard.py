"""Event files of a real writer come over: every scalar, hyperparameters, texts, images."""

from __future__ import annotations

import json
import struct

import google_crc32c
import numpy as np
import pytest
from tensorboardX import SummaryWriter
from tensorboardX.proto import event_pb2

from headrace.errors import InvalidInputError
from headrace.importers.tensorboard.carry import import_tensorboard

PNG = b"\x89PNG"


@pytest.fixture
def logs(tmp_path):
    folder = tmp_path / "ranker"
    for name, rate in (("first", 0.1), ("second", 0.2)):
        with SummaryWriter(str(folder / name), write_to_disk=True) as writer:
            for step in range(50):
                writer.add_scalar("loss/train", rate / (step + 1), step, walltime=1_700_000_000 + step)
            writer.add_scalar("odd", float("nan"), 3, walltime=1_700_000_100)
            writer.add_scalar("odd", float("inf"), -1, walltime=1_700_000_101)
            writer.add_text("notes", f"rate **{rate}**", 7)
            writer.add_image("picture", np.full((3, 4, 5), 255, np.uint8), 2)
            writer.add_histogram("weights", np.arange(9.0), 1)
            writer.add_hparams({"rate": rate, "depth": 6, "kind": "linear", "fast": True}, {"auc": 0.9}, name="tuned")
    return folder


def carry(store, folder, **options):
    return import_tensorboard(folder, store.destination, **options)


def by_name(store):
    return {run.name: run for run in store.runs.search(limit=100)}


def append(folder, *events):
    """Write events as TensorFlow does, into a file of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "events.out.tfevents.9999999999.host"
    with path.open("ab") as file:
        for event in events:
            file.write(record(event.SerializeToString()))
    return path


def record(data):
    head = struct.pack("<Q", len(data))
    return head + struct.pack("<I", masked(head)) + data + struct.pack("<I", masked(data))


def masked(data):
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def scalar(tag, step, plugin="scalars", **tensor):
    event = event_pb2.Event(wall_time=1_700_000_000.5, step=step)
    value = event.summary.value.add(tag=tag)
    value.metadata.plugin_data.plugin_name = plugin
    for name, given in tensor.items():
        if isinstance(given, list):
            getattr(value.tensor, name).extend(given)
        else:
            setattr(value.tensor, name, given)
    return event


def test_scalars_come_with_steps_and_times(store, logs):
    report = carry(store, logs)
    runs = by_name(store)
    assert set(runs) == {"first", "second", "first/tuned", "second/tuned"}
    assert report.counts["runs"]["new"] == 4
    points = list(store.runs.metric_history(runs["second"].id, "loss/train"))
    assert [point.step for point in points] == list(range(50))
    assert [point.value for point in points] == [float(np.float32(0.2 / (step + 1))) for step in range(50)]
    assert points[7].time == 1_700_000_007_000_000
    odd = [(point.step, repr(point.value)) for point in store.runs.metric_history(runs["first"].id, "odd")]
    assert odd == [(3, "nan"), (-1, "inf")]
    assert runs["first"].experiment == "ranker"


def test_texts_images_and_hyperparameters_come_along(store, logs):
    report = carry(store, logs)
    run = by_name(store)["first"]
    paths = [entry.path for entry in store.runs.artifacts(run.id)]
    assert paths == ["images/picture/step_2.png", "text/notes/text_summary/step_7.txt"]
    assert store.runs.read_artifact(run.id, paths[0]).startswith(PNG)
    assert store.runs.read_artifact(run.id, paths[1]) == b"rate **0.1**"
    tuned = by_name(store)["first/tuned"]
    assert dict(tuned.params) == {"rate": "0.1", "depth": "6", "kind": "linear", "fast": "True"}
    assert tuned.metrics == {"auc": pytest.approx(0.9)}
    assert ("histograms", 1) in {(item.kind, item.count) for item in report.left}


def test_again_is_nothing_new_and_later_is_what_came_later(store, logs):
    carry(store, logs)
    assert carry(store, logs).changed == 0
    append(logs / "first", scalar("late", 1, dtype=1, float_val=[0.5]))
    report = carry(store, logs)
    assert report.counts["runs"] == {"new": 0, "updated": 1, "same": 3}
    assert report.counts["metric points"]["new"] == 1
    assert by_name(store)["first"].metrics["late"] == 0.5


@pytest.mark.parametrize(
    ("tensor", "value"),
    [
        ({"dtype": 1, "float_val": [0.5]}, 0.5),
        ({"dtype": 1, "tensor_content": struct.pack("<f", 0.25)}, 0.25),
        ({"dtype": 2, "double_val": [0.1]}, 0.1),
        ({"dtype": 2, "tensor_content": struct.pack("<d", 0.1)}, 0.1),
        ({"dtype": 9, "int64_val": [7]}, 7.0),
        ({"dtype": 19, "half_val": [int(np.float16(1.5).view(np.uint16))]}, 1.5),
        ({"dtype": 14, "tensor_content": struct.pack("<H", 0x3FC0)}, 1.5),
    ],
)
def test_scalars_in_tensors_are_scalars(store, tmp_path, tensor, value):
    append(tmp_path / "logs", scalar("x", 3, **tensor))
    carry(store, tmp_path / "logs")
    assert by_name(store)["logs"].metrics == {"x": value}


def test_a_tensor_of_several_numbers_is_told(store, tmp_path):
    append(tmp_path / "logs", scalar("x", 3, dtype=1, float_val=[1.0, 2.0]), scalar("y", 1, dtype=1, float_val=[1.0]))
    report = carry(store, tmp_path / "logs")
    assert by_name(store)["logs"].metrics == {"y": 1.0}
    assert [(item.kind, item.count) for item in report.left] == [("scalars", 1)]


def test_a_restart_takes_back_what_it_says_as_tensorboard_does(store, tmp_path):
    folder = tmp_path / "ranker" / "resumed"
    for purge, steps, rate in ((None, range(40), 1.0), (30, range(30, 50), 2.0)):
        with SummaryWriter(str(folder), purge_step=purge, filename_suffix=f".{rate}") as writer:
            for step in steps:
                writer.add_scalar("loss", rate, step)
    report = carry(store, tmp_path / "ranker")
    points = store.runs.metric_history(by_name(store)["resumed"].id, "loss")
    assert sorted((point.step, point.value) for point in points) == [(step, 1.0 if step < 30 else 2.0) for step in range(50)]
    (left,) = report.left
    assert (left.kind, left.name, left.count) == ("scalars taken back", "resumed", 10)


def test_a_last_record_that_is_not_whole_is_left_for_later(store, tmp_path):
    path = append(tmp_path / "logs", scalar("x", 1, dtype=1, float_val=[1.0]), scalar("x", 2, dtype=1, float_val=[2.0]))
    whole = path.read_bytes()
    for cut in (len(whole) - 1, len(whole) - 6, len(whole) // 2 + 3):
        path.write_bytes(whole[:cut])
        assert not carry(store, tmp_path / "logs").left
        assert by_name(store)["logs"].metrics == {"x": 1.0}
    path.write_bytes(whole)
    carry(store, tmp_path / "logs")
    assert by_name(store)["logs"].metrics == {"x": 2.0}
    assert len(store.runs.metric_history(by_name(store)["logs"].id, "x")) == 2


def test_a_damaged_record_ends_its_file_and_is_told(store, tmp_path):
    path = append(tmp_path / "logs", scalar("x", 1, dtype=1, float_val=[1.0]), scalar("x", 2, dtype=1, float_val=[2.0]))
    data = bytearray(path.read_bytes())
    data[-8] ^= 1
    path.write_bytes(bytes(data))
    report = carry(store, tmp_path / "logs")
    assert "damaged at byte" in report.left[0].reason
    assert by_name(store)["logs"].metrics == {"x": 1.0}


def test_bytes_that_are_no_events_are_told(store, tmp_path):
    path = append(tmp_path / "logs", scalar("x", 1, dtype=1, float_val=[1.0]))
    path.write_bytes(path.read_bytes() + record(b"\xff\xff\xff"))
    assert "holds no event" in carry(store, tmp_path / "logs").left[0].reason


def test_a_folder_without_events_is_told(store, tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(InvalidInputError, match="no event files"):
            carry(store, folder)


def test_the_command_says_what_it_did(logs, tmp_path, monkeypatch, capsys):
    from headrace.cli import main

    monkeypatch.setattr("sys.argv", ["headrace", "-C", str(tmp_path), "import", "tensorboard", str(logs), "--dry-run", "--json"])
    (tmp_path / "headrace.toml").write_text("")
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert told["dry_run"] is True
    assert told["carried"]["runs"] == {"new": 4, "updated": 0, "same": 0}
