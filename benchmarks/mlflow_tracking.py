"""Tracking over MLflow's protocol: MLflow's own server as it comes, the same on uvloop, and ours; on SQLite, then on PostgreSQL.

    python benchmarks/mlflow_tracking.py [--rounds 5] [--seconds 1] [--catalogs sqlite postgresql] [--only headrace …]

The three are up together and measured in turn, round after round, so that a noisy moment hits everyone; medians are told.
`log_metric` goes through MLflow's unmodified client; batches and runs are sent over raw HTTP, each request prepared before the
clock starts, so that the server is measured and not its client. Runs are made through the client too, and by the same requests:
of the time that ours takes so, two thirds are the client's. Beside it is told what the clients alone take, and what a server
takes that keeps each body and does nothing else.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import functools
import http.client
import json
import multiprocessing
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from measure import compare
from peers import python_of

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

CLAIM = (
    "on SQLite and on PostgreSQL: log_metric through the client 20x MLflow's default server and 4x it on uvloop; batches of "
    "1,000 points, and 8 writers of 200, 20x the better at a twentieth of its p99; runs with 10 params, 10 metrics and 5 tags 5x "
    "the better, sent raw and through the client; start within a second, in a tenth of the memory"
)
WRITERS = 8
CATALOGS = ("sqlite", "postgresql")
RATES = ("log_metric", "client_runs", "runs", "batches", "writers")
MOST_BATCHES = 600
"""A second: none of them takes more from one sender."""
PATIENCE = 180.0
PATH = "/api/2.0/mlflow/"
HEADERS = {"Content-Type": "application/json"}
RUN_ID = b"RUN-ID"


class Raw:
    """One kept-alive connection to a server."""

    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        self._connection = http.client.HTTPConnection(where.hostname, where.port, timeout=120)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, path: str, body: bytes) -> dict:
        return self._told("POST", path, body)

    def _told(self, method: str, path: str, body: bytes | None = None) -> dict:
        self._connection.request(method, PATH + path, body, HEADERS)
        answer = self._connection.getresponse()
        told = answer.read()
        if answer.status != 200:
            msg = f"{answer.status}: {told[:300]!r}"
            raise RuntimeError(msg)
        return json.loads(told)

    def new_run(self) -> str:
        return self.post("runs/create", b'{"experiment_id":"0"}')["run"]["info"]["run_id"]

    def whole_run(self, logged: bytes, ended: bytes) -> None:
        """Make a run by the requests that MLflow's client sends for it. The bodies say the run's id as RUN_ID."""
        run_id = self.new_run().encode()
        self.post("runs/log-batch", logged.replace(RUN_ID, run_id))
        self._told("GET", f"runs/get?run_id={run_id.decode()}")
        self.post("runs/update", ended.replace(RUN_ID, run_id))


def bodies(run_id: str, keys: int, steps: int, count: int) -> list[bytes]:
    """Requests of log-batch, one after the other in time."""
    now = int(time.time() * 1000)
    return [
        orjson.dumps(
            {
                "run_id": run_id,
                "metrics": [
                    {"key": f"m{key}", "value": random.random(), "timestamp": now + step, "step": step}
                    for step in range(first, first + steps)
                    for key in range(keys)
                ],
            }
        )
        for first in range(0, count * steps, steps)
    ]


def runs(url: str, seconds: float) -> float:
    """Runs a second of one sender, with 10 params, 10 metrics and 5 tags each."""
    raw, now = Raw(url), int(time.time() * 1000)
    prepared = [
        orjson.dumps(
            {
                "run_id": RUN_ID.decode(),
                "metrics": [{"key": f"m{key}", "value": random.random(), "timestamp": now, "step": 0} for key in range(10)],
                "params": [{"key": f"p{key}", "value": str(place)} for key in range(10)],
                "tags": [{"key": f"t{key}", "value": "x"} for key in range(5)],
            }
        )
        for place in range(int(MOST_BATCHES * seconds))
    ]
    ended = orjson.dumps({"run_id": RUN_ID.decode(), "status": "FINISHED", "end_time": now})
    began, made = time.perf_counter(), 0
    while time.perf_counter() - began < seconds and made < len(prepared):
        raw.whole_run(prepared[made], ended)
        made += 1
    return made / (time.perf_counter() - began)


def batches(url: str, seconds: float) -> float:
    """Points a second of one sender, 1,000 a request."""
    raw = Raw(url)
    prepared = bodies(raw.new_run(), 25, 40, int(MOST_BATCHES * seconds))
    began, sent = time.perf_counter(), 0
    while time.perf_counter() - began < seconds and sent < len(prepared):
        raw.post("runs/log-batch", prepared[sent])
        sent += 1
    return 1000 * sent / (time.perf_counter() - began)


def _writer(url: str, seconds: float, start, told) -> None:
    raw = Raw(url)
    prepared = bodies(raw.new_run(), 5, 40, int(MOST_BATCHES * seconds))
    start.wait()
    began, took = time.perf_counter(), []
    while time.perf_counter() - began < seconds and len(took) < len(prepared):
        before = time.perf_counter()
        raw.post("runs/log-batch", prepared[len(took)])
        took.append(time.perf_counter() - before)
    told.put((200 * len(took) / (time.perf_counter() - began), took))


def writers(url: str, seconds: float) -> tuple[float, list[float]]:
    """Points a second of eight senders at once, 200 a request, and what each request took in seconds."""
    context = multiprocessing.get_context("fork")  # eight times the start of Python would be noise for the next one measured
    start, told = context.Barrier(WRITERS), context.Queue()
    processes = [context.Process(target=_writer, args=(url, seconds, start, told)) for _ in range(WRITERS)]
    for process in processes:
        process.start()
    found = [told.get() for _ in processes]
    for process in processes:
        process.join()
    return sum(rate for rate, _ in found), [took for _, each in found for took in each]


CLIENT = """
import json, random, sys, time
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
client = MlflowClient(sys.argv[1])
told, sys.stdout = sys.stdout, open("/dev/null", "w")  # the client says where each run is to be seen

