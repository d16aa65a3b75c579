"""The tracking server under MLflow's protocol, killed, cut off from its database, told to stop: what it acknowledged stays."""

from __future__ import annotations

import hashlib
import http.client
import os
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from servers.headrace import HeadraceServer
from servers.mlflow import ENVIRONMENT, PYTHON
from servers.ports import free_port
from servers.proxy import Proxy
from waiting import PATIENCE, until

API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts"
POINTS = 20
T = 1_700_000_000_000


def new_run(url, **body):
    made = httpx.post(f"{url}{API}/runs/create", json={"experiment_id": "0", **body}, timeout=PATIENCE)
    assert made.status_code == 200, made.text
    return made.json()["run"]["info"]


class Writer(threading.Thread):
    """Logs batches to a run as MLflow's client does: one after the other, and each again until it is acknowledged.

    Attributes:
        acknowledged: how many batches were.
        met: what else was met on the way: statuses, and kinds of cut connections.
    """

    def __init__(self, url, run):
        super().__init__()
        self.url, self.run_id = url, run
        self.acknowledged = 0
        self.met = Counter()
        self.refusals = []
        self.done = threading.Event()

    def run(self):
        with httpx.Client(timeout=30) as client:
            while not self.done.is_set():
                if self.send(client):
                    self.acknowledged += 1

    def send(self, client):
        first = self.acknowledged * POINTS
        points = [{"key": "m", "value": step / 2, "timestamp": T + step, "step": step} for step in range(first, first + POINTS)]
        pair = {"key": f"k{self.acknowledged % 50}", "value": "v"}
        try:
            answer = client.post(
                f"{self.url}{API}/runs/log-batch",
                json={"run_id": self.run_id, "metrics": points, "params": [pair], "tags": [pair]},
            )
        except httpx.TransportError as error:
            self.met[type(error).__name__] += 1
            time.sleep(0.02)
            return False
        if answer.status_code != 200:
            self.met[answer.status_code] += 1
            self.refusals.append(answer)
            time.sleep(0.02)
        return answer.status_code == 200


