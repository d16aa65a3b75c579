"""A project of a size that a page must bear, written straight into its catalog: 10,000 runs, a run with 5,000 metrics and one
with a million points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

import headrace as hr
from headrace.sql.database import Database
from headrace.sql.tables import tracking as t
from headrace.tracking.history import Series
from headrace.tracking.run import Metric, Run

__all__ = ["COLUMNS", "MANY_KEYS", "RUNS", "fill"]

RUNS, COLUMNS, MANY_KEYS, POINTS = 10_000, 6, 5000, 1_000_000
START = 1_790_000_000_000_000


def fill(folder: Path) -> dict[str, str]:
    """Make the project; returns the ids of the experiments `wide`, `keys` and `long`, and of the runs `keys` and `long`."""
    with hr.connect(folder) as store:
        record = store.runs.recorder
        places = {name: record.experiment(name).id for name in ("wide", "keys", "long")}
        runs = {"keys-run": "c" * 32, "long-run": "b" * 32}
        for name, run in runs.items():
            kept = name.removesuffix("-run")
            where = {"experiment_id": places[kept], "experiment": kept}
            record.create(Run(id=run, name=name, **where, status="FINISHED", start=START, end=START + 10**9))
        keys = [f"layer{key // 50:02}/weight{key % 50:02}" for key in range(MANY_KEYS)]
        record.log(runs["keys-run"], metrics=[Metric(key, 1 / (step + 1), START + step, step) for step, key in enumerate(keys)])
        steps = np.arange(POINTS, dtype="<i8")
        values = np.sin(steps / 1e5)
        values[777_777] = 50.0
        columns = (START + steps * 1000, steps, values)
        record.log(runs["long-run"], series=[Series.of("wave", ("", "", ""), *(column.tobytes() for column in columns))])
    database = Database(f"sqlite:///{folder / '.headrace' / 'catalog.db'}")
    with database.write() as connection:
        for first in range(0, RUNS, 2000):
            _add(connection, int(places["wide"]), range(first, first + 2000))
    database.close()
    return {**places, **runs}


def _add(connection: sa.Connection, experiment: int, numbers: Sequence[int]) -> None:
    rows: dict[sa.Table, list[Mapping[str, Any]]] = {t.runs: [], t.params: [], t.latest_metrics: []}
    origin = {"model_id": "", "dataset_name": "", "dataset_digest": ""}
    for number in numbers:
        run, start = f"{number:032x}", START + number * 1_000_000
        about = {"user_id": "u", "status": "FINISHED", "artifact_uri": f"mlflow-artifacts:/{experiment}/{run}/artifacts"}
        named = {"run_id": run, "experiment_id": experiment, "name": f"wide-{number}", "lifecycle_stage": "active"}
        rows[t.runs].append({**named, **about, "start_time": start, "end_time": start + 10**6})
        rows[t.params] += [{"run_id": run, "key": f"p{place:02}", "value": str(number % (place + 2))} for place in range(COLUMNS)]
        for place in range(COLUMNS):
            value = math.sin(number * (place + 1))
            figures = {"chunks": 0, "count": 1, "low": value, "high": value, "last_time": start, "mixed": False}
            point = {"run_id": run, "key": f"m{place:02}", "step": 0, "time": start, "value": value, "is_nan": False}
            rows[t.latest_metrics].append({**point, **origin, **figures})
    for table, found in rows.items():
        connection.execute(table.insert(), found)
