"""Searches over runs, on every kind of catalog."""

from __future__ import annotations

import math
import random

from headrace.ids import new_id
from headrace.sql.database import Database
from headrace.sql.tracking import tracking_stores
from headrace.tracking.run import Metric, Run
from headrace.tracking.search import parse_filter, parse_order


def test_pages_along_an_index_are_those_of_the_whole_order(catalog_url, monkeypatch):
    monkeypatch.setattr("headrace.sql.run_plan.FEW", 4)  # few runs are searched without a walk
    database = Database(catalog_url)
    stores = tracking_stores(database).runs
    chance = random.Random(7)
    made = []
    for number in range(60):
        run = {"loss": chance.choice([1.0, 2.0, 3.0, math.nan, None]), "opt": chance.choice(["adam", "sgd", None])}
        run |= {"name": f"r{number}", "start": 1_000_000 * chance.randrange(5), "t": chance.choice(["x", None])}
        run["id"] = new_id()
        pairs = {kind: {key: run[key]} if run[key] else {} for kind, key in (("params", "opt"), ("tags", "t"))}
        about = {"experiment_id": "0", "experiment": "Default", "status": "RUNNING"}
        stores.create(Run(id=run["id"], name=run["name"], start=run["start"], **about, **pairs))
        if run["loss"] is not None:
            stores.log(run["id"], [Metric("loss", run["loss"], 1)])
        made.append(run)
    searches = {
        "": lambda _: True,
        "params.opt = 'adam' and metrics.loss > 1": lambda run: run["opt"] == "adam" and (run["loss"] or 0) > 1,
        "metrics.loss != 2 and tags.t IS NULL": lambda run: run["loss"] not in (2, None) and run["t"] is None,
    }
    orders = {
        (): lambda run: (-run["start"],),
        ("metrics.loss DESC",): lambda run: (_placed(run["loss"], down=True), -run["start"]),
        ("metrics.loss",): lambda run: (_placed(run["loss"]), -run["start"]),
        ("metrics.loss DESC", "params.opt"): lambda run: (_placed(run["loss"], down=True), _placed(run["opt"]), -run["start"]),
        ("params.opt",): lambda run: (_placed(run["opt"]), -run["start"]),
        ("start_time", "params.opt"): lambda run: (run["start"], _placed(run["opt"])),
    }
    for text, is_kept in searches.items():
        for order, key in orders.items():
            expected = sorted(filter(is_kept, made), key=lambda run, key=key: (*key(run), run["id"]))
            assert _paged(stores, text, order) == [run["id"] for run in expected]
    database.close()


def _placed(value, *, down=False):
    """Numbers and texts, then NaN, then none."""
    if value is None:
        return 2, 0
    return (1, 0) if value != value else (0, -value if down else value)


def _paged(stores, text, order):
    found = []
    while page := stores.search(parse_filter(text), parse_order(order), limit=7, offset=len(found)):
        found += [run.id for run in page]
    return found
