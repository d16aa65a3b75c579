"""Training sets give back what they were made from."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest

import headrace as hr

AT = pd.Timestamp("2026-03-01 12:00", tz="UTC")
BIG = 2**53 + 1
thing = hr.Entity("thing", keys={"k": "int64"})
events = hr.EventSource("events", timestamp="at", schema={"k": "int64", "n": "int64", "at": "timestamp"})
group = hr.FeatureGroup("group", entity=thing, source=events, features={"n": hr.last("n"), "ns": hr.last_n("n", 2)})


@pytest.fixture
def store(tmp_path, connect):
    with connect(tmp_path) as store:
        store.apply([hr.FeatureView("view", features=[group])])
        store.write("events", [{"k": 1, "n": BIG, "at": AT}])
        yield store


LABELS = pd.DataFrame({"k": [1, 2], "t": [AT + pd.Timedelta(seconds=1)] * 2, "y": pd.array([BIG, None], "Int64")})


def test_a_whole_number_that_has_no_float_stays_whole_beside_a_gap(store):
    made = store.training_set("view", LABELS, timestamp="t", label="y").to_pandas()
    assert made["n"].tolist() == made["y"].tolist() == [BIG, pd.NA]


def test_training_and_serving_hand_a_model_the_same_types(store):
    store.write("events", [{"k": 1, "n": 7, "at": AT}])
    store.materialize()
    made = store.training_set("view", LABELS[["k", "t"]], timestamp="t").to_pandas()
    served = store.online_features("view", {"k": [1, 2]}, at=LABELS["t"][0]).to_pandas()
    pd.testing.assert_frame_equal(made.drop(columns="t"), served)
    assert made["n"].dtype == "float64"


def test_a_name_leaves_the_version_out(store):
    with pytest.raises(hr.InvalidInputError, match="version"):
        store.training_set("view", LABELS, timestamp="t", name="mine:1")


def test_an_untyped_frame_without_rows_is_fine(store):
    asked = pd.DataFrame({"k": [], "t": []})
    assert len(store.historical_features("view", asked, timestamp="t")) == 0
    assert store.training_set("view", asked, timestamp="t", name="none").verify().ok


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_a_moment_beyond_the_calendar_is_refused(store, unit):
    asked = pa.table({"k": [1], "t": pa.array([2**62 // 10], pa.timestamp(unit))})
    with pytest.raises(hr.InvalidInputError, match=r"'t', row 0.*outside the years 1 to 9999"):
        store.historical_features("view", asked, timestamp="t")
