"""Vectors come in from whatever holds numbers, and are the same in history, online and in training sets."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import headrace as hr
from headrace.errors import DefinitionError, InvalidInputError

AT = pd.Timestamp("2026-03-01 12:00", tz="UTC")
LATER = AT + pd.Timedelta(days=1)
N = 4

item = hr.Entity("item", keys={"k": "int64"})
items = hr.TableSource(
    "items", timestamp="at", stream="items", schema={"k": "int64", "embedding": "vector[4]", "at": "timestamp"}
)
views = hr.EventSource("views", timestamp="at", stream="views", schema={"k": "int64", "seen": "vector[4]", "at": "timestamp"})
facts = hr.FeatureGroup(
    "facts",
    entity=item,
    source=items,
    features={
        "embedding": "embedding",
        "norm": "sqrt(array_inner_product(embedding, embedding))",
        "filled": hr.column("embedding", default=[0, 0, 0, 1]),
    },
)
taste = hr.FeatureGroup(
    "taste",
    entity=item,
    source=views,
    ttl="30d",
    features={
        "newest": hr.last("seen", "1d"),
        "oldest": hr.first("seen"),
        "n": hr.count(),
        "known": hr.count(where="seen[1] > 0"),
    },
)


@hr.on_demand(inputs=["embedding", "newest"], returns="vector[4]")
def halfway(one, other):
    assert one.dtype == other.dtype == np.float32
    return (one + other) / 2


@hr.on_demand(inputs=["halfway"], returns="float64")
def length(vector):
    return np.linalg.norm(vector.astype(np.float64), axis=1)


view = hr.FeatureView("view", features=[facts, taste, halfway, length])
RNG = np.random.default_rng(1)
VECTORS = RNG.normal(size=(6, N)).astype(np.float32)


@pytest.fixture
def store(tmp_path, connect):
    with connect(tmp_path) as store:
        store.apply([view])
        yield store


FRAMES = {
    "a matrix": lambda keys: {"k": keys, "embedding": VECTORS[:3], "at": [AT] * 3},
    "lists": lambda keys: {"k": keys, "embedding": VECTORS[:3].tolist(), "at": [AT] * 3},
    "rows": lambda keys: [{"k": k, "embedding": VECTORS[n], "at": AT} for n, k in enumerate(keys)],
    "pandas": lambda keys: pd.DataFrame({"k": keys, "embedding": list(VECTORS[:3]), "at": [AT] * 3}),
    "polars arrays": lambda keys: pl.DataFrame({"k": keys, "embedding": VECTORS[:3], "at": [AT] * 3}),
    "polars lists": lambda keys: pl.DataFrame({"k": keys, "embedding": VECTORS[:3].tolist(), "at": [AT] * 3}),
    "arrow": lambda keys: pa.table({"k": keys, "embedding": VECTORS[:3].tolist(), "at": [AT] * 3}),
    "whole numbers": lambda keys: {"k": keys, "embedding": (VECTORS[:3] * 0 + [1, 2, 3, 4]).astype(int), "at": [AT] * 3},
}


@pytest.mark.parametrize("way", ["write", "push"])
def test_vectors_come_in_from_whatever_holds_numbers(store, way):
    places = {frame: 10 * place for place, frame in enumerate(FRAMES)}
    for frame, place in places.items():
        getattr(store, way)("items", FRAMES[frame]([place, place + 1, place + 2]))
    store.materialize()
    for frame, place in places.items():
        expected = np.array([[1, 2, 3, 4]] * 3, np.float32) if frame == "whole numbers" else VECTORS[:3]
        found = store.online_features("view", {"k": [place, place + 1, place + 2, place + 9]}, at=LATER)
        assert [value.dtype for value in found.values["embedding"][:3]] == [np.float32] * 3, frame
        assert np.array_equal(np.stack(found.values["embedding"][:3]), expected), frame
        assert found.values["embedding"][3] is None
        assert found.statuses["embedding"] == ["PRESENT"] * 3 + ["NOT_FOUND"]
        assert found.values["filled"][3].tolist() == [0, 0, 0, 1]


def fill(store):
    store.write("items", {"k": [0, 1, 2], "embedding": [*VECTORS[:2], None], "at": [AT] * 3})
    store.push("items", {"k": [1], "embedding": VECTORS[2:3], "at": [AT + pd.Timedelta(hours=1)]})
    store.write("views", {"k": [0, 0], "seen": VECTORS[3:5], "at": [AT, AT + pd.Timedelta(hours=20)]})
    store.push("views", [{"k": 1, "seen": VECTORS[5], "at": AT}, {"k": 1, "seen": None, "at": LATER}])
    store.materialize()


def test_history_and_online_give_the_same_vectors(store):
    fill(store)
    asked = pd.DataFrame({"k": [0, 1, 2, 3], "t": [LATER] * 4})
    history = store.historical_features("view", pa.Table.from_pandas(asked), timestamp="t")
    online = store.online_features("view", {"k": [0, 1, 2, 3]}, at=LATER)
    for name, values in online.values.items():
        want = history[name].to_pylist()
        assert [None if value is None else np.asarray(value).tolist() for value in values] == want, name
    assert np.array_equal(online.values["embedding"][1], VECTORS[2])
    assert online.values["newest"][0].tolist() == VECTORS[4].tolist()
    assert online.values["oldest"][0].tolist() == VECTORS[3].tolist()
    assert online.values["halfway"][0].tolist() == ((VECTORS[0] + VECTORS[4]) / 2).tolist()
    assert online.values["halfway"][2] is online.values["length"][2] is None


def test_an_earlier_moment_is_answered_from_history(store):
    fill(store)
    found = store.online_features("view", {"k": [0, 1]}, at=AT + pd.Timedelta(minutes=1))
    assert np.array_equal(np.stack(found.values["embedding"]), VECTORS[:2])
    assert np.array_equal(np.stack(found.values["newest"]), VECTORS[[3, 5]])


def test_training_sets_keep_vectors_and_verify(store):
    fill(store)
    labels = pd.DataFrame({"k": [0, 1, 2], "t": [LATER] * 3, "y": [1, 0, 1]})
    made = store.training_set("view", labels, timestamp="t", label="y")
    frame = made.to_pandas()
    assert made.verify()
    assert frame["embedding"][0].tolist() == VECTORS[0].tolist()
    assert frame["embedding"][2] is None
    assert store.training_set("view", labels, timestamp="t", label="y").fingerprint == made.fingerprint
    assert store.historical_features("view", labels, timestamp="t")["newest"][1].tolist() == VECTORS[5].tolist()


def test_frames_and_arrays_hold_vectors_as_objects(store):
    fill(store)
    found = store.online_features("view", {"k": [0, 1]}, at=LATER)
    assert found.to_pandas()["embedding"][0].tolist() == VECTORS[0].tolist()
    table = found.to_numpy()
    assert table.shape == (2, 9)
    assert table[1, 0].tolist() == VECTORS[2].tolist()


def test_what_was_served_is_verified(store):
    fill(store)
    store.online_features("view", {"k": [0, 1, 2, 3]}, at=LATER, sample=1)
    found = store.verify("view")
    assert found.ok
    assert found.features["embedding"].equal == found.features["halfway"].equal == 4


NO_VECTORS = {
    "too short": ([[1, 2, 3, 4], [1, 2, 3]], r"column 'embedding', row 1: a vector of 3 numbers, but vector\[4\] is expected"),
    "a gap": ([[1, 2, 3, 4], [1, 2, None, 4]], "column 'embedding', row 1: the vector lacks a number"),
    "text": ([["a"], ["b"]], r"vector\[4\] is expected"),
    "numbers": ([1.0, 2.0], r"holds float64 .* vector\[4\] is expected"),
    "a narrow matrix": (np.ones((2, 3)), r"row 0: a vector of 3 numbers"),
    "a cube": (np.ones((2, 3, 4)), "can't be|holds values|not a column"),
}


def test_what_is_no_vector_of_that_length_is_refused_with_its_row(store):
    for case, (values, said) in NO_VECTORS.items():
        with pytest.raises(InvalidInputError) as caught:
            store.write("items", {"k": [0, 1], "embedding": values, "at": [AT, AT]})
        assert re.search(said, str(caught.value)), case


@pytest.mark.parametrize("function", ["sum", "mean", "std", "min", "max", "count_distinct"])
def test_aggregates_that_vectors_do_not_have_are_refused(tmp_path, function):
    group = hr.FeatureGroup("bad", entity=item, source=views, features={"x": getattr(hr, function)("seen", "1d")})
    with hr.connect(tmp_path) as store, pytest.raises(DefinitionError, match=r"vector\[4\]; of vectors there are only") as error:
        store.apply([group])
    assert f"hr.{function}('seen[1]')" in str(error.value)


def test_lists_of_vectors_and_keys_of_vectors_are_refused(tmp_path):
    group = hr.FeatureGroup("bad", entity=item, source=views, features={"x": hr.last_n("seen", 2)})
    key = hr.Entity("key", keys={"k": "vector[2]"})
    odd = hr.TableSource("odd", timestamp="at", schema={"k": "vector[0]", "at": "timestamp"})
    default = hr.FeatureGroup("short", entity=item, source=items, features={"x": hr.column("embedding", default=[1])})
    with hr.connect(tmp_path) as store:
        for definition, said in [
            (group, "of vectors there are only"),
            (key, "a key can't be"),
            (odd, r"vector\[64\]"),
            (default, "give a list of 4 numbers"),
        ]:
            with pytest.raises(DefinitionError, match=said):
                store.apply([definition])


def test_a_function_must_return_vectors_of_its_length(tmp_path):
    @hr.on_demand(inputs=["embedding"], returns="vector[3]")
    def short(vectors):
        return vectors

    with hr.connect(tmp_path) as store:
        store.apply([hr.FeatureView("v", features=[facts, short])])
        with pytest.raises(InvalidInputError, match=r"must return an array of shape \(1, 3\)"):
            store.online_features("v", {"k": 1})


def test_a_column_of_vectors_may_come_later_than_rows(tmp_path):
    before = hr.TableSource("items", timestamp="at", stream="items", schema={"k": "int64", "at": "timestamp"})
    with hr.connect(tmp_path) as store:
        store.apply(
            [hr.FeatureView("old", features=[hr.FeatureGroup("old", entity=item, source=before, features={"k1": "k + 1"})])]
        )
        store.write("items", {"k": [0], "at": [AT]})
        store.apply([view])
        store.write("items", {"k": [1], "embedding": VECTORS[:1], "at": [AT]})
        store.materialize()
        history = store.historical_features("view", pa.table({"k": [0, 1], "t": [LATER] * 2}), timestamp="t")
        assert history["embedding"].to_pylist() == [None, VECTORS[0].tolist()]
        assert store.online_features("view", {"k": 0}, at=LATER).values["embedding"] == [None]
