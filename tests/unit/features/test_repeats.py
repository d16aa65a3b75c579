"""An event with an id counts once however often it is delivered."""

from __future__ import annotations

import pandas as pd
import pytest

import headrace as hr

AT = pd.Timestamp("2026-03-01 12:00", tz="UTC")
thing = hr.Entity("thing", keys={"k": "int64"})
events = hr.EventSource(
    "events",
    timestamp="at",
    stream="events",
    id="id",
    lateness="1h",
    schema={"id": "string", "k": "int64", "x": "float64", "at": "timestamp"},
)
view = hr.FeatureView(
    "view", features=[hr.FeatureGroup("sums", entity=thing, source=events, features={"n": hr.count(), "x": hr.sum("x")})]
)


@pytest.fixture
def clock():
    return [AT.value // 1000]


@pytest.fixture
def store(tmp_path, connect, clock):
    with connect(tmp_path, clock=lambda: clock[0]) as store:
        store.apply([view])
        yield store


def rows(*ids, at=AT, x=1.0):
    return pd.DataFrame({"id": pd.array(ids, "str"), "k": 1, "x": x, "at": [at] * len(ids)})


def counted(store):
    store.materialize()
    later = AT + pd.Timedelta(days=2)
    online = store.online_features("view", {"k": 1}, at=later).values["n"][0]
    assert store.historical_features("view", pd.DataFrame({"k": [1], "t": [later]}), timestamp="t")["n"].tolist() == [online]
    return online


def test_a_repeat_in_one_frame_counts_once(store):
    assert (store.push("events", rows("a", "b", "a")).rows, counted(store)) == (2, 2)


@pytest.mark.parametrize("first", ["push", "write"])
@pytest.mark.parametrize("second", ["push", "write"])
def test_a_repeat_counts_once_whichever_way_it_comes(store, first, second):
    getattr(store, first)("events", rows("a", "b"))
    told = getattr(store, second)("events", rows("b", "c"))
    assert (told.rows, told.repeats) == (1, 1)
    assert counted(store) == 3


def test_the_first_delivery_is_the_one_that_counts(store):
    store.push("events", rows("a", x=5.0))
    store.push("events", rows("a", x=7.0))
    assert store.online_features("view", {"k": 1}, at=AT + pd.Timedelta(days=1)).values["x"] == [5.0]


def test_a_repeat_counts_once_after_a_restart(store, tmp_path, clock):
    store.push("events", rows("a"))
    with hr.connect(tmp_path, clock=lambda: clock[0]) as other:
        assert other.push("events", rows("a")).repeats == 1
    assert counted(store) == 1


def test_a_history_delivered_twice_counts_once(store):
    history = pd.concat([rows(f"{day}", at=AT - pd.Timedelta(days=day)) for day in range(100)])
    assert store.push("events", history).rows == 100
    assert store.push("events", history).repeats == 100
    assert store.write("events", history).repeats == 100
    assert counted(store) == 100


def test_a_repeat_is_known_for_as_long_as_the_lateness(store, clock):
    store.push("events", rows("a"))
    clock[0] += 3600 * 1_000_000
    assert store.push("events", rows("a")).repeats == 1
    clock[0] += 1
    assert store.push("events", rows("a")).rows == 1
    assert counted(store) == 2


def test_an_event_without_an_id_is_never_a_repeat(store):
    store.push("events", rows(None, None))
    store.push("events", rows(None))
    assert counted(store) == 3
