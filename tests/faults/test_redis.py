"""Redis that dies, fills up, forgets or holds what isn't ours, and killed workers: a clear error or recovery, nothing doubled."""

from __future__ import annotations

import contextlib
import random
import subprocess
import threading
import time
import uuid

import pandas as pd
import pytest
import redis

import headrace as hr
from faults.redis_worker import GROUP, KEYS, STEPS, changes_of, merge_tokens, work
from headrace.errors import IntegrityError, SettingsError, StorageError
from headrace.online.redis.store import RedisOnlineStore
from headrace.online.redis.writer import RedisWriter, _Task
from headrace.online.store import NOTHING, Delta
from servers.forked import forked, shared_number
from servers.ports import free_port
from servers.redis import RedisServer, redis_server
from waiting import until


def delta(first, last, changes, partition=0, **more):
    return Delta(GROUP, partition, first, last, changes, None, merge_tokens, **more)


def read(store, keys):
    ((*found,),) = store.read([(GROUP, keys)])
    return [merge_tokens(*stored) if isinstance(stored, tuple) else stored for stored in found]


def token(number):
    return number.to_bytes(4, "big")


@pytest.fixture(params=["redis", "redis-cluster"])
def url(request):
    base = request.getfixturevalue("redis_url" if request.param == "redis" else "redis_cluster_url")
    return f"{base}?prefix={uuid.uuid4().hex}"


@pytest.fixture
def opened(request):
    """Opens stores, and closes them."""
    stores = []

    def open_store(url):
        stores.append(RedisOnlineStore(url))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


# who isn't there, or doesn't let us in


def test_a_redis_that_is_down_is_named_without_its_password():
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(StorageError, match=f"redis://{address}/0 can't be reached.*'online'") as caught:
        RedisOnlineStore(f"redis://me:secret@{address}/0")
    assert "secret" not in str(caught.value)


def test_a_wrong_password_is_told_at_once(opened):
    with RedisServer("--requirepass", "right") as server:
        with pytest.raises(StorageError, match="refuses the user or password") as caught:
            RedisOnlineStore(f"redis://:wrong@127.0.0.1:{server.port}")
        assert "wrong" not in str(caught.value).replace("wrong number", "")
        with pytest.raises(StorageError, match="refuses the user or password"):
            RedisOnlineStore(f"redis://127.0.0.1:{server.port}")
        store = opened(f"redis://:right@127.0.0.1:{server.port}")
        assert store.apply([delta(0, 0, {b"k": token(1)})]) == ["applied"]


def test_the_rights_that_the_manual_names_are_enough(opened):
    rights = ["~hr:*", "+@read", "+@write", "+@scripting", "+@connection", "+info"]
    with RedisServer() as server:
        with redis.Redis(port=server.port) as admin:
            admin.execute_command("ACL", "SETUSER", "writer", "on", ">word", *rights)
            admin.execute_command("ACL", "SETUSER", "reader", "on", ">word", "~hr:*", "+@read", "+@connection", "+info")
        store, reader = (opened(f"redis://{name}:word@127.0.0.1:{server.port}/0") for name in ("writer", "reader"))
        for step in range(12):
            assert store.apply([delta(step, step, {b"k": token(step)})]) == ["applied"]
        name = store.build(GROUP)
        store.apply([delta(0, 11, {b"k": token(1)}, generation=name)])
        assert store.flip(GROUP, name)
        assert read(store, [b"k"]) == [token(1)]
        with pytest.raises(StorageError, match="doesn't let this user do so"):
            reader.apply([delta(12, 12, {b"k": token(2)})])
        store.drop(GROUP)
        assert store.groups() == []


def test_tls_is_spoken_and_an_unknown_certificate_refused(opened, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-keyout",
        key,
        "-out",
        certificate,
        *subject,
    ]
    subprocess.run(command, check=True, capture_output=True)
    port = free_port()
    options = (
        "--tls-port",
        str(port),
        "--tls-cert-file",
        str(certificate),
        "--tls-key-file",
        str(key),
        "--tls-auth-clients",
        "no",
    )
    with RedisServer(*options):
        store = opened(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}")
        assert store.apply([delta(0, 0, {b"k": token(1)})]) == ["applied"]
        assert read(store, [b"k"]) == [token(1)]
        with pytest.raises(StorageError, match=r"can't be reached.*certificate"):
            RedisOnlineStore(f"rediss://127.0.0.1:{port}/0")


