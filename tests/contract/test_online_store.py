"""What every online store keeps: deltas land once and together, reads see one moment."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import uuid
import warnings
from dataclasses import replace

import pytest

from headrace.errors import ConflictError
from headrace.online.embedded import EmbeddedOnlineStore
from headrace.online.redis.store import RedisOnlineStore
from headrace.online.store import NOTHING, Delta

BACKENDS = ["embedded", "redis", "redis by an event loop", "redis-cluster"]


class AwaitedRedis(RedisOnlineStore):
    """Whose reads are an event loop's."""

    def __init__(self, url):
        super().__init__(url)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def read(self, requests):
        return self._await(self.async_read(requests))

    def close(self):
        if self._loop.is_closed():
            return
        super().close()
        self._await(asyncio.sleep(0.01))  # the connection is closed by then
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _await(self, coming):
        return asyncio.run_coroutine_threadsafe(coming, self._loop).result(60)


@pytest.fixture(params=BACKENDS)
def opened(request, tmp_path):
    """Opens the same store again and again."""
    stores = []
    if request.param == "embedded":
        make = lambda: EmbeddedOnlineStore(tmp_path / "online", map_size=1 << 20)
    else:
        url = request.getfixturevalue("redis_cluster_url" if request.param == "redis-cluster" else "redis_url")
        prefix, kind = uuid.uuid4().hex, AwaitedRedis if "loop" in request.param else RedisOnlineStore
        make = lambda: kind(f"{url}?prefix={prefix}")

    def open_store():
        stores.append(make())
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


@pytest.fixture
def store(opened):
    return opened()


@pytest.fixture
def transactional(tmp_path):
    """A store that applies all deltas of a call in one atomic step."""
    store = EmbeddedOnlineStore(tmp_path / "online", map_size=1 << 20)
    yield store
    store.close()


def concat(stored, *changes):
    return bytes(sorted(b"".join([stored or b"", *changes])))


def read(store, requests):
    """What the store has, with the changes merged that it hasn't merged itself."""
    return [[whole(stored) for stored in found] for found in store.read(requests)]


def whole(stored):
    return bytes(sorted(b"".join(stored))) if isinstance(stored, tuple) else stored


def delta(first, last, changes, partition=0, group="g:1", newest=None):
    return Delta(group, partition, first, last, changes, newest, concat)


def built(generation, first, last, changes):
    return replace(delta(first, last, changes), generation=generation)


def test_a_delta_lands_once(store):
    one = delta(0, 4, {b"k": b"a"})
    assert store.apply([one]) == ["applied"]
    assert store.apply([one]) == ["skipped"]
    assert store.apply([delta(2, 3, {b"k": b"x"})]) == ["skipped"]
    assert store.apply([delta(4, 6, {b"k": b"x"})]) == ["overlaps"]
    assert store.apply([delta(5, 6, {b"k": b"b"})]) == ["applied"]
    assert read(store, [("g:1", [b"k"])]) == [[b"ab"]]
    assert store.status("g:1").applied == {0: 6}


def test_partitions_have_their_own_offsets(store):
    assert store.apply([delta(0, 9, {b"k": b"a"}), delta(0, 3, {b"k": b"b"}, partition=-1)]) == ["applied", "applied"]
    assert store.status("g:1").applied == {0: 9, -1: 3}
    assert read(store, [("g:1", [b"k"])]) == [[b"ab"]]


def test_each_delta_of_a_step_is_judged_by_itself(store):
    store.apply([delta(0, 4, {})])
    outcome = store.apply(
        [delta(0, 4, {b"k": b"x"}), delta(3, 5, {b"k": b"y"}), delta(5, 5, {b"k": b"z"}), delta(6, 6, {b"k": b"a"})]
    )
    assert outcome == ["skipped", "overlaps", "applied", "applied"]
    assert read(store, [("g:1", [b"k"])]) == [[b"az"]]