def log_metric(seconds):
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "warm", 0.5, step=0)
    calls, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        client.log_metric(run_id, "loss", 0.5, step=calls)
        calls += 1
    return calls / (time.perf_counter() - began)

def runs(seconds):
    made, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        own, now = client.create_run("0").info.run_id, int(time.time() * 1000)
        metrics = [Metric(f"m{place}", random.random(), now, 0) for place in range(10)]
        params = [Param(f"p{place}", str(made + place)) for place in range(10)]
        client.log_batch(own, metrics, params, [RunTag(f"t{place}", "x") for place in range(5)])
        client.set_terminated(own)
        made += 1
    return made / (time.perf_counter() - began)

for line in sys.stdin:
    what, seconds = line.split()
    print(globals()[what](float(seconds)), file=told, flush=True)
"""


@contextmanager
def mlflow_client(url: str):
    """MLflow's client in a process of its own: given `log_metric` or `runs` and seconds, it tells how many a second it made."""
    from servers.mlflow import ENVIRONMENT, PYTHON

    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | ENVIRONMENT
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen([str(PYTHON), "-c", CLIENT, url], env=environment, **pipes) as process:

        def ask(what: str, seconds: float) -> float:
            print(what, seconds, file=process.stdin, flush=True)
            return float(process.stdout.readline())

        yield ask
        process.stdin.close()


@contextmanager
def mlflow_server(folder: Path, catalog: str, *, uvloop: bool):
    from servers.mlflow import PYTHON, MlflowServer

    extra = {}
    if uvloop:
        beside = PYTHON.parents[1] / "uvloop"
        if not beside.exists():
            subprocess.run([str(PYTHON), "-m", "pip", "install", "-q", "--target", str(beside), "uvloop"], check=True)
        extra["PYTHONPATH"] = str(beside)
    # SQLAlchemy chooses another driver by itself from one version to the next
    where = ("--backend-store-uri", catalog.replace("postgresql://", "postgresql+psycopg2://")) if catalog else ()
    with MlflowServer(folder, *where, environment=extra) as server:
        server.wait()
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
    with HeadraceServer(folder, environment={"PYTHONDONTWRITEBYTECODE": ""}) as server:
        yield server.url, server.process.pid


