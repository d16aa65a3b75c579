"""Fills a project with runs as a team leaves them: `python tests/browser/seed.py FOLDER [RUNS]`.

Everything is logged through the store, so what the app shows is what users would see.
"""

from __future__ import annotations

import contextlib
import math
import random
import struct
import sys
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import headrace as hr
from headrace.clock import system_clock
from headrace.ids import new_id
from headrace.tracking.run import Metric, Run

if TYPE_CHECKING:
    import pandas as pd

    from headrace.definitions.validation import Definition

__all__ = ["HOSTILE", "seed"]

HOSTILE = "<img src=x onerror=alert(1)> \u202e\u0631\u0627\u0645\u0632 \U0001f9ea " + "very-long-name-" * 14
SECOND = 1_000_000
ROC = (
    '<div id="f"></div><script src="https://cdn.plot.ly/plotly-3.0.1.min.js"></script><script>Plotly.newPlot("f", '
    '[{"name": "model", "type": "scatter", "x": [0, 0.1, 0.4, 1], "y": [0, 0.7, 0.9, 1]}, '
    '{"name": "chance", "mode": "lines", "x": [0, 1], "y": [0, 1]}], '
    '{"title": {"text": "ROC"}, "xaxis": {"title": {"text": "false positives"}}}, {"responsive": true})</script>'
)
"""A figure as Plotly writes it when it leaves its library out."""


def seed(folder: Path, runs: int = 120, steps: int = 300) -> None:
    """Log runs of three experiments."""
    chance = random.Random(7)
    with hr.connect(folder) as store:
        for number in range(runs):
            _training(store, chance, number, steps)
        _odd_ones(store)
        _models(store)
        _features(store)


def _training(store: hr.Store, chance: random.Random, number: int, steps: int) -> None:
    rate = chance.choice([0.3, 0.1, 0.03, 0.01])
    depth = chance.choice([4, 6, 8, 10])
    optimizer = chance.choice(["sgd", "adam", "lion"])
    params = {"learning_rate": rate, "depth": depth, "optimizer": optimizer, "seed": number % 5, "batch": 256, "data.folds": 5}
    tags = {"team": chance.choice(["search", "ranking"]), "stage": "sweep"}
    experiment = "video-ranker" if number % 4 else "video-ranker-baseline"
    with store.start_run(experiment=experiment, params=params, tags=tags, capture=number % 20 == 0) as run:
        start = store.runs.get(run.id).start
        quality = 0.93 - 0.02 * abs(math.log10(rate) + 1.5) - 0.004 * abs(depth - 8) + (0.01 if optimizer == "adam" else 0)
        points, gpu = [], chance.uniform(60, 85)
        for step in range(steps):
            part, at = step / steps, start + step * 2 * SECOND
            loss = 0.25 + 1.9 * math.exp(-5 * part * (1 + rate)) + chance.gauss(0, 0.02 + rate * 0.12)
            points += [Metric("train/loss", loss, at, step)]
            points += [Metric("train/accuracy", min(1, quality - 0.5 * math.exp(-6 * part) + chance.gauss(0, 0.008)), at, step)]
            points += [Metric("learning_rate", rate * 0.5 * (1 + math.cos(math.pi * part)), at, step)]
            if step % 10 == 0:
                points += [Metric("val/loss", loss + 0.06 + 0.1 * part * rate + chance.gauss(0, 0.01), at, step)]
                points += [Metric("auc", quality - 0.4 * math.exp(-7 * part) + chance.gauss(0, 0.004), at, step)]
                points += [Metric("system/gpu_percent", gpu + chance.gauss(0, 6), at, step)]
                points += [Metric("system/memory_mb", 4000 + 900 * part + chance.gauss(0, 20), at, step)]
        store.runs.recorder.log(run.id, metrics=points)
        if number % 10 == 0:
            _files(run)
        if number % 17 == 5:
            store.runs.stores.runs.update(run.id, status="KILLED")