def test_a_failing_step_changes_nothing(transactional):
    store = transactional

    def broken(_stored, _change):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        store.apply([delta(0, 1, {b"k": b"a"}), Delta("h:1", 0, 0, 1, {b"k": b"a"}, 5, broken)])
    assert store.groups() == []
    assert read(store, [("g:1", [b"k"])]) == [[None]]


def test_empty_deltas_move_on(store):
    store.apply([delta(0, 200, {}, newest=None)])
    assert store.status("g:1").applied == {0: 200}
    assert store.status("g:1").newest is None
    assert store.apply([delta(150, 200, {})]) == ["skipped"]


def test_a_delta_that_leaves_a_gap_is_refused(store):
    assert store.apply([delta(5, 9, {b"k": b"x"})]) == ["overlaps"], "a store that forgot what it had says so"
    assert store.groups() == []
    assert store.apply([delta(0, 4, {b"k": b"a"}), delta(6, 9, {b"k": b"x"}), delta(5, 9, {b"k": b"b"})]) == [
        "applied",
        "overlaps",
        "applied",
    ]
    assert read(store, [("g:1", [b"k"])]) == [[b"ab"]]


def test_unknown_groups_and_keys_are_empty(store):
    assert read(store, [("nothing:1", [b"a", None]), ("g:1", [])]) == [[None, None], []]
    assert (store.status("nothing:1").applied, store.status("nothing:1").newest, store.status("nothing:1").count) == ({}, None, 0)
    store.apply([delta(0, 0, {b"k": b"a"})])
    assert read(store, [("g:1", [b"l", None, b"k", b"k"])]) == [[None, None, b"a", b"a"]]


def test_newest_and_count_follow(store):
    store.apply([delta(0, 0, {b"a": b"1", b"b": b"1"}, newest=-5)])
    store.apply([delta(1, 1, {b"b": b"1", b"c": b"1"}, newest=-7)])
    assert store.status("g:1").newest == -5
    assert store.status("g:1").count == 3


def test_late_rows_are_counted_once(store):
    one = Delta("g:1", 0, 0, 4, {b"k": b"a"}, 5, concat, late=2)
    assert [store.apply([one]), store.apply([one])] == [["applied"], ["skipped"]]
    assert store.status("g:1").late == 2
    assert store.status("unknown:1").late == 0


def test_groups_are_apart_and_dropped_alone(store):
    for group in ("g:1", "g:11", "h:1"):
        store.apply([delta(0, 0, {b"k": bytes(sorted(group.encode()))}, group=group)])
    store.drop("g:1")
    store.drop("nothing:1")
    assert store.groups() == ["g:11", "h:1"]
    assert read(store, [("g:1", [b"k"]), ("g:11", [b"k"])])[0] == [None]
    assert read(store, [("g:11", [b"k"])]) == [[bytes(sorted(b"g:11"))]]
    assert store.apply([delta(0, 0, {b"j": b"enw"})]) == ["applied"]
    assert read(store, [("g:1", [b"k", b"j"])]) == [[None, b"enw"]]
    assert store.status("g:1").count == 1


def test_long_keys_and_large_states_are_kept_apart(store):
    base = b"x" * 1_000_000
    changes = {b"": b"0", base: b"1", base + b"y": b"2", b"x" * 400: b"3", b"x" * 399: b"4", b"big": b"z" * 3_000_000}
    store.apply([delta(0, 0, changes)])
    keys = list(changes)
    assert read(store, [("g:1", keys)]) == [[bytes(changes[key]) for key in keys]]
    assert store.status("g:1").count == len(changes)
    store.apply([delta(1, 1, {base: b"5"})])
    assert read(store, [("g:1", [base])]) == [[b"15"]]


def test_two_openings_of_one_store_see_the_same(opened):
    one, other = opened(), opened()
    one.apply([delta(0, 0, {b"k": b"a"})])
    assert other.apply([delta(0, 0, {b"k": b"a"})]) == ["skipped"]
    one.close()
    assert read(other, [("g:1", [b"k"])]) == [[b"a"]]
    again = opened()
    assert read(again, [("g:1", [b"k"])]) == [[b"a"]]


