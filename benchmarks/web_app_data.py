"""The runs that benchmarks/web_app.py looks at, in our tables and in MLflow's; both databases are filled directly, with the same.

| experiment | what is in it |
|---|---|
| 0 | 10,000 runs with 250 metrics and 250 params each; the newest 100 have histories of four metrics |
| 1, `keys` | one run with 5,000 metrics |
| 2, `charts` | ten runs with 1,000 metrics each |
| 3, `long` | 100 runs with a million points each |

What is made is kept under `.work/web_app`, and made again when VERSION rises.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

__all__ = ["FOLDER", "LONG_RUNS", "OURS", "THEIRS", "long_id", "prepare", "wide_id"]

FOLDER = Path(__file__).parent / ".work" / "web_app"
OURS, THEIRS = FOLDER / "ours", FOLDER / "theirs"
VERSION = "1"
RUNS, SIDE = 10_000, 250
"""Runs of the wide experiment; metrics, and as many params, of each."""
CURVED, CURVES, STEPS = 100, 4, 100
LONG_RUNS, LONG_POINTS = 100, 1_000_000
START = 1_760_000_000_000
"""Milliseconds since 1970."""
SOME = 500


def wide_id(number: int) -> str:
    """The id of a run of the wide experiment; the highest number is the newest."""
    return f"a{number:031x}"


def long_id(number: int) -> str:
    """The id of a run with a million points."""
    return f"b{number:031x}"


def wide_runs() -> Iterator[tuple[str, int, dict[str, str], dict[str, float]]]:
    """(id, start in milliseconds, params, metrics) of each run, oldest first."""
    chance = random.Random(3)
    for number in range(RUNS):
        params = {f"p{place:03}": str(chance.randrange(1000)) for place in range(SIDE)}
        metrics = {f"m{place:03}": chance.random() for place in range(SIDE)}
        yield wide_id(number), START + number * 1000, params, metrics


def curve(last: float) -> list[float]:
    """A history that ends so."""
    return [last + (STEPS - 1 - step) / STEPS for step in range(STEPS)]


def prepare() -> None:
    """Make what isn't there."""
    mark = FOLDER / "made"
    if mark.exists() and mark.read_text(encoding="utf-8") == VERSION:
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    OURS.mkdir(parents=True)
    THEIRS.mkdir()
    print("making the runs; it takes some minutes", flush=True)
    _fill_ours()
    _fill_theirs()
    mark.write_text(VERSION, encoding="utf-8")


@contextmanager
def _filling(path: Path) -> Iterator[sqlite3.Connection]:
    """A database without indexes while it is filled, and as it was afterwards."""
    with closing(sqlite3.connect(path)) as connection:
        for setting in ("synchronous = OFF", "cache_size = -800000", "foreign_keys = OFF", "temp_store = MEMORY"):
            connection.execute(f"PRAGMA {setting}")
        indexes = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").fetchall()
        for name, _ in indexes:
            connection.execute(f'DROP INDEX "{name}"')
        yield connection
        for _, text in indexes:
            connection.execute(text)
        connection.execute("ANALYZE")
        connection.commit()


def _add(connection: sqlite3.Connection, table: str, rows: list[dict]) -> None:
    if rows:
        names = list(rows[0])
        places = ", ".join(f":{name}" for name in names)
        connection.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})", rows)


