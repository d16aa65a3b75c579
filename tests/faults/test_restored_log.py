"""An event log that is put back from an older copy, or is another one, makes no push vanish."""

from __future__ import annotations

import shutil
import uuid

import pandas as pd
import pytest

import headrace as hr
from headrace.errors import IntegrityError

AT = pd.Timestamp("2026-03-01", tz="UTC")
thing = hr.Entity("thing", keys={"k": "int64"})


def view(stream):
    source = hr.EventSource("events", timestamp="at", stream=stream, schema={"k": "int64", "at": "timestamp"})
    return hr.FeatureView("view", features=[hr.FeatureGroup("group", entity=thing, source=source, features={"n": hr.count()})])


def push(store, first, count):
    store.push("events", pd.DataFrame({"k": [1] * count, "at": [AT + pd.Timedelta(seconds=first + n) for n in range(count)]}))


def counted(store):
    """What is online, and what history says for later."""
    history = store.historical_features("view", pd.DataFrame({"k": [1], "at": [AT + pd.Timedelta(days=1)]}), timestamp="at")
    return store.online_features("view", {"k": 1}).values["n"][0], history["n"].item()


@pytest.mark.parametrize("online", ["kept", "gone"])
@pytest.mark.parametrize("copy", ["older", "none"])
def test_pushes_count_after_a_log_that_ends_before_the_lake(tmp_path, copy, online):
    events = tmp_path / ".headrace" / "events"
    with hr.connect(tmp_path) as store:
        store.apply([view("events")])
        push(store, 0, 3)
        if copy == "older":
            shutil.copytree(events, tmp_path / "copy")
        push(store, 10, 5)
        assert counted(store) == (8, 8)
    shutil.rmtree(events)
    if copy == "older":
        (tmp_path / "copy").rename(events)
    if online == "gone":
        shutil.rmtree(tmp_path / ".headrace" / "online")
    with hr.connect(tmp_path) as store:
        push(store, 20, 2)
        store.materialize()
        assert counted(store) == (10, 10)


def test_a_topic_that_ends_before_the_lake_takes_no_push(tmp_path, kafka_url, monkeypatch):
    stream = f"restored-{uuid.uuid4().hex[:12]}"
    with hr.connect(tmp_path) as store:
        store.apply([view(stream)])
        push(store, 0, 3)
        assert counted(store) == (3, 3)
    monkeypatch.setenv("HEADRACE_EVENTS", kafka_url)
    with hr.connect(tmp_path) as store:
        store.services.ingest._log.stream.create_topic("events", 1)
        for first in (0, 1):
            with pytest.raises(IntegrityError, match=f"up to 2 of partition 0 .* gave out {first} now"):
                push(store, 20 + first, 1)
        assert counted(store) == (3, 3)
