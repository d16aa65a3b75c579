"""A hot key's queries are cut by time; each piece sees few rows, and the same values and newest times as all rows give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.definitions import aggregation as hr
from headrace.definitions.aggregation import Aggregation, Feature
from headrace.definitions.entity import Entity
from headrace.definitions.group import FeatureGroup
from headrace.definitions.source import EventSource, TableSource
from headrace.engines.skew import cut
from headrace.kernel.inputs import group_inputs
from headrace.kernel.point_in_time import Events, Queries, latest_records, window_features

KEY = 2**63 + 5
SCHEMA = {"k": "int64", "x": "int64", "at": "timestamp"}
EVENTS = EventSource("events", "at", SCHEMA)
FACTS = TableSource("facts", "at", SCHEMA)
WINDOWS = {"n": hr.count("20us", hop="5us"), "short": hr.count("4us", hop="4us")}


def group(source, features):
    made = FeatureGroup("g", Entity("e", {"k": "int64"}), source, features)
    types = tuple(Feature(f.name, f.value, "int64", "" if isinstance(f.value, Aggregation) else "int64") for f in made.resolved)
    return made.with_types(types)


def results(made, inputs, times, offsets, available, queries):
    keys = np.zeros(len(times), np.int64)
    asked = Queries(np.zeros(len(queries), np.int64), queries)
    events = Events(keys, times, [offsets], available)
    if made.source.is_table:
        rows = latest_records(events, asked)
        return np.where(rows < 0, -1, offsets[rows] if len(offsets) else -1).tolist()
    columns, seen = window_features(events, asked, inputs.features)
    return [*zip(*(column.to_pylist() for column in columns), seen.tolist(), strict=True)]


MOMENTS = st.integers(-50, 50)


@pytest.mark.parametrize("as_known", [False, True])
@pytest.mark.parametrize(
    ("source", "features"),
    [(EVENTS, WINDOWS), (EVENTS, {**WINDOWS, "ever": hr.count()}), (FACTS, {"x": "x"})],
    ids=["windows", "since the beginning", "records"],
)
@given(
    rows=st.lists(st.tuples(MOMENTS, MOMENTS), max_size=40),
    asked=st.lists(MOMENTS, min_size=1, max_size=20),
    most=st.integers(1, 9),
)
def test_each_slice_gives_what_all_rows_give(source, features, as_known, rows, asked, most):
    made = group(source, features)
    inputs = group_inputs(made)
    times, available = (np.array([row[i] for row in rows], np.int64) for i in (0, 1))
    offsets, queries = np.arange(len(rows)), np.array(asked, np.int64)
    known = available if as_known else None
    want = results(made, inputs, times, offsets, known, queries)
    slices, places = cut(made, inputs, np.full(len(asked), KEY, np.uint64), queries, {KEY: max(len(rows), 1)}, most, 7)
    assert sorted(np.concatenate([*places.values()])) == [*range(len(asked))]
    for piece in slices:
        seen = piece.sees(times, known)
        some = None if known is None else known[seen]
        mine = places[piece.bucket]
        assert results(made, inputs, times[seen], offsets[seen], some, queries[mine]) == [want[place] for place in mine]


def test_slices_of_short_windows_see_few_rows():
    made = group(EVENTS, WINDOWS)
    times = np.arange(10_000)
    slices, _ = cut(made, group_inputs(made), np.full(10_000, KEY, np.uint64), times, {KEY: 10_000}, 500, 0)
    assert [piece.bucket for piece in slices] == [*range(20)]
    assert max(int(piece.sees(times, None).sum()) for piece in slices) <= 500 + 25


def test_keys_that_nobody_asks_for_have_no_slices():
    made = group(EVENTS, WINDOWS)
    assert cut(made, group_inputs(made), np.array([1], np.uint64), np.array([0]), {KEY: 100}, 10, 0) == ([], {})
