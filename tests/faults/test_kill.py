"""kill -9 at any point of write, push and materialize: what was acknowledged is there, once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime

import pandas as pd
import pytest

import headrace as hr

DEFINITIONS = """
import headrace as hr
thing = hr.Entity("thing", keys={"k": "int64"})
events = hr.EventSource("events", timestamp="at", stream="events", id="id",
                        schema={"id": "int64", "k": "int64", "x": "int64", "at": "timestamp"})
counts = hr.FeatureGroup("counts", entity=thing, source=events, features={
    "n": hr.count(), "total": hr.sum("x"), "recent": hr.count("365d", hop="5d")})
view = hr.FeatureView("view", features=[counts])
"""

CHILD = """
import sys
from datetime import UTC, datetime
import pandas as pd
import headrace as hr

def rows(first, count):
    at = pd.Timestamp(datetime(2026, 1, 1, tzinfo=UTC))
    return pd.DataFrame({"id": range(first, first + count), "k": [i % 7 for i in range(first, first + count)],
                         "x": [1] * count, "at": [at] * count})

store = hr.connect(sys.argv[1])
verb, first = sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
for step in range(200):
    start = first + step * 20
    if verb == "push":
        store.push("events", rows(start, 20))
    elif verb == "write":
        store.write("events", rows(start, 20), batch_id=f"batch-{start}")
    else:
        store.materialize()
    print(start, flush=True)
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "definitions.py").write_text(DEFINITIONS)
    namespace: dict = {}
    exec(DEFINITIONS, namespace)
    with hr.connect(tmp_path) as store:
        store.apply([namespace["view"]])
    return tmp_path


def run_and_kill(project, verb, first, after):
    """Run the child, kill it `after` seconds into its work; the starts of the batches it acknowledged."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CHILD), str(project), verb, str(first)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    acknowledged = [int(line) for line in process.stdout.read().split()]
    process.wait()
    process.stdout.close()
    return acknowledged


def totals(store):
    at = datetime(2026, 6, 1, tzinfo=UTC)
    found = store.online_features("view", {"k": list(range(7))}, at=at)
    frame = pd.DataFrame({"k": range(7), "t": [pd.Timestamp(at)] * 7})
    trained = store.historical_features("view", frame, timestamp="t")
    assert found.values["n"] == trained["n"].tolist()
    assert found.values["recent"] == trained["recent"].tolist()
    return sum(found.values["n"])


@pytest.mark.parametrize("verb", ["push", "write"])
def test_what_was_acknowledged_is_there_once(project, verb):
    rng = random.Random(verb)
    first = 0
    acknowledged: list[int] = []
    tried: list[tuple[int, int]] = []
    for _ in range(5):
        done = run_and_kill(project, verb, first, rng.uniform(0.0, 0.6))
        acknowledged += done
        tried.append((first, first + 200 * 20))
        first += 10_000
    with hr.connect(project) as store:
        store.materialize()
        kept = totals(store)
        assert len(acknowledged) * 20 <= kept <= (len(acknowledged) + len(tried)) * 20
        assert kept % 20 == 0, "a batch is there whole or not at all"
        for start in acknowledged:  # delivered again, each counts once
            again = child_rows(start, 20)
            if verb == "push":
                store.push("events", again)
            else:
                store.write("events", again, batch_id=f"batch-{start}")
        store.materialize()
        assert totals(store) == kept


def test_a_killed_materialize_goes_on_where_it_was(project):
    with hr.connect(project) as store:
        for part in range(10):
            store.write("events", child_rows(part * 5000, 5000))
    rng = random.Random(3)
    for _ in range(4):
        run_and_kill(project, "materialize", 0, rng.uniform(0.0, 0.25))
    with hr.connect(project) as store:
        store.materialize()
        assert totals(store) == 50_000


def child_rows(first, count):
    at = pd.Timestamp(datetime(2026, 1, 1, tzinfo=UTC))
    numbers = range(first, first + count)
    return pd.DataFrame({"id": numbers, "k": [i % 7 for i in numbers], "x": [1] * count, "at": [at] * count})


def test_two_processes_push_at_once_and_nothing_is_lost_or_doubled(project):
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, str(project), "push", str(first)], stdout=subprocess.PIPE, text=True, env=os.environ
        )
        for first in (0, 100_000)
    ]
    for child in children:
        child.communicate()
        assert child.returncode == 0
    with hr.connect(project) as store:
        assert totals(store) == 2 * 200 * 20
