"""The embedded log's files: torn tails are cut off, damage is told, and only damage."""

from __future__ import annotations

import errno
import os
import shutil

import pyarrow as pa
import pytest

from headrace.errors import IntegrityError, StorageError
from headrace.events.embedded import EmbeddedEventLog
from headrace.events.segment import segment_first, segment_name


def rows(*values):
    return pa.table({"v": pa.array(values, pa.int64())})


def read(log, topic="t", after=-1):
    return [value for batch in log.read(topic, 0, after) for value in batch.rows["v"].to_pylist()]


def segments(folder):
    return sorted(folder.glob("topic-t/*.segment"))


@pytest.fixture
def log(tmp_path):
    return EmbeddedEventLog(tmp_path / "log", fsync=True)


def reopened(log, tmp_path):
    return EmbeddedEventLog(tmp_path / "log", fsync=False)


def test_every_torn_tail_is_cut_off_at_the_next_append(log, tmp_path):
    log.append("t", rows(1, 2))
    (file,) = segments(tmp_path / "log")
    before = file.read_bytes()
    log.append("t", rows(3))
    whole = file.read_bytes()
    for length in range(len(before), len(whole)):
        file.write_bytes(whole[:length])
        assert read(reopened(log, tmp_path)) == [1, 2]
        assert file.read_bytes() == before
        file.write_bytes(whole[:length])
        again = reopened(log, tmp_path)
        assert again.append("t", rows(4))[0].first == 2
        assert read(again) == [1, 2, 4]


def test_an_open_log_sees_that_another_left_a_torn_tail(log, tmp_path):
    log.append("t", rows(1))
    (file,) = segments(tmp_path / "log")
    with file.open("ab") as stream:
        stream.write(b"HRF1 torn")
    assert log.end("t", 0) == 0
    assert log.append("t", rows(2))[0].first == 1
    assert read(log) == [1, 2]


def test_a_tail_of_zeros_is_cut_off(log, tmp_path):
    log.append("t", rows(1))
    (file,) = segments(tmp_path / "log")
    with file.open("ab") as stream:
        stream.write(bytes(5000))
    assert read(reopened(log, tmp_path)) == [1]
    assert log.append("t", rows(2))[0].first == 1


@pytest.mark.parametrize("place", range(0, 300, 7))
def test_damage_before_whole_frames_is_an_error_and_never_rows(log, tmp_path, place):
    for value in range(5):
        log.append("t", rows(value))
    (file,) = segments(tmp_path / "log")
    content = bytearray(file.read_bytes())
    content[place] ^= 0xFF
    file.write_bytes(content)
    for act in (read, lambda log: log.append("t", rows(9)), lambda log: log.end("t", 0)):
        with pytest.raises(IntegrityError, match=r"0\.segment is damaged at byte 0.*doctor --repair"):
            act(reopened(log, tmp_path))
    assert file.read_bytes() == bytes(content)


def test_damage_in_an_older_segment_is_an_error_where_it_is_read(tmp_path):
    log = EmbeddedEventLog(tmp_path / "log", fsync=False, segment_size=1000)
    for value in range(20):
        log.append("t", rows(value))
    first = segments(tmp_path / "log")[0]
    content = bytearray(first.read_bytes())
    content[-20] ^= 1
    first.write_bytes(content)
    with pytest.raises(IntegrityError, match=str(first)):
        read(log)
    assert read(log, after=segment_first(segments(tmp_path / "log")[1].name) - 1)[-1] == 19
    assert log.append("t", rows(20))[0].first == 20


def test_repair_keeps_every_whole_frame_and_tells_what_is_lost(tmp_path):
    log = EmbeddedEventLog(tmp_path / "log", fsync=False, segment_size=1000)
    for value in range(20):
        log.append("t", rows(value))
    files = segments(tmp_path / "log")
    middle = files[1].read_bytes()
    files[1].write_bytes(middle[:100] + b"?" + middle[101:])
    lost = log.repair("t")
    first = segment_first(files[1].name)
    assert lost == [(first, first)]
    assert read(log) == [value for value in range(20) if value != first]
    assert log.append("t", rows(20))[0].first == 20
    assert files[1].with_name(files[1].name + ".damaged").read_bytes() != files[1].read_bytes()
    assert log.repair("t") == []
    assert log.repair("nothing") == []