def test_a_url_that_cannot_be_used_is_a_setting_to_mend(redis_url, redis_cluster_url):
    for bad in ("redis://localhost:port", f"{redis_url}?colour=red", f"{redis_url}?prefix=a*b"):
        with pytest.raises(SettingsError, match="setting 'online'"):
            RedisOnlineStore(bad)
    with pytest.raises(SettingsError, match="isn't a cluster; write redis://"):
        RedisOnlineStore(redis_url.replace("redis://", "redis+cluster://").removesuffix("/0"))
    node = redis_cluster_url.replace("redis+cluster://", "redis://").partition(",")[0]
    with pytest.raises(StorageError, match=r"write redis\+cluster://"):
        store = RedisOnlineStore(node)
        store.apply([delta(0, 0, dict.fromkeys(KEYS, token(1)))])
    store.close()


def test_a_replica_refuses_writes_and_says_what_it_is(redis_url, opened):
    with RedisServer("--replicaof", "127.0.0.1", redis_url.rpartition(":")[2].partition("/")[0]) as replica:
        store = opened(replica.url)
        with pytest.raises(StorageError, match=r"is a replica.*address of its primary"):
            store.apply([delta(0, 0, {b"k": token(1)})])


def test_a_policy_that_throws_values_away_is_told():
    options = ("--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru")
    with redis_server(*options) as url, pytest.warns(RuntimeWarning, match=r"allkeys-lru.*noeviction"):
        RedisOnlineStore(url).close()


# what dies and comes back


def test_readers_and_writers_go_on_when_redis_is_back(opened):
    with RedisServer("--appendonly", "yes", "--appendfsync", "always") as server:
        store, other = opened(server.url), opened(server.url)
        store.apply([delta(0, 9, {b"k": token(1)})])
        assert read(other, [b"k"]) == [token(1)]
        server.kill()
        with pytest.raises(StorageError, match="can't be reached"):
            store.read([(GROUP, [b"k"])])
        with pytest.raises(StorageError, match="can't be reached"):
            store.apply([delta(10, 19, {b"k": token(2)})])
        server.start()
        assert read(store, [b"k"]) == [token(1)]
        assert other.apply([delta(10, 19, {b"k": token(2)})]) == ["applied"]
        assert read(store, [b"k"]) == [token(1) + token(2)]


def test_a_short_absence_is_waited_for(opened, monkeypatch):
    monkeypatch.setattr("headrace.online.redis.client.PAUSES", [0.05] * 600)  # short for a machine that has much to do
    with RedisServer("--appendonly", "yes", "--appendfsync", "always") as server:
        store = opened(server.url)
        store.apply([delta(0, 9, {b"k": token(1)})])
        server.kill()
        back = threading.Timer(0.1, server.start)
        back.start()
        assert read(store, [b"k"]) == [token(1)]
        back.join()


@pytest.mark.parametrize("pause", [0.001, 0.01, 0.03, 0.06])
def test_a_write_cut_off_by_the_end_of_redis_is_completed_once(opened, pause):
    keys = [str(number).encode() for number in range(20_000)]
    with RedisServer("--appendonly", "yes", "--appendfsync", "everysec") as server:
        store = opened(server.url)
        store.apply([delta(0, 9, dict.fromkeys(keys, token(1)))])
        killer = threading.Timer(pause, server.kill)
        killer.start()
        change = delta(10, 19, dict.fromkeys(keys, token(2)))
        with contextlib.suppress(StorageError):
            store.apply([change])
        killer.join()
        server.start()
        status = store.status(GROUP)
        assert status.begun in ({}, {0: (10, 19)})
        assert store.apply([change]) in (["applied"], ["skipped"])
        assert set(read(store, keys)) == {token(1) + token(2)}
        assert (store.status(GROUP).applied, store.status(GROUP).begun, store.status(GROUP).count) == ({0: 19}, {}, len(keys))


def test_scripts_that_redis_has_forgotten_are_sent_again(url, opened):
    store = opened(url)
    store.apply([delta(0, 0, {b"k": token(1)})])
    for node in store._client.masters():
        node.exchange(b"*2\r\n$6\r\nSCRIPT\r\n$5\r\nFLUSH\r\n")
    assert store.apply([delta(1, 1, dict.fromkeys(KEYS, token(2)))]) == ["applied"]
    assert set(read(store, KEYS)) == {token(2)}


