"""A stream taken in from the command line: topics made, workers started and stopped, dead letters shown and tried again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import orjson
import pandas as pd
import pyarrow as pa
from confluent_kafka import Producer

import headrace as hr
from faults.stream_world import definitions
from headrace.cli.entry import run
from headrace.ids import new_id
from waiting import PATIENCE, until

MAIN = "from headrace.cli import main; main()"


def headrace(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-c", MAIN, "-C", str(folder), *arguments], capture_output=True, text=True, check=False
    )


def test_a_stream_is_taken_in_from_the_command_line(tmp_path, kafka_url):
    topic = f"ratings-{new_id()}"
    (tmp_path / "headrace.toml").write_text(f'events = "{kafka_url}?session.timeout.ms=6000&heartbeat.interval.ms=200"\n')
    with hr.connect(tmp_path) as store:
        store.apply([definitions(topic)])
    missing = headrace(tmp_path, "ingest", "ratings")
    assert missing.returncode == 2
    assert "headrace ingest ratings --create-topics" in missing.stderr
    assert "Traceback" not in missing.stderr
    worker = subprocess.Popen(
        [sys.executable, "-c", MAIN, "-C", str(tmp_path), "ingest", "--workers", "2", "--create-topics", "--partitions", "3"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ},
    )
    row = {"user_id": 1, "video_id": 2, "stars": 4.5, "note": None, "at": "2026-03-01T00:00:00Z"}
    try:
        with hr.connect(tmp_path) as store:
            until(lambda: store.topics._log.partitions("ratings"), "the topic")
            producer = Producer({"bootstrap.servers": kafka_url.removeprefix("kafka://")})
            for place in range(100):
                producer.produce(topic, orjson.dumps({**row, "id": str(place)}))
            producer.produce(topic, b"no row")
            assert producer.flush(PATIENCE) == 0
            dead = until(lambda: store.topics.dead("ratings"), "the dead letter")
            until(lambda: sum(lag.committed + 1 for lag in store.topics.lags()) >= 100, "all messages")
            assert len(dead) == 1
            at = pd.Timestamp("2026-03-02", tz="UTC")
            assert store.online_features("view", {"user_id": 1, "video_id": 2}, at=at).values["u_ever"] == [100]
    finally:
        worker.send_signal(signal.SIGTERM)
        out, err = worker.communicate(timeout=PATIENCE)
    assert worker.returncode == 0, err
    assert "2 workers have left" in out
    assert "Traceback" not in err
    shown = json.loads(headrace(tmp_path, "ingest", "dead", "ratings", "--json").stdout)
    assert [(item["source"], item["reason"][:8]) for item in shown] == [("ratings", "not JSON")]
    assert "1 messages are in the topic again" in headrace(tmp_path, "ingest", "dead", "ratings", "--replay").stdout


def test_a_project_without_a_stream_is_told_how_to_get_one(tmp_path, capsys):
    thing = hr.Entity("thing", keys={"k": "int64"})
    source = hr.EventSource("events", timestamp="at", stream="events", schema={"k": "int64", "at": "timestamp"})
    with hr.connect(tmp_path) as store:
        store.apply([hr.FeatureGroup("counts", entity=thing, source=source, features={"n": hr.count()})])
    assert run(["-C", str(tmp_path), "ingest"]) == 2
    assert 'events = "kafka://HOST:PORT"' in capsys.readouterr().err


def test_rows_of_an_arrow_message_that_a_group_cannot_use_are_set_aside_one_by_one(tmp_path, kafka_url):
    from faults.stream_world import START, StreamWorld

    world = StreamWorld(tmp_path, kafka_url, f"ratings-{new_id()}", options="&format=arrow")
    try:
        rows = [
            {"id": str(place), "user_id": place % 7, "video_id": 1, "stars": 1.0, "note": "x" if place == 5 else "1", "at": START}
            for place in range(20)
        ]
        world.produced = {row["id"]: row for row in rows if row["note"] != "x"}
        world.send(arrow(rows))
        world.flush()
        worker = world.worker()
        world.wait(lambda: worker.rows >= 19 and world.settled())
        worker.stop()
        [letter] = world.store.topics.dead("ratings")
        assert pa.ipc.open_stream(letter.value).read_all()["id"].to_pylist() == ["5"]
        world.check()
    finally:
        world.close()


def arrow(rows):
    table = pa.Table.from_pylist(rows)
    table = table.set_column(table.column_names.index("at"), "at", table["at"].cast(pa.timestamp("us", "UTC")))
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue().to_pybytes()
