"""What was served is computed again and equal to the bit; what isn't is named exactly."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import headrace as hr
from headrace.errors import InvalidInputError, NotFoundError
from headrace.lake.table import BATCH

START = pd.Timestamp("2026-03-01 12:00", tz="UTC")
BIAS = {"by": 0.0}

user = hr.Entity("user", keys={"user_id": "int64"})
video = hr.Entity("video", keys={"video_id": "string"})
plays = hr.EventSource(
    "plays",
    timestamp="at",
    stream="plays",
    schema={"user_id": "int64", "video_id": "string", "stars": "float64", "small": "float32", "at": "timestamp"},
)
videos = hr.TableSource(
    "videos", timestamp="at", stream="videos", schema={"video_id": "string", "title": "string", "at": "timestamp"}
)
taste = hr.FeatureGroup(
    "taste",
    entity=user,
    source=plays,
    ttl="30d",
    features={"n": hr.count("1h"), "mean": hr.mean("stars", "1d"), "small": hr.last("small"), "recent": hr.last_n("stars", 3)},
)
facts = hr.FeatureGroup(
    "facts", entity=video, source=videos, features={"title": "title", "length": hr.column("length(title)", default=0)}
)


@hr.on_demand(inputs=["mean", "boost"], returns="float64")
def boosted(mean, boost):
    return mean * boost + BIAS["by"]


view = hr.FeatureView("view", features=[taste, facts, boosted])


class Now:
    """A clock that tests move."""

    def __init__(self):
        self.micros = START.value // 1000

    def __call__(self):
        self.micros += 1000
        return self.micros


@pytest.fixture
def now():
    return Now()


@pytest.fixture
def store(tmp_path, now, connect):
    BIAS["by"] = 0.0
    with connect(tmp_path, clock=now) as store:
        store.apply([view])
        yield store


def play(rng, now, users=5):
    return {
        "user_id": int(rng.integers(0, users)),
        "video_id": f"v{rng.integers(0, 4)}",
        "stars": float(rng.normal()),
        "small": float(np.float32(rng.normal())),
        "at": pd.Timestamp(now.micros - int(rng.integers(0, 7_200_000_000)), unit="us", tz="UTC"),
    }


def serve(store, now, steps=30, **options):
    """Rows come in in batch and in real time, and answers go out in between."""
    rng = np.random.default_rng(3)
    for step in range(steps):
        store.push("plays", [play(rng, now) for _ in range(3)])
        if step % 5 == 0:
            store.write("plays", [play(rng, now) for _ in range(4)])
            store.write(
                "videos", [{"video_id": f"v{step % 4}", "title": "x" * step, "at": pd.Timestamp(now.micros, unit="us", tz="UTC")}]
            )
        if step % 7 == 0:
            store.materialize()
        asked = {"user_id": [0, 1, 2, 99], "video_id": [f"v{step % 4}", "v1", "v2", "v9"], "boost": step / 7}
        store.online_features("view", asked, sample=1.0, **options)


def test_what_was_served_between_pushes_is_equal_to_the_bit(store, now):
    serve(store, now)
    found = store.verify("view")
    assert found
    assert (found.view, found.rows, found.dropped) == ("view:1", 120, 0)
    assert {name: (check.equal, check.missing) for name, check in found.features.items()} == dict.fromkeys(
        ["n", "mean", "small", "recent", "title", "length", "boosted"], (120, 0)
    )


def test_answers_about_an_earlier_moment_are_equal_too(store, now):
    serve(store, now, at=START - pd.Timedelta(minutes=30))
    found = store.verify("view")
    assert found
    assert sum(check.equal for check in found.features.values()) == 120 * 7


def test_changed_online_values_are_named_exactly(store, now, monkeypatch):
    from headrace.online.state import GroupState

    serve(store, now, steps=8)
    read = GroupState.read

    def skewed(self, states, t, names=None):
        reading = read(self, states, t, names)
        if "mean" in reading.values and reading.values["mean"][0] is not None:
            reading.values["mean"][0] = float(np.nextafter(reading.values["mean"][0], np.inf))
        return reading

    monkeypatch.setattr(GroupState, "read", skewed)
    asked = {"user_id": [1, 2], "video_id": ["v1", "v2"], "boost": 1.0}
    served = [store.online_features("view", asked, sample=1.0) for _ in range(3)]
    found = store.verify("view")
    assert not found
    assert found.differing == {"mean": 3, "boosted": 3}
    assert found.features["boosted"].inherited == 3
    example = found.features["mean"].examples[0]
    assert example.keys == {"user_id": 1, "video_id": "v1"}
    assert example.served == served[-1].values["mean"][0] == np.nextafter(example.recomputed, np.inf)


def test_an_on_demand_function_that_means_something_else_by_now_is_named_alone(store, now):
    serve(store, now, steps=4)
    BIAS["by"] = 0.5
    found = store.verify("view")
    assert set(found.differing) == {"boosted"}
    assert found.features["boosted"].inherited == 0


def test_rows_that_the_lake_never_got_are_missing_not_different(store, now, monkeypatch):
    serve(store, now, steps=4)
    monkeypatch.setattr(
        "headrace.lake.snapshot.DeltaSnapshot.committed", lambda self, partition: 2 if partition != BATCH else 10**9
    )
    found = store.verify("view")
    assert found
    assert found.features["n"].missing == 12
    assert "plays" in found.features["n"].reason
    assert found.features["title"].equal == 16


def test_the_sample_is_the_same_keys_whoever_serves_them(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADRACE_SAMPLE", "0.2")
    kept = []
    for folder in ("one", "other"):
        with hr.connect(tmp_path / folder) as store:
            store.apply([view])
            for part in (range(250), range(250, 500)):
                store.online_features("view", {"user_id": list(part), "video_id": "v1", "boost": 1})
            kept.append(
                {row["key_user_id"] for row in store.services.verifier._served.read(store.catalog.view("view")).to_pylist()}
            )
    assert kept[0] == kept[1]
    assert 60 < len(kept[0]) < 140


def test_since_and_limit_choose_the_newest(store, now):
    serve(store, now, steps=3)
    now.micros += 10**10
    store.online_features("view", {"user_id": 1, "video_id": "v1", "boost": 1}, sample=1)
    assert store.verify("view", since="1h").rows == 1
    assert (store.verify("view", limit=5).rows, store.verify("view", limit=10**30).rows) == (5, store.verify("view").rows)
    with pytest.raises(InvalidInputError, match="at least 1"):
        store.verify("view", limit=0)


def test_nothing_was_kept_where_nothing_was_asked_for(store, now):
    store.online_features("view", {"user_id": 1, "video_id": "v1", "boost": 1})
    assert store.verify("view").rows == 0
    with pytest.raises(NotFoundError):
        store.verify("views")
    with pytest.raises(InvalidInputError, match="from 0 to 1"):
        store.online_features("view", {"user_id": 1, "video_id": "v1", "boost": 1}, sample=2)


def test_what_waits_is_written_at_close_and_read_by_the_next(tmp_path, now):
    with hr.connect(tmp_path, clock=now) as store:
        store.apply([view])
        serve(store, now, steps=2)
    with hr.connect(tmp_path, clock=now) as store:
        assert store.verify("view").rows == 8


def test_changed_bytes_in_the_online_store_are_named_exactly(store, now, monkeypatch):
    from headrace.online.codec import pack, unpack
    from headrace.online.embedded import EmbeddedOnlineStore
    from headrace.online.records import FIRST_VALUE

    serve(store, now, steps=8)
    read = EmbeddedOnlineStore.read_with_positions

    def damaged(self, requests):
        found = read(self, requests)
        place = [group for group, _ in requests].index("facts:1")
        states = found[place][0]
        state = unpack(states[1])
        state[FIRST_VALUE] = "another title"
        states[1] = pack(state)
        return found

    monkeypatch.setattr(EmbeddedOnlineStore, "read_with_positions", damaged)
    for _ in range(3):
        store.online_features("view", {"user_id": 1, "video_id": ["v0", "v1", "v9"], "boost": 1}, sample=1)
    found = store.verify("view")
    assert found.differing == {"title": 3}
    assert [item.keys["video_id"] for item in found.features["title"].examples] == ["v1"] * 3


def test_as_known_shows_what_had_arrived_and_was_not_seen(store, now):
    serve(store, now, steps=8)
    store.materialize()
    asked = {"user_id": 1, "video_id": "v1", "boost": 1}
    store.online_features("view", asked, sample=1)
    at = now.micros
    assert store.verify("view", limit=1, as_known=True).ok
    store.write("plays", [{**play(np.random.default_rng(1), now), "user_id": 1, "at": START - pd.Timedelta(seconds=1)}])
    now.micros += 5_000_000
    store.online_features("view", asked, sample=1)
    assert store.verify("view", limit=1).ok
    found = store.verify("view", limit=1, as_known=True)
    assert not found.ok
    assert 4.9 < found.lag <= (now.micros - at) / 1e6


def test_as_known_leaves_out_answers_about_another_moment(store, now):
    serve(store, now, steps=3)
    rows = store.verify("view", as_known=True).rows
    store.online_features("view", {"user_id": 1, "video_id": "v1", "boost": 1}, at=START, sample=1)
    assert store.verify("view", as_known=True).rows == rows
    assert store.verify("view").rows == rows + 1


def test_values_that_whoever_asks_computes_are_missing_and_the_others_are_equal(store, now):
    serve(store, now, steps=3)
    store.services.lookup.inputs("view", {"user_id": [1, 2], "video_id": "v1"}, sample=1.0)
    found = store.verify("view")
    assert found.ok
    assert (found.features["boosted"].equal, found.features["boosted"].missing) == (12, 2)
    assert found.features["boosted"].reason == "on-demand features were computed by whoever asked"
    assert found.features["n"].equal == 14


def test_a_group_under_two_keys_is_computed_again_for_each(tmp_path, now, connect):
    friends = hr.FeatureView("friends", features=[taste["n"], taste["n", "mean"].prefixed("friend_").keyed(user_id="friend_id")])
    with connect(tmp_path, clock=now) as store:
        store.apply([view, friends])
        serve(store, now, steps=5)
        for user in range(4):
            store.online_features("friends", {"user_id": user, "friend_id": [0, 1, 2, 3]}, sample=1)
        found = store.verify("friends")
        assert {name: check.equal for name, check in found.features.items()} == dict.fromkeys(
            ["n", "friend_n", "friend_mean"], 16
        )