def _fill_ours() -> None:
    import numpy as np

    import headrace as hr
    from headrace.tracking.history import Series
    from headrace.tracking.run import Metric, Run

    (OURS / "headrace.toml").touch()
    with hr.connect(OURS):
        pass
    with _filling(OURS / ".headrace" / "catalog.db") as connection:
        held: dict[str, list[dict]] = {name: [] for name in ("runs", "params", "run_tags", "latest_metrics")}
        for number, (run, start, params, metrics) in enumerate(wide_runs()):
            held["runs"].append(_our_run(run, number, start * 1000))
            held["params"] += [{"run_id": run, "key": key, "value": value} for key, value in params.items()]
            held["run_tags"].append({"run_id": run, "key": "mlflow.runName", "value": f"run-{number}"})
            if number < RUNS - CURVED:
                held["latest_metrics"] += [_our_latest(run, key, value, start * 1000) for key, value in metrics.items()]
            if number % SOME == SOME - 1:
                for table, rows in held.items():
                    _add(connection, table, rows)
                    rows.clear()
        connection.commit()
    with hr.connect(OURS) as store:
        record = store.runs.recorder
        for number, (run, start, _, metrics) in enumerate(wide_runs()):
            if number >= RUNS - CURVED:
                points = []
                for place, (key, value) in enumerate(metrics.items()):
                    found = curve(value) if place < CURVES else [value]
                    points += [Metric(key, each, (start + step) * 1000, step) for step, each in enumerate(found)]
                record.log(run, metrics=points)
        for name, runs, keys, steps in (("keys", 1, 5000, 20), ("charts", 10, 1000, 50)):
            kept = record.experiment(name)
            for number in range(runs):
                run = f"c{len(name):03x}{number:028x}"
                record.create(_finished(Run, run, f"{name}-{number}", kept, START * 1000))
                chance = random.Random(number)
                record.log(
                    run,
                    metrics=[
                        Metric(
                            f"layer{key // 50:02}/weight{key % 50:02}",
                            chance.random() + 10 / (step + 1),
                            START * 1000 + step,
                            step,
                        )
                        for key in range(keys)
                        for step in range(steps)
                    ],
                )
        kept = record.experiment("long")
        steps = np.arange(LONG_POINTS, dtype="<i8")
        for number in range(LONG_RUNS):
            record.create(_finished(Run, long_id(number), f"long-{number}", kept, START * 1000 + number))
            values = np.random.default_rng(number).normal(size=LONG_POINTS).cumsum() / 1000
            for first in range(0, LONG_POINTS, 100_000):
                part = slice(first, first + 100_000)
                columns = (START * 1000 + steps[part] * 1000, steps[part], values[part])
                record.log(long_id(number), series=[Series.of("loss", ("", "", ""), *(column.tobytes() for column in columns))])


def _finished(kind: type, run: str, name: str, experiment: object, start: int) -> object:
    where = {"experiment_id": experiment.id, "experiment": experiment.name}
    return kind(id=run, name=name, **where, status="FINISHED", start=start, end=start + 10**6)


def _our_run(run: str, number: int, start: int) -> dict:
    about = {"user_id": "u", "status": "FINISHED", "artifact_uri": f"mlflow-artifacts:/0/{run}/artifacts"}
    named = {"run_id": run, "experiment_id": 0, "name": f"run-{number}", "lifecycle_stage": "active"}
    return {**named, **about, "start_time": start, "end_time": start + 10**6}


def _our_latest(run: str, key: str, value: float, time: int) -> dict:
    origin = {"model_id": "", "dataset_name": "", "dataset_digest": ""}
    figures = {"chunks": 0, "count": 1, "low": value, "high": value, "last_time": time, "mixed": False}
    return {"run_id": run, "key": key, "step": 0, "time": time, "value": value, "is_nan": False, **origin, **figures}


MAKE = "import sys; from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore; SqlAlchemyStore(sys.argv[1], 'artifacts')"


def _fill_theirs() -> None:
    from servers.mlflow import ENVIRONMENT, PYTHON

    path = THEIRS / "mlflow.db"
    subprocess.run([str(PYTHON), "-c", MAKE, f"sqlite:///{path}"], check=True, cwd=THEIRS, env=ENVIRONMENT, capture_output=True)
    with _filling(path) as connection:
        tables = ("runs", "params", "tags", "metrics", "latest_metrics")
        held: dict[str, list[dict]] = {name: [] for name in tables}
        for number, (run, start, params, metrics) in enumerate(wide_runs()):
            held["runs"].append(
                {
                    "run_uuid": run, "name": f"run-{number}", "experiment_id": 0, "user_id": "u", "status": "FINISHED",
                    "lifecycle_stage": "active", "start_time": start, "end_time": start + 1000, "source_type": "UNKNOWN",
                    "artifact_uri": f"mlflow-artifacts:/0/{run}/artifacts", "source_name": "", "entry_point_name": "",
                    "source_version": "",
                }
            )  # fmt: skip
            held["params"] += [{"run_uuid": run, "key": key, "value": value} for key, value in params.items()]
            held["tags"].append({"run_uuid": run, "key": "mlflow.runName", "value": f"run-{number}"})
            for place, (key, value) in enumerate(metrics.items()):
                many = number >= RUNS - CURVED and place < CURVES
                found = list(enumerate(curve(value))) if many else [(0, value)]
                points = [
                    {"run_uuid": run, "key": key, "value": each, "timestamp": start + step, "step": step, "is_nan": False}
                    for step, each in found
                ]
                held["metrics"] += points
                held["latest_metrics"].append(points[-1])
            if number % SOME == SOME - 1:
                for table, rows in held.items():
                    _add(connection, table, rows)
                    rows.clear()
        connection.commit()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    prepare()
