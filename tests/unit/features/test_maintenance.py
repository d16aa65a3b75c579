"""Upkeep of the lake never takes away what somebody may ask for again, in a folder, in a bucket and at a server."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import pandas as pd
import pytest

import headrace as hr
from servers.inside import served

AT = pd.Timestamp("2026-03-01 12:00", tz="UTC")
DAY = 86_400_000_000
thing = hr.Entity("thing", keys={"k": "int64"})
events = hr.EventSource("events", timestamp="at", stream="events", schema={"k": "int64", "n": "int64", "at": "timestamp"})
group = hr.FeatureGroup("group", entity=thing, source=events, features={"n": hr.sum("n", "7d"), "last": hr.last_n("n", 3)})
LABELS = pd.DataFrame({"k": [1, 2, 3], "t": [AT + pd.Timedelta("1h")] * 3})


class Clock:
    """Days go by when the test says so: the files stay as old as they are."""

    def __init__(self):
        self.days = 0

    def __call__(self):
        return time.time_ns() // 1000 + self.days * DAY


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["folder", "bucket", "server"])
def store(request, tmp_path, monkeypatch, clock):
    if request.param == "bucket":
        monkeypatch.setenv("HEADRACE_LAKE", request.getfixturevalue("bucket") + "/lake")
    with ExitStack() as stack:
        target = stack.enter_context(served(tmp_path, clock)) if request.param == "server" else tmp_path
        store = stack.enter_context(hr.connect(target, clock=clock))
        store.apply([hr.FeatureView("view", features=[group])])
        yield store


def write(store, first, commits=4):
    for number in range(first, first + commits):
        store.write("events", [{"k": number % 3 + 1, "n": number, "at": AT + pd.Timedelta(seconds=number)}])


def state(store):
    (found,) = store.tables(["events"])
    return found


def test_training_sets_verify_after_a_compaction_and_a_vacuum_long_after(store, clock):
    write(store, 0)
    first = store.training_set("view", LABELS, timestamp="t", name="first")
    write(store, 4)
    second = store.training_set("view", LABELS, timestamp="t", name="second")
    write(store, 8)
    kept = state(store)
    (done,) = store.optimize(["events"])
    assert (kept.rows, done.merged, done.made, state(store).rows, state(store).files) == (12, 12, 1, 12, 1)
    clock.days = 400
    (gone,) = store.vacuum(["events"])
    assert gone.files == 4  # of the appends after the second training set
    assert first.verify().ok
    assert second.verify().ok
    assert store.training_set("view", LABELS, timestamp="t", name="third").to_arrow().num_rows == 3
    assert store.vacuum(["events"])[0].files == 0


def test_features_are_the_same_before_and_after(store, clock):
    write(store, 0, 6)
    store.push("events", [{"k": 1, "n": 100, "at": AT + pd.Timedelta("1m")}])
    before = store.historical_features("view", LABELS, "t")
    clock.days = 30
    store.optimize()
    store.vacuum()
    pd.testing.assert_frame_equal(store.historical_features("view", LABELS, "t"), before)
    write(store, 6, 2)
    store.materialize()
    served = store.online_features("view", {"k": [1, 2, 3]}, at=LABELS["t"][0]).to_pandas()
    again = store.historical_features("view", LABELS, "t")
    assert served["n"].tolist() == again["n"].tolist()
    assert set(state(store).lanes) == {-1, 0}


def test_what_is_recent_stays(store):
    write(store, 0)
    store.optimize()
    assert [item.files for item in store.vacuum()] == [0]
    with pytest.raises(hr.InvalidInputError, match="at least '1h'"):
        store.vacuum(older_than="5m")


def test_tables_are_named_or_said_to_be_missing(store):
    assert store.tables() == store.optimize() == store.vacuum() == []
    assert (state(store).version, state(store).rows) == (-1, 0)
    write(store, 0, 2)
    assert [(item.table, item.rows, item.files) for item in store.tables()] == [("events", 2, 2)]
    with pytest.raises(hr.NotFoundError, match="did you mean 'events'"):
        store.optimize(["event"])


def test_a_dry_run_removes_nothing(store, clock):
    write(store, 0)
    store.optimize()
    clock.days = 30
    told = store.vacuum(dry_run=True)
    assert told[0].files == 4
    if Path(store.settings.lake).exists():
        assert len(list(Path(store.settings.lake).rglob("_day=*/*.parquet"))) == 5
    assert store.vacuum() == told
