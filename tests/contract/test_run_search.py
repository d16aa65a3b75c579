"""Searches over runs, on every kind of catalog."""

from __future__ import annotations

import math
import random

from headrace.ids import new_id
from headrace.sql.database import Database
from headrace.sql.overview import SqlOverview
from headrace.sql.tracking import tracking_stores
from headrace.tracking.overview import parse_column
from headrace.tracking.run import Metric, Run
from headrace.tracking.search import parse_filter, parse_order
from headrace.tracking.store import RunQuery


def test_pages_along_an_index_or_among_few_runs_are_those_of_the_whole_order(catalog_url, monkeypatch):
    monkeypatch.setattr("headrace.sql.run_plan.WORTH", 0)
    database = Database(catalog_url)
    stores = tracking_stores(database).runs
    chance = random.Random(7)
    made = []
    for number in range(60):
        run = {"loss": chance.choice([1.0, 2.0, 3.0, math.nan, None]), "opt": chance.choice(["adam", "sgd", None])}
        run |= {"name": f"r{number}", "start": 1_000_000 * chance.randrange(5), "t": chance.choice(["x", None])}
        run["id"] = new_id() if number % 7 else f'it\'s "{number}", {{a}} \\ 5%s'
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
        "tags.t = 'x' and start_time > 2000": lambda run: run["t"] == "x" and run["start"] > 2_000_000,
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
            for few in (4, 1000):  # few runs are searched without a walk
                monkeypatch.setattr("headrace.sql.run_plan.FEW", few)
                assert _paged(stores, text, order) == [run["id"] for run in expected]
    database.close()


def _placed(value, *, down=False):
    """Numbers and texts, then NaN, then none."""
    if value is None:
        return 2, 0
    return (1, 0) if value != value else (0, -value if down else value)


def _paged(stores, text, order):
    found = []
    while page := stores.search(RunQuery(parse_filter(text), parse_order(order), limit=7, offset=len(found))).ids:
        found += page
    return found


def test_the_newest_of_very_many_runs_speak_for_all_until_all_are_counted(catalog_url, monkeypatch):
    monkeypatch.setattr("headrace.sql.overview.NEWEST", 4)
    monkeypatch.setattr("headrace.sql.overview.FEW_CELLS", 20)
    database = Database(catalog_url)
    stores, overview = tracking_stores(database).runs, SqlOverview(database)

    def log(number, **params):
        about = {"experiment_id": "0", "experiment": "Default", "status": "RUNNING", "name": f"r{number}", "start": number}
        run = Run(id=new_id(), **about, params=params)
        stores.create(run)
        stores.log(run.id, [Metric("loss", 1.0, 1)])
        return run.id

    log(0, rare="1")
    for number in range(1, 5):
        log(number, depth="6")
    few = overview.keys(["0"], exact=False)
    assert (few, few.exact, few.params) == (overview.keys(["0"]), True, {"depth": 4, "rare": 1})
    last = [log(number, depth="6", **({"width": "1"} if number % 2 else {})) for number in range(5, 10)][-1]
    soon, counted = overview.keys(["0"], exact=False), overview.keys(["0"])
    assert (soon.exact, soon.metrics, soon.params) == (False, {"loss": 10}, {"depth": 10, "width": 5})
    assert (counted.exact, counted.metrics, counted.params) == (True, {"loss": 10}, {"depth": 9, "rare": 1, "width": 3})
    stores.set_stage(last, "deleted", 1)
    monkeypatch.setattr("headrace.sql.overview.SLOW_SECONDS", 0.0)
    monkeypatch.setattr("headrace.sql.overview.PATIENCE", 0)
    counted = overview.keys(["0"])
    log(10, other="1")
    soon = overview.keys(["0"], exact=False)  # what was counted before has the rare ones too
    assert (soon.exact, soon.params) == (False, counted.params)
    assert overview.keys(["0"]).params == {**counted.params, "other": 1}
    database.close()


def test_what_runs_have_comes_as_it_was_logged(catalog_url):
    """All that a run has comes packed as one: whatever is in it."""
    database = Database(catalog_url)
    stores, overview = tracking_stores(database).runs, SqlOverview(database)
    texts = {
        "plain": "x",
        "empty": "",
        'k"e\\y': 'a"b\\c',
        "lines": "a\nb\tc",
        "ключ": "значение 🚀",
        "list": '["a", null]',
        "{}": "{},\x01",
    }
    numbers = {"third": 1 / 3, "tiny": 5e-324, "huge": 1.7976931348623157e308, "whole": 3.0, "minus": -1.5, "sum": 0.1 + 0.2}
    numbers |= {"nan": math.nan, "up": math.inf, "down": -math.inf, 'k"e\\y,': 1.0}
    points = [Metric(key, value, 2**53 + place, place - 3) for place, (key, value) in enumerate(numbers.items())]
    points += [Metric("measured", 0.5, 1, 2**62, "m-1", 'books"', "d\\"), Metric("measured nan", math.nan, 1, 0, "m-1")]
    ids = [new_id() for _ in range(3)]
    for place, run_id in enumerate(ids):  # the last has nothing
        about = {"experiment_id": "0", "experiment": "Default", "status": "RUNNING", "start": place}
        stores.create(Run(id=run_id, name=f"r{place}", **about, **({} if place == 2 else {"params": texts, "tags": texts})))
        if place != 2:
            stores.log(run_id, points)

    page = stores.search(RunQuery(order=parse_order("start_time")))
    assert page.ids == ids
    by_key = {repr(point) for point in points}
    for run in [*page.runs(ids[:2]), *stores.get(ids[:2])]:
        assert run.params == texts
        assert {key: value for key, value in run.tags.items() if key in texts} == texts
        assert {repr(point) for point in run.latest.values()} == by_key
    assert page.runs(ids[2:])[0].latest == page.runs(ids[2:])[0].params == {}

    names = [f"params.{key}" for key in texts] + [f"metrics.{key}" for key in numbers] + ["metrics.measured nan", "params.none"]
    query = RunQuery(order=parse_order("start_time"), experiments=["0"], limit=10)
    table = overview.table(query, [parse_column(name) for name in names])
    expected = [*texts.values(), *numbers.values(), math.nan, None]
    assert [repr(table.columns[name]) for name in names] == [repr([value, value, None]) for value in expected]
    database.close()
