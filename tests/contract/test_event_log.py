"""What every event log keeps: rows come back in order, once, at the offsets they were given, until they are truncated."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pyarrow as pa
import pytest

import headrace as hr
from headrace.errors import InvalidInputError, NotFoundError
from headrace.events.embedded import EmbeddedEventLog
from headrace.events.kafka import KafkaEventLog
from headrace.events.log import Stream
from headrace.ids import new_id

BACKENDS = ["embedded", "kafka", "kafka?format=avro"]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def embedded(tmp_path):
    """Opens the same embedded log again and again; its segments are small."""
    return lambda: EmbeddedEventLog(tmp_path / "events", fsync=False, segment_size=2000)


@pytest.fixture(params=BACKENDS)
def opened(request):
    """Opens the same log again and again, in which topic `t` has one partition."""
    if request.param == "embedded":
        yield request.getfixturevalue("embedded")
        return
    url = request.getfixturevalue("kafka_url") + request.param.removeprefix("kafka")
    source = hr.EventSource("t", timestamp="at", stream=f"t-{new_id()}", schema={"v": "int64", "at": "timestamp"})
    logs = []

    def make():
        logs.append(KafkaEventLog(url, lambda _: Stream(source)))
        return logs[-1]

    make().create_topic("t", 1)
    yield make
    for log in logs:
        log.close()


@pytest.fixture
def log(opened):
    return opened()


def rows(*values):
    return pa.table({"v": pa.array(values, pa.int64()), "at": pa.array([NOW] * len(values), pa.timestamp("us", "UTC"))})


def read(log, topic="t", after=-1):
    found = []
    for batch in log.read(topic, 0, after):
        count = batch.rows.num_rows
        offsets = range(batch.first, batch.first + count) if batch.offsets is None else batch.offsets.to_pylist()
        assert len(offsets) == count
        found += zip(offsets, batch.rows["v"].to_pylist(), strict=True)
    return found


def test_rows_come_back_in_order(log):
    assert log.end("t", 0) == -1
    assert read(log) == []
    [first] = log.append("t", rows(7, 8))
    assert (first.partition, first.first, first.last) == (0, 0, 1)
    assert log.append("t", rows(9))[0].first == 2
    assert read(log) == [(0, 7), (1, 8), (2, 9)]
    assert log.end("t", 0) == 2
    assert log.partitions("t") == (0,)


def test_reading_begins_after_any_offset(log):
    for start in range(0, 300, 3):
        log.append("t", rows(start, start + 1, start + 2))
    for after in (-5, -1, 0, 1, 2, 3, 100, 298, 299, 1000):
        assert read(log, after=after) == [(offset, offset) for offset in range(max(after + 1, 0), 300)]


def test_reserved_offsets_hold_no_rows(embedded):
    log = embedded()
    assert log.reserve("t", 5) == 0
    assert log.append("t", rows(1))[0].first == 5
    assert log.reserve("t", 10) == 6
    assert log.end("t", 0) == 15
    assert log.append("t", rows(2))[0].first == 16
    assert read(log) == [(5, 1), (16, 2)]
    assert log.reserve("t", 0) == 17
    with pytest.raises(InvalidInputError):
        log.reserve("t", -1)


def test_an_empty_append_takes_no_offset(log):
    assert log.append("t", rows()) == []
    log.append("t", rows(1))
    assert log.append("t", rows()) == []
    assert log.end("t", 0) == 0


def test_another_opening_goes_on(opened):
    one, other = opened(), opened()
    for value in range(100):
        (one if value % 3 else other).append("t", rows(value))
        assert (other if value % 3 else one).end("t", 0) == value
    assert read(one) == read(other) == read(opened()) == [(value, value) for value in range(100)]


@pytest.mark.parametrize("topic", ["a/b", "..", ".", "", "ü ñ", "A" * 1000, "a\0b", "con", "a%2Fb"])
def test_any_text_is_a_topic_of_its_own(embedded, topic):
    log = embedded()
    log.append("other", rows(1))
    log.append(topic, rows(5))
    assert read(log, topic) == [(0, 5)]
    assert read(log, "other") == [(0, 1)]


def test_truncation_drops_only_what_is_told_and_keeps_the_end(embedded):
    log = embedded()
    for value in range(100):
        log.append("t", rows(value))
    assert log.start("t", 0) == 0
    log.truncate("t", 0, 50)
    kept = read(log)
    assert kept[-1] == (99, 99)
    assert 0 < kept[0][0] <= 51
    assert log.start("t", 0) == kept[0][0]
    log.truncate("t", 0, 10_000)
    assert log.end("t", 0) == 99
    assert log.append("t", rows(100))[0].first == 100
    assert read(log)[-1] == (100, 100)
    log.truncate("nothing", 0, 5)
    assert log.start("nothing", 0) == 0


def test_a_reserved_range_survives_truncation(embedded):
    log = embedded()
    for value in range(100):
        log.append("t", rows(value))
    log.reserve("t", 1000)
    log.truncate("t", 0, 10_000)
    assert embedded().end("t", 0) == 1099


def test_columns_of_every_type_come_back(embedded):
    log = embedded()
    moment = datetime(1960, 1, 1, tzinfo=UTC)
    table = pa.table(
        {
            "at": pa.array([moment, None], pa.timestamp("us", "UTC")),
            "s": ["ü" * 1_000_000, None],
            "x": [float("inf"), None],
            "b": pa.array([b"\0HRF1", None], pa.binary()),
        }
    )
    log.append("t", table)
    (batch,) = log.read("t", 0, -1)
    assert batch.rows.equals(table)
    (batch,) = log.read("t", 0, 0)
    assert batch.rows.to_pylist() == table.slice(1).to_pylist()


def test_a_read_ends_where_the_log_ended_when_it_began(log):
    log.append("t", rows(1))
    reading = log.read("t", 0, -1)
    next(reading)
    log.append("t", rows(2))
    assert list(reading) == []


def test_threads_append_at_once(opened):
    logs = [opened(), opened()]

    def work(worker):
        for place in range(25):
            logs[worker % 2].append("t", rows(worker, place))

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = read(logs[0])
    assert [offset for offset, _ in found] == list(range(200))
    pairs = [(worker, place) for worker in range(4) for place in range(25)]
    assert sorted(value for _, value in found) == sorted(value for pair in pairs for value in pair)
    if isinstance(logs[0], EmbeddedEventLog):  # whose appends are whole
        assert sorted((found[place][1], found[place + 1][1]) for place in range(0, 200, 2)) == pairs


def test_an_unknown_partition_is_an_error(log):
    with pytest.raises(NotFoundError, match="partition of topic 't"):
        log.end("t", 3)
