"""The inference service against `mlflow models serve`: the same scikit-learn pipeline, the same bodies to /invocations, sent by
wrk, in turn. Ours has one worker and keeps all predictions; MLflow has one and then two, and the better counts in each case. And
what the service adds to the bare call of the model, at one row: of five rounds the quietest, since other work only adds.

    python benchmarks/serving.py [--seconds 3]
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from measure import compare
from online_http import load, post, running, script
from peers import WORK, python_of

CLAIM = "5x the requests of `mlflow models serve` from 8 clients on; at most 2 ms over the bare call of the model at p99, one row"

FOLDER = WORK / "serving"
NAMES = [f"f{place}" for place in range(10)]
ROWS = (1, 100)
CLIENTS = (1, 8, 32)
PATH = "/invocations"
CALLS, ROUNDS = 500, 5
WORKERS = (1, 2)
OVERHEAD = 0.002


def frame(rows: int, seed: int = 3) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(rows, len(NAMES))), columns=NAMES)


def pipeline():
    """What both serve."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train = frame(1000)
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(train, (train["f0"] > 0).astype(int))


def bodies(rows: int) -> list[str]:
    """Requests as MLflow's protocol has them."""
    made = [frame(rows, seed).round(6) for seed in range(50)]
    return [json.dumps({"dataframe_split": {"columns": NAMES, "data": one.to_numpy().tolist()}}) for one in made]


def save_for_mlflow(folder: str) -> None:
    """Runs in MLflow's environment."""
    import mlflow

    mlflow.sklearn.save_model(pipeline(), folder, signature=mlflow.models.infer_signature(frame(3)))


def make_project(folder: Path) -> None:
    import headrace as hr

    folder.mkdir(parents=True)
    (folder / "headrace.toml").touch()
    with hr.connect(folder) as store:
        with store.start_run(experiment="bench") as run:
            logged = run.log_model(pipeline(), "model", example=frame(3))
        store.models.register(logged, "bench")
        store.models.promote("bench", 1)


def overhead(client) -> tuple[list[float], list[float]]:
    """Seconds of calls of the model itself and of the service, with one row, one after the other; each sorted."""
    model, rows, asked = pipeline(), [frame(1, seed) for seed in range(50)], [body.encode() for body in bodies(1)]
    rounds = [one_round(client, model, rows, asked) for _ in range(ROUNDS)]
    return min(rounds, key=lambda pair: pair[1][CALLS * 99 // 100] - pair[0][CALLS * 99 // 100])


def one_round(client, model, rows, asked) -> tuple[list[float], list[float]]:
    calls, answers = [], []
    for place in range(CALLS):
        began = time.perf_counter()
        model.predict(rows[place % 50])
        between = time.perf_counter()
        client.ask(PATH, asked[place % 50])
        answers.append(time.perf_counter() - between)
        calls.append(between - began)
    return sorted(calls), sorted(answers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement")
    parser.add_argument("--save", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.save:
        save_for_mlflow(options.save)
        return
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from servers.headrace import HeadraceServer
    from servers.models import Client
    from servers.ports import free_port

    shutil.rmtree(FOLDER, ignore_errors=True)
    (WORK / "http").mkdir(parents=True, exist_ok=True)
    make_project(FOLDER / "project")
    python = python_of("mlflow")
    subprocess.run([python, __file__, "--save", str(FOLDER / "mlflow")], check=True, cwd=FOLDER, stderr=subprocess.DEVNULL)
    luas = {rows: script(f"serving-{rows}", bodies(rows)) for rows in ROWS}
    found = {}
    with HeadraceServer(FOLDER / "project", "models:/bench@champion", verb="serve") as server:
        found["headrace"] = asked(server.url, luas, options.seconds, "headrace")
        pair = overhead(Client(server.url))
    for workers in WORKERS:
        name = f"mlflow models serve -w {workers}"
        port = free_port()
        command = [str(Path(python).parent / "mlflow"), "models", "serve", "-m", str(FOLDER / "mlflow"), "-p", str(port)]
        path = f"{Path(python).parent}:/usr/bin:/bin"
        with running([*command, "--env-manager", "local", "-w", str(workers)], port, PATH=path) as url:
            found[name] = asked(url, luas, options.seconds, name)
    assert len({one["answers"] for one in found.values()}) == 1, "the services don't say the same"
    for rows in ROWS:
        for clients in CLIENTS:
            ours, *others = (one[rows, clients] for one in found.values())
            theirs = {figure: min(other[figure] for other in others) for figure in ours}
            case = f"{rows} rows, {clients} clients"
            compare(
                case, ours["each"], "mlflow", theirs["each"], at_most=1 / 5 if clients > 1 else 1.0
            )  # one waits for the model
            compare(f"{case}, p99", ours["p99"], "mlflow", theirs["p99"], at_most=1.0)
    for share in (50, 99):
        bare, whole = (times[len(times) * share // 100] for times in pair)
        print(f"  one row, p{share}: the bare call {bare * 1e3:.2f} ms, the service {whole * 1e3:.2f} ms", flush=True)
        compare(f"1 row, p{share} of the service less that of the bare call", whole - bare, "2 ms", OVERHEAD, at_most=1.0)


def asked(url: str, luas: dict[int, Path], seconds: float, name: str) -> dict:
    """What wrk says, by rows and clients; and `answers`, what the service said."""
    found = {"answers": tuple(json.dumps(json.loads(post(f"{url}{PATH}", body))["predictions"]) for body in bodies(100)[:5])}
    for rows, lua in luas.items():
        for clients in CLIENTS:
            one = found[rows, clients] = load(f"{url}{PATH}", lua, clients, seconds)
            told = f"{1 / one['each']:,.0f} requests/s, p50 {one['p50'] * 1e3:.2f} ms, p99 {one['p99'] * 1e3:.2f} ms"
            print(f"  {name}, {rows} rows, {clients} clients: {told}", flush=True)
    return found


if __name__ == "__main__":
    main()
