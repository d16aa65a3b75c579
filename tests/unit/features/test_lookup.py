"""Online answers have the values and types of historical ones, whatever kind of request asked."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest

import headrace as hr

AT = pd.Timestamp("2026-03-01 12:00", tz="UTC")
LATER = AT + pd.Timedelta(seconds=1)
BIG = 2**53 + 1
thing = hr.Entity("thing", keys={"k": "int64"})
moment = hr.Entity("moment", keys={"m": "timestamp"})
schema = {"k": "int64", "n": "int64", "o": "bool", "x": "float64", "f": "float32", "m": "timestamp", "at": "timestamp"}
events = hr.EventSource("events", timestamp="at", stream="events", schema=schema)
facts = hr.FeatureGroup(
    "facts",
    entity=thing,
    source=events,
    features={
        "n": hr.last("n"),
        "o": hr.last("o"),
        "x": hr.last("x", default=2),
        "f": hr.last("f", default=0.1),
        "fs": hr.last_n("f", 2, default=[0.1, 1]),
    },
)
moments = hr.FeatureGroup("moments", entity=moment, source=events, features={"count": hr.count()})
view = hr.FeatureView("view", features=[facts])


@pytest.fixture
def store(tmp_path, connect):
    with connect(tmp_path) as store:
        store.apply([view, hr.FeatureView("at", features=[moments])])
        store.push("events", [{"k": 1, "n": BIG, "o": True, "x": 1.5, "f": 0.5, "m": AT, "at": AT}])
        yield store


def trained(store, keys):
    return store.historical_features("view", pd.DataFrame({"k": keys, "t": [LATER] * len(keys)}), timestamp="t")


def test_a_frame_is_typed_by_its_features_whatever_it_holds(store):
    full = store.online_features("view", {"k": [1]}, at=LATER).to_pandas()
    empty = store.online_features("view", {"k": [2]}, at=LATER).to_pandas()
    assert [str(full[name].dtype) for name in "noxf"] == ["int64", "bool", "float64", "float32"]
    assert [str(empty[name].dtype) for name in "noxf"] == ["float64", "object", "float64", "float32"]
    assert store.online_features("view", {"k": [1, 2]}, at=LATER).to_pandas()["n"].tolist() == [BIG, pd.NA]


def test_a_default_has_the_type_of_its_feature(store):
    values = store.online_features("view", {"k": [2]}, at=LATER).values
    assert [repr(values[name][0]) for name in "xf"] == ["2.0", repr(float(np.float32(0.1)))]
    assert values["fs"] == [[float(np.float32(0.1)), 1.0]] == trained(store, [2])["fs"].tolist()


@pytest.mark.parametrize(
    "keys",
    [
        pd.Series([1, None]),
        pd.Series([1, None], dtype="Int64", index=[7, 7]),
        pd.Series([1, None], dtype=object),
        pl.Series([1, None]),
        (1, None),
    ],
    ids=["a gap as NaN", "a nullable integer", "objects", "polars", "a tuple"],
)
def test_keys_come_in_any_series_and_a_missing_one_matches_nothing(store, keys):
    found = store.online_features("view", {"k": keys}, at=LATER)
    assert found.statuses["n"] == ["PRESENT", "NOT_FOUND"]
    assert found.values["n"] == [BIG, None]


def test_numpy_times_mean_the_same_in_every_unit(store):
    naive = np.datetime64(AT.tz_localize(None).to_pydatetime())
    for unit in "s", "ms", "us", "ns":
        for asked in naive.astype(f"datetime64[{unit}]"), np.array([naive], f"datetime64[{unit}]"):
            assert store.online_features("at", {"m": asked}, at=LATER).values["count"] == [1]
    assert store.online_features("at", {"m": datetime(2026, 3, 1, 12)}, at=LATER).values["count"] == [1]


def test_the_lists_of_a_request_are_left_as_they_are(store):
    keys = [np.int32(1), True]
    with pytest.raises(hr.InvalidInputError, match="row 1"):
        store.online_features("view", {"k": keys})
    assert type(keys[0]) is np.int32


def test_a_view_is_named_by_text(store):
    with pytest.raises(hr.InvalidInputError, match="view must be a name as text, for example 'ranking' or 'ranking:3'"):
        store.online_features(3, {"k": 1})
