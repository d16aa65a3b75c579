"""Bad input says what to do, changes nothing and loses nothing."""

from __future__ import annotations

import math
import os
import re
import stat
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import headrace as hr

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
user = hr.Entity("user", keys={"user_id": "int64"})
ratings = hr.EventSource(
    "ratings",
    timestamp="rated_at",
    stream="ratings",
    schema={"user_id": "int64", "stars": "float64", "note": "string", "rated_at": "timestamp"},
)
taste = hr.FeatureGroup(
    "taste",
    entity=user,
    source=ratings,
    features={"n": hr.count(), "total": hr.sum("stars"), "best": hr.max("stars"), "said": hr.last("note")},
)
view = hr.FeatureView("ranking", features=[taste])


@pytest.fixture
def store(tmp_path, connect):
    with connect(tmp_path) as store:
        store.apply([view])
        yield store


def frame(**changes):
    columns = {"user_id": [1, 2], "stars": [4.0, 3.5], "note": ["a", "b"], "rated_at": [pd.Timestamp(AT)] * 2, **changes}
    return pd.DataFrame(columns)


def counted(store):
    return sum(store.online_features("ranking", {"user_id": [1, 2]}, at=AT + timedelta(days=1)).values["n"])


REJECTED = {
    "a missing column": (lambda: frame().drop(columns="stars"), "stars"),
    "an extra column": (lambda: frame(extra=[1, 2]), "extra"),
    "text for a number": (lambda: frame(stars=["four", "five"]), "stars"),
    "a fraction for a whole number": (lambda: frame(user_id=[1.5, 2.0]), "user_id"),
    "text for a timestamp": (lambda: frame(rated_at=["2026-03-01", "2026-03-02"]), "to_datetime"),
    "a null timestamp": (lambda: frame(rated_at=[pd.Timestamp(AT), pd.NaT]), "rated_at"),
    "a null key": (lambda: frame(user_id=pd.array([1, None], "Int64")), "user_id"),
    "a number beyond int64": (lambda: frame(user_id=[2**63, 1]), "user_id"),
    "not a frame": (lambda: 17, "ratings"),
    "a path that isn't there": (lambda: "nowhere.parquet", "nowhere.parquet"),
}


@pytest.mark.parametrize("verb", ["write", "push"])
def test_a_bad_frame_is_refused_whole(store, verb):
    for case, (make, named) in REJECTED.items():
        with pytest.raises(hr.InvalidInputError) as caught:
            getattr(store, verb)("ratings", make())
        assert re.search(named, str(caught.value)), case
    store.materialize()
    assert counted(store) == 0


@pytest.mark.parametrize("verb", ["write", "push"])
def test_all_faults_of_a_frame_are_told_at_once(store, verb):
    bad = frame(stars=["x", "y"], extra=[1, 2]).drop(columns="note")
    with pytest.raises(hr.InvalidInputError) as caught:
        getattr(store, verb)("ratings", bad)
    assert all(name in str(caught.value) for name in ("stars", "extra", "note"))


def test_an_unknown_name_tells_the_nearest(store):
    with pytest.raises(hr.NotFoundError, match="'ratings'"):
        store.write("rating", frame())
    with pytest.raises(hr.NotFoundError, match="'ranking'"):
        store.online_features("rankin", {"user_id": 1})
    with pytest.raises(hr.NotFoundError, match="ranking"):
        store.online_features("ranking:7", {"user_id": 1})
    with pytest.raises(hr.HeadraceError, match="'total'"):
        store.apply([hr.FeatureView("other", features=[taste["totl"]])])