def _odd_ones(store: hr.Store) -> None:
    """What a page must bear: hostile names, curves of NaN, a failed run, a run that goes on, nested runs."""
    with store.start_run(
        experiment="odd ones", name=HOSTILE[:250], params={"note": "<script>alert(1)</script>", "x": "1"}
    ) as run:
        run.log_metrics({"loss": math.nan}, step=0)
        for step in range(30):
            run.log_metrics({"loss": math.nan, "spiky": 1e6 if step == 17 else 1.0, "gone": math.inf}, step=step * 7 % 30)
    with store.start_run(experiment="odd ones", name="parent", capture=False) as parent:
        for child in range(3):
            with store.start_run(experiment="odd ones", name=f"child-{child}", nested=True, capture=False) as run:
                run.log_metrics({"loss": 1.0 / (child + 1)})
        assert parent.id
    with contextlib.suppress(ValueError), store.start_run(experiment="odd ones", name="fails", capture=False) as run:
        run.log_metrics({"loss": 3.0})
        int("the data has 0 rows; check the query")
    kept = store.runs.experiment("odd ones")
    run_id, began = new_id(), system_clock() - 90 * SECOND
    going = Run(id=run_id, name="still going", experiment_id=kept.id, experiment=kept.name, status="RUNNING", start=began)
    store.runs.recorder.create(going)
    store.runs.recorder.log(run_id, metrics=[Metric("loss", 1 / (step + 1), began + step * SECOND, step) for step in range(60)])
    silent = store.runs.recorder.start(kept.name, "gone silent")
    writers = store.runs.stores.writers
    assert writers is not None
    writers.advance(silent.id, "w", 1, system_clock() - 3600 * SECOND)


def _models(store: hr.Store) -> None:
    """A model with a champion, one that its gate lets pass and one that it refuses."""
    import numpy as np
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    numbers = np.random.default_rng(3)
    rows = pd.DataFrame(numbers.normal(size=(400, 3)), columns=["age", "income", "visits"])
    bought = (rows["age"] + rows["visits"] + numbers.normal(size=400) > 0).astype(int)
    for columns in (["age"], ["age", "visits"], ["income"]):
        with store.start_run(experiment="buyers", params={"columns": ",".join(columns)}, capture=False) as run:
            taken = rows.assign(**{name: 0.0 for name in rows if name not in columns})
            logged = run.log_model(LogisticRegression().fit(taken, bought), "buyers", example=taken[:3])
        version = store.models.register(logged, "buyers")
        store.models.evaluate("buyers", version.version, taken.assign(bought=bought), label="bought", metrics=["auc"])
        if version.version == 1:
            store.models.promote("buyers", 1, reason="the first")
            store.models.set_gates("buyers", [hr.Gate("auc", at_least=0.7, min_improvement=None)])
    _predictions(store)


def _predictions(store: hr.Store) -> None:
    """What the champion answered to a few requests, with what came of them."""
    import pandas as pd

    from headrace.serving.messages import pack
    from headrace.serving.predictions import Made

    now = system_clock()
    for number in range(4):
        store.predictions.keep(
            Made(
                request=f"request-{number}",
                model="buyers",
                version=1,
                role="main",
                view="",
                source="request",
                method="predict",
                keys=pack({"user": [number]}),
                asked=pack(("predict", {"age": [0.5]})),
                json=b"[1]",
                rows=1,
                at=now - number * SECOND,
                seconds=0.002,
            )
        )
    store.record_outcomes(pd.DataFrame({"request": ["request-0", "request-1"], "outcome": [1, 0]}))


def _features(store: hr.Store) -> None:
    """What is known of users: groups of three sources, one stale, one of two versions; views of them, and rows that wait."""
    import numpy as np
    import pandas as pd

    user = hr.Entity("user", keys={"user_id": "int64"}, description="somebody who may buy")
    store.apply([user, *_bought(user), *_liked(user, description="")])
    store.apply(_liked(user, description="What users liked."))  # the second version computes the same as the first
    numbers, users, size = np.random.default_rng(11), 200, 1500
    now = pd.Timestamp.now("UTC").floor("s")
    end = now.floor("h") - pd.Timedelta("3D")
    bought = pd.DataFrame(
        {
            "user_id": numbers.integers(0, users, size),
            "price": numbers.lognormal(3, 0.7, size).round(2),
            "category": numbers.choice(["books", "games", "tools", "food"], size),
            "bought_at": end - pd.to_timedelta(numbers.uniform(0, 60, size), unit="D"),
        }
    )
    bought.loc[:2, "price"] = -1.0  # is set aside
    ages = numbers.normal(38, 12, users).clip(18, 90).astype("int64")
    known = pd.DataFrame({"user_id": range(users), "age": ages, "country": numbers.choice(["DE", "FR", "PL"], users)})
    rated = pd.DataFrame({"user_id": [n % 20 for n in range(100)], "stars": [n % 5 + 1.0 for n in range(100)], "seconds": 30.0})
    at = now - pd.Timedelta("1D")
    store.write("purchases", bought)
    store.write("profiles", known.assign(changed_at=end - pd.Timedelta("90D")))
    store.write("ratings", rated.assign(rated_at=at))
    store.materialize()
    asked = pd.DataFrame({"user_id": range(users), "timestamp": end, "bought": numbers.integers(0, 2, users)})
    store.training_set("buying", asked, label="bought", name="buyers")
    store.profile("user_taste")
    _taster(store, at + pd.Timedelta("1h"))
    store.write("ratings", rated[rated["user_id"] == 1][:1].assign(stars=1.0, rated_at=at + pd.Timedelta("2h")))  # not online yet