class Writers:
    """Several writers, each on a run of its own."""

    def __init__(self, url, count):
        self.all = [Writer(url, new_run(url)["run_id"]) for _ in range(count)]

    def __enter__(self):
        for writer in self.all:
            writer.start()
        return self

    def __exit__(self, *_):
        for writer in self.all:
            writer.done.set()
        for writer in self.all:
            writer.join(PATIENCE)

    @property
    def met(self):
        return sum((writer.met for writer in self.all), Counter())

    def advance(self, batches=5):
        """Wait until every writer had more batches acknowledged."""
        reached = [writer.acknowledged for writer in self.all]
        until(
            lambda: all(w.acknowledged >= was + batches for w, was in zip(self.all, reached, strict=True)),
            "batches of each writer",
        )

    def check(self, url):
        """Everything acknowledged is there, once. The batch under way when a writer stopped may be there too."""
        for writer in self.all:
            query = {"run_id": writer.run_id, "metric_key": "m"}
            found = httpx.get(f"{url}{API}/metrics/get-history", params=query, timeout=PATIENCE).json()["metrics"]
            steps = [point["step"] for point in found]
            assert len(steps) in (writer.acknowledged * POINTS, (writer.acknowledged + 1) * POINTS)
            assert steps == list(range(len(steps)))
            assert [point["value"] for point in found] == [step / 2 for step in steps]
            data = httpx.get(f"{url}{API}/runs/get", params={"run_id": writer.run_id}, timeout=PATIENCE).json()["run"]["data"]
            assert len(data["params"]) == min(len(steps) // POINTS, 50)


def children(pid):
    found = [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text(encoding="ascii").split()
    ]
    return [child for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


@pytest.fixture
def port():
    return str(free_port())


@pytest.fixture
def project(tmp_path):
    (tmp_path / "headrace.toml").write_text("")
    return tmp_path


@pytest.fixture
def together(project, postgres):
    """A project whose catalog is in PostgreSQL, for several workers."""
    (project / "headrace.toml").write_text(f'catalog = "{postgres.new_database()}"')
    return project


def test_a_server_that_is_killed_among_batches_has_all_that_it_acknowledged_once(project, port):
    with ExitStack() as stack:
        server = stack.enter_context(HeadraceServer(project, "--port", port, "--no-access-log"))
        writers = stack.enter_context(Writers(server.url, 3))
        for _ in range(2):
            writers.advance()
            server.kill()
            server = stack.enter_context(HeadraceServer(project, "--port", port, "--no-access-log"))
        writers.advance()
        writers.__exit__()
        assert not [status for status in writers.met if isinstance(status, int)]
        writers.check(server.url)


def test_workers_and_a_server_that_are_killed_over_postgresql_lose_nothing(together, port):
    options = ("--port", port, "--workers", "2", "--no-access-log")
    with ExitStack() as stack:
        server = stack.enter_context(HeadraceServer(together, *options))
        writers = stack.enter_context(Writers(server.url, 4))
        for place in range(2):
            writers.advance()
            workers = until(lambda: len(found := children(server.process.pid)) == 2 and found, "two workers")
            os.kill(workers[place], signal.SIGKILL)
        writers.advance()
        server.kill()
        server = stack.enter_context(HeadraceServer(together, *options))
        writers.advance()
        writers.__exit__()
        assert not [status for status in writers.met if isinstance(status, int)]
        writers.check(server.url)


def kill_a_backend(postgres):
    """kill -9 of one process of a connection: PostgreSQL ends all of them and recovers."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'headrace' LIMIT 1"
        (pid,) = connection.execute(query).fetchone()
        os.kill(pid, signal.SIGKILL)
        until(lambda: _broken(connection), "the end of all connections")


def _broken(connection):
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


def kill_all(postgres):
    postgres.kill()
    time.sleep(0.3)  # long enough that it is asked for while it is down
    postgres.start()


def test_when_postgresql_is_killed_the_server_says_so_and_goes_on_once_it_is_back(together, postgres, port):
    with (
        HeadraceServer(together, "--port", port, "--workers", "2", "--no-access-log") as server,
        Writers(server.url, 4) as writers,
    ):
        for kill in (kill_a_backend, kill_all):
            writers.advance()
            kill(postgres)
            until(lambda: _answers(postgres), "PostgreSQL")
            # From here on no worker has a connection left that would cost a request.
            statuses = Counter(
                httpx.get(f"{server.url}{API}/experiments/get?experiment_id=0", timeout=PATIENCE).status_code for _ in range(40)
            )
            assert statuses == {200: 40}
        writers.advance()
        writers.__exit__()
        assert set(writers.met) == {503}
        for refusal in (refusal for writer in writers.all for refusal in writer.refusals):
            assert refusal.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"
            assert refusal.headers["retry-after"] == "1"
        writers.check(server.url)


def _answers(postgres):
    try:
        psycopg.connect(postgres.url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def test_a_client_that_dies_amid_a_batch_or_a_file_leaves_nothing_of_it(project):
    with HeadraceServer(project) as server:
        info = new_run(server.url, run_name="n")
        where = urlsplit(server.url)
        whole = b'{"run_id":"%s","metrics":[' % info["run_id"].encode() + b",".join(
            b'{"key":"m","value":%d,"timestamp":1,"step":%d}' % (step, step) for step in range(900)
        )
        file = f"{FILES}/artifacts/{info['artifact_uri'].removeprefix('mlflow-artifacts:/')}/torn.bin"
        for method, target, body in (("POST", f"{API}/runs/log-batch", whole), ("PUT", file, b"x" * 3_000_000)):
            connection = http.client.HTTPConnection(where.hostname, where.port, timeout=PATIENCE)
            connection.putrequest(method, target)
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(2 * len(body)))
            connection.endheaders(body)
            connection.sock.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
            )  # a reset, as of a killed process
            connection.close()
        run = httpx.get(f"{server.url}{API}/runs/get", params={"run_id": info["run_id"]}, timeout=PATIENCE).json()["run"]
        assert run["data"] == {"tags": [{"key": "mlflow.runName", "value": "n"}]}
        assert httpx.get(server.url + file, timeout=PATIENCE).status_code == 404
        assert server.stop() == 0
        assert "Traceback" not in server.said


def test_an_upload_in_parts_survives_a_server_that_is_killed_amid_a_part(project, port):
    parts = [bytes([number]) * 2_000_000 for number in range(3)]
    with ExitStack() as stack:
        server = stack.enter_context(HeadraceServer(project, "--port", port))
        info = new_run(server.url)
        root = info["artifact_uri"].removeprefix("mlflow-artifacts:/")
        made = httpx.post(
            f"{server.url}{FILES}/mpu/create/{root}", json={"path": "w.bin", "num_parts": 3}, timeout=PATIENCE
        ).json()
        places = {item["part_number"]: item["url"] for item in made["credentials"]}
        first = httpx.put(places[1], content=parts[0], timeout=PATIENCE).headers["etag"]
        sending = stack.enter_context(socket.create_connection(("127.0.0.1", int(port)), timeout=PATIENCE))
        head = f"PUT {urlsplit(places[2]).path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 2000000\r\n\r\n"
        sending.sendall(head.encode() + parts[1][:1_500_000])
        server.kill()
        server = stack.enter_context(HeadraceServer(project, "--port", port))
        told = [{"part_number": 1, "etag": first}]
        told += [
            {"part_number": n, "etag": httpx.put(places[n], content=parts[n - 1], timeout=PATIENCE).headers["etag"]}
            for n in (2, 3)
        ]
        body = {"path": "w.bin", "upload_id": made["upload_id"], "parts": told}
        for _ in range(2):  # the answer to the first may have been lost
            assert httpx.post(f"{server.url}{FILES}/mpu/complete/{root}", json=body, timeout=PATIENCE).status_code == 200
        kept = httpx.get(f"{server.url}{FILES}/artifacts/{root}/w.bin", timeout=PATIENCE)
        assert kept.content == b"".join(parts)
        assert kept.headers["etag"].strip('"') == hashlib.sha256(b"".join(parts)).hexdigest()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_that_is_asked_to_stop_under_load_answers_what_has_begun_and_loses_nothing(project, port, workers):
    with ExitStack() as stack:
        server = stack.enter_context(HeadraceServer(project, "--port", port, "--workers", workers))
        info = new_run(server.url)
        file = f"{FILES}/artifacts/{info['artifact_uri'].removeprefix('mlflow-artifacts:/')}/slow.bin"
        writers = stack.enter_context(Writers(server.url, 4))
        writers.advance()
        sending = stack.enter_context(socket.create_connection(("127.0.0.1", int(port)), timeout=PATIENCE))
        head = f"PUT {file} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 2000000\r\nExpect: 100-continue\r\n\r\n"
        sending.sendall(head.encode())
        assert sending.recv(100).startswith(b"HTTP/1.1 100")  # somebody reads: it has begun
        sending.sendall(b"a" * 1_000_000)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: _refuses(port), "the end of listening")
        sending.sendall(b"a" * 1_000_000)
        assert sending.recv(100).startswith(b"HTTP/1.1 200")
        assert server.process.wait(PATIENCE) == 0
        writers.__exit__()
        assert not [status for status in writers.met if isinstance(status, int)]
        again = stack.enter_context(HeadraceServer(project, "--port", port))
        assert httpx.get(again.url + file, timeout=PATIENCE).content == b"a" * 2_000_000
        writers.check(again.url)


def _refuses(port):
    try:
        socket.create_connection(("127.0.0.1", int(port)), timeout=5).close()
    except ConnectionError:
        return True
    return False


@pytest.mark.skipif(not PYTHON.exists(), reason="MLflow isn't installed beside: make .venv-mlflow/.ready")
def test_mlflows_client_over_a_network_that_loses_cuts_delays_and_repeats_logs_everything_once(project):
    mishaps = ("lose", "cut", "repeat", "html", "delay", "cut", "lose", "repeat")
    steps = len(mishaps)
    patient = {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "5",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "1",
    }
    with HeadraceServer(project, "--no-access-log") as server, Proxy(server.url) as proxy:
        for path in ("/log-metric", "/log-parameter", "/set-tag", "/log-batch"):
            proxy.plan(path, *mishaps)
        proxy.plan("/runs/update", "cut")
        proxy.plan(".txt", *mishaps, method="PUT")
        proxy.plan(".txt", "halve", "lose", "html", "halve", method="GET")
        environment = {**{key: value for key, value in os.environ.items() if key != "PYTHONPATH"}, **ENVIRONMENT, **patient}
        command = [PYTHON, Path(__file__).parent / "bad_network.py", proxy.url]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        run, broken = done.stdout.split()[-2:]
        assert proxy.mishaps == []
        assert int(broken) <= 4
        with httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
            found = client.get(f"{API}/runs/get", params={"run_id": run}).json()["run"]
            assert found["info"]["status"] == "FINISHED"
            assert len(found["data"]["params"]) == 2 * steps
            assert len([tag for tag in found["data"]["tags"] if not tag["key"].startswith("mlflow.")]) == 2 * steps
            for key, count in (("one", steps), ("many", 100 * steps)):
                points = client.get(f"{API}/metrics/get-history", params={"run_id": run, "metric_key": key}).json()["metrics"]
                assert [(point["step"], point["value"]) for point in points] == [(step, float(step)) for step in range(count)]
            files = client.get(f"{API}/artifacts/list", params={"run_id": run}).json()["files"]
            assert [file["path"] for file in files] == [f"file{step}.txt" for step in range(steps)]
            assert len(client.post(f"{API}/runs/search", json={"experiment_ids": ["0"]}).json()["runs"]) == 1
