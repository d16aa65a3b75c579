"""The server lives, tells how it is, refuses what it can't take, and stops without dropping a request."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import httpx
import pytest

from servers.headrace import HeadraceServer, headrace_server
from waiting import PATIENCE


def test_it_says_that_it_lives_and_that_its_stores_answer(url):
    assert httpx.get(f"{url}/health").text == "OK"
    assert httpx.get(f"{url}/ready", timeout=60).json() == {"catalog": "ok", "online": "ok"}
    assert httpx.get(f"{url}/version").text == "0.1.0"


def test_a_path_that_is_not_there_is_a_problem_document(url):
    answer = httpx.get(f"{url}/nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["detail"] == "nothing is served at /nothing; /docs lists what is"


def test_another_method_is_told_which_ones_there_are(url):
    answer = httpx.post(f"{url}/health")
    assert (answer.status_code, answer.json()["detail"]) == (405, "/health takes GET, not POST")


def test_head_has_the_headers_of_get_and_no_body(url):
    answer = httpx.head(f"{url}/health")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "2")


def test_a_request_keeps_the_id_that_it_came_with(url):
    assert httpx.get(f"{url}/health", headers={"x-request-id": "trace-1"}).headers["x-request-id"] == "trace-1"
    made = [
        httpx.get(f"{url}/health", headers={"x-request-id": given}).headers["x-request-id"] for given in ("", "a\tb", "x" * 200)
    ]
    assert len(set(made)) == 3
    assert all(len(name) < 40 for name in made)


def test_another_host_name_is_refused(url):
    answer = httpx.get(f"{url}/version", headers={"host": "evil.example"})
    assert (answer.status_code, answer.json()["type"]) == (421, "urn:headrace:error:WrongHostError")
    assert httpx.get(f"{url}/version", headers={"origin": "http://evil.example"}).status_code == 403


def test_requests_are_counted_by_route(url):
    httpx.get(f"{url}/version")
    lines = httpx.get(f"{url}/metrics", timeout=60).text.splitlines()
    assert any(line.startswith('headrace_http_requests_total{method="GET",route="/version",status="200"}') for line in lines)
    assert "headrace_stores_up 1.0" in lines


def test_who_holds_the_catalog_keeps_those_waiting_who_write_and_nobody_else(project, url):
    api = f"{url}/api/2.0/mlflow/runs"
    run_id = httpx.post(f"{api}/create", json={"experiment_id": "0"}).json()["run"]["info"]["run_id"]
    point = {"run_id": run_id, "key": "loss", "value": 0.5, "timestamp": 1, "step": 1}
    httpx.get(f"{api}/get", params={"run_id": run_id})  # who reads brings it into the tables, if the server hasn't yet
    with closing(sqlite3.connect(project / ".headrace" / "catalog.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(httpx.post, f"{api}/log-metric", json=point, timeout=60)
            for _ in range(20):
                assert httpx.get(f"{url}/health").status_code == 200
                assert httpx.get(f"{api}/get", params={"run_id": run_id}).json()["run"]["data"].get("metrics") is None
            assert not coming.done()
            other.execute("ROLLBACK")
            assert coming.result(60).json() == {}
    assert httpx.get(f"{api}/get", params={"run_id": run_id}).json()["run"]["data"]["metrics"][0]["value"] == 0.5


def test_a_body_beyond_the_limit_is_refused_whether_it_says_so_or_not(project):
    def pieces():
        for _ in range(3):
            yield b"x" * (1 << 20)

    with headrace_server(project, "--max-body-mb", "1") as url:
        assert httpx.post(f"{url}/version", content=b"{}").status_code == 405
        said = httpx.request("GET", f"{url}/version", content=b"x" * (2 << 20))
        assert (said.status_code, said.json()["type"]) == (413, "urn:headrace:error:BodyTooLargeError")
        assert httpx.request("GET", f"{url}/version", content=pieces()).status_code == 413


def test_each_request_is_a_line_of_the_log(project):
    with HeadraceServer(project) as server:
        httpx.get(f"{server.url}/version", headers={"x-request-id": "seen"})
        assert server.stop() == 0
    lines = [json.loads(line) for line in server.said.splitlines() if line.startswith("{")]
    assert [(line["method"], line["path"], line["status"]) for line in lines if line["request_id"] == "seen"] == [
        ("GET", "/version", 200)
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_without_an_error(project, number):
    with HeadraceServer(project, "--no-access-log") as server:
        server.process.send_signal(number)
        assert server.process.wait(PATIENCE) == 0
    assert "Traceback" not in server.said


def test_several_workers_share_a_port_and_their_counts(project):
    with headrace_server(project, "--workers", "2") as url:
        for _ in range(20):  # the address is told before the workers are there
            assert httpx.get(f"{url}/version", timeout=60).status_code == 200
        text = httpx.get(f"{url}/metrics", timeout=60).text
    assert 'headrace_http_requests_total{method="GET",route="/version",status="200"} 20.0' in text


def test_the_catalog_may_be_named_on_the_command_line_where_no_project_is(tmp_path):
    (tmp_path / "empty").mkdir()
    database = tmp_path / "elsewhere.db"
    with headrace_server(tmp_path / "empty", "--catalog", f"sqlite:///{database}", "--workers", "2") as url:
        httpx.post(f"{url}/api/2.0/mlflow/experiments/create", json={"name": "ranker"}, timeout=60).raise_for_status()
    with closing(sqlite3.connect(database)) as catalog:
        assert catalog.execute("SELECT name FROM experiments ORDER BY name").fetchall() == [("Default",), ("ranker",)]
    assert not (tmp_path / "empty" / ".headrace" / "catalog.db").exists()


def test_an_empty_folder_becomes_a_project(tmp_path):
    with HeadraceServer(tmp_path) as server:
        assert httpx.get(f"{server.url}/health", timeout=60).text == "OK"
    assert "was no project" in server.said
    assert (tmp_path / ".headrace" / "catalog.db").is_file()


def test_a_port_in_use_is_told_in_a_line(project):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = HeadraceServer(project, "--port", str(taken.getsockname()[1]))
        with pytest.raises(RuntimeError, match=r"error: can.t listen on 127\.0\.0\.1:.*take another --port"):
            server.__enter__()