def test_what_is_no_name_and_no_request_is_told(store):
    asked = pd.DataFrame({"user_id": [1], "ts": [pd.Timestamp(AT)]})
    for ask in (
        lambda: store.historical_features(view, asked, timestamp="ts"),
        lambda: store.training_set(view, asked, timestamp="ts"),
        lambda: store.online_features(view, {"user_id": 1}),
        lambda: store.parity(view, {"user_id": 1}),
    ):
        with pytest.raises(hr.InvalidInputError, match="view must be a name as text, for example 'ranking'"):
            ask()
    with pytest.raises(
        hr.InvalidInputError, match="groups must be a name as text, a list of names or None, not of type FeatureGroup"
    ):
        store.materialize(taste)
    for entities, kind in ((None, "None"), ([{"user_id": 1}], "a list of dict")):
        with pytest.raises(hr.InvalidInputError, match=f"entities must be a mapping of names to values, not {kind}"):
            store.online_features("ranking", entities)
    with pytest.raises(hr.InvalidInputError, match="promote: to must be text, not of type int"):
        store.models.promote("ranker", 1, to=5)


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow"])
def test_an_empty_frame_keeps_its_schema(store, kind):
    empty = pd.DataFrame({"user_id": pd.array([], "int64"), "ts": pd.to_datetime([], utc=True)})
    asked = {"pandas": empty, "polars": pl.from_pandas(empty), "arrow": pa.Table.from_pandas(empty)}[kind]
    found = store.historical_features("ranking", asked, timestamp="ts")
    assert type(found) is type(asked)
    assert [str(name) for name in (found.column_names if kind == "arrow" else found.columns)] == [
        "user_id",
        "ts",
        "n",
        "total",
        "best",
        "said",
    ]
    assert len(found) == 0
    store.write("ratings", frame().iloc[:0])
    store.push("ratings", frame().iloc[:0])
    assert counted(store) == 0
    assert len(store.online_features("ranking", {"user_id": []})) == 0


def test_mixed_time_zones_are_one_moment(store):
    east = AT.astimezone(timezone(timedelta(hours=9)))
    store.push(
        "ratings",
        pd.DataFrame(
            {"user_id": [1, 1], "stars": [1.0, 2.0], "note": ["x", "y"], "rated_at": pd.Series([AT, east], dtype=object)}
        ),
    )
    just_after = AT + timedelta(microseconds=1)
    assert store.online_features("ranking", {"user_id": 1}, at=AT).values["n"] == [0]
    assert store.online_features("ranking", {"user_id": 1}, at=just_after).values["n"] == [2]
    assert store.online_features("ranking", {"user_id": 1}, at=just_after.astimezone(timezone(timedelta(hours=-5)))).values[
        "n"
    ] == [2]
    assert store.online_features("ranking", {"user_id": 1}, at=just_after.replace(tzinfo=None)).values["n"] == [2]


@pytest.mark.parametrize(
    "moment",
    [datetime(1901, 2, 3, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)],
)
def test_old_and_future_moments_are_kept_exactly(store, moment):
    store.push("ratings", [{"user_id": 1, "stars": 2.0, "note": "x", "rated_at": moment}])
    for at, count in ((moment, 0), (moment + timedelta(microseconds=1), 1)):
        asked = pa.table({"user_id": [1], "ts": pa.array([at], pa.timestamp("us", "UTC"))})
        assert store.historical_features("ranking", asked, timestamp="ts").column("n").to_pylist() == [count]
        assert store.online_features("ranking", {"user_id": 1}, at=at).values["n"] == [count]


def test_nanoseconds_are_cut_to_microseconds(store):
    rated = pd.Series(pd.to_datetime([1_760_000_000_123_456_789] * 2, utc=True))
    store.push("ratings", frame(rated_at=rated))
    at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=1_760_000_000_123_456)
    assert store.online_features("ranking", {"user_id": 1}, at=at).values["n"] == [0]
    assert store.online_features("ranking", {"user_id": 1}, at=at + timedelta(microseconds=1)).values["n"] == [1]


def test_edges_of_int64_unicode_and_large_text_survive(store):
    text = "é🎬" * 500_000
    keys = [2**63 - 1, -(2**63)]
    store.push("ratings", frame(user_id=keys, note=[text, "‮ nul:\x00"]))
    store.write("ratings", frame(user_id=keys, note=["older", "older"], rated_at=[pd.Timestamp(AT) - pd.Timedelta("1s")] * 2))
    store.materialize()
    found = store.online_features("ranking", {"user_id": keys}, at=AT + timedelta(seconds=1))
    assert found.values["said"] == [text, "‮ nul:\x00"]
    assert found.values["n"] == [2, 2]
    asked = pd.DataFrame({"user_id": keys, "ts": [pd.Timestamp(AT) + pd.Timedelta("1s")] * 2})
    assert store.historical_features("ranking", asked, timestamp="ts")["said"].tolist() == [text, "‮ nul:\x00"]


