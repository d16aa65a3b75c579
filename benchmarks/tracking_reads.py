"""Reading what was tracked: MLflow's server and ours over 10,000 runs and a history of a million points, in turn in one run.

    python benchmarks/tracking_reads.py [sqlite] [postgresql] [--runs 10000] [--points 1000000] [--only headrace …]

Both are asked over raw HTTP, by MLflow's own protocol; ours by its own API as well. The answers of both are read by one fast
parser, for the servers are what is measured. The databases are filled directly, each in its own tables, with the same runs. What
has no peer: `--only headrace --runs 100000`, and with `--long 100` a chart of a hundred long histories.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from measure import compare
from peers import python_of

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

CLAIM = "searching 10,000 runs 20x MLflow at a page of 100 and of 1,000; reading a history of a million points 50x"
FILTER, ORDER = "metrics.m3 > 0.5 and params.p1 = 'a'", "metrics.m0 DESC"
START = 1_760_000_000_000
HISTORY = "0" * 32


def rows(count: int):
    """(id, start in milliseconds, params, metrics, tags) of each run."""
    chance = random.Random(3)
    for number in range(count):
        yield (
            f"{number:032x}",
            START + number * 1000,
            {f"p{place}": chance.choice("abcd") if place == 1 else str(chance.randrange(1000)) for place in range(20)},
            {f"m{place}": chance.random() for place in range(20)},
            {f"t{place}": f"v{chance.randrange(50)}" for place in range(5)},
        )


def fill_ours(url: str, runs: int, points: int, long: int = 1) -> None:
    """Our tables, and histories of the first runs."""
    import numpy as np

    from headrace.sql.database import Database
    from headrace.sql.points import add_series, join_many
    from headrace.sql.tables import tracking as t
    from headrace.tracking.history import Series

    database = Database(url)
    origin = {"model_id": "", "dataset_name": "", "dataset_digest": ""}
    batch: dict = {table: [] for table in (t.runs, t.params, t.run_tags, t.latest_metrics)}

    def flush() -> None:
        with database.write() as connection:
            for table, found in batch.items():
                connection.execute(table.insert(), found)
                found.clear()

    for number, (run_id, start, params, metrics, tags) in enumerate(rows(runs), 1):
        time_us = start * 1000
        about = {"user_id": "u", "status": "FINISHED", "artifact_uri": f"mlflow-artifacts:/0/{run_id}/artifacts"}
        named = {"run_id": run_id, "experiment_id": 0, "name": f"run-{number}", "lifecycle_stage": "active"}
        batch[t.runs].append({**named, **about, "start_time": time_us, "end_time": time_us + 10**6})
        batch[t.params] += [{"run_id": run_id, "key": key, "value": value} for key, value in params.items()]
        tags["mlflow.runName"] = f"run-{number}"
        batch[t.run_tags] += [{"run_id": run_id, "key": key, "value": value} for key, value in tags.items()]
        for key, value in metrics.items():
            figures = {"chunks": 0, "count": 1, "low": value, "high": value, "last_time": time_us, "mixed": False}
            point = {"run_id": run_id, "key": key, "step": 0, "time": time_us, "value": value, "is_nan": False}
            batch[t.latest_metrics].append({**point, **origin, **figures})
        if number % 1000 == 0:
            flush()
    steps = np.arange(points, dtype="<i8")
    for number in range(long):
        values = np.random.default_rng(number).normal(size=points).cumsum()
        with database.write() as connection:
            for first in range(0, points, 10_000):
                part = slice(first, first + 10_000)
                columns = (START * 1000 + steps[part] * 1000, steps[part], values[part])
                series = Series.of("long", ("", "", ""), *(column.tobytes() for column in columns))
                added = add_series(connection, f"{number:032x}", [series])
                join_many(connection, f"{number:032x}", added.grown())
    database.close()


FILL_MLFLOW = """
import random, sys
sys.path.insert(0, sys.argv[1])
uri, runs, points = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
import sqlalchemy as sa
import tracking_reads as shared
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

