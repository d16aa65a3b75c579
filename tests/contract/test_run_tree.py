"""Nested runs as rows of a table, on every catalog, against a naive tree."""

from __future__ import annotations

import random

import pytest

from headrace.ids import new_id
from headrace.sql.database import Database
from headrace.sql.overview import SqlOverview
from headrace.sql.tracking import tracking_stores
from headrace.tracking.overview import parse_column
from headrace.tracking.run import ACTIVE, DELETED, PARENT_TAG, Run
from headrace.tracking.search import parse_order
from headrace.tracking.store import RunQuery

FIRST = 10


@pytest.fixture
def catalog(catalog_url):
    """The stores of runs and their overview, empty."""
    database = Database(catalog_url)
    yield tracking_stores(database).runs, SqlOverview(database)
    database.close()


def add(stores, name, start, parent=None):
    """A run, perhaps nested; its id."""
    tags = {} if parent is None else {PARENT_TAG: parent}
    run = Run(id=new_id(), name=name, experiment_id="0", experiment="Default", status="FINISHED", start=start, tags=tags)
    stores.create(run)
    return run.id


def tree(overview, opened, *, limit=1000, offset=0, view="active", order="start_time desc", columns=()):
    """A page of the tree of the default experiment."""
    query = RunQuery((), parse_order(order), ["0"], view, limit, offset)
    return overview.tree(query, [parse_column(name) for name in columns], opened=opened)


def told(found):
    """Names, each behind a dash a level."""
    return ["-" * depth + run.name for run, depth in zip(found.runs, found.depths, strict=True)]


def test_runs_stand_below_the_run_that_they_are_nested_in_if_that_is_open(catalog):
    stores, overview = catalog
    add(stores, "old", 1)
    sweep = add(stores, "sweep", 2)
    trial = add(stores, "trial-a", 3, sweep)
    add(stores, "trial-b", 4, sweep)
    add(stores, "fold", 5, trial)
    add(stores, "new", 6)
    closed = tree(overview, [])
    assert (told(closed), closed.children, closed.opened) == (["new", "sweep", "old"], (0, 2, 0), ())
    assert (closed.rows, closed.total) == (3, 6)
    half = tree(overview, [sweep], columns=["tags.mlflow.parentRunId"])
    assert told(half) == ["new", "sweep", "-trial-b", "-trial-a", "old"]
    assert half.columns["tags.mlflow.parentRunId"] == [None, None, sweep, sweep, None]
    whole = tree(overview, [trial, sweep])
    assert (told(whole), whole.rows) == (["new", "sweep", "-trial-b", "-trial-a", "--fold", "old"], 6)
    hidden = tree(overview, [trial])  # it has no row, so what is nested in it has none
    assert (told(hidden), hidden.rows, hidden.opened) == (["new", "sweep", "old"], 3, ())
    assert told(tree(overview, [sweep, trial], order="start_time asc"))[:4] == ["old", "sweep", "-trial-a", "--fold"]


def test_a_run_is_never_out_of_reach_for_its_parent_is(catalog):
    """A parent that is deleted, in another experiment, unknown or the run itself is none."""
    stores, overview = catalog
    gone = add(stores, "deleted", 1)
    add(stores, "of deleted", 2, gone)
    add(stores, "of unknown", 3, "f" * 32)
    itself = new_id()
    about = {"experiment_id": "0", "experiment": "Default", "status": "FINISHED"}
    stores.create(Run(id=itself, name="its own", start=4, tags={PARENT_TAG: itself}, **about))
    stores.set_stage(gone, DELETED, 9)
    assert told(tree(overview, [gone, itself])) == ["its own", "of unknown", "of deleted"]
    assert told(tree(overview, [], view="deleted")) == ["deleted"]
    assert told(tree(overview, [gone], view="all"))[-2:] == ["deleted", "-of deleted"]
    stores.set_stage(gone, ACTIVE, 9)
    assert tree(overview, [gone]).rows == 4


def test_those_among_the_first_ten_rows_are_open_if_nobody_says(catalog):
    stores, overview = catalog
    far = add(stores, "far", 1)
    add(stores, "in far", 2, far)
    near = add(stores, "near", 10)
    for number in range(12):
        add(stores, f"in near {number}", 20 + number, near)
    add(stores, "new", 40)
    first, rest = tree(overview, None, limit=5), tree(overview, None, limit=100, offset=5)
    assert first.opened == rest.opened == (near,)
    assert (first.rows, rest.rows) == (15, 15)
    assert told(first)[:3] == ["new", "near", "-in near 11"]
    assert told(rest)[-2:] == ["-in near 0", "far"]


def test_pages_are_those_of_a_naive_tree(catalog):
    stores, overview = catalog
    chance = random.Random(5)
    runs, names = [], {}
    for start in range(60):
        parent = chance.choice(runs) if runs and chance.random() < 0.7 else None
        run = add(stores, f"r{start}", start, parent)
        names[run] = (f"r{start}", parent)
        runs.append(run)
    for _ in range(6):
        opened = chance.sample(runs, 20)

        def rows(parent, depth, opened):
            for run in reversed(runs):
                if names[run][1] == parent:
                    yield "-" * depth + names[run][0]
                    if run in opened:
                        yield from rows(run, depth + 1, opened)

        expected = list(rows(None, 0, opened))
        found = []
        while len(found) < len(expected):
            page = tree(overview, opened, limit=7, offset=len(found))
            assert (page.rows, page.total) == (len(expected), 60)
            assert page.children == tuple(sum(parent == run.id for _, parent in names.values()) for run in page.runs)
            found += told(page)
        assert found == expected