def test_nan_in_pandas_is_null_and_in_arrow_is_nan(store):
    store.push("ratings", frame(stars=[math.nan, 1.0]))
    schema = pa.schema(
        [("user_id", pa.int64()), ("stars", pa.float64()), ("note", pa.string()), ("rated_at", pa.timestamp("us", "UTC"))]
    )
    store.push("ratings", pa.table({"user_id": [2], "stars": [math.nan], "note": ["n"], "rated_at": [AT]}, schema=schema))
    store.push(
        "ratings",
        pa.table({"user_id": [3, 3], "stars": [math.inf, 1.0], "note": ["n", "n"], "rated_at": [AT, AT]}, schema=schema),
    )
    found = store.online_features("ranking", {"user_id": [1, 2, 3]}, at=AT + timedelta(seconds=1)).values
    assert found["total"][0] is None
    assert math.isnan(found["total"][1])
    assert math.isnan(found["best"][1])
    assert found["total"][2] == math.inf
    asked = pa.table({"user_id": [1, 2, 3], "ts": pa.array([AT + timedelta(seconds=1)] * 3, pa.timestamp("us", "UTC"))})
    trained = store.historical_features("ranking", asked, timestamp="ts").column("total").to_pylist()
    assert repr(trained) == repr(found["total"])


def test_rows_order_index_and_duplicates_of_the_asked_frame_stay(store):
    store.push("ratings", frame())
    asked = pd.DataFrame(
        {
            "ts": pd.to_datetime([AT, AT + timedelta(days=1), AT, None], utc=True),
            "user_id": pd.array([2, 1, 2, 1], "Int64"),
            "tag": list("zyxw"),
        },
        index=[5, 5, "a", None],
    )
    found = store.historical_features("ranking", asked, timestamp="ts")
    pd.testing.assert_frame_equal(found[["ts", "user_id", "tag"]], asked)
    assert found["n"].tolist() == [0, 1, 0, 0]


def test_a_request_tells_what_is_wrong_with_it(store):
    for entities, named in (
        ({}, "user_id"),
        ({"user_id": "seven"}, "user_id"),
        ({"user_id": [1.5]}, "user_id"),
        ({"user_id": True}, "user_id"),
    ):
        with pytest.raises(hr.InvalidInputError, match=named):
            store.online_features("ranking", entities)
    with pytest.raises(hr.InvalidInputError, match="datetime"):
        store.online_features("ranking", {"user_id": 1}, at="yesterday")
    assert store.online_features("ranking", {"user_id": np.int64(1), "unknown": 3}).values["n"] == [0]


def test_a_corrupt_catalog_says_so(tmp_path):
    hr.connect(tmp_path).close()
    catalog = tmp_path / ".headrace" / "catalog.db"
    for path in catalog.parent.glob("catalog.db-*"):
        path.unlink()
    catalog.write_bytes(b"not a database at all" * 500)
    with pytest.raises(hr.StorageError, match="catalog"):
        hr.connect(tmp_path)


def test_a_corrupt_segment_says_which(tmp_path):
    with hr.connect(tmp_path) as store:
        store.apply([view])
        for _ in range(3):
            store.push("ratings", frame())
    segments = [path for path in (tmp_path / ".headrace" / "events").rglob("*") if path.is_file() and path.stat().st_size > 500]
    assert len(segments) == 1
    data = bytearray(segments[0].read_bytes())
    data[len(data) // 6] ^= 0xFF
    segments[0].write_bytes(data)
    with hr.connect(tmp_path) as store, pytest.raises(hr.IntegrityError, match=segments[0].name):
        store.historical_features("ranking", frame()[["user_id", "rated_at"]], timestamp="rated_at")


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, which only root can")
def test_a_read_only_directory_says_so(tmp_path):
    project = tmp_path / "project"
    project.mkdir(mode=0o755)
    for folder in (tmp_path, *tmp_path.parents[:-1]):
        folder.chmod(folder.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    pid = os.fork()
    if pid == 0:
        os.setgid(65534)
        os.setuid(65534)
        try:
            hr.connect(project)
        except hr.StorageError as error:
            os._exit(7 if str(project) in str(error) else 8)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
