"""Tracking over MLflow's protocol: MLflow's own server as it comes, the same on uvloop, and ours, in turn in one run: all on
SQLite, then all on PostgreSQL.

    python benchmarks/mlflow_tracking.py [--seconds 2] [--runs 2000] [--catalogs sqlite postgresql] [--only headrace …]

`log_metric` and the making of runs go through MLflow's unmodified client; batches are sent over raw HTTP, each request prepared
before the clock starts, so that the server is measured and not its client. What the client alone takes is told beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.client
import json
import multiprocessing
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from measure import compare
from peers import python_of

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

CLAIM = (
    "on SQLite and on PostgreSQL: log_metric through the client 20x MLflow's default server and 4x it on uvloop; batches of "
    "1,000 points, and 8 writers of 200, 20x the better at a twentieth of its p99; runs with 10 params, 10 metrics and 5 tags 5x "
    "the better; start within a second, in a tenth of the memory"
)
WRITERS = 8
CATALOGS = ("sqlite", "postgresql")
PATIENCE = 180.0
PATH = "/api/2.0/mlflow/"
HEADERS = {"Content-Type": "application/json"}


class Raw:
    """One kept-alive connection to a server."""

    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        self._connection = http.client.HTTPConnection(where.hostname, where.port, timeout=120)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, path: str, body: bytes) -> dict:
        self._connection.request("POST", PATH + path, body, HEADERS)
        answer = self._connection.getresponse()
        told = answer.read()
        if answer.status != 200:
            msg = f"{answer.status}: {told[:300]!r}"
            raise RuntimeError(msg)
        return json.loads(told)

    def new_run(self) -> str:
        return self.post("runs/create", b'{"experiment_id":"0"}')["run"]["info"]["run_id"]


def bodies(run_id: str, keys: int, steps: int, count: int) -> list[bytes]:
    """Requests of log-batch, one after the other in time."""
    now = int(time.time() * 1000)
    return [
        json.dumps(
            {
                "run_id": run_id,
                "metrics": [
                    {"key": f"m{key}", "value": random.random(), "timestamp": now + step, "step": step}
                    for step in range(first, first + steps)
                    for key in range(keys)
                ],
            }
        ).encode()
        for first in range(0, count * steps, steps)
    ]


def batches(url: str, seconds: float) -> float:
    """Points a second of one sender, 1,000 a request."""
    raw = Raw(url)
    prepared = bodies(raw.new_run(), 25, 40, 1000)
    began, sent = time.perf_counter(), 0
    while time.perf_counter() - began < seconds and sent < len(prepared):
        raw.post("runs/log-batch", prepared[sent])
        sent += 1
    return 1000 * sent / (time.perf_counter() - began)


def _writer(url: str, seconds: float, start, told) -> None:
    raw = Raw(url)
    prepared = bodies(raw.new_run(), 5, 40, 1000)
    start.wait()
    began, took = time.perf_counter(), []
    while time.perf_counter() - began < seconds and len(took) < len(prepared):
        before = time.perf_counter()
        raw.post("runs/log-batch", prepared[len(took)])
        took.append(time.perf_counter() - before)
    told.put((200 * len(took) / (time.perf_counter() - began), took))


def writers(url: str, seconds: float) -> tuple[float, float]:
    """Points a second of eight senders at once, 200 a request, and the 99th percentile of a request in seconds."""
    context = multiprocessing.get_context("spawn")
    start, told = context.Barrier(WRITERS), context.Queue()
    processes = [context.Process(target=_writer, args=(url, seconds, start, told)) for _ in range(WRITERS)]
    for process in processes:
        process.start()
    found = [told.get() for _ in processes]
    for process in processes:
        process.join()
    took = sorted(seconds for _, each in found for seconds in each)
    return sum(rate for rate, _ in found), took[min(len(took) - 1, int(len(took) * 0.99))]


CLIENT = """
import json, random, sys, time
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
url, seconds, runs = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
client = MlflowClient(url)
run_id = client.create_run("0").info.run_id
for step in range(5):
    client.log_metric(run_id, "warm", 0.5, step=step)
calls, began = 0, time.perf_counter()
while time.perf_counter() - began < seconds:
    client.log_metric(run_id, "loss", 0.5, step=calls)
    calls += 1
rate = calls / (time.perf_counter() - began)
made, began = 0, time.perf_counter()
while made < runs and time.perf_counter() - began < 4 * seconds:
    own, now = client.create_run("0").info.run_id, int(time.time() * 1000)
    metrics = [Metric(f"m{place}", random.random(), now, 0) for place in range(10)]
    params = [Param(f"p{place}", str(made + place)) for place in range(10)]
    client.log_batch(own, metrics, params, [RunTag(f"t{place}", "x") for place in range(5)])
    client.set_terminated(own)
    made += 1
