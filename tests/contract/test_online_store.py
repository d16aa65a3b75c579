"""What every online store keeps: deltas land once and together, reads see one moment."""

from __future__ import annotations

import os
import threading
import time
import warnings

import pytest

from headrace.online.embedded import EmbeddedOnlineStore
from headrace.online.store import Delta

BACKENDS = ["embedded"]


@pytest.fixture(params=BACKENDS)
def opened(request, tmp_path):
    """Opens the same store again and again."""
    stores = []

    def open_store():
        stores.append(EmbeddedOnlineStore(tmp_path / "online", map_size=1 << 20))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


@pytest.fixture
def store(opened):
    return opened()


def concat(stored, change):
    return bytes(sorted((stored or b"") + change))


def delta(first, last, changes, partition=0, group="g:1", newest=None):
    return Delta(group, partition, first, last, changes, newest, concat)


def test_a_delta_lands_once(store):
    one = delta(0, 4, {b"k": b"a"})
    assert store.apply([one]) == ["applied"]
    assert store.apply([one]) == ["skipped"]
    assert store.apply([delta(2, 3, {b"k": b"x"})]) == ["skipped"]
    assert store.apply([delta(4, 6, {b"k": b"x"})]) == ["overlaps"]
    assert store.apply([delta(5, 6, {b"k": b"b"})]) == ["applied"]
    assert store.read([("g:1", [b"k"])]) == [[b"ab"]]
    assert store.status("g:1").applied == {0: 6}


def test_partitions_have_their_own_offsets(store):
    assert store.apply([delta(0, 9, {b"k": b"a"}), delta(0, 3, {b"k": b"b"}, partition=-1)]) == ["applied", "applied"]
    assert store.status("g:1").applied == {0: 9, -1: 3}
    assert store.read([("g:1", [b"k"])]) == [[b"ab"]]


def test_each_delta_of_a_step_is_judged_by_itself(store):
    store.apply([delta(0, 4, {})])
    outcome = store.apply(
        [delta(0, 4, {b"k": b"x"}), delta(3, 5, {b"k": b"y"}), delta(5, 5, {b"k": b"z"}), delta(6, 6, {b"k": b"a"})]
    )
    assert outcome == ["skipped", "overlaps", "applied", "applied"]
    assert store.read([("g:1", [b"k"])]) == [[b"az"]]


def test_a_failing_step_changes_nothing(store):
    def broken(_stored, _change):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        store.apply([delta(0, 1, {b"k": b"a"}), Delta("h:1", 0, 0, 1, {b"k": b"a"}, 5, broken)])
    assert store.groups() == []
    assert store.read([("g:1", [b"k"])]) == [[None]]


def test_gaps_in_offsets_are_allowed_and_empty_deltas_move_on(store):
    store.apply([delta(100, 200, {}, newest=None)])
    assert store.status("g:1").applied == {0: 200}
    assert store.status("g:1").newest is None
    assert store.apply([delta(150, 200, {})]) == ["skipped"]


def test_unknown_groups_and_keys_are_empty(store):
    assert store.read([("nothing:1", [b"a", None]), ("g:1", [])]) == [[None, None], []]
    assert (store.status("nothing:1").applied, store.status("nothing:1").newest, store.status("nothing:1").count) == ({}, None, 0)
    store.apply([delta(0, 0, {b"k": b"a"})])
    assert store.read([("g:1", [b"l", None, b"k", b"k"])]) == [[None, None, b"a", b"a"]]


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
        store.apply([delta(0, 0, {b"k": group.encode()}, group=group)])
    store.drop("g:1")
    store.drop("nothing:1")
    assert store.groups() == ["g:11", "h:1"]
    assert store.read([("g:1", [b"k"]), ("g:11", [b"k"])])[0] == [None]
    assert store.read([("g:11", [b"k"])]) == [[bytes(sorted(b"g:11"))]]
    assert store.apply([delta(0, 0, {b"j": b"new"})]) == ["applied"]
    assert store.read([("g:1", [b"k", b"j"])]) == [[None, b"enw"]]
    assert store.status("g:1").count == 1


def test_long_keys_and_large_states_are_kept_apart(store):
    base = b"x" * 1_000_000
    changes = {b"": b"0", base: b"1", base + b"y": b"2", b"x" * 400: b"3", b"x" * 399: b"4", b"big": b"z" * 3_000_000}
    store.apply([delta(0, 0, changes)])
    keys = list(changes)
    assert store.read([("g:1", keys)]) == [[bytes(changes[key]) for key in keys]]
    assert store.status("g:1").count == len(changes)
    store.apply([delta(1, 1, {base: b"5"})])
    assert store.read([("g:1", [base])]) == [[b"15"]]


def test_two_openings_of_one_store_see_the_same(opened):
    one, other = opened(), opened()
    one.apply([delta(0, 0, {b"k": b"a"})])
    assert other.apply([delta(0, 0, {b"k": b"a"})]) == ["skipped"]
    one.close()
    assert other.read([("g:1", [b"k"])]) == [[b"a"]]
    again = opened()
    assert again.read([("g:1", [b"k"])]) == [[b"a"]]


def test_it_grows_while_others_read(opened):
    store = opened()
    store.apply([delta(0, 0, {b"k": b"a"})])
    stop, faults = threading.Event(), []

    def keep_reading():
        while not stop.is_set():
            if store.read([("g:1", [b"k"])]) != [[b"a"]]:
                faults.append("lost")
            time.sleep(0.0001)

    threads = [threading.Thread(target=keep_reading) for _ in range(3)]
    for thread in threads:
        thread.start()
    for step in range(1, 9):
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
    assert store.read([("g:1", [b"k"])]) == [[bytes(sorted(bytes(range(4)) * 30))]]


def test_a_read_sees_all_of_a_step_or_nothing(opened):
    store, stop, faults = opened(), threading.Event(), []

    def keep_reading():
        while not stop.is_set():
            (one,), (other,) = store.read([("g:1", [b"k"]), ("h:1", [b"k"])])
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
    store.apply([delta(0, 0, {b"k": b"a"})])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads, which is what this is about
        child = os.fork()
    if child == 0:
        good = store.read([("g:1", [b"k"])]) == [[b"a"]] and store.apply([delta(1, 1, {b"k": b"b"})]) == ["applied"]
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.read([("g:1", [b"k"])]) == [[b"ab"]]
