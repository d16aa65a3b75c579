"""What is observed: statistics of what comes in and of what is online, over time, and how far they lie from a training set."""

from __future__ import annotations

from datetime import timedelta

import httpx
import numpy as np
import pandas as pd
import pytest

import headrace as hr
from headrace.features.gauges import gauges
from servers.inside import served

NOW = pd.Timestamp("2026-03-01 12:00", tz="UTC")
thing = hr.Entity("thing", keys={"k": "int64"})
events = hr.EventSource(
    "events",
    timestamp="at",
    stream="events",
    schema={"k": "int64", "x": "float64", "kind": "string", "at": "timestamp"},
    expect=[hr.expect.between("x", -100, 100, on_fail="quarantine"), hr.expect.not_null("kind")],
)
sums = hr.FeatureGroup(
    "sums",
    entity=thing,
    source=events,
    freshness="10m",
    features={"n": hr.count(), "avg": hr.mean("x"), "last": hr.last("kind"), "kinds": hr.last_n("kind", 3)},
    expect=[hr.expect.between("avg", -1, 1)],
)


@hr.on_demand(inputs=["avg"], returns="float64")
def twice(avg):
    return avg * 2


view = hr.FeatureView("view", features=[sums.prefixed("s_"), sums["avg"], twice])


@pytest.fixture
def store(tmp_path, connect):
    with connect(tmp_path, clock=lambda: NOW.value // 1000) as store:
        store.apply([view])
        yield store


def rows(count, mean=0.0, seed=1, age=timedelta(hours=1)):
    rng = np.random.default_rng(seed)
    kinds = rng.choice(["a", "b", "💥"], count)
    return pd.DataFrame({"k": np.arange(count), "x": rng.normal(mean, 1, count), "kind": kinds, "at": [NOW - age] * count})


def test_each_write_and_each_flush_leaves_statistics(store):
    store.write("events", rows(50))
    store.push("events", rows(30))
    store.push("events", rows(20))
    assert [item.kind for item in store.statistics("events").history] == ["write"], "pushes wait for the lake to be read"
    store.materialize()
    found = store.statistics("source:events")
    assert [(item.kind, item.rows) for item in found.history] == [("stream", 50), ("write", 50)]
    assert found.latest.version == 1
    assert found.history[1]["x"].mean == pytest.approx(rows(50)["x"].mean())
    assert {value for value, _ in found.latest["kind"].top} <= {"a", "b", "💥"}
    frame = found.to_pandas()
    assert list(frame["column"]) == ["k", "x", "kind", "at"] * 2
    assert frame["at"].unique().tolist() == [NOW]


def test_an_empty_write_and_a_replayed_one_leave_none(store):
    store.write("events", rows(0))
    store.write("events", rows(5), batch_id="one")
    store.write("events", rows(5), batch_id="one")
    assert [item.rows for item in store.statistics("events").history] == [5]


def test_materialize_and_profile_leave_statistics_of_the_values_online(store):
    store.write("events", rows(500))
    store.materialize()
    found = store.statistics("sums").latest
    assert (found.subject, found.kind, found.rows) == ("group:sums", "materialize", 500)
    online = store.online_features("view", {"k": list(range(500))}, at=NOW).values["avg"]
    assert found["avg"].mean == pytest.approx(np.mean(online))
    assert found["kinds"].max == 1
    store.push("events", rows(500, mean=5, seed=2))
    again = store.profile("sums")
    assert again.kind == "online"
    assert again["avg"].mean > 1
    assert store.statistics("sums:1") == store.statistics("sums")
    with pytest.raises(hr.NotFoundError, match="group 'sums' has no version 7"):
        store.statistics("sums:7")
    assert store.statistics("sums").latest["avg"] == again["avg"]
    assert again.drift_from(found)["avg"].level == "strong"


def test_a_group_without_values_has_a_profile_of_no_rows(store):
    found = store.profile("sums")
    assert found.rows == 0
    assert found["avg"].count == 0


def test_keys_of_a_profile_come_as_often_as_their_rows(store):
    often = rows(40)
    often["k"] = [1] * 30 + list(range(10, 20))
    store.write("events", often)
    store.materialize()
    assert dict(store.statistics("sums").latest["n"].top) == {30: 30, 1: 10}


def test_drift_tells_a_training_set_from_what_is_online(store):
    store.write("events", rows(2000))
    store.materialize()
    labels = pd.DataFrame({"k": range(2000), "t": [NOW] * 2000})
    store.training_set("view", labels, timestamp="t", name="then")
    same = store.drift("view", training_set="then:1")
    assert (same.view, same.training_set) == ("view:1", "then:1")
    assert {drift.level for drift in same.columns.values()} == {"none"}
    assert same.columns["avg"].psi == 0.0
    assert (same.against, same.left_out) == ("online", ["twice"])
    store.push("events", rows(2000, mean=3, seed=2))
    store.profile("sums")
    moved = store.drift("view", training_set="then").to_pandas().set_index("column")
    assert moved["level"]["avg"] == moved["level"]["s_avg"] == moved["level"]["s_n"] == "strong"
    assert moved["psi"].is_monotonic_decreasing


def test_drift_prefers_what_was_really_served(store):
    store.write("events", rows(600))
    store.materialize()
    labels = pd.DataFrame({"k": range(600), "t": [NOW] * 600})
    store.training_set("view", labels, timestamp="t", name="then")
    for first in range(0, 600, 100):
        store.online_features("view", {"k": list(range(first, first + 100))}, sample=1.0)
    same = store.drift("view", training_set="then")
    assert (same.against, same.left_out) == ("served", [])
    assert same.columns["avg"].psi == same.columns["twice"].psi == 0.0
    assert same.columns["avg"].current == 600


def test_drift_takes_a_sample_if_there_is_none(store):
    store.push("events", rows(100))
    store.training_set("view", pd.DataFrame({"k": range(100), "t": [NOW] * 100}), timestamp="t", name="then")
    assert store.drift("view", training_set="then").columns["avg"].psi == 0.0


def test_what_does_not_exist_is_named(store):
    with pytest.raises(hr.NotFoundError, match="did you mean 'events'"):
        store.statistics("event")
    with pytest.raises(hr.NotFoundError, match="no statistics of source:events yet"):
        _ = store.statistics("events").latest
    with pytest.raises(hr.NotFoundError, match="no training set"):
        store.drift("view", training_set="then")
    for verb in store.profile, store.materializations:
        with pytest.raises(hr.NotFoundError, match="did you mean 'sums'"):
            verb("sum")
    store.write("events", rows(3))
    with pytest.raises(hr.NotFoundError, match="did you mean 'kind'"):
        store.statistics("events").latest["kin"]


def test_materializations_are_listed_with_rows_keys_and_who_did_it(store):
    assert store.materializations("sums") == []
    store.write("events", rows(5))
    store.materialize()
    store.materialize(rebuild=True)
    newest, first = store.materializations("sums:1")
    assert (first.rows, first.keys, first.rebuilt, newest.rebuilt) == (5, 5, False, True)
    assert first.started == NOW.value // 1000
    assert first.seconds > 0
    assert first.author


def test_freshness_tells_what_is_in_the_lake_and_since_when(store):
    before = store.freshness()["sums:1"]
    assert (before.rows, before.written, before.materialized) == (0, None, None)
    store.write("events", rows(5))
    store.materialize()
    after = store.freshness()["sums:1"]
    assert (after.rows, after.written, after.materialized) == (5, NOW.value // 1000, NOW.value // 1000)


def test_statistics_that_cannot_be_kept_fail_no_write(tmp_path, monkeypatch):
    with hr.connect(tmp_path) as store:
        store.apply([view])
        observer = store.services.ingest._observer
        monkeypatch.setattr(observer._store, "add_statistics", lambda _: (_ for _ in ()).throw(hr.StorageError("disk full")))
        assert store.write("events", rows(5)).rows == 5
        assert [done.rows for done in store.materialize()] == [5]
        assert store.statistics("events").history == []


def test_monitoring_is_shown_freshness_and_quality(store):
    store.write("events", pd.concat([rows(5, mean=50), rows(2, mean=500)]))
    with pytest.raises(hr.InvalidInputError):
        store.push("events", rows(1).assign(kind=None))
    store.materialize()
    found = {(item.name, *item.labels.values()): item.value for item in gauges(store.freshness(), store.quality())}
    assert found["headrace_group_age_seconds", "sums:1"] == 3600.0
    assert found["headrace_group_stale", "sums:1"] == 1.0
    assert found["headrace_group_lake_rows", "sums:1"] == 5.0
    assert found["headrace_rows_broken", "events", "between(x, -100, 100)", "quarantined"] == 2.0
    assert found["headrace_rows_broken", "events", "not_null(kind)", "rejected"] == 1.0
    assert found["headrace_values_broken", "sums", "between(avg, -1, 1)"] == 5.0
    assert found["headrace_values_checked", "sums", "between(avg, -1, 1)"] == 5.0


def test_prometheus_reads_freshness_and_quality_from_a_server(tmp_path):
    with hr.connect(tmp_path) as store:
        store.apply([view])
        store.write("events", pd.concat([rows(5), rows(2, mean=500)]))
        store.materialize()
    with served(tmp_path) as url:
        text = httpx.get(f"{url}/metrics").text
    assert 'headrace_rows_broken_total{expectation="between(x, -100, 100)",outcome="quarantined",source="events"} 2.0' in text
    assert 'headrace_group_stale{group="sums:1"} 1.0' in text
    assert 'headrace_group_lake_rows{group="sums:1"} 5.0' in text
    assert 'headrace_values_checked{expectation="between(avg, -1, 1)",group="sums"} 5.0' in text
