"""Ingest workers: whatever dies, comes twice, late or broken, each event counts once, and online equals history."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from datetime import timedelta

import orjson
import pytest
import redis

import headrace as hr
from faults.stream_world import APPLYING, IDLE, KEYS, LANDING, START, Doomed, StreamWorld, user
from headrace.errors import IntegrityError, InvalidInputError, NotFoundError, StorageError
from headrace.events import broker as broker_module
from headrace.events import group as group_module
from headrace.features import worker as worker_module
from headrace.features.worker import WorkerOptions
from headrace.ids import new_id
from servers.forked import shared_number
from servers.kafka import KafkaBroker
from waiting import PATIENCE, until


@pytest.fixture
def make(tmp_path, kafka_url):
    """Makes the world, with options for the URL and an online store."""
    made = []

    def build(url=kafka_url, **more):
        made.append(StreamWorld(tmp_path, url, f"ratings-{new_id()}", **more))
        return made[-1]

    yield build
    for world in made:
        world.close()


@pytest.fixture
def world(make):
    return make()


REST = 2.5
"""Seconds: longer than a member's death goes unnoticed, and than a worker's report is old."""


def leave(world, workers):
    """SIGTERM to the oldest worker, who leads the group: it lands what it holds and leaves, while events come on.

    Only from a group at rest: this broker lets a group wait for ever for a leader who left while the partitions were shared out.
    """
    since = time.monotonic()

    def at_rest():
        nonlocal since
        shares = [worker.share.value for worker in workers]
        if sum(shares) != world.partitions or not all(shares):
            since = time.monotonic()
        return time.monotonic() - since > REST

    world.produce_until(at_rest)
    gone = workers.pop(0)
    gone.process.terminate()
    world.produce_until(lambda: gone.process.exitcode is not None)
    assert gone.process.exitcode == 0


@pytest.mark.parametrize(("online", "kills"), [("embedded", 6), ("redis", 20)])
def test_workers_are_killed_amid_their_work_and_each_event_counts_once(make, request, online, kills):
    url = f"{request.getfixturevalue('redis_url')}?prefix=kill-{new_id()}" if online == "redis" else ""
    world = make(online=url)
    doom = shared_number(IDLE)
    workers = [Doomed(world, doom) for _ in range(2)]
    amid = {APPLYING: 0, LANDING: 0}
    for kill in range(kills):
        what = (APPLYING, APPLYING, LANDING)[kill % 3]
        doom.value = 3 * kill + what
        victim = world.produce_until(lambda: next((worker for worker in workers if worker.killed()), None))
        amid[what] += victim.doing.value == what
        workers.remove(victim)
        while len(workers) < 2 + (kill % 7 == 3):
            workers.append(Doomed(world, doom))
        if kill % 9 == 5:
            leave(world, workers)
            workers.append(Doomed(world, doom))
    assert amid == {APPLYING: kills - kills // 3, LANDING: kills // 3}
    world.flush()
    world.wait(world.settled)
    for worker in workers:
        worker.process.terminate()
    for worker in workers:
        worker.process.join(PATIENCE)
        assert worker.process.exitcode == 0
    world.check()
    assert len(world.store.topics.dead("ratings")) == world.poison


def test_a_worker_that_is_stopped_leaves_nothing_for_the_next(world):
    world.produce(500)
    world.flush()
    first = world.worker(WorkerOptions(world.group, flush_seconds=3600.0))
    world.wait(lambda: first.rows >= len(world.produced) and world.settled())
    done = first.stop()
    assert done.landed >= len(world.produced)
    assert done.refused >= world.poison
    second = world.worker()
    time.sleep(3)
    again = second.stop()
    assert (again.rows, again.refused) == (0, 0)
    world.check()


def test_a_worker_that_hangs_is_expelled_and_goes_on_as_a_new_member_when_it_can(make, monkeypatch, caplog):
    world = make(options="&max.poll.interval.ms=2000")
    feed = world.store.topics._feed
    advance, hung = feed.advance, threading.Event()

    def hang(*arguments, **options):
        if not hung.is_set():
            hung.set()
            time.sleep(3.5)
        return advance(*arguments, **options)

    monkeypatch.setattr(feed, "advance", hang)
    worker = world.worker()
    world.produce(300)
    world.flush()
    world.wait(world.settled)
    world.produce(300)
    world.flush()
    world.wait(world.settled)
    worker.stop()
    assert "maximum poll interval" in caplog.text
    world.check()


def test_a_worker_for_whom_there_is_no_partition_says_so_once(make, monkeypatch, caplog):
    monkeypatch.setattr(worker_module, "TELL", 0.05)
    world = make(partitions=1)
    first = world.worker()
    world.produce(50)
    world.flush()
    world.wait(world.settled)
    monkeypatch.setattr(worker_module, "IDLE", 0.5)
    second = world.worker()
    world.wait(lambda: "no partition of ratings has come to this worker" in caplog.text)
    world.produce(50)
    world.flush()
    world.wait(world.settled)
    second.stop()
    first.stop()
    assert caplog.text.count("no partition of ratings") == 1
    world.check()


def test_a_group_that_reads_the_same_stream_by_mistake_changes_nothing_and_is_told(world, monkeypatch, caplog):
    monkeypatch.setattr(worker_module, "LOOK_ROUND", 0.0)
    options = [WorkerOptions(f"{world.group}-{name}", max_rows=50, flush_rows=100, flush_seconds=0.2) for name in ("one", "two")]
    workers = [world.worker(option) for option in options]
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            world.produce(50)
            world.flush()
            time.sleep(0.1)
        world.wait(world.settled)
        world.wait(lambda: any("in the lake before" in record.getMessage() for record in caplog.records))
    for worker in workers:
        worker.stop()
    world.check()


def test_messages_that_cannot_be_used_are_kept_with_their_reasons_and_can_be_tried_again(world):
    good = {"id": "a", "user_id": 1, "video_id": 1, "stars": 4, "note": None, "at": "2026-03-01T00:00:01Z"}
    bad = {
        b"junk": "not JSON",
        None: "tombstone",
        orjson.dumps({**good, "user_id": None, "video_id": None}): "the key of every group is null: user_id, video_id",
        orjson.dumps({**good, "id": "b", "note": "x"}): "group 'by_user:1' can't use it",
        b'{"id": "' + b"x" * 1_050_000 + b'"}': "bytes",
        orjson.dumps({name: value for name, value in good.items() if name != "at"}): "column 'at' is missing",
    }
    for value in bad:
        if value is None or len(value) < 1_000_000:
            world.send(value, key="k", headers={"trace": b"7"})
    world.send(orjson.dumps(good))
    world.produced["a"] = good
    world.flush()
    worker = world.worker()
    world.wait(world.settled)
    done = worker.stop()
    letters = world.store.topics.dead("ratings")
    assert done.refused >= len(letters) == 5
    for letter in letters:
        assert bad[letter.value] in letter.reason
        assert (letter.source, letter.key, dict(letter.headers), letter.whole) == ("ratings", b"k", {"trace": b"7"}, True)
    world.check()
    assert world.store.topics.replay("ratings") == (5, 0)
    assert world.store.topics.dead("ratings") == []
    again = world.worker()
    world.wait(world.settled)
    assert again.stop().refused >= 5, "a rebalance may bring them twice; among the dead letters each is once"
    assert len(world.store.topics.dead("ratings")) == 5
    world.check()


def test_a_message_larger_than_the_limit_is_refused_and_its_beginning_kept(make, monkeypatch):
    world = make(options="&largest=500")
    monkeypatch.setattr("headrace.events.dead.LARGEST", 100)
    world.send(b"x" * 501)
    world.flush()
    worker = world.worker()
    world.wait(world.settled)
    worker.stop()
    [letter] = world.store.topics.dead("ratings")
    assert (letter.size, len(letter.value), letter.whole) == (501, 100, False)
    assert "501 bytes" in letter.reason
    assert world.store.topics.replay("ratings") == (0, 1)


def test_times_of_the_broker_that_go_back_break_nothing(world):
    worker = world.worker()
    stamp = 1_770_000_000_000
    for place in range(300):
        row = {"id": f"t{place}", "user_id": place % KEYS, "video_id": 3, "stars": float(place), "note": None, "at": START}
        world.produced[row["id"]] = row
        world.send(orjson.dumps(row), timestamp=stamp - 1000 * place + 37 * (place % 5))
    world.send(orjson.dumps({**row, "id": "far"}), timestamp=1 << 50)
    world.flush()
    world.wait(world.settled)
    worker.stop()
    [letter] = world.store.topics.dead("ratings")
    assert "timestamp" in letter.reason
    world.check()


def test_an_online_store_that_was_emptied_is_filled_again(make, redis_url):
    prefix = new_id()
    world = make(online=f"{redis_url}?prefix={prefix}")
    worker = world.worker()
    world.produce(800)
    world.flush()
    world.wait(world.settled)
    client = redis.Redis.from_url(redis_url)
    keys = list(client.scan_iter(match=f"*{prefix}*", count=1000))
    assert keys
    client.delete(*keys)
    client.close()
    world.produce(300)
    world.flush()
    world.wait(world.settled)
    worker.stop()
    world.check()


def test_a_silent_broker_is_waited_for_and_a_push_says_what_it_lost(make):
    with KafkaBroker() as broker:
        world = make(broker.url, options="&message.timeout.ms=1000")
        worker = world.worker()
        world.produce(300)
        world.flush()
        world.wait(world.settled)
        row = {"id": "p", "user_id": 1, "video_id": 1, "stars": 2.0, "note": None, "at": START + timedelta(1)}
        kafka = world.store.topics._log.stream
        kafka._broker._counts.clear()
        kafka.require_topic("ratings")  # known for ten seconds, so that the push gets as far as the message
        broker.stop()
        with pytest.raises(StorageError, match="1 of 1 rows for 'ratings' weren't taken"):
            world.store.push("ratings", [row])
        time.sleep(1.5)
        broker.go_on()
        until(lambda: taken(world.store, row), "a push that the broker takes within a second")
        world.produced["p"] = row
        world.produce(300)
        world.flush()
        world.wait(world.settled)
        worker.stop()
        world.check()
        world.close()


def taken(store, row):
    """Whether a push is taken; one that isn't may be tried again."""
    with suppress(StorageError):
        return store.push("ratings", [row]).rows == 1
    return False


