"""Totals of ranges, against math.fsum and whole numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.kernel.sums import PrefixSums, squares


def between(values, *, longest=None):
    """The rounded totals of some ranges, and the same with math.fsum."""
    rng = np.random.default_rng(len(values))
    low = rng.integers(0, len(values) + 1, 200)
    high = np.minimum(low + rng.integers(0, longest or len(values) + 1, 200), len(values))
    got = PrefixSums(values, int((high - low).max())).between(low, high).rounded()
    return got.tolist(), [math.fsum(values[a:b].tolist()) for a, b in zip(low, high, strict=True)]


@pytest.mark.parametrize("scale", [1.0, 2.0**-1074, 2.0**-1030, 2.0**900, 1e-9])
@pytest.mark.parametrize("shape", ["uniform", "normal", "cubed", "wide"])
def test_totals_are_rounded_once(scale, shape):
    rng = np.random.default_rng(7)
    values = {
        "uniform": rng.random(3000),
        "normal": rng.normal(size=3000),
        "cubed": rng.normal(size=3000) ** 9,
        "wide": np.ldexp(rng.normal(size=3000), rng.integers(-60, 60, 3000)),
    }[shape]
    got, expected = between(values * scale)
    assert got == expected


@given(st.lists(st.floats(-1e307, 1e307), max_size=12), st.integers(1, 2**30))
def test_totals_of_any_finite_floats_are_rounded_once(values, longest):
    sums = PrefixSums(np.array(values, np.float64), max(longest, len(values)))
    got = sums.between(np.array([0]), np.array([len(values)])).rounded()[0]
    assert got == math.fsum(values)


@given(st.lists(st.integers(0, 2**52), min_size=1, max_size=8), st.integers(0, 2**60))
def test_a_tie_is_broken_by_what_lies_far_below_it(highs, low):
    values = np.array([float(high) * 2.0**53 for high in highs] + [float(low) * 2.0**-40, 1.0, 2.0**-44])
    assert PrefixSums(values, len(values)).between(np.array([0]), np.array([len(values)])).rounded()[0] == math.fsum(values)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=30))
def test_integers_add_up_exactly(values):
    totals = PrefixSums(np.array(values, np.int64), len(values)).between(np.array([0]), np.array([len(values)]))
    assert totals.integers() == [sum(values)]
    assert totals.rounded()[0] == float(sum(values))
    wrapped, beyond = totals.wrapped()
    assert beyond[0] == (not -(2**63) <= sum(values) < 2**63)
    assert beyond[0] or wrapped[0] == sum(values)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=12))
def test_squares_add_up_exactly(values):
    parts = [sums.between(np.array([0]), np.array([len(values)])) for sums in squares(np.array(values), len(values))]
    exact = sum(fixed(value) ** 2 for value in values)
    assert sum(part.integers()[0] << (4296 - part.unit) for part in parts) == exact << 2148


def fixed(value):
    numerator, denominator = value.as_integer_ratio()
    return numerator * 2**1074 // denominator
