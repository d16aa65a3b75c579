"""Drift: equal samples have none, chance isn't taken for it, and what moved is told."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from headrace.definitions.schema import arrow_type
from headrace.features.drift import column_drift, statistics_drift
from headrace.features.statistics import column_statistics


def column(values, kind):
    return pa.chunked_array([pa.array(values, arrow_type(kind))])


def raw(kind, before, after):
    return column_drift("x", kind, column(before, kind), column(after, kind))


def kept(kind, before, after):
    return statistics_drift("x", *(column_statistics(column(values, kind), kind) for values in (before, after)))


RNG = np.random.default_rng(7)
SAMPLES = {
    "normal": ("float64", lambda: RNG.normal(0, 1, 5000), lambda: RNG.normal(0.8, 1, 5000)),
    "heavy tail": ("float64", lambda: RNG.lognormal(3, 2, 5000), lambda: RNG.lognormal(5, 2, 5000)),
    "counts": ("int64", lambda: RNG.poisson(2, 5000), lambda: RNG.poisson(4, 5000)),
    "many counts": ("int64", lambda: RNG.poisson(400, 5000), lambda: RNG.poisson(430, 5000)),
    "text": ("string", lambda: RNG.choice(["a", "b", "c"], 5000), lambda: RNG.choice(["a", "b", "😀"], 5000)),
    "bools": ("bool", lambda: RNG.random(5000) < 0.5, lambda: RNG.random(5000) < 0.9),
    "nulls": (
        "float64",
        lambda: [None if u < 0.1 else u for u in RNG.random(5000)],
        lambda: [None if u < 0.5 else u for u in RNG.random(5000)],
    ),
}


@pytest.mark.parametrize("compare", [raw, kept])
@pytest.mark.parametrize("name", SAMPLES)
def test_the_same_distribution_has_no_drift_and_another_one_has_it(compare, name):
    kind, before, after = SAMPLES[name]
    same, moved = compare(kind, before(), before()), compare(kind, before(), after())
    assert same.psi < (0.02 if compare is raw else 0.05)
    assert same.level == "none"
    assert moved.level == "strong"
    assert moved.js > 0.1


def test_the_index_is_the_sum_it_says():
    before, after = ["a"] * 60 + ["b"] * 40, ["a"] * 30 + ["b"] * 70
    expected = (0.3 - 0.6) * np.log(0.3 / 0.6) + (0.7 - 0.4) * np.log(0.7 / 0.4)
    assert raw("string", before, after).psi == pytest.approx(expected)
    assert kept("string", before, after).psi == pytest.approx(expected)


def test_the_distance_is_zero_for_equal_and_one_for_nothing_in_common():
    assert raw("int64", [1, 2, 3], [3, 2, 1]).js == 0.0
    assert raw("int64", [1, 1], [2, 2]).js == pytest.approx(1.0)
    assert raw("float64", [None, None], [1.0, 2.0]).js == pytest.approx(1.0)


def test_a_few_rows_are_not_called_drift():
    found = raw("float64", RNG.normal(0, 1, 1000), RNG.normal(0, 1, 8))
    assert found.level == "none"
    assert found.noise > 0.1


def test_nan_and_infinities_count_as_values():
    assert raw("float64", [1.0, float("nan")] * 500, [1.0] * 1000).level == "strong"
    assert kept("float64", [1.0, float("nan")] * 500, [1.0] * 1000).level == "strong"
    assert kept("float64", [1.0, float("inf")] * 500, [1.0] * 1000).level == "strong"


def test_lists_are_compared_by_their_length_and_times_are_not():
    assert raw("list<int64>", [[1]] * 500, [[1, 2]] * 500).level == "strong"
    assert raw("timestamp", [1], [2]) is None


def test_without_rows_there_is_nothing_to_compare():
    assert raw("int64", [], [1]) is None
    assert kept("int64", [1], []) is None


@pytest.mark.parametrize("values", [[2**63 - 1, -(2**63)], [5] * 10])
def test_extreme_and_constant_columns_can_be_compared(values):
    assert raw("int64", values, values).psi == 0.0
    assert kept("int64", values, values).psi == 0.0
