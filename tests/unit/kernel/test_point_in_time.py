"""Features as of a time, against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.definitions.aggregation import Aggregation, Feature
from headrace.errors import InvalidInputError
from headrace.kernel import point_in_time
from headrace.kernel.inputs import FeatureInput
from headrace.kernel.point_in_time import NEVER, Events, Queries, latest_records, window_features
from unit.kernel import naive

VALUES = {
    "float64": (pa.float64(), st.floats() | st.sampled_from([0.0, -0.0, 1e16, 1.0, 1e300, 1e-300])),
    "float32": (pa.float32(), st.floats(width=32)),
    "int64": (pa.int64(), st.integers(-(2**55), 2**55)),
    "int32": (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    "string": (pa.string(), st.sampled_from(["", "a", "b", "ü", "日本"])),
    "bytes": (pa.binary(), st.binary(max_size=2)),
    "bool": (pa.bool_(), st.booleans()),
}
ORDERED = ["min", "max", "count_distinct", "first", "last", "last_n"]
FUNCTIONS = {kind: ORDERED + (["sum", "mean", "std"] if kind[0] in "fi" else []) for kind in VALUES}
times = st.integers(-40, 40) | st.sampled_from([-(10**15), 10**15])


def rows_of(kind):
    return st.lists(
        st.fixed_dictionaries(
            {
                "key": st.integers(0, 3),
                "time": times,
                "available": times,
                "partition": st.integers(-1, 1),
                "value": st.none() | VALUES[kind][1],
                "where": st.booleans(),
            }
        ),
        max_size=40,
    ).map(lambda rows: [{**row, "offset": i * 7 % 41} for i, row in enumerate(rows)])


queries = st.lists(st.tuples(st.integers(0, 4), times), max_size=20)
windows = st.sampled_from([(None, None), (10, 5), (12, 3), (7, 7), (30, None), (50, 25)])


def events_of(rows, kind, *, as_known):
    def column(name, dtype):
        return np.array([row[name] for row in rows], dtype)

    return Events(
        column("key", np.int32),
        column("time", np.int64),
        [column("offset", np.int64), column("partition", np.int32)],
        column("available", np.int64) if as_known else None,
        {
            "v": pa.array([row["value"] for row in rows], VALUES[kind][0]),
            "w": pa.array([row["where"] for row in rows], pa.bool_()),
        },
    )


def queries_of(asked):
    return Queries(np.array([key for key, _ in asked], np.int32), np.array([t for _, t in asked], np.int64))


def feature(function, kind="float64", window=None, hop=None, *, where=False, n=3):
    value = Aggregation(function, None if function == "count" else "v", window, hop, "w" if where else None, n)
    return FeatureInput(Feature(function, value, "", kind), value.argument, value.where)


def check(rows, asked, item, kind, *, as_known):
    value = item.feature.value
    (column,), seen = window_features(events_of(rows, kind, as_known=as_known), queries_of(asked), [item])
    assert len(column) == len(asked)
    for (key, t), got, newest in zip(asked, column.to_pylist(), seen.tolist(), strict=True):
        known = naive.events_seen(rows, key, t, as_known=as_known)
        assert newest == (known[-1]["time"] if known else NEVER)
        counted = naive.events_seen(rows, key, t, value.window, value.hop, as_known)
        values = [row["value"] for row in counted if row["where"] or value.where is None]
        assert naive.same(got, naive.aggregate(value.function, values, value.n)), (got, values)


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("as_known", [False, True])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_aggregate_equals_a_plain_loop(kind, as_known, data):
    rows, asked, (window, hop) = data.draw(rows_of(kind)), data.draw(queries), data.draw(windows)
    where = data.draw(st.booleans())
    for function in ["count", *FUNCTIONS[kind]]:
        if kind == "float32":  # what a loop over Python floats widens
            rows = [{**row, "value": None if row["value"] is None else float(np.float32(row["value"]))} for row in rows]
        check(rows, asked, feature(function, kind, window, hop, where=where), kind, as_known=as_known)


@settings(max_examples=100, deadline=None)
@given(rows=rows_of("int64"), asked=queries, as_known=st.booleans())
def test_the_record_that_holds_is_the_newest_and_last_to_arrive(rows, asked, as_known):
    found = latest_records(events_of(rows, "int64", as_known=as_known), queries_of(asked)).tolist()
    for (key, t), row in zip(asked, found, strict=True):
        expected = naive.record_held(rows, key, t, as_known)
        assert (rows[row] if row >= 0 else None) == expected


@settings(max_examples=30, deadline=None)
@given(rows=rows_of("int64"), asked=queries)
def test_what_was_known_does_not_depend_on_how_many_rows_are_expanded_together(rows, asked):
    item = feature("last_n", "int64", 30, 5)
    whole = window_features(events_of(rows, "int64", as_known=True), queries_of(asked), [item])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(point_in_time, "EXPANDED_ROWS", 3)
        pieces = window_features(events_of(rows, "int64", as_known=True), queries_of(asked), [item])
    assert whole[0] == pieces[0]
    assert whole[1].tolist() == pieces[1].tolist()


def row(time, value=1, key=0, offset=0, available=None):
    return {
        "key": key,
        "time": time,
        "available": time if available is None else available,
        "partition": -1,
        "offset": offset,
    } | {
        "value": value,
        "where": True,
    }


def test_an_event_at_the_moment_of_the_query_is_not_seen():
    check([row(100)], [(0, 100), (0, 101)], feature("count", window=50, hop=5), "int64", as_known=False)


def test_of_events_that_are_not_all_known_one_that_became_known_at_the_moment_of_the_query_is_seen():
    rows = [row(10, offset=0, available=51), row(20, offset=1, available=50)]
    check(rows, [(0, 49), (0, 50), (0, 51)], feature("count", window=60, hop=5), "int64", as_known=True)


def test_the_tail_includes_the_hop_that_the_window_s_start_lies_in():
    rows = [row(time, offset=time) for time in range(80, 100)]
    (column,), _ = window_features(
        events_of(rows, "int64", as_known=False), queries_of([(0, 104)]), [feature("count", window=10, hop=5)]
    )
    assert column.to_pylist() == [10]  # floor(94, 5) = 90


def test_before_the_epoch_the_tail_is_floored_toward_minus_infinity():
    rows = [row(time, offset=-time) for time in range(-30, 0)]
    (column,), _ = window_features(
        events_of(rows, "int64", as_known=False), queries_of([(0, -2)]), [feature("count", window=10, hop=5)]
    )
    assert column.to_pylist() == [13]  # floor(-12, 5) = -15, up to -3


def test_large_and_small_floats_add_up_exactly():
    rows = [row(0, 1e16, offset=0), *(row(i, 1.0, offset=i) for i in range(1, 1001)), row(2000, -1e16, offset=2000)]
    (column,), _ = window_features(
        events_of(rows, "float64", as_known=False), queries_of([(0, 1500), (0, 3000)]), [feature("sum")]
    )
    assert column.to_pylist() == [1e16 + 1000, 1000.0]


def test_an_integer_sum_beyond_int64_names_the_feature_and_the_way_out():
    rows = [row(0, 2**63 - 1), row(1, 1, offset=1)]
    with pytest.raises(InvalidInputError, match="'sum' is beyond int64; cast to float64"):
        window_features(events_of(rows, "int64", as_known=False), queries_of([(0, 9)]), [feature("sum")])
    column = window_features(events_of(rows, "int64", as_known=False), queries_of([(0, 9)]), [feature("mean")])[0][0]
    assert column.to_pylist() == [2.0**62]


def test_an_integer_sum_at_the_edge_of_int64_is_exact():
    rows = [row(0, 2**63 - 1), row(1, -1, offset=1), row(2, 1, offset=2), row(3, -(2**63), key=1)]
    (column,), _ = window_features(events_of(rows, "int64", as_known=False), queries_of([(0, 9), (1, 9)]), [feature("sum")])
    assert column.to_pylist() == [2**63 - 1, -(2**63)]


def test_keys_and_times_that_need_more_than_64_bits_are_still_told_apart():
    century = 100 * 365 * 86_400_000_000
    rows = [row(i * 2 + century * (i % 2), i, key=i % 3 * 100_000, offset=-i) for i in range(60)]
    asked = [(key, t + d) for key in (0, 100_000, 200_000, 7) for t in (0, 50, century + 51) for d in (0, 1, 2)]
    for function in ("count", "last", "first"):
        check(rows, asked, feature(function, "int64"), "int64", as_known=False)
        check(rows, asked, feature(function, "int64", 40, 20), "int64", as_known=True)


@pytest.mark.parametrize("as_known", [False, True])
def test_no_events_and_no_queries_keep_the_types(as_known):
    items = [feature("count"), feature("sum"), feature("last_n"), feature("std")]
    types = [pa.int64(), pa.float64(), pa.list_(pa.float64()), pa.float64()]
    for rows, asked in (([], [(0, 5)]), ([row(1, 1.0)], []), ([], [])):
        columns, seen = window_features(events_of(rows, "float64", as_known=as_known), queries_of(asked), items)
        assert [column.type for column in columns] == types
        assert [len(column) for column in columns] == [len(asked)] * 4
        assert len(seen) == len(asked)


def test_no_features_still_tell_the_newest_event():
    assert window_features(events_of([row(3)], "int64", as_known=True), queries_of([(0, 5)]), [])[1].tolist() == [3]


def test_opposite_infinities_add_up_to_nan():
    rows = [row(0, math.inf), row(10, -math.inf, offset=1), row(20, 5.0, offset=2)]
    (column,), _ = window_features(
        events_of(rows, "float64", as_known=False), queries_of([(0, 5), (0, 15), (0, 25)]), [feature("sum", window=15, hop=5)]
    )
    assert str(column.to_pylist()) == "[inf, nan, -inf]"