def test_a_broker_that_answers_late_amid_a_rebalance_is_asked_again(world, monkeypatch, caplog):
    from confluent_kafka import Consumer, KafkaError, KafkaException

    late = [KafkaException(KafkaError(KafkaError._TIMED_OUT))] * 2

    class Late(Consumer):
        def committed(self, *arguments, **options):
            if late:
                raise late.pop()
            return super().committed(*arguments, **options)

    monkeypatch.setattr("confluent_kafka.Consumer", Late)
    world.produce(100)
    world.flush()
    worker = world.worker()
    world.wait(world.settled)
    worker.stop()
    assert not late
    assert "can't be read yet" in caplog.text
    world.check()


def test_a_worker_that_is_stopped_while_the_broker_is_silent_about_its_partitions_ends_and_loses_nothing(make, monkeypatch):
    from confluent_kafka import Consumer

    asked = threading.Event()
    with KafkaBroker() as broker:

        class Asked(Consumer):
            def committed(self, *arguments, **options):
                if not asked.is_set():
                    broker.stop()
                    asked.set()
                return super().committed(*arguments, **options)

        monkeypatch.setattr("confluent_kafka.Consumer", Asked)
        monkeypatch.setattr(group_module, "PATIENCE", 3 * PATIENCE)  # so long it would be waited for
        world = make(broker.url)
        world.produce(300)
        world.flush()
        worker = world.worker()
        assert asked.wait(PATIENCE)
        assert worker.stop().rows == 0
        broker.go_on()
        again = world.worker()
        world.wait(world.settled)
        again.stop()
        world.check()
        world.close()


