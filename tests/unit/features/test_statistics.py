"""Statistics of columns: equal to what NumPy says, of any values, and as JSON can hold them."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from headrace.definitions.schema import arrow_type
from headrace.features.statistics import SAMPLE_ROWS, ColumnStatistics, column_statistics, table_statistics

NAN, INF = float("nan"), float("inf")


def statistics(values, kind):
    return column_statistics(pa.chunked_array([pa.array(values, arrow_type(kind))]), kind)


def test_the_figures_of_numbers_are_numpys():
    values = np.random.default_rng(1).lognormal(2, 1, 5000)
    found = statistics(values, "float64")
    assert found.count == 5000
    assert (found.min, found.max) == (values.min(), values.max())
    assert found.mean == pytest.approx(values.mean())
    assert found.std == pytest.approx(values.std(ddof=1))
    expected = np.quantile(values, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99], method="nearest")
    assert list(found.quantiles.values()) == pytest.approx(expected.tolist(), rel=0.01)
    assert sum(found.histogram) == 5000
    assert len(found.edges) == len(found.histogram) + 1 == 21
    assert found.histogram == np.histogram(values, found.edges)[0].tolist()
    assert found.distinct == 5000


def test_nulls_nan_and_infinities_are_counted_and_left_out():
    found = statistics([1.0, None, NAN, INF, -INF, 3.0], "float64")
    assert (found.count, found.nulls, found.nans, found.infinite) == (6, 1, 1, 2)
    assert (found.min, found.max, found.mean) == (1.0, 3.0, 2.0)
    assert found.null_share == pytest.approx(1 / 6)


@pytest.mark.parametrize(
    "kind", ["bool", "int32", "int64", "float32", "float64", "string", "bytes", "timestamp", "date", "list<int64>", "vector[3]"]
)
@pytest.mark.parametrize("values", [[], [None], [None] * 3], ids=["no rows", "one null", "all null"])
def test_nothing_but_nulls_has_no_figures(kind, values):
    found = statistics(values, kind)
    assert (found.count, found.nulls) == (len(values), len(values))
    assert (found.min, found.max, found.mean, found.std) == (None, None, None, None)
    assert (list(found.edges), list(found.top)) == ([], [])
    assert found.null_share == (1.0 if values else 0.0)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("int64", [2**63 - 1, -(2**63), 0]),
        ("float64", [1e308, -1e308, 5e-324]),
        ("float64", [NAN, INF]),
        ("int64", [7]),
        ("float64", [2.5] * 4),
        ("string", ["😀", "é" * 500, "", "\x00"]),
        ("bytes", [b"\xff", b""]),
        ("bool", [True, None]),
        ("timestamp", [0, 1_700_000_000_000_000]),
        ("date", [0, 20_000]),
        ("list<string>", [["a"], [], None, [None, "b"]]),
        ("vector[2]", [[3.0, 4.0], None, [NAN, 1.0], [INF, 0.0]]),
    ],
)
def test_any_values_can_be_kept_as_json_and_read_back(kind, values):
    found = statistics(values, kind)
    text = json.dumps(found.to_dict(), allow_nan=False)
    back = ColumnStatistics.from_dict(json.loads(text))
    assert json.dumps(back.to_dict(), allow_nan=False) == text


def test_huge_whole_numbers_keep_their_exact_ends():
    found = statistics([2**63 - 1, -(2**63)], "int64")
    assert (found.min, found.max) == (-(2**63), 2**63 - 1)
    assert found.std == pytest.approx(1.3043817825332783e19)


def test_a_constant_column_has_one_bin():
    found = statistics([2.5] * 9, "float64")
    assert (list(found.edges), list(found.histogram)) == ([2.5, 2.5], [9])
    assert (found.std, found.top, found.distinct) == (0.0, ((2.5, 9),), 1)


def test_text_has_its_most_frequent_values_and_lengths():
    found = statistics(["b", "a", "b", "💥💥", None], "string")
    assert found.top == (("b", 2), ("a", 1), ("💥💥", 1))
    assert (found.complete, found.distinct, found.min, found.max) == (True, 3, 1, 2)
    many = statistics([f"v{i}" for i in range(100)], "string")
    assert (len(many.top), many.complete, many.distinct) == (20, False, 100)


def test_few_numbers_are_counted_one_by_one_and_many_are_not():
    assert statistics([3, 1, 3], "int64").top == ((3, 2), (1, 1))
    assert statistics(list(range(51)), "int64").top == ()
    assert statistics([True, False, True], "bool").mean == pytest.approx(2 / 3)


def test_points_in_time_have_a_range_and_lists_have_lengths():
    times = statistics([0, 1_000_000], "timestamp")
    assert (times.min, times.max) == ("1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z")
    lists = statistics([[1], [1, 2, 3], None], "list<int64>")
    assert (lists.min, lists.max, lists.mean, lists.nulls) == (1, 3, 2.0, 1)


def test_of_many_rows_a_sample_says_so_and_comes_close():
    rng = np.random.default_rng(2)
    rows = pa.table({"key": rng.integers(0, 40_000, 300_000), "few": rng.integers(0, 5, 300_000), "id": np.arange(300_000)})
    found = table_statistics(rows, {"key": "int64", "few": "int64", "id": "int64"})
    assert {item.sampled for item in found.values()} == {SAMPLE_ROWS}
    assert {item.count for item in found.values()} == {300_000}
    assert (found["id"].min, found["id"].max) == (0, 299_999), "the ends are those of all rows"
    assert found["few"].distinct == 5
    assert found["key"].distinct == pytest.approx(40_000, rel=0.1)
    assert found["id"].distinct == pytest.approx(300_000, rel=0.3)
    assert found["id"].quantiles["p50"] == pytest.approx(150_000, rel=0.04)


def test_vectors_have_norms():
    found = statistics([[3.0, 4.0], None, [0.0, 1.0], [NAN, 1.0]], "vector[2]")
    assert (found.count, found.nulls, found.nans, found.min, found.max, found.mean) == (4, 1, 1, 1.0, 5.0, 3.0)
