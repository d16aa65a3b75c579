"""What every record of seen event ids keeps: each position is recorded once, ids are found until they are forgotten."""

from __future__ import annotations

import uuid

import pytest

from headrace.online.embedded import EmbeddedOnlineStore, EmbeddedSeenIds
from headrace.online.redis.seen import RedisSeenIds

BACKENDS = ["embedded", "redis", "redis-cluster"]


@pytest.fixture(params=BACKENDS)
def seen(request, tmp_path):
    if request.param == "embedded":
        ids = EmbeddedSeenIds(tmp_path / "online", map_size=1 << 20)
    else:
        url = request.getfixturevalue("redis_url" if request.param == "redis" else "redis_cluster_url")
        ids = RedisSeenIds(f"{url}?prefix={uuid.uuid4().hex}")
    yield ids
    ids.close()


def test_ids_are_found_with_their_times(seen):
    assert seen.position("s", 0) == -1
    assert seen.seen("s", [b"a"]) == [None]
    seen.record("s", 0, 9, {b"a": 5, b"b": -5})
    assert seen.seen("s", [b"b", b"c", b"a"]) == [-5, None, 5]
    assert seen.position("s", 0) == 9
    assert seen.position("s", -1) == -1


def test_a_position_is_recorded_once(seen):
    seen.record("s", 0, 9, {b"a": 5})
    seen.record("s", 0, 9, {b"a": 6, b"b": 6})
    seen.record("s", 0, 3, {b"c": 6})
    assert seen.seen("s", [b"a", b"b", b"c"]) == [5, None, None]
    seen.record("s", -1, 3, {b"c": 6})
    assert seen.seen("s", [b"c"]) == [6]


def test_sources_are_apart(seen):
    seen.record("s", 0, 1, {b"a": 1})
    seen.record("t", 0, 2, {b"a": 2})
    seen.forget("s", 100)
    assert seen.seen("s", [b"a"]) == [None]
    assert seen.seen("t", [b"a"]) == [2]
    assert seen.position("s", 0) == 1


def test_forgetting_drops_what_is_older(seen):
    seen.forget("s", 10)
    seen.record("s", 0, 1, {b"old": -10, b"edge": 10, b"new": 20})
    seen.forget("s", 10)
    assert seen.seen("s", [b"old", b"edge", b"new"]) == [None, 10, 20]
    seen.record("s", 0, 2, {b"old": 30})
    seen.forget("s", 25)
    assert seen.seen("s", [b"old", b"edge", b"new"]) == [30, None, None]


def test_an_id_recorded_again_with_a_later_time_stays(seen):
    seen.record("s", 0, 1, {b"a": 1})
    seen.record("s", 0, 2, {b"a": 50})
    seen.forget("s", 10)
    assert seen.seen("s", [b"a"]) == [50]


def test_long_ids_are_kept_apart(seen):
    one, other = b"x" * 1000, b"x" * 999
    seen.record("s", 0, 1, {one: 1})
    assert seen.seen("s", [one, other]) == [1, None]
    seen.forget("s", 5)
    assert seen.seen("s", [one]) == [None]


def test_it_shares_a_folder_with_an_online_store(seen, tmp_path):
    store = EmbeddedOnlineStore(tmp_path / "online")
    seen.record("s", 0, 1, {b"a": 1})
    assert store.groups() == []
    store.close()


def test_an_id_belongs_to_the_first_place_that_claims_it(seen):
    claims = ([b"a", b"b", b"a"], [(0, 5), (0, 6), (0, 7)])
    assert seen.claim("s", *claims, time=100, keep=50) == [True, True, False]
    assert seen.claim("s", *claims, time=120, keep=50) == [True, True, False], "a replay gives the same answers"
    assert seen.claim("s", [b"a", b"b", b"c"], [(1, 5), (0, 6), (-1, 2**60)], time=150, keep=50) == [False, True, True]
    assert seen.claim("t", [b"a"], [(1, 5)], time=150, keep=50) == [True], "sources are apart"
    assert seen.seen("s", [b"a", b"c"]) == [100, 150]


def test_a_claimed_id_is_free_again_after_its_time(seen):
    seen.claim("s", [b"a", b"b"], [(0, 1), (0, 2)], time=100, keep=50)
    assert seen.claim("s", [b"a"], [(0, 9)], time=150, keep=50) == [False]
    assert seen.claim("s", [b"a"], [(0, 9)], time=151, keep=50) == [True]
    seen.forget("s", 120)
    assert seen.seen("s", [b"a", b"b"]) == [151, None]


def test_recorded_ids_and_claimed_ones_are_told_apart(seen):
    seen.record("s", -1, 9, {b"a": 100})
    assert seen.claim("s", [b"a", b"b"], [(0, 1), (0, 2)], time=100, keep=50) == [False, True]
    seen.record("s", -1, 12, {b"b": 100})
    assert seen.claim("s", [b"b"], [(0, 2)], time=100, keep=50) == [True], "recording a claimed id leaves it where it is"
