"""Messages that others put into a topic can't be refused: those that break an expectation are set aside, each once."""

from __future__ import annotations

import pandas as pd
import pytest

import headrace as hr

E = hr.expect
NOW = pd.Timestamp.now(tz="UTC").floor("s")
thing = hr.Entity("thing", keys={"k": "int64"})


def view(topic, *expect, **more):
    schema = {"id": "string", "k": "int64", "x": "float64", "at": "timestamp"}
    events = hr.EventSource("events", timestamp="at", stream=topic, schema=schema, expect=expect, **more)
    return hr.FeatureView("view", features=[hr.FeatureGroup("group", entity=thing, source=events, features={"n": hr.count()})])


def rows(*values, first=0):
    ids = [f"e{first + number}" for number in range(len(values))]
    return pd.DataFrame({"id": ids, "k": 1, "x": list(values), "at": NOW - pd.Timedelta("5min")})


@pytest.fixture
def project(tmp_path, kafka_url):
    """Opens projects of their own over one broker."""
    opened = []

    def open_project(name):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "headrace.toml").write_text(f'events = "{kafka_url}"\n')
        opened.append(hr.connect(folder))
        return opened[-1]

    yield open_project
    for store in opened:
        store.close()


def with_topic(store, definitions, partitions=1):
    store.apply([definitions])
    store.services.ingest._log.stream.create_topic("events", partitions)
    return store


def online(store):
    return store.online_features("view", {"k": 1}).values["n"][0]


def landed(store):
    frame = pd.DataFrame({"k": [1], "t": [pd.Timestamp.now(tz="UTC")]})
    return store.historical_features("view", frame, timestamp="t")["n"].iloc[0]


def test_bad_messages_are_set_aside_once_whoever_reads_them_first(project):
    topic = "quality-a"
    writer = with_topic(project("writer"), view(topic))
    writer.push("events", rows(1, 9, 2, -1))
    reader = project("reader")
    reader.apply([view(topic, E.between("x", 0, 5), E.sql("x <> 2", name="not two", on_fail="quarantine"))])
    reader.materialize()
    assert online(reader) == landed(reader) == 1
    found = reader.quarantine("events")
    assert found["x"].tolist() == [9, 2, -1]
    assert found["_reasons"].tolist() == ["between(x, 0, 5)", "not two", "between(x, 0, 5)"]
    assert set(found["_origin"]) == {"stream"}
    other = project("reader")
    writer.push("events", rows(3, 7, first=10))
    assert online(other) == landed(other) == landed(reader) == 2
    assert other.quarantine("events")["x"].tolist() == [9, 2, -1, 7]
    assert [(check.expectation, check.outcome, check.broken) for check in reader.quality()] == [
        ("between(x, 0, 5)", "rejected", 0),
        ("between(x, 0, 5)", "quarantined", 3),
        ("not two", "quarantined", 1),
    ]


def test_a_push_to_the_topic_is_refused_or_set_aside_before_it_is_sent(project):
    expect = E.between("x", 0, 5, on_fail="quarantine"), E.not_null("id")
    store = with_topic(project("one"), view("quality-b", *expect))
    assert store.push("events", rows(1, 9)).quarantined == 1
    with pytest.raises(hr.InvalidInputError, match=r"not_null\(id\)"):
        store.push("events", rows(1, first=5).assign(id=[None]))
    assert online(store) == landed(store) == 1
    assert store.quarantine("events")["_origin"].tolist() == ["push"]


def test_a_bad_message_takes_no_event_id(project):
    writer = with_topic(project("writer"), view("quality-c", id="id"))
    reader = project("reader")
    reader.apply([view("quality-c", E.between("x", 0, 5), id="id")])
    writer.push("events", rows(9))
    other = project("other")
    other.apply([view("quality-c")])
    other.push("events", rows(1))
    assert online(reader) == landed(reader) == 1
    assert reader.quarantine("events")["x"].tolist() == [9]
