"""A backfill replaces the values of a group in one step, while the stream goes on, whoever is killed in the middle."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

import headrace as hr
from headrace.features.online import OnlineGroups

AT = pd.Timestamp("2026-03-01 12:00", tz="UTC")
LATER = AT + pd.Timedelta(hours=1)
KEYS = 50

thing = hr.Entity("thing", keys={"k": "int64"})
events = hr.EventSource("events", "at", {"k": "int64", "x": "float64", "at": "timestamp"}, stream="events")
group = hr.FeatureGroup("counts", thing, events, {"n": hr.count(), "total": hr.sum("x"), "day": hr.count("1d")})
view = hr.FeatureView("view", [group])

BACKFILL = """
import sys
import headrace as hr
from headrace.features import feed
feed.FEWEST_ROWS = feed.MOST_ROWS = 2_000  # many steps, so that a kill falls between two
with hr.connect(sys.argv[1]) as store:
    print("ready", flush=True)
    store.backfill()
"""


def rows(count, seed):
    rng = np.random.default_rng(seed)
    times = AT - pd.to_timedelta(rng.integers(0, 3_000_000, count), unit="s")
    return pd.DataFrame({"k": rng.integers(0, KEYS, count), "x": rng.normal(size=count), "at": times.as_unit("us")})


@pytest.fixture
def project(tmp_path):
    with hr.connect(tmp_path) as store:
        store.apply([view])
        store.write("events", rows(40_000, 1))
        store.push("events", rows(500, 2))
        store.materialize()
    return tmp_path


def check(store):
    keys = list(range(KEYS))
    online = store.online_features("view", {"k": keys}, at=LATER)
    history = store.historical_features("view", pd.DataFrame({"k": keys, "t": [LATER] * KEYS}), timestamp="t")
    for name in ("n", "total", "day"):
        assert history[name].tolist() == online.values[name]


def test_readers_see_the_old_values_or_the_new_ones_while_pushes_go_on(project):
    seen, stop = [], threading.Event()

    def read(store):
        while not stop.is_set():
            found = store.online_features("view", {"k": list(range(KEYS))}, at=LATER)
            assert set(found.statuses["n"]) == {"PRESENT"}
            seen.append(sum(found.values["n"]))

    def push(store):
        for seed in range(20):
            store.push("events", rows(50, 100 + seed))

    with hr.connect(project) as store, ThreadPoolExecutor() as pool:
        reader, pusher = pool.submit(read, store), pool.submit(push, store)
        for _ in range(3):
            store.backfill()
        pusher.result()
        stop.set()
        reader.result()
        assert seen[0] >= 40_500
        assert seen == sorted(seen), "a row that was visible has disappeared"
        check(store)
        assert sum(store.online_features("view", {"k": list(range(KEYS))}, at=LATER).values["n"]) == 41_500


def test_a_killed_backfill_changes_nothing_and_the_next_one_completes_it(project):
    with hr.connect(project) as store:
        before = store.online_features("view", {"k": list(range(KEYS))}, at=LATER).values
        for seed in range(4):
            child = subprocess.Popen([sys.executable, "-c", BACKFILL, str(project)], stdout=subprocess.PIPE)
            assert child.stdout.readline() == b"ready\n"
            time.sleep(random.Random(seed).uniform(0.05, 0.4))
            child.send_signal(signal.SIGKILL)
            child.wait()
            child.stdout.close()
            assert store.online_features("view", {"k": list(range(KEYS))}, at=LATER).values == before
        store.backfill()
        check(store)


def test_two_backfills_at_once_give_the_same_values(project):
    children = [subprocess.Popen([sys.executable, "-c", BACKFILL, str(project)], stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [child.wait() for child in children] == [0, 0]
    with hr.connect(project) as store:
        check(store)


@pytest.mark.parametrize("online", ["embedded", "redis"])
def test_a_backfill_that_another_process_completes_is_done(request, project, monkeypatch, online):
    if online == "redis":
        url = f"{request.getfixturevalue('redis_url')}?prefix={uuid.uuid4().hex}"
        (project / "headrace.toml").write_text(f'online = "{url}"\n')
    with hr.connect(project) as store, hr.connect(project) as other:
        apply, tries = OnlineGroups.apply, []

        def overtaken(groups, *arguments, **options):
            tries.append(arguments)
            assert len(tries) < 100, "it goes on for ever"
            if len(tries) == 1:
                other.backfill()
            return apply(groups, *arguments, **options)

        monkeypatch.setattr(OnlineGroups, "apply", overtaken)
        store.backfill()
        monkeypatch.undo()
        check(store)
        assert sum(store.online_features("view", {"k": list(range(KEYS))}, at=LATER).values["n"]) == 40_500


def test_a_group_over_a_long_history_waits_for_its_backfill(project, monkeypatch, caplog):
    from headrace.features import feed

    monkeypatch.setattr(feed, "INLINE_ROWS", 1_000)
    changed = hr.FeatureGroup("counts", thing, events, {"n": hr.count(where="x > 0")})
    with hr.connect(project) as store:
        store.apply([hr.FeatureView("view", [changed])])
        store.push("events", rows(10, 3))
        assert "headrace backfill counts:2" in caplog.text
        assert store.online_features("view", {"k": 1}, at=LATER).statuses["n"] == ["NOT_FOUND"]
        old = store.online_features("view:1", {"k": list(range(KEYS))}, at=LATER)
        assert sum(old.values["n"]) == 40_510
        store.backfill(["counts"])
        new = store.online_features("view", {"k": list(range(KEYS))}, at=LATER).values["n"]
        asked = pd.DataFrame({"k": list(range(KEYS)), "t": [LATER] * KEYS})
        assert store.historical_features("view", asked, timestamp="t")["n"].tolist() == new
