"""The searches of tracking/store.py, over every backend."""

from __future__ import annotations

import math

import pytest

from contract.tracking_runs import make_run, names
from headrace.tracking.page import Form, LatestPoints
from headrace.tracking.run import DatasetInput, Metric
from headrace.tracking.search import EXPERIMENTS, parse_filter, parse_order
from headrace.tracking.store import RunQuery


@pytest.fixture
def filled(stores):
    """Four runs: a and c have metrics, b has NaN, d has nothing."""
    rows = {
        "a": ([Metric("auc", 0.9, 1)], {"opt": "Adam"}, "FINISHED", 4_000_000),
        "b": ([Metric("auc", math.nan, 1)], {"opt": "adam"}, "FAILED", 3_000_000),
        "c": ([Metric("auc", 0.5, 1)], {"opt": "s_d%"}, "RUNNING", 2_000_000),
        "d": ([], {}, "RUNNING", 1_000_000),
    }
    for name, (metrics, params, status, start) in rows.items():
        run_id = make_run(stores, name=name, status=status, start=start, params=params, tags={"a b": name} if name < "c" else {})
        stores.runs.log(run_id, metrics)
        if name in "ab":
            stores.runs.add_inputs(run_id, [DatasetInput(name="films", digest=name, context="training")])
    return stores


FILTERS = {
    "": "abcd",
    "metrics.auc > 0.5": "a",
    "metrics.auc >= 0.5": "ac",
    "metrics.auc != 0.5": "ab",
    "metrics.auc = 0": "",
    "params.opt = 'Adam'": "a",
    "params.opt != 'Adam'": "bc",
    "params.opt LIKE 'a%'": "b",
    "params.opt ILIKE 'a%'": "ab",
    "params.opt LIKE 's__%'": "c",
    "params.opt IS NULL": "d",
    "params.opt is not null": "abc",
    "tags.`a b` IS NULL": "cd",
    "status = 'RUNNING'": "cd",
    "status = 'running'": "",
    "run_name LIKE 'A'": "",
    "start_time > 2000": "ab",
    "start_time <= 2000": "cd",
    "dataset.name = 'films'": "ab",
    "dataset.digest IN ('b', 'x') and datasets.context = 'training'": "b",
    "dataset.digest NOT IN ('b')": "a",
    "metrics.auc > 0.1 AND params.opt ILIKE '%d%' AND status != 'FAILED'": "ac",
}


def test_filters_mean_what_mlflow_means(filled):
    assert {text: "".join(names(filled, text)) for text in FILTERS} == FILTERS


def test_a_backslash_in_a_pattern_is_one_as_in_mlflows_default_store(stores):
    for name, path in (("a", "x%"), ("b", "x\\y"), ("c", "x\\")):
        make_run(stores, name=name, params={"path": path})
    found = {pattern: "".join(sorted(names(stores, f"params.path {pattern}"))) for pattern in (r"LIKE 'x\%'", r"ILIKE 'X\%'")}
    assert found == {r"LIKE 'x\%'": "bc", r"ILIKE 'X\%'": "bc"}
    assert names(stores, "params.path LIKE 'x\\'") == ["c"]  # where a backslash escapes, it may not come last
    assert names(stores, "run_name LIKE 'a\\'") == []


ORDERS = {
    ("metrics.auc",): "cabd",
    ("metrics.auc DESC",): "acbd",
    ("params.opt asc",): "abcd",
    ("params.opt desc",): "cbad",
    ("start_time",): "dcba",
    ("status", "run_name desc"): "badc",
    (): "abcd",
}


def test_orders_put_nan_and_missing_last_both_ways(filled):
    assert {order: "".join(names(filled, order=order)) for order in ORDERS} == ORDERS


def test_searches_page_and_stay_in_their_experiments(filled):
    assert [names(filled, limit=2), names(filled, limit=2, offset=2)] == [["a", "b"], ["c", "d"]]
    home = filled.experiments.create("other", {}, 1)
    make_run(filled, name="e", experiment_id=home.id, start=9)
    assert (names(filled, experiments=[home.id]), names(filled, experiments=[])) == (["e"], [])


def test_a_page_in_another_form_has_the_same_runs(filled):
    form = Form(lambda *columns: list(zip(*columns, strict=True)), lambda *columns: [*LatestPoints(*columns).metrics().values()])
    page = filled.runs.search_as(form, RunQuery(experiments=["0"], limit=3, offset=1))
    whole = filled.runs.search(RunQuery(limit=3, offset=1)).runs()
    assert [page.ids, [page.heads[run.id][0] for run in whole]] == [[run.id for run in whole], ["b", "c", "d"]]
    for run in whole:
        held = (page.params, page.tags, page.metrics, page.inputs)
        expected = (run.params.items(), run.tags.items(), run.latest.values(), run.inputs)
        for part, items in zip(held, expected, strict=True):
            assert sorted(map(str, part.get(run.id, ()))) == sorted(map(str, items))  # as texts: NaN is itself there


def test_experiments_are_searched(stores):
    for name, team in (("b", "x"), ("a", "y"), ("C", "x")):
        stores.experiments.create(f"find {name}", {"team": team}, 5_000)

    def found(text, order=(), **options):
        asked = parse_filter(text, EXPERIMENTS), parse_order(order, EXPERIMENTS)
        return [item.name for item in stores.experiments.search(*asked, **options)]

    assert found("name LIKE 'find _'") == ["find C", "find a", "find b"]
    assert found("name ILIKE 'FIND %' AND tags.team != 'y'", ["experiment_id"]) == ["find b", "find C"]
    assert found("name LIKE 'find%' AND tags.team IS NOT NULL", ["experiment_id"], limit=1, offset=1) == ["find a"]
    assert found("creation_time = 5 AND last_update_time <= 5 AND tags.team IS NULL") == []
    assert found("experiment_id NOT IN ('0') AND name != 'find a'", ["last_update_time", "experiment_id"]) == ["find b", "find C"]