def test_it_grows_while_others_read(opened):
    store = opened()
    store.apply([delta(0, 0, {b"k": b"a"})])
    stop, faults = threading.Event(), []

    def keep_reading():
        while not stop.is_set():
            if read(store, [("g:1", [b"k"])]) != [[b"a"]]:
                faults.append("lost")
            time.sleep(0.0001)

    threads = [threading.Thread(target=keep_reading) for _ in range(3)]
    for thread in threads:
        thread.start()
    for step in range(8):
        changes = {f"{step}-{place}".encode(): b"v" * 1000 for place in range(1000)}
        assert store.apply([delta(step, step, changes, partition=1)]) == ["applied"]
    stop.set()
    for thread in threads:
        thread.join()
    assert faults == []
    assert store.status("g:1").count == 8001


def test_concurrent_threads_lose_nothing(opened):
    store = opened()

    def work(partition):
        for step in range(30):
            store.apply([delta(step, step, {b"k": bytes([partition])}, partition=partition)])

    threads = [threading.Thread(target=work, args=(partition,)) for partition in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read(store, [("g:1", [b"k"])]) == [[bytes(sorted(bytes(range(4)) * 30))]]


def test_a_read_sees_all_of_a_step_or_nothing(transactional):
    store, stop, faults = transactional, threading.Event(), []

    def keep_reading():
        while not stop.is_set():
            (one,), (other,) = read(store, [("g:1", [b"k"]), ("h:1", [b"k"])])
            if one != other:
                faults.append((one, other))

    thread = threading.Thread(target=keep_reading)
    thread.start()
    for step in range(200):
        store.apply([delta(step, step, {b"k": b"a"}), delta(step, step, {b"k": b"a"}, group="h:1")])
    stop.set()
    thread.join()
    assert faults == []


def test_a_forked_child_reads_and_writes(opened):
    store = opened()
    if isinstance(store, AwaitedRedis):
        pytest.skip("an event loop doesn't outlive a fork")
    store.apply([delta(0, 0, {b"k": b"a"})])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads, which is what this is about
        child = os.fork()
    if child == 0:
        good = read(store, [("g:1", [b"k"])]) == [[b"a"]] and store.apply([delta(1, 1, {b"k": b"b"})]) == ["applied"]
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert read(store, [("g:1", [b"k"])]) == [[b"ab"]]


def test_a_generation_is_built_beside_the_current_one(store):
    store.apply([delta(0, 9, {b"k": b"a"}, newest=5)])
    name = store.build("g:1")
    assert store.build("g:1") == name, "one is built at a time, and whoever asks goes on with it"
    before = store.status("g:1")
    assert before.generation not in {"", name}
    assert (store.status("g:1", name).applied, store.status("g:1", name).count) == ({}, 0)
    assert store.status("g:1", "never") == NOTHING
    assert store.apply([built(name, 0, 8, {b"k": b"x"})]) == ["applied"]
    assert read(store, [("g:1", [b"k"])]) == [[b"a"]]
    assert store.flip("g:1", name) is False, "it would take away what is visible"
    assert store.status("g:1") == before
    assert store.apply([built(name, 9, 9, {b"j": b"y"})]) == ["applied"]
    assert store.flip("g:1", name) is True
    assert store.flip("g:1", name) is True, "whoever repeats it finds it done"
    assert read(store, [("g:1", [b"k", b"j"])]) == [[b"x", b"y"]]
    after = store.status("g:1")
    assert (after.generation, after.applied, after.count) == (name, {0: 9}, 2)
    assert store.apply([delta(10, 10, {b"k": b"z"})]) == ["applied"]
    assert read(store, [("g:1", [b"k"])]) == [[b"xz"]]


def test_a_first_generation_can_be_built(store):
    name = store.build("g:1")
    assert store.groups() == []
    store.apply([built(name, 0, 4, {b"k": b"x"})])
    assert read(store, [("g:1", [b"k"])]) == [[None]]
    assert store.flip("g:1", name) is True
    assert (store.groups(), read(store, [("g:1", [b"k"])])) == (["g:1"], [[b"x"]])


def test_a_dropped_generation_takes_nothing_in(store):
    store.apply([delta(0, 9, {b"k": b"a"})])
    name = store.build("g:1")
    store.drop("g:1")
    assert store.apply([built(name, 0, 9, {b"k": b"x"})]) == ["overlaps"]
    with pytest.raises(ConflictError, match="dropped"):
        store.flip("g:1", name)
    assert (store.groups(), store.status("g:1"), read(store, [("g:1", [b"k"])])) == ([], NOTHING, [[None]])
    assert store.build("g:1") != name


def test_readers_see_one_generation_while_others_take_its_place(opened):
    store, reader, stop, faults = opened(), opened(), threading.Event(), []
    keys = [str(place).encode() for place in range(20)]
    store.apply([delta(0, 0, dict.fromkeys(keys, b"0"))])

    def keep_reading():
        while not stop.is_set():
            (found,) = reader.read([("g:1", keys)])
            if len(set(found)) != 1 or found[0] is None:
                faults.append(found)

    thread = threading.Thread(target=keep_reading)
    thread.start()
    for step in range(1, 20):
        name = store.build("g:1")
        store.apply([built(name, 0, step, dict.fromkeys(keys, str(step).encode()))])
        assert store.flip("g:1", name)
    stop.set()
    thread.join()
    assert faults == []


def test_positions_are_those_of_the_state_that_was_read(store):
    assert store.read_with_positions([("g:1", [b"k"])]) == [([None], [{}], "")]
    store.apply([delta(0, 4, {b"k": b"a"}), delta(0, 7, {b"j": b"b"}, partition=1)])
    store.apply([delta(5, 5, {b"k": b"c"})])
    name = store.status("g:1").generation
    (found,) = store.read_with_positions([("g:1", [b"k", b"j", None, b"i"])])
    assert ([whole(stored) for stored in found[0]], found[2]) == ([b"ac", b"b", None, None], name)
    assert found[1] == [{0: 5, 1: 7}] * 4


def test_several_groups_are_read_at_once(store):
    store.apply([delta(0, 0, {b"k": b"a"}), delta(0, 0, {b"k": b"b", b"j": b"c"}, group="h:1")])
    requests = [("h:1", [b"j", None, b"k"]), ("nothing:1", [b"k"]), ("g:1", [b"k"]), ("g:1", [None])]
    assert read(store, requests) == [[b"c", None, b"b"], [None], [b"a"], [None]]
    assert [found for found, _, _ in store.read_with_positions(requests)] == store.read(requests)


def test_offsets_and_times_keep_all_their_bits(store):
    last, later = 2**62 + 1, 2**62 + 2
    assert store.apply([delta(0, last, {b"k": b"a"}, partition=2**30, newest=-(2**62))]) == ["applied"]
    assert store.apply([delta(2**62, last, {b"k": b"a"}, partition=2**30)]) == ["skipped"]
    assert store.apply([delta(last, later, {b"k": b"a"}, partition=2**30)]) == ["overlaps"]
    assert store.apply([delta(later, later, {b"k": b"b"}, partition=2**30, newest=-(2**62) + 1)]) == ["applied"]
    status = store.status("g:1")
    assert (status.applied, status.newest) == ({2**30: later}, -(2**62) + 1)
    assert read(store, [("g:1", [b"k"])]) == [[b"ab"]]


def test_many_changes_to_one_key_stay_few_pieces(store):
    for step in range(50):
        store.apply([delta(step // 2, step // 2, {b"k": b"a"}, partition=step % 2)])
    assert read(store, [("g:1", [b"k"])]) == [[b"a" * 50]]
    ((found,),) = store.read([("g:1", [b"k"])])
    assert isinstance(found, bytes) or len(found) <= 9