engine = SqlAlchemyStore(uri, "artifacts").engine
tables = sa.MetaData()
tables.reflect(engine, only=["runs", "params", "latest_metrics", "metrics", "tags"])
held = {name: [] for name in tables.tables}

def flush():
    for name, found in held.items():
        if found:
            connection.execute(tables.tables[name].insert(), found)
        found.clear()

def point(run, key, value, time, step=0):
    return dict(run_uuid=run, key=key, value=value, timestamp=time, step=step, is_nan=False)

def pairs(run, found):
    return [dict(run_uuid=run, key=key, value=value) for key, value in found.items()]

with engine.begin() as connection:
    for number, (run, start, params, metrics, tags) in enumerate(shared.rows(runs), 1):
        place = f"mlflow-artifacts:/0/{run}/artifacts"
        held["runs"].append(
            dict(
                run_uuid=run, name=f"run-{number}", experiment_id=0, user_id="u", status="FINISHED", lifecycle_stage="active",
                start_time=start, end_time=start + 1000, artifact_uri=place, source_type="UNKNOWN", source_name="",
                entry_point_name="", source_version="",
            )
        )
        held["params"] += pairs(run, params)
        held["tags"] += pairs(run, {**tags, "mlflow.runName": f"run-{number}"})
        for table in ("metrics", "latest_metrics"):
            held[table] += [point(run, key, value, start) for key, value in metrics.items()]
        if number % 1000 == 0:
            flush()
    for step in range(points):
        held["metrics"].append(point(shared.HISTORY, "long", random.random(), shared.START + step, step))
        if step % 20000 == 0:
            flush()
    held["latest_metrics"].append(point(shared.HISTORY, "long", 0.5, shared.START + points, points - 1))
    flush()
"""


class Raw:
    """One kept-alive connection to a server."""

    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        self._connection = http.client.HTTPConnection(where.hostname, where.port, timeout=600)

    def ask(self, method: str, path: str, asked: object = None) -> bytes:
        body = None if asked is None else json.dumps(asked)
        self._connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        told = answer.read()
        if answer.status != 200:
            msg = f"{path}: {answer.status}: {told[:300]!r}"
            raise RuntimeError(msg)
        return told


def by_protocol(url: str) -> dict:
    """The cases by MLflow's protocol."""
    import orjson  # not in MLflow's own environment, which reads this file too

    raw = Raw(url)

    def search(limit: int) -> int:
        asked = {"experiment_ids": ["0"], "filter": FILTER, "order_by": [ORDER], "max_results": limit}
        return len(orjson.loads(raw.ask("POST", "/api/2.0/mlflow/runs/search", asked))["runs"])

    def history() -> int:
        found, token = 0, ""
        while True:
            page = f"&max_results=25000{f'&page_token={token}' if token else ''}"
            answer = orjson.loads(raw.ask("GET", f"/api/2.0/mlflow/metrics/get-history?run_id={HISTORY}&metric_key=long{page}"))
            found, token = found + len(answer["metrics"]), answer.get("next_page_token", "")
            if not token:
                return found

    return {"search 100": lambda: search(100), "search 1,000": lambda: search(1000), "history": history}


def by_our_api(url: str) -> dict:
    """The cases by our own API: the same columns of runs, the points as Arrow, and the history as a chart."""
    import orjson

    raw = Raw(url)
    names = [
        f"{kind}.{letter}{place}"
        for kind, letter, count in (("metrics", "m", 20), ("params", "p", 20), ("tags", "t", 5))
        for place in range(count)
    ]

    def search(limit: int) -> int:
        asked = {"experiments": ["0"], "filter": FILTER, "order_by": [ORDER], "limit": limit, "columns": names, "count": False}
        return len(orjson.loads(raw.ask("POST", "/api/v1/runs/search", asked))["runs"])

    def history() -> int:
        import pyarrow as pa

        return pa.ipc.open_stream(raw.ask("GET", f"/api/v1/runs/{HISTORY}/points?key=long&format=arrow")).read_all().num_rows

    def chart(runs: int = 1) -> int:
        ids = [f"{number:032x}" for number in range(runs)]
        return len(raw.ask("POST", "/api/v1/metrics/series", {"runs": ids, "keys": ["long"], "width": 1000}))

    return {
        "search 100": lambda: search(100),
        "search 1,000": lambda: search(1000),
        "history": history,
        "chart of 1,000 buckets": chart,
        "chart of 100 histories": lambda: chart(100),
    }