@contextmanager
def nobody(catalog: str = "", *options: str):
    """The address of an endpoint that does nothing, or keeps each body in a catalog and does nothing else."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(Path(__file__).with_name("bare_endpoint.py")), str(port), catalog, *options])
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


CONTESTANTS = {  # in the order of their start: MLflow's processes take of the machine while they wait, and ours doesn't
    "headrace": our_server,
    "mlflow": functools.partial(mlflow_server, uvloop=False),
    "mlflow on uvloop": functools.partial(mlflow_server, uvloop=True),
}


def memory_mb(pid: int) -> float:
    """What a process and those that it started hold, in MB; what they share is counted once."""
    import psutil

    total = 0
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def measured(kind: str, names: Sequence[str], rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """Everything about some servers on one kind of catalog, medians of the rounds."""
    rates: dict[str, dict[str, list[float]]] = {name: {what: [] for what in RATES} for name in names}
    took: dict[str, list[float]] = {name: [] for name in names}
    found: dict[str, dict[str, float]] = {}
    with contextlib.ExitStack() as stack:
        new = (lambda: "") if kind == "sqlite" else stack.enter_context(_postgresql()).new_database
        servers = {}
        for name in names:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            began = time.perf_counter()
            url, pid = stack.enter_context(CONTESTANTS[name](folder, new()))
            _wait(url)
            found[name] = {"start": time.perf_counter() - began}
            _settle(url)
            servers[name] = url, pid, stack.enter_context(mlflow_client(url))
        for _ in range(rounds):
            for name, (url, _, ask) in servers.items():
                rates[name]["log_metric"].append(ask("log_metric", seconds))
                rates[name]["client_runs"].append(ask("runs", seconds))
                rates[name]["runs"].append(runs(url, seconds))
                rates[name]["batches"].append(batches(url, seconds))
                rate, each = writers(url, seconds)
                rates[name]["writers"].append(rate)
                took[name] += each
        for name, (_, pid, _) in servers.items():
            found[name] |= {what: statistics.median(several) for what, several in rates[name].items()}
            found[name]["p99"] = sorted(took[name])[int(len(took[name]) * 0.99)]
            found[name]["memory"] = memory_mb(pid)
            print(" ", name, {key: float(f"{value:.4g}") for key, value in found[name].items()}, flush=True)
    return found


def bound(what: str, catalog: str, seconds: float, *options: str) -> None:
    """Tell how fast the senders are where a server does next to nothing."""
    with nobody(catalog, *options) as url, mlflow_client(url) as ask:
        calls, made = (statistics.median(ask(kind, seconds) for _ in range(3)) for kind in ("log_metric", "runs"))
        sent = statistics.median(runs(url, seconds) for _ in range(3))
        points = statistics.median(writers(url, seconds)[0] for _ in range(3))
    told = f"{calls:.0f} calls of log_metric, {made:.0f} runs, {sent:.0f} raw ones, {points:.0f} points of 8 writers a second"
    print(f"  {what}: at most {told}", flush=True)


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
        ("client_runs", "a run through the client", 5),
    ):
        name, peer = max(peers.items(), key=lambda item: item[1][what])
        compare(f"{kind}: {shown}", 1 / ours[what], name, 1 / peer[what], at_most=1 / share)
    name, peer = min(peers.items(), key=lambda item: item[1]["p99"])
    compare(f"{kind}: p99 of 8 writers", ours["p99"], name, peer["p99"], at_most=1 / 20)
    compare(f"{kind}: start to the first answer", ours["start"], "the budget", 1.0, at_most=1)
    compare(f"{kind}: memory", ours["memory"], "mlflow", peers["mlflow"]["memory"], at_most=1 / 10, unit="MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1, help="of each measurement of a round")
    parser.add_argument("--catalogs", nargs="*", choices=CATALOGS, default=CATALOGS)
    parser.add_argument("--only", nargs="*", choices=CONTESTANTS, help="contestants")
    options = parser.parse_args()
    os.environ.setdefault("HEADRACE_MLFLOW_PYTHON", python_of("mlflow"))
    compileall.compile_dir(ROOT / "src" / "headrace", quiet=1)  # as an installation does, which MLflow is
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # and with it the servers, each of which is a dozen processes
    bound("MLflow's client alone", "", options.seconds)
    for kind in options.catalogs:
        print(kind)
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            new = stack.enter_context(_postgresql()).new_database if kind == "postgresql" else _names(folder).__next__
            bound("each body kept as a row, nothing else", new(), options.seconds)
            bound("the same with uvicorn's HTTP", new(), options.seconds, "--uvicorn")
        found = measured(kind, options.only or list(CONTESTANTS), options.rounds, options.seconds)
        if len(found) == len(CONTESTANTS):
            against(kind, found)


def _names(folder: str):
    yield from (f"{folder}/bodies{place}.db" for place in count())


def _postgresql():
    from servers.postgresql import PostgresServer

    return PostgresServer()


if __name__ == "__main__":
    main()
