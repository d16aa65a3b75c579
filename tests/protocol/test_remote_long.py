"""Work that takes long tells how far it is, keeps the connection alive, and fails with its own error."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

import headrace as hr
from headrace.features.materialize import Materializer
from headrace.server.native import exchange
from servers.inside import served

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
thing = hr.Entity("thing", keys={"k": "int64"})
events = hr.EventSource("events", timestamp="at", stream="events", schema={"k": "int64", "x": "float64", "at": "timestamp"})
group = hr.FeatureGroup("group", entity=thing, source=events, features={"n": hr.count(), "x": hr.sum("x")})
view = hr.FeatureView("view", features=[group])


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A remote store for which everything takes long."""
    monkeypatch.setattr(exchange, "AT_ONCE_SECONDS", 0.0)
    monkeypatch.setattr(exchange, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(exchange, "TELL_SECONDS", 0.05)
    with served(tmp_path) as url, hr.connect(url) as store:
        store.apply([view])
        yield store


def slow(work, seconds, title="thinking"):
    """The same work, that takes its time and says so."""

    def run(self, *args, progress, **options):
        for step in range(5):
            progress(title, step + 1, 5)
            time.sleep(seconds / 5)
        return work(self, *args, progress=progress, **options)

    return run


def test_answers_and_tables_are_the_same(store):
    frame = pd.DataFrame({"k": range(50_000), "x": 0.5, "at": [AT] * 50_000})
    assert store.write("events", frame).rows == 50_000
    assert store.materialize()[0].keys == 50_000
    asked = pd.DataFrame({"k": range(50_000), "t": [AT + timedelta(hours=1)] * 50_000})
    assert store.historical_features("view", asked, timestamp="t")["x"].sum() == 25_000
    assert store.training_set("view", asked, timestamp="t", name="set").verify().ok


def test_errors_are_the_same(store):
    with pytest.raises(hr.NotFoundError, match="'group'"):
        store.materialize(["grup"])
    with pytest.raises(hr.NotFoundError, match="no group named 'grup'"):
        store.materialize("grup")  # one name isn't the sequence of its letters
    with pytest.raises(hr.ConflictError, match="'group:1' is current; only"):
        store.retire("group:1")


def test_progress_is_told_and_a_silent_minute_never_comes(store, monkeypatch):
    monkeypatch.setattr(Materializer, "run", slow(Materializer.run, 1.5))
    store.services.materializer._transport._silent_seconds = 0.5
    told = []
    store.services.materializer.run(progress=lambda *step: told.append(step))
    assert [done for title, done, _ in told if title == "thinking"] == sorted(
        done for title, done, _ in told if title == "thinking"
    )
    assert ("thinking", 5, 5) in told
    assert len(set(told)) >= 4


def test_a_fault_of_the_server_is_told_by_its_request_and_never_with_a_traceback(store, monkeypatch, caplog):
    monkeypatch.setattr(Materializer, "run", lambda *_, **__: 1 // 0)
    with pytest.raises(hr.StorageError, match="the server's log tells more under request id") as caught:
        store.materialize()
    assert "ZeroDivisionError" not in str(caught.value)
    assert "ZeroDivisionError" in caplog.text


def test_work_goes_on_for_whoever_asks_again(store, monkeypatch):
    calls = []
    run = slow(Materializer.run, 1.0)
    monkeypatch.setattr(Materializer, "run", lambda *args, **options: calls.append(1) or run(*args, **options))
    monkeypatch.setattr(exchange, "TELL_SECONDS", 60.0)
    monkeypatch.setattr(exchange, "LOOK_SECONDS", 60.0)  # so it says nothing for too long
    store.services.materializer._transport._silent_seconds = 0.4
    assert [item.group for item in store.materialize()] == ["group:1"]
    assert len(calls) == 1
