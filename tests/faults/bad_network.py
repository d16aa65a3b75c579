"""Logs a run with MLflow's own client, whose network loses, cuts, delays and repeats what it sends: `python bad_network.py URL`.

Prints the run's id, and how often a download broke off before it came whole.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

STEPS = 8


def main(url):
    client = MlflowClient(url)
    run = client.create_run("0", run_name="over a bad network").info.run_id
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "1"  # now it doesn't wait for an answer that is delayed; a new run would be two
    for step in range(STEPS):
        client.log_metric(run, "one", float(step), timestamp=1000 + step, step=step)
        client.log_param(run, f"p{step}", step)
        client.set_tag(run, f"t{step}", step)
        points = [Metric("many", float(number), 1000 + number, number) for number in range(100 * step, 100 * step + 100)]
        client.log_batch(run, points, [Param(f"q{step}", "v")], [RunTag(f"u{step}", "v")])
        client.log_text(run, f"file {step}\n" * 10_000, f"file{step}.txt")
    broken = 0
    for step in range(STEPS):
        with tempfile.TemporaryDirectory() as folder:
            while True:
                try:
                    place = client.download_artifacts(run, f"file{step}.txt", folder)
                except Exception:  # noqa: BLE001 - whatever the client makes of it; what counts is that it doesn't pass for whole
                    broken += 1
                else:
                    break
            assert Path(place).read_text() == f"file {step}\n" * 10_000
    client.set_terminated(run)
    sys.stdout.write(f"\n{run} {broken}\n")


if __name__ == "__main__":
    main(sys.argv[1])
