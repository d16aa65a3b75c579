"""On-demand features run one function for training and serving, which sees one dtype whatever the batch holds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import headrace as hr

AT = pd.Timestamp("2026-03-01 12:00", tz="UTC")
thing = hr.Entity("thing", keys={"k": "int64"})
events = hr.EventSource(
    "events", timestamp="at", stream="events", schema={"k": "int64", "x": "int64", "s": "string", "at": "timestamp"}
)
group = hr.FeatureGroup(
    "group",
    entity=thing,
    source=events,
    features={"n": hr.count(), "last_x": hr.last("x"), "last_s": hr.last("s"), "filled": hr.last("x", default=0)},
)
seen: dict[str, list[str]] = {}


def on_demand(inputs, returns, **options):
    return hr.on_demand(inputs=inputs, returns=returns, **options)


@on_demand(["n", "last_x", "last_s", "filled"], "float64")
def dtypes(*columns):
    seen.setdefault("dtypes", []).append(" ".join(str(column.dtype) for column in columns))
    return columns[0] * 0.5


@on_demand(["dtypes", "price"], "float64")
def priced(half, price):
    return half * price


@on_demand(["last_x"], "float64", default=-1.0)
def inverse(x):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(x == 0, np.nan, 1 / x)


@on_demand(["last_s"], "string")
def upper(text):
    return np.array([None if value is None else value.upper() for value in text], object)


@on_demand(["n"], "int64")
def wrong_length(n):
    return n[:1]


@on_demand(["last_s"], "list<string>", default=["none"])
def letters(text):
    found = np.empty(len(text), object)
    found[:] = [None if value is None else list(value) for value in text]
    return found


view = hr.FeatureView("view", features=[priced, group, dtypes, inverse, upper])


@pytest.fixture
def store(tmp_path, connect):
    with connect(tmp_path) as store:
        store.apply([view])
        store.push("events", pd.DataFrame({"k": [1, 2], "x": [4, 0], "s": ["a", None], "at": [AT, AT]}))
        yield store


def both(store, keys, price=2.0):
    at = AT + pd.Timedelta(seconds=1)
    online = store.online_features("view", {"k": keys, "price": price}, at=at)
    frame = pd.DataFrame({"k": keys, "t": [at] * len(keys), "price": price})
    trained = store.historical_features("view", frame, timestamp="t")
    for name in view.feature_names:
        assert [None if pd.isna(value) else value for value in trained[name]] == online.values[name]
    return online


def test_training_and_serving_agree_and_defaults_fill(store):
    values = both(store, [1, 2, 3]).values
    assert values["inverse"] == [0.25, -1.0, -1.0]
    assert values["upper"] == ["A", None, None]
    assert values["priced"] == [1.0, 1.0, 0.0]


def test_a_function_sees_the_same_dtypes_with_and_without_nulls(store):
    seen.clear()
    both(store, [1])
    both(store, [1, 2, 3])
    assert set(seen["dtypes"]) == {"int64 float64 object int64"}


def test_a_missing_request_column_is_told(store):
    with pytest.raises(hr.InvalidInputError, match="price"):
        store.online_features("view", {"k": 1})
    with pytest.raises(hr.InvalidInputError, match="price"):
        store.historical_features("view", pd.DataFrame({"k": [1], "t": [AT]}), timestamp="t")


def test_a_default_stands_in_for_a_missing_list(store):
    store.apply([hr.FeatureView("listed", features=[group, letters])])
    at = AT + pd.Timedelta(seconds=1)
    trained = store.historical_features("listed", pd.DataFrame({"k": [1, 2], "t": [at] * 2}), timestamp="t")
    assert store.online_features("listed", {"k": [1, 2]}, at=at).values["letters"] == [["a"], ["none"]]
    assert trained["letters"].tolist() == [["a"], ["none"]]


def test_a_request_that_holds_nothing_but_null_is_null_as_a_number_is(store):
    assert both(store, [1, 2], price=None).values["priced"] == [None, None]


def test_a_request_of_mixed_types_and_a_function_that_fails_are_told(store):
    with pytest.raises(hr.InvalidInputError, match="'price'"):
        store.online_features("view", {"k": [1, 2], "price": ["2", 1]})
    with pytest.raises(hr.InvalidInputError, match="'priced' failed, given dtypes float64, price object: "):
        store.online_features("view", {"k": 1, "price": "two"})


def test_an_array_of_another_length_is_refused(store):
    store.apply([hr.FeatureView("bad", features=[group, wrong_length])])
    with pytest.raises(hr.InvalidInputError, match="one value per row"):
        store.online_features("bad", {"k": [1, 2]})


def test_a_cycle_is_a_fault_of_the_definition(store):
    one = on_demand(["two"], "float64", name="one")(lambda x: x)
    two = on_demand(["one"], "float64", name="two")(lambda x: x)
    with pytest.raises(hr.DefinitionError, match="one"):
        store.apply([hr.FeatureView("cycle", features=[group, one, two])])


def test_another_process_runs_only_code_that_it_lists(tmp_path, monkeypatch):
    project, code = tmp_path / "project", tmp_path / "code"
    code.mkdir()
    project.mkdir()
    text = (
        "import headrace as hr\nfrom {here} import group\n\n"
        "@hr.on_demand(inputs=['n'], returns='int64')\ndef twice(n):\n    return n * {by}\n"
        "\nview = hr.FeatureView('listed', features=[group, twice])\n"
    )
    (code / "base_definitions.py").write_text(
        "import headrace as hr\nthing = hr.Entity('thing', keys={'k': 'int64'})\n"
        "events = hr.EventSource('events', timestamp='at', schema={'k': 'int64', 'at': 'timestamp'})\n"
        "group = hr.FeatureGroup('group', entity=thing, source=events, features={'n': hr.count()})\n"
    )
    (code / "my_definitions.py").write_text(text.format(here="base_definitions", by=2))
    run = "import sys; sys.path.insert(0, {code!r}); import headrace as hr; s = hr.connect({project!r}); {what}"
    apply = "import my_definitions as d; s.apply([d.view])"
    read = "print(s.online_features('listed', {'k': 1}).values)"

    def child(what):
        import subprocess
        import sys

        return subprocess.run(
            [sys.executable, "-c", run.format(code=str(code), project=str(project), what=what)],
            capture_output=True,
            text=True,
            check=False,
        )

    assert child(apply).returncode == 0
    refused = child(read)
    assert "headrace.toml" in refused.stderr
    (project / "headrace.toml").write_text('modules = ["my_definitions"]\n')
    assert "'twice': [0]" in child(read).stdout
    (code / "my_definitions.py").write_text(text.format(here="base_definitions", by=3))
    assert "changed since it was applied" in child(read).stderr
