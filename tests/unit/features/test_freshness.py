"""Freshness says how far behind the online values are, and what waits."""

from __future__ import annotations

import pandas as pd
import pytest

import headrace as hr

NOW = pd.Timestamp("2026-03-01 12:00", tz="UTC")
thing = hr.Entity("thing", keys={"k": "int64"})
events = hr.EventSource("events", timestamp="at", stream="events", lateness="1h", schema={"k": "int64", "at": "timestamp"})
counts = hr.FeatureGroup("counts", entity=thing, source=events, freshness="10m", features={"n": hr.count("1d")})


@pytest.fixture
def store(tmp_path, connect):
    with connect(tmp_path, clock=lambda: NOW.value // 1000) as store:
        store.apply([counts])
        yield store


def rows(*ages):
    return pd.DataFrame({"k": range(len(ages)), "at": [NOW - pd.Timedelta(age) for age in ages]})


def test_an_empty_group_with_a_limit_is_stale(store):
    empty = store.freshness()["counts:1"]
    assert (empty.keys, empty.newest, empty.age, empty.stale) == (0, None, None, True)


def test_age_is_measured_from_the_newest_event(store):
    store.push("events", rows("9min", "30min"))
    fresh = store.freshness()["counts:1"]
    assert (fresh.keys, fresh.age, fresh.limit, fresh.stale, fresh.lag) == (2, 540.0, 600.0, False, 0)


def test_batch_rows_wait_until_they_are_materialized(store):
    store.write("events", rows("1min"))
    assert store.freshness()["counts:1"].waiting
    store.materialize()
    assert not store.freshness()["counts:1"].waiting


def test_late_events_count_and_are_counted(store):
    store.push("events", rows("1min"))
    store.push("events", rows("61min", "62min", "60min 59s"))
    assert store.freshness()["counts:1"].late == 1
    assert store.freshness()["counts:1"].keys == 3
