"""A full disk refuses what it can't hold, says so, and loses nothing that was acknowledged."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest

import headrace as hr

CHILD = """
import resource, signal, sys
import pandas as pd
import headrace as hr

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit then fails as on a full disk
store = hr.connect(sys.argv[1])
verb = sys.argv[2]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
at = pd.Timestamp("2026-01-01", tz="UTC")
for step in range(400):
    rows = pd.DataFrame({"k": [0] * 50, "text": [f"{step}-{i}-" + "x" * 500 for i in range(50)], "at": [at] * 50})
    try:
        store.push("events", rows) if verb == "push" else store.write("events", rows, batch_id=str(step))
    except hr.StorageError as error:
        print("refused", flush=True)
        print(error, file=sys.stderr)
        break
    print(step, flush=True)
"""


@pytest.mark.parametrize(("verb", "limit"), [("push", 300_000), ("push", 2_000_000), ("write", 3_000)])
def test_a_full_disk_is_told_and_loses_nothing(tmp_path, verb, limit):
    thing = hr.Entity("thing", keys={"k": "int64"})
    events = hr.EventSource("events", timestamp="at", stream="events", schema={"k": "int64", "text": "string", "at": "timestamp"})
    view = hr.FeatureView("view", features=[hr.FeatureGroup("counts", entity=thing, source=events, features={"n": hr.count()})])
    with hr.connect(tmp_path) as store:
        store.apply([view])
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path), verb, str(limit)], capture_output=True, text=True, check=True
    )
    lines = child.stdout.split()
    assert lines[-1] == "refused", child.stderr
    assert "Traceback" not in child.stderr
    acknowledged = len(lines) - 1
    at = pd.Timestamp("2026-06-01", tz="UTC")
    with hr.connect(tmp_path) as store:
        store.materialize()
        kept = store.online_features("view", {"k": 0}, at=at).values["n"][0]
        trained = store.historical_features("view", pd.DataFrame({"k": [0], "t": [at]}), timestamp="t")
    assert kept == trained["n"].iloc[0]
    assert kept in (acknowledged * 50, (acknowledged + 1) * 50)
