"""What is Redis's own way: records that take each other's place in a script, keys that expire, slots that move."""

from __future__ import annotations

import random
import uuid
from itertools import permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.crc import key_slot

from headrace.online.redis.client import command
from headrace.online.redis.connection import pack_command
from headrace.online.redis.layout import BUCKETS, Layout
from headrace.online.redis.store import RedisOnlineStore
from headrace.online.state import GroupState
from headrace.online.store import Delta
from unit.online.rows import SECOND, event_group, record_group, table
from waiting import until

NOW = 1_000 * SECOND
STATE = GroupState(record_group("x", "s"))
KEY = STATE.key([1])


@pytest.fixture
def store(redis_url):
    store = RedisOnlineStore(f"{redis_url}?prefix={uuid.uuid4().hex}")
    yield store
    store.close()


@pytest.fixture(scope="module")
def shared(redis_url):
    store = RedisOnlineStore(f"{redis_url}?prefix={uuid.uuid4().hex}")
    yield store
    store.close()


def record(time, offset, partition, x):
    return {"key": 1, "time": time, "offset": offset, "partition": partition, "x": x, "s": f"at {time}"}


def put(store, row, *, due=NOW, group="g:1"):
    """One row, as the next delta of its partition: its own offset is only its place in the order of arrival."""
    changes = STATE.changes(table(STATE, [row]), due)
    position = store.status(group).applied.get(row["partition"], -1) + 1
    delta = Delta(group, row["partition"], position, position, changes, row["time"], STATE.merge(due), due=due)
    assert store.apply([delta]) == ["applied"]


TIMES = st.one_of(st.integers(-5, 5), st.sampled_from([0, NOW - 1, NOW, NOW + 1, 2**32, 2**32 - 1, 2**53 + 1, -(2**40)]))
ARRIVALS = st.one_of(st.integers(0, 3), st.sampled_from([2**32 - 1, 2**32, 2**53, 2**53 + 1, 2**62, 2**62 + 1]))
RECORDS = st.lists(st.tuples(TIMES, ARRIVALS, st.sampled_from([-1, 0, 1, 2**30 + 5])), min_size=1, max_size=6, unique=True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=RECORDS, seed=st.integers(0, 100))
def test_records_end_up_the_same_in_any_order(shared, chosen, seed):
    group = f"{uuid.uuid4().hex}:1"
    rows = [record(*head, float(place)) for place, head in enumerate(chosen)]
    together = STATE.changes(table(STATE, rows), NOW)[KEY]
    random.Random(seed).shuffle(rows)
    for row in rows:
        put(shared, row, group=group)
    ((stored,),) = shared.read([(group, [KEY])])
    for t in (NOW, NOW + 1, 2**53 + 1):
        assert STATE.read([stored], t) == STATE.read([together], t), t
    # what lies before the oldest record is unknown to both, or to neither
    oldest = min(row["time"] for row in rows)
    assert STATE.read([stored], oldest - 1).times == STATE.read([together], oldest - 1).times


def test_a_newer_record_takes_the_place_of_an_older_one_at_once(store):
    for order in permutations([record(5, 1, 0, 1.0), record(9, 0, 1, 2.0), record(7, 2, 0, 3.0)]):
        group = f"{uuid.uuid4().hex}:1"
        for row in order:
            put(store, row, group=group)
        ((stored,),) = store.read([(group, [KEY])])
        assert isinstance(stored, bytes), "nothing is left to merge"
        assert STATE.read([stored], NOW).values == {"x": [2.0], "s": ["at 9"]}
        assert STATE.read([stored], 6).inexact == [0], "that there was an older one is known"


def test_a_record_that_isnt_due_stays_beside_the_one_that_is(store):
    put(store, record(5, 1, 0, 1.0))
    put(store, record(NOW + 5, 2, 0, 2.0))
    ((stored,),) = store.read([("g:1", [KEY])])
    assert STATE.read([stored], NOW).values["x"] == [1.0]
    assert STATE.read([stored], NOW + 5).values["x"] == [2.0]


