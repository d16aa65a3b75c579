"""The cache of states never serves one that is older than the caller allows, and never outgrows its size."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

import headrace as hr
from headrace.features.cache import StateCache, checked_staleness
from headrace.online.steps import run


class Store:
    """Holds one state per key, which says when it was written; counts what it is asked."""

    def __init__(self):
        self.now, self.reads, self.states = 100.0, [], {}

    def read(self, requests):
        self.reads.append([(group, list(keys)) for group, keys in requests])
        return [[self.states.get((group, key)) for key in keys] for group, keys in requests]

    def cache(self, **options):
        return Cache(self.read, StateCache(clock=lambda: self.now, **options))


class Cache:
    """A cache whose questions a store answers."""

    def __init__(self, ask, states):
        self._ask, self.states = ask, states

    def read(self, requests, max_staleness):
        return run(self.states.read(requests, max_staleness), self._ask)


def test_a_state_read_lately_is_not_read_again():
    store = Store()
    store.states["g", b"k"] = b"one"
    cache = store.cache()
    assert cache.read([("g", [b"k"])], 5) == [[b"one"]]
    store.states["g", b"k"] = b"two"
    store.now += 5
    assert cache.read([("g", [b"k"])], 5) == [[b"one"]]
    assert len(store.reads) == 1


def test_a_state_is_read_again_once_it_is_older_than_this_caller_allows():
    store = Store()
    store.states["g", b"k"] = b"one"
    cache = store.cache()
    cache.read([("g", [b"k"])], 60)
    store.states["g", b"k"] = b"two"
    store.now += 5.001
    assert cache.read([("g", [b"k"])], 60) == [[b"one"]]
    assert cache.read([("g", [b"k"])], 5) == [[b"two"]]
    assert cache.read([("g", [b"k"])], 60) == [[b"two"]]


def test_a_state_is_as_old_as_the_begin_of_its_read():
    store = Store()
    cache = Cache(lambda requests: [[(store.__setattr__("now", store.now + 3), b"slow")[1]]], StateCache(clock=lambda: store.now))
    cache.read([("g", [b"k"])], 5)
    store.now += 2.5
    began = store.now
    cache.read([("g", [b"k"])], 5)
    assert store.now == began + 3  # it was read again: 5.5 seconds since the first read began


def test_what_is_missing_is_read_at_one_go_and_answers_stay_in_place():
    store = Store()
    for key in b"a", b"b", b"c":
        store.states["g", key] = b"g" + key
        store.states["h", key] = b"h" + key
    cache = store.cache()
    cache.read([("g", [b"b"]), ("h", [b"a"])], 5)
    found = cache.read([("g", [b"a", None, b"b", b"c", b"x"]), ("h", [b"a", b"b"])], 5)
    assert found == [[b"ga", None, b"gb", b"gc", None], [b"ha", b"hb"]]
    assert store.reads[1:] == [[("g", [b"a", b"c", b"x"]), ("h", [b"b"])]]


def test_that_a_key_is_missing_is_kept_as_well():
    store = Store()
    cache = store.cache()
    cache.read([("g", [b"k"])], 5)
    cache.read([("g", [b"k"])], 5)
    assert len(store.reads) == 1


def test_one_key_asked_for_twice_is_answered_twice():
    store = Store()
    store.states["g", b"k"] = b"one"
    assert store.cache().read([("g", [b"k", b"k"])], 5) == [[b"one", b"one"]]


def test_what_is_in_use_stays_and_the_rest_goes():
    store = Store()
    cache = store.cache(limit=100_000)
    cache.read([("g", [b"hot"])], 1000)
    for number in range(2000):
        cache.read([("g", [b"hot", b"%d" % number])], 1000)
        held = sum(200 + len(key[1]) for half in (cache.states._young, cache.states._old) for key in half)
        assert held <= 100_000 + 300
    assert sum(keys.count(b"hot") for read in store.reads for _, keys in read) == 1
    assert 200 < len(cache.states) < 500


@given(
    st.lists(st.tuples(st.sampled_from(["write", "wait", "read"]), st.integers(0, 3), st.floats(0, 4)), min_size=1, max_size=60)
)
def test_no_answer_is_older_than_allowed(steps):
    store = Store()
    cache = store.cache(limit=1200)
    written: dict[bytes, list[tuple[float, bytes]]] = {}
    for number, (step, which, amount) in enumerate(steps):
        key = b"%d" % which
        if step == "write":
            store.states["g", key] = b"%d" % number
            written.setdefault(key, []).append((store.now, b"%d" % number))
        elif step == "wait":
            store.now += amount
        else:
            (state,) = cache.read([("g", [key])], amount)[0]
            changes = [(0.0, None), *written.get(key, [])]
            spans = zip(changes, [*[when for when, _ in changes[1:]], float("inf")], strict=True)
            assert any(value == state and until >= store.now - amount for (_, value), until in spans)


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "5", True])
def test_an_allowance_is_a_number_of_seconds(seconds):
    with pytest.raises(hr.InvalidInputError, match="max_staleness"):
        checked_staleness(seconds)


def test_a_store_answers_from_memory_only_for_who_allows_it(tmp_path):
    thing = hr.Entity("thing", keys={"k": "int64"})
    source = hr.EventSource("events", timestamp="at", stream="events", schema={"k": "int64", "n": "int64", "at": "timestamp"})
    group = hr.FeatureGroup("facts", entity=thing, source=source, features={"n": hr.last("n")})
    with hr.connect(tmp_path) as store:
        store.apply([hr.FeatureView("view", features=[group])])

        def push(value):
            store.push("events", [{"k": 1, "n": value, "at": dt.datetime(2026, 1, 1, 0, 0, value, tzinfo=dt.UTC)}])

        def read(**options):
            return store.online_features("view", {"k": 1}, **options).values["n"]

        push(1)
        assert read(max_staleness=3600) == [1]
        push(2)
        assert read(max_staleness=3600) == [1]
        assert read() == [2]
        assert read(max_staleness=0) == [2]
