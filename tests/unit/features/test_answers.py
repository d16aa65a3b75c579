"""The log of answers takes rows without waiting, counts what it can't keep, and says so."""

from __future__ import annotations

import threading

import pyarrow as pa
import pytest

from headrace.errors import StorageError
from headrace.features import answers
from headrace.features.answers import DROPPED, AnswerLog, LakeAnswers
from headrace.lake.delta import DeltaLake
from headrace.lake.table import EVENT_TIME
from waiting import PATIENCE, until

SCHEMA = pa.schema([("n", pa.int64())])
TIME = pa.timestamp("us", tz="UTC")


def rows(*numbers):
    return lambda: pa.table({"n": pa.array(numbers, pa.int64()), EVENT_TIME: pa.array(numbers, pa.int64()).cast(TIME)})


@pytest.fixture
def lake(tmp_path):
    return DeltaLake(tmp_path)


@pytest.fixture
def log(lake):
    log = AnswerLog(LakeAnswers(lake), lambda: 7, room=10)
    yield log
    log.close()


def kept(log, table="t", since=None):
    return sorted(log.read(table, SCHEMA, since)["n"].to_pylist())


def test_what_was_offered_is_there_after_a_flush(log):
    for n in range(5):
        log.offer("t", 1, rows(n))
    log.offer("other", 2, rows(10, 11))
    log.flush()
    assert kept(log) == [0, 1, 2, 3, 4]
    assert kept(log, since=3) == [3, 4]
    assert kept(log, "other") == [10, 11]


def test_many_writers_of_one_table_lose_nothing(lake):
    logs = [AnswerLog(LakeAnswers(lake), lambda: 7) for _ in range(3)]

    def write(place):
        for n in range(10):
            logs[place].offer("t", 1, rows(place * 100 + n))
            logs[place].flush()

    threads = [threading.Thread(target=write, args=[place]) for place in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for log in logs:
        log.close()
    assert kept(logs[0]) == sorted(place * 100 + n for place in range(3) for n in range(10))


def test_what_finds_no_room_is_dropped_counted_and_told_in_the_table(log, caplog):
    held, go_on = threading.Event(), threading.Event()

    def slow():
        held.set()
        assert go_on.wait(PATIENCE)
        return rows(0)()

    log.offer("t", 6, slow)  # more than half of the room: written at once
    assert held.wait(PATIENCE)
    log.offer("t", 8, rows(*range(1, 9)))
    log.offer("t", 3, rows(20, 21, 22))
    assert log.dropped == 3
    go_on.set()
    log.flush()
    assert kept(log) == list(range(9))
    assert log.dropped == 0
    assert sum(log.read("t", SCHEMA)[DROPPED].to_pylist()) == 3
    assert "3 rows were dropped" in caplog.text


def test_rows_that_cannot_be_written_are_counted_and_told_and_fail_nobody(log, lake, caplog, monkeypatch):
    monkeypatch.setattr(lake, "table", lambda *_: 1 / 0)
    log.offer("t", 2, rows(1, 2))
    log.flush()
    monkeypatch.undo()
    assert log.dropped == 2
    assert "could not be written: ZeroDivisionError" in caplog.text
    log.offer("t", 1, rows(3))
    log.flush()
    assert log.read("t", SCHEMA).select(["n", DROPPED]).to_pylist() == [{"n": 3, DROPPED: 2}]


@pytest.mark.parametrize("done", [False, True], ids=["nothing was written", "its word was lost"])
def test_rows_wait_for_a_store_that_is_down_and_come_once(log, lake, monkeypatch, done):
    monkeypatch.setattr(answers, "PAUSE_SECONDS", 0.05)
    fails = [True, True]
    append = log.tables.append

    def failing(*arguments):
        if not fails:
            append(*arguments)
            return
        fails.pop()
        if done:
            append(*arguments)
        raise StorageError("it is restarted")

    monkeypatch.setattr(log.tables, "append", failing)
    for n in range(4):
        log.offer("t", 1, rows(n))
    until(lambda: not fails and not log._waiting and not log._busy, "the rows")
    assert (kept(log), log.dropped) == ([0, 1, 2, 3], 0)


def test_rows_that_wait_for_a_store_that_is_down_hold_up_no_end(log, monkeypatch):
    def down(*_):
        raise StorageError("it is down")

    monkeypatch.setattr(log.tables, "append", down)
    log.offer("t", 1, rows(1))
    log.close()
    assert log.dropped == 1


def test_a_closed_log_takes_no_more_and_never_waits(log):
    log.offer("t", 1, rows(1))
    log.close()
    log.offer("t", 1, rows(2))
    assert (kept(log), log.dropped) == ([1], 1)