print(json.dumps([rate, made / (time.perf_counter() - began)]))
"""


def through_client(url: str, seconds: float, runs: int) -> tuple[float, float]:
    """Calls of log_metric a second, and runs a second, both through MLflow's client."""
    from servers.mlflow import ENVIRONMENT, PYTHON

    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | ENVIRONMENT
    command = [str(PYTHON), "-c", CLIENT, url, str(seconds), str(runs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return tuple(json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def mlflow_server(folder: Path, catalog: str, *, uvloop: bool):
    from servers.mlflow import PYTHON, MlflowServer

    extra = {}
    if uvloop:
        beside = PYTHON.parents[1] / "uvloop"
        if not beside.exists():
            subprocess.run([str(PYTHON), "-m", "pip", "install", "-q", "--target", str(beside), "uvloop"], check=True)
        extra["PYTHONPATH"] = str(beside)
    where = ("--backend-store-uri", catalog) if catalog else ()
    with MlflowServer(folder, *where, environment=extra) as server:
        yield server.url, server.process.pid


def _settle(url: str) -> None:
    """Return once the server answers a series of requests evenly: its workers go on importing after the first answer."""
    for _ in range(60):
        took = []
        with contextlib.suppress(OSError, http.client.HTTPException):  # its supervisor ends a worker that imports for too long
            raw = Raw(url)
            for _ in range(5):
                before = time.perf_counter()
                raw.new_run()
                took.append(time.perf_counter() - before)
            if max(took) < 3 * statistics.median(took) < 0.5:
                return
        time.sleep(0.5)


@contextmanager
def our_server(folder: Path, catalog: str):
    from servers.headrace import HeadraceServer

    (folder / "headrace.toml").write_text(f"catalog = {json.dumps(catalog)}\n" if catalog else "", encoding="utf-8")
    with HeadraceServer(folder) as server:
        yield server.url, server.process.pid


@contextmanager
def nobody():
    """The address of an endpoint that does nothing."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(Path(__file__).with_name("bare_endpoint.py")), str(port)])
    try:
        _wait(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait(url: str) -> None:
    """Return once something answers there."""
    where = urlsplit(url)
    deadline = time.monotonic() + PATIENCE
    while True:
        connection = http.client.HTTPConnection(where.hostname, where.port, timeout=PATIENCE)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        finally:
            connection.close()


CONTESTANTS = {
    "mlflow": functools.partial(mlflow_server, uvloop=False),
    "mlflow on uvloop": functools.partial(mlflow_server, uvloop=True),
    "headrace": our_server,
}


def memory_mb(pid: int) -> float:
    """What a process and those that it started hold, in MB; what they share is counted once."""
    import psutil

    total = 0
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def measured(name: str, catalog: str, seconds: float, runs: int) -> dict[str, float]:
    """Everything about one server, on the database at a URL, or on a file of its own."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        with CONTESTANTS[name](Path(folder), catalog) as (url, pid):
            _wait(url)
            found = {"start": time.perf_counter() - began}
            _settle(url)
            found["log_metric"], found["runs"] = through_client(url, seconds, runs)
            found["batches"] = batches(url, seconds)
            found["writers"], found["p99"] = writers(url, seconds)
            found["memory"] = memory_mb(pid)
    print(" ", name, {key: float(f"{value:.4g}") for key, value in found.items()}, flush=True)
    return found


def against(kind: str, found: dict[str, dict[str, float]]) -> None:
    """Tell each figure against MLflow's two configurations."""
    ours = found["headrace"]
    peers = {name: found[name] for name in ("mlflow", "mlflow on uvloop")}
    for (name, peer), share in zip(peers.items(), (1 / 20, 1 / 4), strict=True):
        seconds = 1 / ours["log_metric"], 1 / peer["log_metric"]
        compare(f"{kind}: log_metric through the client", seconds[0], name, seconds[1], at_most=share)
    for what, shown, share in (
        ("batches", "a point of batches of 1,000", 20),
        ("writers", "a point of 8 writers", 20),
        ("runs", "a run", 5),
    ):
        name, peer = max(peers.items(), key=lambda item: item[1][what])
        compare(f"{kind}: {shown}", 1 / ours[what], name, 1 / peer[what], at_most=1 / share)
    name, peer = min(peers.items(), key=lambda item: item[1]["p99"])
    compare(f"{kind}: p99 of 8 writers", ours["p99"], name, peer["p99"], at_most=1 / 20)
    compare(f"{kind}: start to the first answer", ours["start"], "the budget", 1.0, at_most=1)
    compare(f"{kind}: memory", ours["memory"], "mlflow", peers["mlflow"]["memory"], at_most=1 / 10, unit="MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2, help="of each measurement")
    parser.add_argument("--runs", type=int, default=2000, help="runs to make at most, within four times as many seconds")
    parser.add_argument("--catalogs", nargs="*", choices=CATALOGS, default=CATALOGS)
    parser.add_argument("--only", nargs="*", choices=CONTESTANTS, help="contestants")
    options = parser.parse_args()
    os.environ.setdefault("HEADRACE_MLFLOW_PYTHON", python_of("mlflow"))
    with nobody() as url:
        calls, runs = through_client(url, options.seconds, options.runs)
        print(f"MLflow's client alone: at most {calls:.0f} calls of log_metric and {runs:.0f} runs a second", flush=True)
    for kind in options.catalogs:
        print(kind)
        with contextlib.ExitStack() as stack:
            new = (lambda: "") if kind == "sqlite" else stack.enter_context(_postgresql()).new_database
            chosen = options.only or CONTESTANTS
            found = {name: measured(name, new(), options.seconds, options.runs) for name in chosen}
        if len(found) == len(CONTESTANTS):
            against(kind, found)


def _postgresql():
    from servers.postgresql import PostgresServer

    return PostgresServer()


if __name__ == "__main__":
    main()