# what is full, forgotten or not ours


def test_a_full_redis_loses_nothing(opened):
    keys = [str(number).encode() for number in range(5_000)]
    changes = {key: token(1) * 250 for key in keys}
    with redis_server("--maxmemory", "4mb") as url:
        store = opened(url)
        store.apply([delta(0, 9, dict.fromkeys(keys[:100], token(0)))])
        with pytest.raises(StorageError, match="full"):
            store.apply([delta(10, 19, changes)])
        status = store.status(GROUP)
        assert (status.applied, status.begun) == ({0: 9}, {0: (10, 19)})
        with redis.Redis.from_url(url) as client:
            client.config_set("maxmemory", "100mb")
        assert store.apply([delta(10, 11, {})]) == ["overlaps"], "only what was begun comes next"
        assert store.apply([delta(10, 19, changes)]) == ["applied"]
        assert read(store, keys) == [token(0) + changes[key] for key in keys[:100]] + [changes[key] for key in keys[100:]]
        assert store.status(GROUP).count == len(keys)


def test_what_another_program_wrote_is_told(url, opened):
    store = opened(url)
    store.apply([delta(0, 0, {b"k": token(1), b"other": token(1)})])
    [name] = store._layout.names(store._layout.values(store.status(GROUP).generation), [b"k"])
    spoil(store, [b"SET", name, b"hello"])
    with pytest.raises(IntegrityError, match=r"b'k'.*another program.*prefix.*materialize --rebuild"):
        store.read([(GROUP, [b"k"])])
    with pytest.raises(IntegrityError, match="b'k'"):
        store.apply([delta(1, 1, {b"k": token(2)})])
    spoil(store, [b"DEL", name])
    spoil(store, [b"HSET", name, b"field", b"value"])
    with pytest.raises(IntegrityError, match="b'k'"):
        store.apply([delta(1, 1, {b"k": token(2)})])
    assert read(store, [b"other"]) == [token(1)]


def test_a_pointer_of_another_type_is_told(url, opened):
    store = opened(url)
    spoil(store, [b"HSET", store._layout.pointer(GROUP), b"field", b"value"])
    with pytest.raises(IntegrityError, match=r"another type.*prefix"):
        store.status(GROUP)


def spoil(store, command):
    from headrace.online.redis.client import command as packed

    store._client.run([packed(*command)])


def test_what_was_flushed_away_meanwhile_isnt_taken_for_applied(url, opened, monkeypatch):
    store = opened(url)
    store.apply([delta(0, 9, {b"k": token(1)})])
    commit = RedisWriter._commit

    def flush_before(writer, tasks):
        for node in writer._client.masters():
            node.exchange(b"*1\r\n$8\r\nFLUSHALL\r\n")
        monkeypatch.setattr(RedisWriter, "_commit", commit)
        commit(writer, tasks)

    monkeypatch.setattr(RedisWriter, "_commit", flush_before)
    assert store.apply([delta(10, 19, {b"k": token(2)})]) == ["overlaps"]
    assert (store.status(GROUP), store.groups(), read(store, [b"k"])) == (NOTHING, [], [None])
    assert store.apply([delta(0, 9, {b"k": token(1)}), delta(10, 19, {b"k": token(2)})]) == ["applied"] * 2
    assert read(store, [b"k"]) == [token(1) + token(2)]


def test_a_flushed_redis_is_rebuilt_without_counting_twice(tmp_path):
    events = hr.EventSource("clicks", timestamp="at", stream="clicks", schema={"user": "int64", "at": "timestamp"})
    users = hr.Entity("user", keys={"user": "int64"})
    group = hr.FeatureGroup("clicking", entity=users, source=events, features={"clicks": hr.count()})
    at = pd.Timestamp("2026-01-01", tz="UTC")
    rows = pd.DataFrame({"user": [1, 1, 2], "at": [at] * 3})
    with redis_server() as url:
        (tmp_path / "headrace.toml").write_text(f'online = "{url}"', encoding="utf-8")
        store = hr.connect(tmp_path)
        store.apply([hr.FeatureView("clicked", features=[group])])
        store.write("clicks", rows)
        store.push("clicks", rows)
        store.materialize()
        asked = lambda: store.online_features("clicked", {"user": [1, 2, 3]}).to_dict()["clicks"]
        assert asked() == [4, 2, 0]
        with redis.Redis.from_url(url) as client:
            client.flushall()
        assert asked() == [0, 0, 0]
        store.materialize()
        assert asked() == [4, 2, 0]
        store.push("clicks", rows)
        assert asked() == [6, 3, 0]
        store.materialize()
        assert asked() == [6, 3, 0]
        store.close()


