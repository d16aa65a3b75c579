"""Reads of Redis by an event loop: many at once on one connection, and what becomes of them when Redis fails them."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import redis

from headrace.errors import IntegrityError, StorageError
from headrace.online.redis.store import RedisOnlineStore
from headrace.online.store import Delta
from servers.ports import free_port
from servers.redis import RedisServer
from waiting import PATIENCE, until

GROUP = "g:1"


def merge(stored, *changes):
    return b"".join([stored or b"", *changes])


def fill(store, states, last=0, generation=None):
    assert store.apply([Delta(GROUP, 0, 0, last, states, None, merge, generation=generation)]) == ["applied"]


def opened(url):
    return closing(RedisOnlineStore(url if "prefix" in url else f"{url}?prefix={uuid.uuid4().hex}"))


def serve(work):
    """Run a coroutine on an event loop of its own, as a server would: what is closed at its end is gone."""

    async def whole():
        found = await work()
        await asyncio.sleep(0.01)
        return found

    return asyncio.run(whole())


def connections(url):
    with redis.Redis.from_url(url.partition("?")[0]) as admin:
        return int(admin.info("stats")["total_connections_received"])


def test_all_reads_of_a_loop_share_one_connection_and_each_gets_its_own(redis_url):
    keys = [b"%d" % number for number in range(300)]
    with opened(redis_url) as store:
        fill(store, {key: b"of " + key for key in keys})

        async def work():
            before = connections(redis_url)
            found = await asyncio.gather(*[store.async_read([(GROUP, [key, None, b"none"])]) for key in keys])
            made = connections(redis_url) - before - 1  # the one that counts
            store.close()
            return found, made

        found, made = serve(work)
    assert found == [[[b"of " + key, None, None]] for key in keys]
    assert made == 1


def test_two_loops_have_a_connection_each(redis_url):
    with opened(redis_url) as store:
        fill(store, {b"k": b"one"})
        done = [threading.Event(), threading.Event()]

        def reads(mine):
            async def work():
                found = [await store.async_read([(GROUP, [b"k"])]) for _ in range(50)]
                mine.set()
                await asyncio.to_thread(all, [event.wait(PATIENCE) for event in done])
                store.close()  # of both; the second finds nothing to close
                return found

            return serve(work)

        before = connections(redis_url)
        with ThreadPoolExecutor() as threads:
            assert [*threads.map(reads, done)] == [[[[b"one"]]] * 50] * 2
        assert connections(redis_url) - before - 1 == 2


def test_a_read_that_nobody_waits_for_any_more_does_not_shift_the_others(redis_url):
    with opened(redis_url) as store:
        fill(store, {b"a": b"1", b"b": b"2"})

        async def work():
            await store.async_read([(GROUP, [b"a"])])
            for _ in range(20):
                gone = asyncio.ensure_future(store.async_read([(GROUP, [b"a"])]))
                stays = asyncio.ensure_future(store.async_read([(GROUP, [b"b"])]))
                await asyncio.sleep(0)
                gone.cancel()
                assert await stays == [[b"2"]]
            store.close()

        serve(work)


def test_a_read_is_of_one_generation_whatever_is_flipped_meanwhile(redis_url):
    keys = [b"%d" % number for number in range(50)]
    with opened(redis_url) as store:
        fill(store, dict.fromkeys(keys, b"0"))
        done, seen = threading.Event(), set()

        def flip():
            for number in range(1, 30):
                name = store.build(GROUP)
                fill(store, dict.fromkeys(keys, b"%d" % number), generation=name)
                assert store.flip(GROUP, name)
                until(lambda number=number: len(seen) >= number // 5, "a read between flips")
            done.set()

        async def work():
            flipping = asyncio.ensure_future(asyncio.to_thread(flip))
            while not done.is_set() and not flipping.done():
                for found in await asyncio.gather(*[store.async_read([(GROUP, keys)]) for _ in range(8)]):
                    (states,) = found
                    assert len(set(states)) == 1
                    seen.add(states[0])
            await flipping
            assert await store.async_read([(GROUP, [b"1"])]) == [[b"29"]]
            store.close()

        serve(work)
    assert None not in seen
    assert len(seen) > 3


def test_reads_under_way_when_redis_dies_are_told_or_answered_and_later_ones_go_on(monkeypatch):
    with RedisServer("--appendonly", "yes", "--appendfsync", "always") as server, opened(server.url) as store:
        fill(store, {b"k": b"one"})

        async def read():
            try:
                return await store.async_read([(GROUP, [b"k"])])
            except StorageError as error:
                return str(error)

        async def work():
            assert await read() == [[b"one"]]
            under_way = [asyncio.ensure_future(read()) for _ in range(50)]
            await asyncio.sleep(0)
            server.kill()
            under_way += [asyncio.ensure_future(read()) for _ in range(50)]
            outcomes = await asyncio.gather(*under_way)
            assert all(outcome == [[b"one"]] or "can't be reached" in outcome for outcome in outcomes)
            assert "can't be reached" in outcomes[-1]
            await asyncio.to_thread(server.start)
            assert await read() == [[b"one"]]
            monkeypatch.setattr("headrace.online.redis.waiting.PAUSES", [0.05] * 600)
            under_way = [asyncio.ensure_future(read()) for _ in range(20)]
            server.kill()
            await asyncio.to_thread(server.start)  # a short absence is waited for
            assert await asyncio.gather(*under_way) == [[[b"one"]]] * 20
            store.close()

        serve(work)


def test_a_redis_that_does_not_answer_is_given_up_and_asked_again_later():
    with RedisServer() as server, opened(f"{server.url}?socket_timeout=0.1&prefix=p") as store:
        fill(store, {b"k": b"one"})

        async def work():
            assert await store.async_read([(GROUP, [b"k"])]) == [[b"one"]]
            server.stop()
            reads = [store.async_read([(GROUP, [b"k"])]) for _ in range(20)]
            outcomes = await asyncio.gather(*reads, return_exceptions=True)  # all wait together, not one after the other
            assert {type(outcome) for outcome in outcomes} == {StorageError}
            assert all("doesn't answer" in str(outcome) for outcome in outcomes)
            server.go_on()
            deadline, found = time.monotonic() + PATIENCE, None
            while found is None and time.monotonic() < deadline:
                with contextlib.suppress(StorageError):
                    found = await store.async_read([(GROUP, [b"k"])])
            assert found == [[b"one"]]
            store.close()

        serve(work)


def test_what_another_program_wrote_is_told(redis_url):
    with opened(redis_url) as store:
        fill(store, {b"k": b"one", b"other": b"two"})
        name = store._layout.names(store._layout.values(store.status(GROUP).generation), [b"k"])[0]
        client = redis.Redis.from_url(redis_url)

        async def work():
            assert await store.async_read([(GROUP, [b"k"])]) == [[b"one"]]
            client.set(name, b"\x05garbage")
            with pytest.raises(IntegrityError, match="didn't write"):
                await store.async_read([(GROUP, [b"k"])])
            assert await store.async_read([(GROUP, [b"other"])]) == [[b"two"]]
            client.delete(store._layout.pointer(GROUP))
            client.lpush(store._layout.pointer(GROUP), b"x")
            store._reader._known.clear()
            with pytest.raises(IntegrityError, match="another type"):
                await store.async_read([(GROUP, [b"k"])])
            store.close()

        serve(work)
        client.close()


def test_a_password_a_database_and_tls_are_used_as_the_url_says(tmp_path):
    key, certificate, port = tmp_path / "key.pem", tmp_path / "certificate.pem", free_port()
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = [
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
    subprocess.run(made, check=True, capture_output=True)
    files = ["--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-auth-clients", "no"]
    with RedisServer("--tls-port", str(port), *files, "--requirepass", "right") as server:
        url = f"rediss://:right@127.0.0.1:{port}/3?ssl_ca_certs={certificate}&prefix=p"
        with opened(url) as store:
            fill(store, {b"k": b"one"})

            async def work():
                found = await asyncio.gather(*[store.async_read([(GROUP, [b"k"])]) for _ in range(20)])
                with redis.Redis(port=server.port, password="right") as admin:
                    admin.execute_command("CONFIG", "SET", "requirepass", "other")
                    admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                with pytest.raises(StorageError, match="refuses the user or password") as caught:
                    await store.async_read([(GROUP, [b"k"])])
                assert "right" not in str(caught.value)
                store.close()
                return found

            assert serve(work) == [[[b"one"]]] * 20
