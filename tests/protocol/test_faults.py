"""While a store is down the answer is a 503 that says what to do; when it is back the server goes on."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from pathlib import Path

import httpx

import headrace as hr
from servers.headrace import HeadraceServer, headrace_server
from servers.redis import RedisServer
from waiting import PATIENCE, until

from .conftest import make_project

ASKED = {"view": "svc", "entities": {"driver_id": [1], "shop": ["x"]}}
FEAST = {"features": ["shop_stats:size"], "entities": {"shop": ["x"]}}


def online(url, **options):
    return httpx.post(f"{url}/api/v1/features/online", json={**ASKED, **options}, timeout=PATIENCE)


def test_while_redis_is_down_answers_are_503_and_then_right_again(tmp_path, monkeypatch):
    with RedisServer("--appendonly", "yes") as redis:
        monkeypatch.setenv("HEADRACE_ONLINE", redis.url)
        make_project(tmp_path)
        with headrace_server(tmp_path) as url:
            assert online(url).json()["values"]["size"] == [3]
            redis.kill()
            down = online(url)
            assert (down.status_code, down.headers["content-type"]) == (503, "application/problem+json")
            assert down.json()["type"] == "urn:headrace:error:StorageError"
            assert down.headers["retry-after"]
            feast = httpx.post(f"{url}/get-online-features", json=FEAST, timeout=PATIENCE)
            assert (feast.status_code, json.loads(feast.json())["class"]) == (503, "FeastError")
            assert httpx.get(f"{url}/ready", timeout=PATIENCE).status_code == 503
            assert httpx.get(f"{url}/health").status_code == 200
            assert "headrace_stores_up 0.0" in httpx.get(f"{url}/metrics", timeout=PATIENCE).text
            redis.start()
            until(lambda: online(url).status_code != 503, "an answer")
            assert online(url).json()["values"]["size"] == [3]


def test_a_server_whose_redis_is_down_still_starts(tmp_path, monkeypatch):
    with RedisServer("--appendonly", "yes") as redis:
        monkeypatch.setenv("HEADRACE_ONLINE", redis.url)
        make_project(tmp_path)
        redis.kill()
        with headrace_server(tmp_path) as url:
            assert online(url).status_code == 503
            redis.start()
            until(lambda: online(url).status_code != 503, "an answer")
            assert online(url).json()["values"]["size"] == [3]


def test_a_state_kept_for_callers_who_allow_it_outlives_a_store_that_is_down(tmp_path, monkeypatch):
    with RedisServer() as redis:
        monkeypatch.setenv("HEADRACE_ONLINE", redis.url)
        with headrace_server(make_project(tmp_path)) as url:
            assert online(url, max_staleness_s=3600).status_code == 200
            redis.kill()
            assert online(url, max_staleness_s=3600).json()["values"]["size"] == [3]
            assert online(url).status_code == 503


def test_a_damaged_store_is_told_with_what_to_do(tmp_path):
    make_project(tmp_path)
    file = tmp_path / ".headrace" / "online" / "data.mdb"
    file.write_bytes(file.read_bytes()[:5000])
    with headrace_server(tmp_path) as url:
        answer = online(url)
    assert answer.status_code == 503
    assert "headrace materialize" in answer.json()["detail"]


def test_a_request_under_way_is_answered_before_the_server_stops(tmp_path):
    with HeadraceServer(make_project(tmp_path)) as server:
        online(server.url)
        host, _, port = server.url.removeprefix("http://").partition(":")
        body = json.dumps(ASKED).encode()
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
            head = f"POST /api/v1/features/online HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body[:10])
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            connection.sendall(body[10:])
            answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert server.process.wait(PATIENCE) == 0


def test_a_worker_that_is_killed_is_replaced(project):
    with HeadraceServer(project, "--workers", "2") as server:
        for _ in range(20):
            assert online(server.url).status_code == 200
        workers = _workers(server.process.pid, 2)
        os.kill(workers[-1], signal.SIGKILL)
        until(lambda: len(_children(server.process.pid)) == len(workers) and _answers(server.url), "another worker")
        assert all(_answers(server.url) for _ in range(20))
        assert server.stop() == 0


def test_workers_end_when_their_server_is_killed(project):
    with HeadraceServer(project, "--workers", "2") as server:
        workers = _workers(server.process.pid, 2)
        server.process.kill()
        until(lambda: not any(map(_lives, workers)), "the end of its workers")


def test_a_push_through_one_worker_is_read_through_all(tmp_path):
    with headrace_server(make_project(tmp_path), "--workers", "2") as url:
        for size in range(10, 20):
            row = {"shop": "x", "conv": 9.0, "size": size, "event_timestamp": f"2026-01-02T00:00:{size}Z"}
            assert httpx.post(f"{url}/api/v1/push", json={"source": "shops", "rows": [row]}, timeout=PATIENCE).status_code == 200
            assert {online(url).json()["values"]["size"][0] for _ in range(6)} == {size}


def test_definitions_applied_while_it_serves_are_served(tmp_path):
    with headrace_server(make_project(tmp_path)) as url:
        assert httpx.post(f"{url}/api/v1/features/online", json={**ASKED, "view": "late"}).status_code == 404
        with hr.connect(tmp_path) as store:
            group = store.catalog.group("shop_stats").group
            store.apply([hr.FeatureView("late", features=[group])])
        assert online(url, view="late").json()["values"] == {"conv": [9.0], "size": [3]}


def test_garbage_on_the_wire_harms_nobody(url):
    host, _, port = url.removeprefix("http://").partition(":")
    for garbage in b"\x00" * 100, b"GET / HTTP/9.9\r\n\r\n", b"POST /push HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"G" * 100_000:
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(100)
    assert httpx.get(f"{url}/health").status_code == 200


def test_a_client_that_hangs_up_harms_nobody(url):
    host, _, port = url.removeprefix("http://").partition(":")

    def hang_up():
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
            connection.sendall(b"POST /push HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{")

    threads = [threading.Thread(target=hang_up) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert online(url).status_code == 200


def _children(pid):
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text(encoding="ascii").split()]
    return [child for child in found if b"spawn_main" in _command(child)]


def _workers(pid, count):
    return until(lambda: len(found := _children(pid)) >= count and found, f"{count} workers")


def _command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _lives(pid):
    return b"spawn_main" in _command(pid)


def _answers(url):
    try:
        return online(url).status_code == 200
    except httpx.TransportError:
        return False
