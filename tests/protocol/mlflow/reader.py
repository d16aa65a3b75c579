"""Reads one run with MLflow's client and prints it as JSON: `python reader.py URL RUN_ID`."""

from __future__ import annotations

import json
import sys

from mlflow import MlflowClient


def main(url, run_id):
    client = MlflowClient(url)
    run = client.get_run(run_id)
    experiment = client.get_experiment_by_name("ours")
    found = client.search_runs([experiment.experiment_id], "params.depth = '6' AND metrics.loss < 0.5")
    told = {
        "name": run.info.run_name,
        "experiment": client.get_experiment(run.info.experiment_id).name,
        "status": run.info.status,
        "params": run.data.params,
        "metrics": run.data.metrics,
        "history": [point.value for point in client.get_metric_history(run_id, "loss")],
        "team": run.data.tags["team"],
        "found": [item.info.run_name for item in found],
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
