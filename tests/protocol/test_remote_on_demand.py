"""On-demand features run at the server if it can import their code, else in the process that defined them."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

import headrace as hr
from headrace.catalog import functions
from servers.headrace import HeadraceServer, headrace_server

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
TEXT = """
import headrace as hr

thing = hr.Entity("thing", keys={{"k": "int64"}})
events = hr.EventSource("events", timestamp="at", stream="events", schema={{"k": "int64", "x": "int64", "at": "timestamp"}})
group = hr.FeatureGroup("group", entity=thing, source=events, features={{"n": hr.count(), "x": hr.last("x")}})

@hr.on_demand(inputs=["x", "price"], returns="float64", default=-1.0)
def cost(x, price):
    return x * price * {by}

@hr.on_demand(inputs=["cost", "n"], returns="string")
def told(cost, n):
    import numpy as np
    return np.array([f"{{c}} {{m}}" for c, m in zip(cost, n)], object)

view = hr.FeatureView("view", features=[told, group, cost])
"""


@pytest.fixture
def code(tmp_path, monkeypatch):
    """Where a module of definitions lies; imported here, and not necessarily where the server runs."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "my_remote_definitions.py").write_text(TEXT.format(by=2))
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    sys.modules.pop("my_remote_definitions", None)


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "headrace.toml").touch()
    return folder


def fill(store):
    import my_remote_definitions

    store.apply([my_remote_definitions.view])
    store.push("events", [{"k": 1, "x": 3, "at": AT}, {"k": 2, "x": None, "at": AT}])


def ask(store, version="view"):
    asked = pd.DataFrame({"k": [1, 2, 9, 1], "price": [2.0, 1.0, np.nan, 0.5], "t": [LATER] * 4}, index=list("abca"))
    served = store.online_features(version, {"k": [1, 2, 9, 1], "price": [2.0, 1.0, None, 0.5]}, at=LATER)
    made = store.training_set(version, asked, timestamp="t", name="set")
    assert made.verify().ok
    frame = store.historical_features(version, asked, timestamp="t")
    assert served.values["cost"] == frame["cost"].tolist() == made.to_pandas()["cost"].tolist()
    return served.to_dict(), served.statuses, served.ages, frame, made.fingerprint


@pytest.mark.parametrize("where", ["here", "at the server"])
def test_wherever_it_runs_the_values_are_those_of_an_embedded_store(project, code, tmp_path, where):
    embedded = tmp_path / "embedded"
    embedded.mkdir()
    with hr.connect(embedded) as store:
        fill(store)
        want = ask(store)
    environment = {}
    if where == "at the server":
        (project / "headrace.toml").write_text('modules = ["my_remote_definitions"]\n')
        environment = {"PYTHONPATH": f"{code}:{':'.join(sys.path)}"}
    with HeadraceServer(project, environment=environment) as server, hr.connect(server.url) as store:
        fill(store)
        found = ask(store)
        computed = store.services.lookup._shapes["view"].computed
    assert computed == (where == "at the server")
    assert (found[:3], found[4]) == (want[:3], want[4])
    pd.testing.assert_frame_equal(found[3], want[3])


@pytest.fixture
def elsewhere(monkeypatch):
    """As in another process: nothing was applied here."""
    return lambda: monkeypatch.setattr(functions, "_APPLIED", {})


def test_a_process_that_has_not_the_code_is_told_where_it_must_be(project, code, elsewhere):
    with headrace_server(project) as url, hr.connect(url) as store:
        fill(store)
        elsewhere()
        with pytest.raises(hr.DefinitionError, match=r"'modules' in headrace\.toml doesn't list"), hr.connect(url) as other:
            other.online_features("view", {"k": 1, "price": 1.0}, at=LATER)
        with pytest.raises(hr.DefinitionError, match=r"'modules' in headrace\.toml doesn't list"), hr.connect(url) as other:
            other.historical_features("view", pd.DataFrame({"k": [1], "price": [1.0], "t": [LATER]}), timestamp="t")
        with pytest.raises(hr.InvalidInputError, match="'price'"):
            store.online_features("view", {"k": 1}, at=LATER)


def test_code_that_was_changed_at_the_server_does_not_run(project, code, elsewhere):
    (project / "headrace.toml").write_text('modules = ["my_remote_definitions"]\n')
    there = project / "my_remote_definitions.py"
    there.write_text(TEXT.format(by=3))
    with headrace_server(project) as url, hr.connect(url) as store:
        fill(store)
        assert store.online_features("view", {"k": 1, "price": 2.0}, at=LATER).values["cost"] == [12.0]
        elsewhere()
        with pytest.raises(hr.DefinitionError, match="doesn't list"), hr.connect(url) as other:
            other.online_features("view", {"k": 1, "price": 2.0}, at=LATER)


def test_a_new_version_of_a_function_is_used_from_its_apply_on(project, code):
    with headrace_server(project) as url, hr.connect(url) as store:
        fill(store)
        assert store.online_features("view", {"k": 1, "price": 1.0}, at=LATER).values["cost"] == [6.0]
        (code / "my_remote_definitions.py").write_text(TEXT.format(by=5))
        sys.modules.pop("my_remote_definitions")
        import linecache

        linecache.clearcache()
        fill(store)
        assert store.online_features("view", {"k": 1, "price": 1.0}, at=LATER).values["cost"] == [15.0]
        assert store.online_features("view:1", {"k": 1, "price": 1.0}, at=LATER).values["cost"] == [6.0]
