"""A child that is forked while a store is open ends well, whatever it does with it, and can go on with what needs no lake."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from headrace.ids import new_id
from waiting import PATIENCE

HEAD = """
import gc, os, signal, sys
import headrace as hr
import pyarrow as pa

def forked(work):
    child = os.fork()
    if child:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code == 0, f"a child that would {work.__name__} ended with {code}"
        return
    signal.alarm(30)  # a child that waits for threads that it doesn't have does so for ever
    work()
    sys.exit()
"""
DUCKDB = """
from headrace.engines.duckdb import DuckDBEngine

engine = DuckDBEngine()
rows = pa.table({"a": [1, 2]})

def use():
    assert engine.project(rows, {"b": "a + 1"}).column("b").to_pylist() == [2, 3]

def forget():
    global engine
    del engine
    gc.collect()

use()
for work in (use, gc.collect, forget):
    forked(work)
use()
"""
KAFKA = """
schema = {"user_id": "int64", "at": "timestamp"}
source = hr.EventSource("rows", timestamp="at", stream=TOPIC, schema=schema)
user = hr.Entity("user", keys={"user_id": "int64"})
group = hr.FeatureGroup("g", entity=user, source=source, features={"n": hr.count()})
store = hr.connect(".")
store.apply([hr.FeatureView("view", features=[group])])
store.topics.create_topics(["rows"], 1)
row = pa.table({"user_id": [1], "at": pa.array([0], pa.timestamp("us", "UTC"))})

def push():
    assert store.push("rows", row).rows == 1

def close():
    store.close()

push()
for work in (push, close, gc.collect):
    forked(work)
push()
assert store.topics.lags()[0].end == 2
store.close()
"""


def run(script, folder):
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-X", "faulthandler", "-c", script]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr


def test_a_forked_child_leaves_the_engines_threads_to_its_parent(tmp_path):
    run(HEAD + DUCKDB, tmp_path)


def test_a_forked_child_leaves_the_brokers_clients_to_its_parent_and_has_its_own(tmp_path, kafka_url):
    (tmp_path / "headrace.toml").write_text(f'events = "{kafka_url}"\n')
    run(f'{HEAD}\nTOPIC = "rows-{new_id()}"\n{KAFKA}', tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="multiprocessing forks by default on Linux alone")
def test_workers_of_multiprocessing_may_collect_a_store(tmp_path):
    script = """
import multiprocessing
from headrace.engines.duckdb import DuckDBEngine

def work():
    global engine
    del engine
    gc.collect()

engine = DuckDBEngine()
engine.project(pa.table({"a": [1]}), {"b": "a"})
process = multiprocessing.get_context("fork").Process(target=work)
process.start()
process.join()
assert process.exitcode == 0
"""
    run(HEAD + script, tmp_path)