def test_a_broker_that_is_not_there_or_a_topic_that_is_missing_is_told(make, monkeypatch):
    monkeypatch.setattr(broker_module, "PATIENCE", 0.3)
    with KafkaBroker() as broker:
        world = make(broker.url)
        world.store.apply([world.view])
        topics = world.store.topics
        with pytest.raises(NotFoundError, match="no source named 'rating'; did you mean 'ratings'"):
            topics.sources(["rating"])
    world.store.topics._log.stream._broker._counts.clear()
    with pytest.raises(StorageError, match=f"Kafka broker at 127.0.0.1:{broker.port} fails"):
        world.worker()


def test_a_push_that_no_topic_takes_says_what_to_do_and_takes_nothing_in(tmp_path, kafka_url):
    schema = {"user_id": "int64", "at": "timestamp"}
    batch = hr.EventSource("batch", timestamp="at", schema=schema)
    streamed = hr.EventSource("streamed", timestamp="at", stream=f"missing-{new_id()}", schema=schema)
    groups = [
        hr.FeatureGroup(source.name, entity=user, source=source, features={f"{source.name}_n": hr.count()})
        for source in (batch, streamed)
    ]
    (tmp_path / "headrace.toml").write_text(f'events = "{kafka_url}"\n')
    with hr.connect(tmp_path) as store:
        store.apply([hr.FeatureView("view", features=groups)])
        rows = [{"user_id": 1, "at": START}]
        with pytest.raises(
            InvalidInputError, match=r"'batch' has no stream.*store.write\('batch', rows\) and materialize, or .*stream='TOPIC'"
        ):
            store.push("batch", rows)
        with pytest.raises(
            NotFoundError,
            match=r"topic 'missing-.*' of source 'streamed' doesn't exist .*headrace ingest streamed --create-topics",
        ):
            store.push("streamed", rows)
        store.write("batch", rows)
        store.materialize()
        assert store.online_features("view", {"user_id": [1]}).values == {"batch_n": [1], "streamed_n": [0]}
        store.topics.create_topics(["streamed"], 1)
        store.push("streamed", rows)
        assert store.online_features("view", {"user_id": [1]}).values == {"batch_n": [1], "streamed_n": [1]}


def test_messages_that_are_gone_before_the_lake_held_them_are_an_error_unless_told_otherwise(world, make, monkeypatch):
    world.produce(50)
    world.flush()
    kafka = world.store.topics._log.stream
    _, high = kafka._broker.watermarks(world.topic, 0)
    monkeypatch.setattr(kafka._broker, "watermarks", lambda *_: (5, high))  # this broker can't be told to delete
    with pytest.raises(IntegrityError, match="offsets 3 to 4 of partition 0 of source 'ratings' are gone"):
        list(kafka.read("ratings", 0, 2))
    assert next(kafka.read("ratings", 0, -1)).first == 5, "a source that begins late has lost nothing"
    kafka._url.options["lost"] = "skip"
    assert next(kafka.read("ratings", 0, 2)).first == 5