def timed(work, times: int) -> tuple[float, int, float]:
    """The median of some calls, what they gave, and the first call's time."""
    began = time.perf_counter()
    found = work()
    took = [time.perf_counter() - began]
    first = took[0]
    while len(took) < times and sum(took) < 30:
        began = time.perf_counter()
        assert work() == found
        took.append(time.perf_counter() - began)
    return statistics.median(took[1:] or took), found, first


def know_its_rows(url: str) -> None:
    """Let PostgreSQL look at what it has been given, as it does by itself after a while."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


@contextmanager
def our_server(folder: Path, url: str):
    from servers.headrace import HeadraceServer

    (folder / "headrace.toml").write_text(f'catalog = "{url}"\n')
    with HeadraceServer(folder, "--no-access-log") as server:
        yield server.url


@contextmanager
def mlflow_server(folder: Path, uri: str, runs: int, points: int):
    from servers.mlflow import ENVIRONMENT, PYTHON, MlflowServer

    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | ENVIRONMENT
    arguments = [str(Path(__file__).parent), uri, str(runs), str(points)]
    subprocess.run([str(PYTHON), "-c", FILL_MLFLOW, *arguments], check=True, cwd=folder, env=environment, capture_output=True)
    if uri.startswith("postgresql"):
        know_its_rows(uri.replace("+psycopg2", ""))
    with MlflowServer(folder, "--backend-store-uri", uri) as server:
        server.wait()
        yield server.url


def run_database(kind: str, options: argparse.Namespace) -> None:
    """All cases on one kind of database."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ours, theirs = f"sqlite:///{folder / 'ours.db'}", f"sqlite:///{folder / 'theirs.db'}"
        if kind == "postgresql":
            from servers.postgresql import PostgresServer

            server = stack.enter_context(PostgresServer())
            ours, theirs = server.new_database(), server.new_database().replace("postgresql:", "postgresql+psycopg2:")
        fill_ours(ours, options.runs, options.points, options.long)
        if kind == "postgresql":
            know_its_rows(ours)
        found: dict[str, dict[str, tuple[float, int, float]]] = {}
        with our_server(folder, ours) as url:
            found["headrace"] = {
                name: timed(work, 9)
                for name, work in by_our_api(url).items()
                if options.long >= 100 or "100 " not in name or "search" in name
            }
            found["headrace by MLflow's protocol"] = {name: timed(work, 9) for name, work in by_protocol(url).items()}
        if not options.only or "mlflow" in options.only:
            (folder / "peer").mkdir()
            with mlflow_server(folder / "peer", theirs, options.runs, options.points) as url:
                found["mlflow"] = {name: timed(work, 4) for name, work in by_protocol(url).items()}
    print(f"{kind}: {options.runs:,} runs, a history of {options.points:,} points")
    for name, cases in found.items():
        for case, (median, count, first) in cases.items():
            print(f"  {name}: {case}: {median * 1e3:,.1f} ms (the first {first * 1e3:,.0f} ms) gave {count:,}")
    for case, at_most in (("search 100", 1 / 20), ("search 1,000", 1 / 20), ("history", 1 / 50)):
        for name in [name for name in found if name != "mlflow" and "mlflow" in found]:
            compare(f"{kind}, {case}, {name}", found[name][case][0], "mlflow", found["mlflow"][case][0], at_most=at_most)


def main() -> None:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("databases", nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--long", type=int, default=1, help="runs with such a history; 100 for the chart of a hundred")
    parser.add_argument("--only", nargs="*", help="contestants")
    options = parser.parse_args()
    if not options.only or "mlflow" in options.only:
        os.environ.setdefault("HEADRACE_MLFLOW_PYTHON", python_of("mlflow"))
    for kind in options.databases or ("sqlite", "postgresql"):
        run_database(kind, options)


if __name__ == "__main__":
    main()
