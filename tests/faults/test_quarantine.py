"""kill -9 while bad rows are set aside: every row is in the lake or in the quarantine, once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import pandas as pd
import pytest

import headrace as hr

DEFINITIONS = """
import headrace as hr
thing = hr.Entity("thing", keys={"k": "int64"})
events = hr.EventSource("events", timestamp="at", stream="events", id="id",
                        schema={"id": "int64", "k": "int64", "x": "int64", "at": "timestamp"},
                        expect=[hr.expect.between("x", 0, 1, on_fail="quarantine")])
counts = hr.FeatureGroup("counts", entity=thing, source=events, features={"n": hr.count()})
view = hr.FeatureView("view", features=[counts])
"""

CHILD = """
import sys
from datetime import UTC, datetime
import pandas as pd
import headrace as hr

def rows(first, count):  # every fourth is bad
    numbers = range(first, first + count)
    return pd.DataFrame({"id": numbers, "k": 1, "x": [9 if i % 4 == 0 else 1 for i in numbers],
                         "at": [pd.Timestamp(datetime(2026, 1, 1, tzinfo=UTC))] * count})

if __name__ == "__main__":
    store = hr.connect(sys.argv[1])
    verb, first = sys.argv[2], int(sys.argv[3])
    print("ready", flush=True)
    for start in range(first, first + 4000, 20):
        if verb == "push":
            store.push("events", rows(start, 20))
        else:
            store.write("events", rows(start, 20), batch_id=f"batch-{start}")
        print(start, flush=True)
"""


@pytest.fixture
def project(tmp_path):
    namespace: dict = {}
    exec(DEFINITIONS, namespace)
    with hr.connect(tmp_path) as store:
        store.apply([namespace["view"]])
    return tmp_path


def killed(project, verb, first, after):
    """Run the child, kill it some seconds into its work; the starts of the batches that it was told are in."""
    process = subprocess.Popen([sys.executable, "-c", CHILD, str(project), verb, str(first)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    told = [int(line) for line in process.stdout.read().split()]
    process.wait()
    process.stdout.close()
    return told


@pytest.mark.parametrize("verb", ["push", "write"])
def test_every_row_is_in_the_lake_or_in_the_quarantine_once(project, verb):
    namespace: dict = {}
    exec(CHILD, namespace)
    rng = random.Random(verb)
    told, sent = [], []
    for turn in range(4):
        first = turn * 10_000
        told += (done := killed(project, verb, first, rng.uniform(0.02, 0.5)))
        sent += [*done, first + 20 * len(done)]  # the last one may have been cut off anywhere
    with hr.connect(project) as store:
        before = store.quarantine("events")["id"].tolist()
        assert len(before) == len(set(before))
        assert set(before) >= {start + place for start in told for place in range(0, 20, 4)}
        for start in sent:  # whoever wasn't told sends again
            rows = namespace["rows"](start, 20)
            if verb == "push":
                store.push("events", rows)
            else:
                store.write("events", rows, batch_id=f"batch-{start}")
        store.materialize()
        aside = store.quarantine("events")["id"].tolist()
        assert sorted(aside) == sorted(start + place for start in sent for place in range(0, 20, 4))
        at = datetime(2026, 6, 1, tzinfo=UTC)
        assert store.online_features("view", {"k": 1}, at=at).values["n"] == [15 * len(sent)]
        frame = pd.DataFrame({"k": [1], "t": [pd.Timestamp(at)]})
        assert store.historical_features("view", frame, timestamp="t")["n"].tolist() == [15 * len(sent)]