def _bought(user: hr.Entity) -> list[Definition]:
    """What users bought and who they are: two groups, and a view of both."""
    about = {"owner": "growth", "tags": {"team": "growth"}}
    purchases = hr.EventSource(
        "purchases",
        timestamp="bought_at",
        schema={"user_id": "int64", "price": "float64", "category": "string", "bought_at": "timestamp"},
        description="what was bought, when, and for how much",
        expect=[hr.expect.not_null("user_id"), hr.expect.between("price", 0, 1000, on_fail="quarantine")],
        **about,
    )
    profiles = hr.TableSource(
        "profiles",
        timestamp="changed_at",
        schema={"user_id": "int64", "age": "int64", "country": "string", "changed_at": "timestamp"},
        **about,
    )
    spending = hr.FeatureGroup(
        "spending",
        entity=user,
        source=purchases,
        freshness="1d",
        description="how much and how often a user buys",
        expect=[hr.expect.between("price_avg", 0, 40), hr.expect.sql("purchases_7d < 100", name="no robots")],
        features={
            "purchases_7d": hr.count("7d"),
            "spent_30d": hr.sum("price", "30d"),
            "price_avg": hr.mean("price"),
            "last_category": hr.last("category"),
        },
        **about,
    )
    profile = hr.FeatureGroup("profile", entity=user, source=profiles, features={"age": "age", "country": "country"}, **about)
    view = hr.FeatureView("buying", [spending, profile], description="what the model of buyers reads", **about)
    return [purchases, profiles, spending, profile, view]


def _liked(user: hr.Entity, description: str) -> list[Definition]:
    """What users liked: a group of a stream, and two views that read different features of it."""
    columns = {"user_id": "int64", "stars": "float64", "seconds": "float64", "rated_at": "timestamp"}
    ratings = hr.EventSource("ratings", timestamp="rated_at", stream="ratings", schema=columns)
    made = {"stars_avg": hr.mean("stars"), "ratings": hr.count(), "seconds_sum": hr.sum("seconds"), "ratings_7d": hr.count("7d")}
    taste = hr.FeatureGroup("user_taste", entity=user, source=ratings, features=made, owner="recsys", description=description)
    return [
        hr.FeatureView("taste", features=[taste["stars_avg", "ratings"]]),
        hr.FeatureView("patience", features=[taste["seconds_sum"].prefixed("user_")]),
    ]


def _taster(store: hr.Store, at: pd.Timestamp) -> None:
    """A model that reads the view of tastes, in Production."""
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    labels = pd.DataFrame({"user_id": range(20), "timestamp": at, "liked": [0, 1] * 10})
    with store.start_run(experiment="tasters", capture=False) as run:
        train = store.training_set("taste", labels, label="liked", name="tasters")
        run.use(train)
        table = train.to_pandas()
        model = LogisticRegression().fit(table[["stars_avg", "ratings"]], table["liked"])
        logged = run.log_model(model, "taster", view="taste", example=table[["stars_avg", "ratings"]][:3])
    store.models.register(logged, "taster")
    store.models.promote("taster", 1, reason="the first")


def _files(run: hr.ActiveRun) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "notes.md").write_text("# Notes\n\nThe **learning rate** mattered most.\n\n- depth: 8\n- `adam` was best\n")
        (folder / "scores.csv").write_text("user,score\n" + "".join(f"{user},{user % 97 / 97:.4f}\n" for user in range(5000)))
        (folder / "config.json").write_text('{"model": {"depth": 8, "layers": [64, 32]}, "seed": 3}')
        (folder / "report.html").write_text("<h1>Report</h1><script>document.body.append('drawn by its own script')</script>")
        (folder / "roc.html").write_text(ROC)
        (folder / "loss.png").write_bytes(_png(240, 120))
        for file in sorted(folder.iterdir()):
            run.log_artifact(file, "reports")


def _png(width: int, height: int) -> bytes:
    """A picture of a gradient."""
    rows = b"".join(b"\0" + bytes(v for x in range(width) for v in (x % 256, y * 2 % 256, 140)) for y in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def main(arguments: Sequence[str]) -> None:
    """Seed the folder that is named."""
    seed(Path(arguments[0]), int(arguments[1]) if len(arguments) > 1 else 120)


if __name__ == "__main__":
    main(sys.argv[1:])