def test_many_records_that_must_be_merged_are_merged(store):
    for step in range(30):
        put(store, record(NOW + step, step, step % 2, float(step)))
    ((stored,),) = store.read([("g:1", [KEY])])
    assert isinstance(stored, bytes) or len(stored) <= 9
    assert [STATE.read([stored], NOW + step).values["x"] for step in range(30)] == [[float(step)] for step in range(30)]


def test_keys_are_forgotten_when_nobody_writes_them(store):
    state = GroupState(event_group())
    for position, (key, keep) in enumerate([(b"brief", 2 * SECOND), (b"long", 60 * SECOND), (b"ever", None)]):
        store.apply([Delta("g:1", 0, position, position, {key: b"a"}, 0, state.merge(NOW), keep=keep)])
    assert store.read([("g:1", [b"brief", b"long", b"ever"])]) == [[b"a", b"a", b"a"]]
    until(lambda: store.read([("g:1", [b"brief", b"long", b"ever"])]) == [[None, b"a", b"a"]], "the end of a key")
    start = store._layout.values(store.status("g:1").generation)
    left = store._client.run([command(b"PTTL", name) for name in store._layout.names(start, [b"long", b"ever"])])
    assert 50_000 < left[0] <= 60_000
    assert left[1] == -1


def test_merging_the_changes_of_a_key_keeps_its_time(store):
    join = lambda stored, *changes: b"".join([stored or b"", *changes])
    for position in range(12):
        store.apply([Delta("g:1", 0, position, position, {b"k": b"a"}, 0, join, keep=60 * SECOND)])
    start = store._layout.values(store.status("g:1").generation)
    [name] = store._layout.names(start, [b"k"])
    assert 50_000 < store._client.run([command(b"PTTL", name)])[0] <= 60_000


def test_reads_and_writes_follow_a_slot_that_moves(redis_cluster_url):
    store = RedisOnlineStore(f"{redis_cluster_url}?prefix={uuid.uuid4().hex}")
    join = lambda stored, *changes: b"".join([stored or b"", *changes])
    keys = [b"one", b"two"]
    store.apply([Delta("g:1", 0, 0, 0, dict.fromkeys(keys, b"a"), 0, join)])
    [name] = store._layout.names(store._layout.values(store.status("g:1").generation), keys[:1])
    slot = key_slot(name)
    old = store._client._slots[slot]
    new = next(node for node in store._client.masters() if node is not old)

    def say(node, *words):
        (reply,) = node.exchange(pack_command(*[word if isinstance(word, bytes) else str(word).encode() for word in words]))
        assert not isinstance(reply, Exception), reply
        return reply

    ids = {node: say(node, b"CLUSTER", b"MYID") for node in (old, new)}
    try:
        say(new, b"CLUSTER", b"SETSLOT", slot, b"IMPORTING", ids[old])
        say(old, b"CLUSTER", b"SETSLOT", slot, b"MIGRATING", ids[new])
        host, port = new.address.split(":")
        say(old, b"MIGRATE", host, port, name, 0, 5000)
        assert store.read([("g:1", keys)]) == [[b"a", b"a"]], "asked where it is moving to"
        assert store.apply([Delta("g:1", 0, 1, 1, dict.fromkeys(keys, b"b"), 0, join)]) == ["applied"]
        for node in (new, old):
            say(node, b"CLUSTER", b"SETSLOT", slot, b"NODE", ids[new])
        assert store.read([("g:1", keys)]) == [[(b"a", b"b"), (b"a", b"b")]], "found where it has moved to"
    finally:
        say(new, b"CLUSTER", b"SETSLOT", slot, b"STABLE")
        store.close()


def test_in_a_cluster_buckets_lie_evenly_and_a_call_has_keys_of_one_slot():
    layout = Layout("hr", cluster=True)
    start = layout.values("Xq3ZbV0d")
    keys = [f"key-{{{number}}}".encode() for number in range(20_000)]
    slots = {key_slot(name) for name in layout.names(start, keys)}
    assert len(slots) == BUCKETS
    assert len({slot * BUCKETS // 16384 for slot in slots}) == BUCKETS
    parts = layout.parts(keys, 30)
    assert sorted(key for part in parts for key in part) == sorted(keys)
    for part in parts:
        assert len(part) <= 30
        assert len({key_slot(name) for name in layout.names(start, part)}) == 1
