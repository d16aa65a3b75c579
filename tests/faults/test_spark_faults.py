"""Workers and executors of Spark are killed in the middle of a read: their tasks are repeated, and the answer is the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from contract.test_engine import PLAYS, TASTE
from headrace.definitions.schema import arrow_schema, arrow_type
from headrace.engines.duckdb import DuckDBEngine
from headrace.engines.engine import GroupRead
from headrace.errors import StorageError
from headrace.lake.delta import DeltaLake
from headrace.lake.table import AVAILABLE_TIME, BATCH, EVENT_TIME, OFFSET
from servers.spark import SparkMaster

ROWS, ASKED = 200_000, 50_000


@pytest.fixture
def snapshot(tmp_path):
    return table(tmp_path / "lake").snapshot()


def table_at(folder):
    return DeltaLake(folder).table(PLAYS.name, arrow_schema(PLAYS.schema))


def table(folder):
    """Plays of 5,000 users in four files."""
    found = table_at(folder)
    rng = np.random.default_rng(2)
    for part in range(4):
        times = pa.array(rng.integers(0, 10**9, ROWS // 4)).cast(arrow_type("timestamp"))
        columns = {
            "user": rng.integers(0, 5000, ROWS // 4),
            "film": pa.array(["a", "b", "c"]).take(pa.array(rng.integers(0, 3, ROWS // 4))),
            "stars": rng.normal(size=ROWS // 4),
            "n": pa.array(rng.integers(0, 9, ROWS // 4), pa.int32()),
            EVENT_TIME: times,
            AVAILABLE_TIME: times,
            OFFSET: np.arange(part * ROWS // 4, (part + 1) * ROWS // 4),
        }
        found.append(pa.table(columns), partition=BATCH)
    return found


def queries():
    rng = np.random.default_rng(3)
    return pa.table(
        {"user": rng.integers(0, 5000, ASKED), "ts": pa.array(rng.integers(0, 10**9, ASKED)).cast(arrow_type("timestamp"))}
    )


def read_of(snapshot, progress=lambda _done, _known: None):
    return GroupRead(TASTE, list(TASTE.features), snapshot, {"user": "user"}, progress=progress)


def deadly(snapshot, deaths, marks):
    """The snapshot, but so many of the workers that are to read its files are killed. Spark can ship it: its class is local."""

    class Deadly:
        def files(self):
            return snapshot.files()

        def count(self):
            return snapshot.count()

        def fetch(self, paths):
            mark = marks / f"{os.getpid()}"
            if len([*marks.iterdir()]) < deaths:
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return snapshot.fetch(paths)

    return Deadly()


@pytest.fixture
def marks(tmp_path):
    folder = tmp_path / "killed"
    folder.mkdir()
    return folder


def test_a_read_survives_killed_workers(spark_engine, snapshot, marks):
    found = spark_engine.read(queries(), "ts", read_of(deadly(snapshot, 3, marks)))
    assert len([*marks.iterdir()]) >= 3
    assert found.equals(DuckDBEngine().read(queries(), "ts", read_of(snapshot)))


def test_a_read_whose_workers_always_die_is_a_storage_error(spark_engine, snapshot, marks):
    with pytest.raises(StorageError, match="Spark gave the work up"):
        spark_engine.read(queries(), "ts", read_of(deadly(snapshot, 1000, marks)))
    assert spark_engine.read(queries(), "ts", read_of(snapshot)).num_rows == ASKED


CHILD = """
import sys
from headrace.engines.duckdb import DuckDBEngine
from headrace.engines.spark import SparkEngine
from headrace.errors import StorageError
sys.path.insert(0, sys.argv[3])
from faults.test_spark_faults import queries, read_of, table_at

engine = SparkEngine(sys.argv[1], DuckDBEngine())
read = read_of(table_at(sys.argv[2]).snapshot(), lambda done, known: print("progress", done, known, flush=True))
engine.cluster._start_seconds = 1
try:
    engine.read(queries(), "ts", read)
except StorageError as error:
    print("refused", error, flush=True)
engine.cluster._start_seconds = 60
sys.stdin.readline()
print("equal", engine.read(queries(), "ts", read).equals(DuckDBEngine().read(queries(), "ts", read)), flush=True)
engine.close()
"""


def test_a_cluster_without_executors_is_told_and_a_read_survives_a_killed_one(tmp_path):
    table(tmp_path / "lake")
    with SparkMaster(tmp_path / "spark") as master:
        tests = Path(__file__).parents[1]
        command = [sys.executable, "-W", "ignore", "-c", CHILD, master.url, str(tmp_path / "lake"), str(tests)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        child = subprocess.Popen(command, text=True, env=master.environment, **pipes)
        watchdog = threading.Timer(300, child.kill)
        watchdog.start()
        lines: list[str] = []
        killed = []
        try:
            for line in child.stdout:
                lines.append(line)
                if line.startswith("refused"):
                    master.start_worker()
                    child.stdin.write("go on\n")
                    child.stdin.flush()
                elif line.startswith("progress") and int(line.split()[1]) and master.executors() and not killed:
                    killed = master.executors()
                    for executor in killed:
                        executor.kill()
        finally:
            watchdog.cancel()
            child.kill()
            child.wait()
            child.stdin.close()
            child.stdout.close()
    told = f"refused the Spark cluster {master.url} has given no executor within 1 s; see whether its workers are up"
    assert any(line.startswith(told) for line in lines), lines
    assert killed
    assert lines[-1] == "equal True\n"
