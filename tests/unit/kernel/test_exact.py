"""The exact totals, against fractions and math.fsum."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.kernel.exact import from_fixed, mean_of, nonfinite_sum, std_of, to_fixed

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite)
def test_a_float_survives_the_way_through_fixed_point(value):
    assert from_fixed(to_fixed(value)) == value


@given(st.lists(st.floats(-1e300, 1e300), max_size=50))
def test_a_sum_is_rounded_once(values):
    assert from_fixed(sum(map(to_fixed, values))) == math.fsum(values)


def test_a_total_beyond_the_largest_float_is_infinite():
    assert from_fixed(2 * to_fixed(1.7e308)) == math.inf
    assert from_fixed(-2 * to_fixed(1.7e308)) == -math.inf


def test_the_mean_divides_the_rounded_sum():
    assert mean_of(7, 2) == 3.5
    assert mean_of(3 * 2**53 + 1, 3) == float(2**53)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=20))
def test_the_deviation_of_integers_is_rounded_once(values):
    assert std_of(len(values), sum(values), sum(value * value for value in values), bits=0) == statistics.stdev(values)


@given(st.lists(st.floats(-1e150, 1e150), min_size=2, max_size=20))
def test_the_deviation_of_floats_is_rounded_once(values):
    fixed = [to_fixed(value) for value in values]
    assert std_of(len(values), sum(fixed), sum(value * value for value in fixed)) == statistics.stdev(values)


def test_one_value_has_no_deviation():
    assert std_of(1, to_fixed(3.0), to_fixed(3.0) ** 2) is None


@pytest.mark.parametrize(
    ("counts", "expected"),
    [((0, 0, 0), None), ((0, 2, 0), math.inf), ((0, 0, 1), -math.inf)],
)
def test_an_infinity_swallows_the_finite_values(counts, expected):
    assert nonfinite_sum(*counts) == expected


def test_opposite_infinities_and_nans_give_nan():
    assert math.isnan(nonfinite_sum(0, 1, 1))
    assert math.isnan(nonfinite_sum(1, 0, 0))