def test_an_open_log_sees_that_another_repaired(log, tmp_path):
    for value in range(3):
        log.append("t", rows(value))
    (file,) = segments(tmp_path / "log")
    content = bytearray(file.read_bytes())
    content[50] ^= 1
    file.write_bytes(content)
    assert reopened(log, tmp_path).repair("t") == [(0, 0)]
    log.append("t", pa.table({"v": pa.array([7] * 40, pa.int64())}))
    assert read(log) == read(reopened(log, tmp_path)) == [1, 2, *[7] * 40]


def test_a_frame_inside_a_payload_is_no_frame(log, tmp_path):
    log.append("t", rows(1))
    (file,) = segments(tmp_path / "log")
    frame = file.read_bytes()
    log.append("t", pa.table({"v": [frame * 2]}))
    whole = file.read_bytes()
    file.write_bytes(whole[:-5])
    assert read(reopened(log, tmp_path)) == [1]


def test_other_files_in_the_folder_are_left_alone(log, tmp_path):
    log.append("t", rows(1))
    folder = tmp_path / "log" / "topic-t"
    (folder / "notes.txt").write_text("mine")
    (folder / "abc.segment").write_bytes(b"x")
    (folder / ("1" * 19 + ".segment")).write_bytes(b"")
    (tmp_path / "log" / "garbage").write_bytes(b"x")
    assert read(reopened(log, tmp_path)) == [1]
    assert log.append("t", rows(2))[0].first == 1
    assert (folder / "notes.txt").read_text() == "mine"


def test_an_empty_newest_segment_still_knows_the_end(log, tmp_path):
    """As after a crash between making a segment and writing to it."""
    log.append("t", rows(1, 2, 3))
    (tmp_path / "log" / "topic-t" / segment_name(3)).touch()
    again = reopened(log, tmp_path)
    assert again.end("t", 0) == 2
    assert again.append("t", rows(4))[0].first == 3
    assert read(again) == [1, 2, 3, 4]


def test_a_file_in_the_folders_place_is_a_storage_error(tmp_path):
    (tmp_path / "log").write_text("a file")
    with pytest.raises(StorageError, match="check that it may be written"):
        EmbeddedEventLog(tmp_path / "log").append("t", rows(1))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_failing_fsync_leaves_nothing_half_written(log, tmp_path, monkeypatch, code):
    log.append("t", rows(1))
    (file,) = segments(tmp_path / "log")
    before = file.read_bytes()

    def fail(_handle):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(StorageError, match="nothing was appended"):
            log.append("t", rows(2))
    assert file.read_bytes() == before
    assert log.append("t", rows(3))[0].first == 1
    assert read(log) == [1, 3]


@pytest.fixture
def synced(monkeypatch):
    """Whether a file or a folder was synced since."""
    numbers, sync = set(), os.fsync

    def fsync(handle):
        numbers.add(os.fstat(handle).st_ino)
        sync(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    return lambda path: path.stat().st_ino in numbers


def test_the_names_that_lead_to_the_first_rows_are_durable_as_they_are(tmp_path, synced):
    EmbeddedEventLog(tmp_path / "project" / "log").append("t", rows(1))
    topic = tmp_path / "project" / "log" / "topic-t"
    assert all(map(synced, [*segments(tmp_path / "project" / "log"), topic, *topic.parents[:3]]))


def test_a_segment_whose_maker_was_killed_gets_a_durable_name_before_it_gets_rows(log, tmp_path, synced):
    topic = tmp_path / "log" / "topic-t"
    topic.mkdir(parents=True)
    (topic / segment_name(0)).touch()
    log.append("t", rows(1))
    assert synced(topic)


def test_a_deleted_folder_begins_anew(log, tmp_path):
    log.append("t", rows(1))
    shutil.rmtree(tmp_path / "log")
    assert log.end("t", 0) == -1
    assert log.append("t", rows(2))[0].first == 0