def test_what_comes_after_something_forgotten_is_refused(url, opened):
    store = opened(url)
    store.apply([delta(0, 9, {b"k": token(1)})])
    for node in store._client.masters():
        node.exchange(b"*1\r\n$8\r\nFLUSHALL\r\n")
    assert store.apply([delta(10, 19, {b"k": token(2)})]) == ["overlaps"]
    assert store.groups() == [], "half of the rows would look like all of them"


# who is killed, or wakes up late


def test_a_writer_that_wakes_up_late_changes_nothing(url, opened):
    store, late = opened(url), opened(url)
    store.apply([delta(0, 9, {b"k": token(1)})])
    change = delta(10, 19, {b"k": token(2), b"j": token(2)})
    tasks = [_Task(change)]
    late._writer._begin(tasks)
    assert store.status(GROUP).begun == {0: (10, 19)}
    assert store.apply([change, delta(20, 29, {b"k": token(3)})]) == ["applied"] * 2
    late._writer._write(tasks)
    late._writer._commit(tasks)
    assert tasks[0].outcome == "skipped"
    assert read(store, [b"k", b"j"]) == [token(1) + token(2) + token(3), token(2)]
    assert (store.status(GROUP).applied, store.status(GROUP).count) == ({0: 29}, 2)


def test_a_writer_to_a_generation_that_was_dropped_leaves_nothing(url, opened):
    store, late = opened(url), opened(url)
    store.apply([delta(0, 9, {b"k": token(1)})])
    tasks = [_Task(delta(10, 19, dict.fromkeys(KEYS, token(2))))]
    late._writer._begin(tasks)
    store.drop(GROUP)
    late._writer._write(tasks)
    late._writer._commit(tasks)
    assert tasks[0].outcome == "overlaps"
    start = store._layout.prefix.encode()
    found = {key for node in store._client.masters() for key in node.exchange(scan(start))[0][1]}
    assert {key.removeprefix(start + b":") for key in found} <= {b"groups", b"g:{g:1}"}


def scan(start):
    from headrace.online.redis.connection import pack_command

    return pack_command(b"SCAN", b"0", b"MATCH", start + b"*", b"COUNT", b"100000")


def test_killed_workers_on_one_group_lose_and_double_nothing(url, opened):
    partitions, chance = range(3), random.Random(4)
    store = opened(url)
    cut_off = 0
    for _ in range(8):
        workers = start(url, partitions)
        reached = store.status(GROUP).applied
        until(lambda reached=reached, ran=workers: store.status(GROUP).applied != reached or ended(ran), "a step of a worker")
        time.sleep(chance.uniform(0.0, 0.05))
        for worker in workers:
            worker.kill()
        end(workers)
        cut_off += len(store.status(GROUP).begun)
    assert cut_off > 0, "nobody was killed at work"
    assert end(start(url, partitions)) == [0, 0, 0]
    assert store.status(GROUP).applied == dict.fromkeys(partitions, STEPS * 10 - 1)
    assert store.status(GROUP).begun == {}
    want = dict.fromkeys(KEYS)
    for partition in partitions:
        for step in range(STEPS):
            for key, change in changes_of(partition, step).items():
                want[key] = merge_tokens(want[key], change)
    assert dict(zip(KEYS, read(store, KEYS), strict=True)) == want


def start(url, partitions):
    """A worker for each partition; all of them ready before the first begins."""
    go, ready = shared_number(0), [shared_number(0) for _ in partitions]
    workers = [forked(work, url, partition, own, go) for partition, own in zip(partitions, ready, strict=True)]
    until(lambda: all(own.value for own in ready), "all workers")
    go.value = 1
    return workers


def ended(workers):
    return not any(worker.is_alive() for worker in workers)


def end(workers):
    for worker in workers:
        worker.join()
    return [worker.exitcode for worker in workers]
