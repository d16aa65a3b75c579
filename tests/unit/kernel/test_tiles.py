"""Partial aggregates add up exactly, however the values are cut into tiles and in whatever order those are merged."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.kernel.exact import std_of
from headrace.kernel.partials import (
    Block,
    Count,
    Distinct,
    Extreme,
    FloatSquares,
    FloatTotal,
    IntTotal,
    Recent,
    exact_total,
    integer_total,
    pack_integer,
    rounded_total,
    unpack_integer,
)
from unit.kernel import naive

SPECIAL = [0.0, -0.0, 0.1, 1e16, -1e16, 1.7e308, -1.7e308, 5e-324, -5e-324, 1e-310, math.inf, -math.inf, math.nan]
floats = st.sampled_from(SPECIAL) | st.floats()
groups_of_floats = st.lists(st.lists(floats, min_size=1, max_size=8), min_size=1, max_size=8)
groups_of_finite = st.lists(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=8), min_size=1, max_size=8
)
groups_of_ints = st.lists(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5), min_size=1, max_size=5)


def block(groups, dtype=np.float64, values=None):
    sizes = [len(group) for group in groups]
    count = sum(sizes)
    starts = np.cumsum([0, *sizes[:-1]])
    numbers = np.array([value for group in groups for value in group], dtype)
    return Block(numbers, values, starts, np.arange(count), np.arange(count), np.zeros(count, np.int64))


def merged(partial, cells, random):
    pool = list(cells)
    while len(pool) > 1:
        one, other = (pool.pop(random.randrange(len(pool))) for _ in range(2))
        pool.append(partial.merge(one, other))
    return pool[0]


def exact_sum(values):
    if not all(map(math.isfinite, values)):
        return sum(value for value in values if not math.isfinite(value))
    total = sum(map(Fraction, values))
    try:
        return float(total)
    except OverflowError:
        return math.inf if total > 0 else -math.inf


@settings(max_examples=300, deadline=None)
@given(groups_of_floats, st.randoms())
def test_float_totals_are_the_exact_sum_rounded_once(groups, random):
    partial = FloatTotal("x", None)
    cells = partial.cells(block(groups))
    wanted = exact_sum([value for group in groups for value in group])
    assert naive.same(rounded_total(cells), wanted)
    assert naive.same(rounded_total([merged(partial, cells, random)]), wanted)
    for group, cell in zip(groups, cells, strict=True):
        assert naive.same(rounded_total([cell]), exact_sum(group))


def test_a_total_beyond_the_largest_float_comes_back():
    partial = FloatTotal("x", None)
    cells = partial.cells(block([[1.7e308], [1.7e308], [-1.7e308], [1.0]]))
    assert rounded_total([reduce(partial.merge, cells)]) == exact_sum([1.7e308, 1.0])
    assert rounded_total([partial.merge(cells[0], cells[1])]) == math.inf


def test_long_groups_of_mixed_magnitude_are_exact():
    random = np.random.default_rng(1)
    values = random.standard_normal(20_000) * 10.0 ** random.integers(-20, 20, 20_000)
    (cell,) = FloatTotal("x", None).cells(block([values.tolist()]))
    assert rounded_total([cell]) == math.fsum(values)


@settings(max_examples=100, deadline=None)
@given(groups_of_finite, st.randoms())
def test_squares_give_the_exact_deviation(groups, random):
    values = [value for group in groups for value in group]
    totals, squares = FloatTotal("x", None), FloatSquares("x", None)
    data = block(groups)
    _, units = exact_total([merged(totals, totals.cells(data), random)])
    cell = merged(squares, squares.cells(data), random)
    assert naive.same(std_of(len(values), units, unpack_integer(cell)), naive.deviation(values))


@settings(max_examples=100, deadline=None)
@given(groups_of_ints, st.sampled_from([1, 2]), st.randoms())
def test_integer_totals_never_wrap(groups, power, random):
    partial = IntTotal("n", None, power)
    cells = partial.cells(block(groups, np.int64))
    wanted = sum(value**power for group in groups for value in group)
    assert integer_total(cells) == integer_total([merged(partial, cells, random)]) == wanted


@given(st.integers())
def test_packed_integers_come_back(number):
    assert unpack_integer(pack_integer(number)) == number


@settings(max_examples=100, deadline=None)
@given(groups_of_floats, st.booleans(), st.randoms())
def test_nan_is_the_largest_value(groups, largest, random):
    partial = Extreme("x", None, largest)
    wanted = naive.aggregate("max" if largest else "min", [value for group in groups for value in group])
    assert naive.same(merged(partial, partial.cells(block(groups)), random), wanted)


@settings(max_examples=100, deadline=None)
@given(groups_of_floats, st.randoms())
def test_nan_is_one_distinct_value_and_zero_has_no_sign(groups, random):
    partial = Distinct("x", None)
    found = merged(partial, partial.cells(block(groups)), random)
    assert len(found) == naive.aggregate("count_distinct", [value for group in groups for value in group])


@settings(max_examples=100, deadline=None)
@given(groups_of_floats, st.integers(1, 4), st.booleans(), st.randoms())
def test_recent_values_keep_their_order(groups, n, oldest, random):
    partial = Recent("x", None, n, oldest)
    values = [value for group in groups for value in group]
    found = [entry[3] for entry in merged(partial, partial.cells(block(groups)), random)]
    assert naive.same(found, values[:n] if oldest else values[-n:])


@pytest.mark.parametrize("partial", [Extreme("s", None, largest=True), Distinct("s", None), Recent("s", None, 1)])
def test_codes_stand_for_their_values(partial):
    (cell,) = partial.cells(block([[0, 1, 1]], np.int64, ["a", "b"]))
    assert cell in ("b", ["a", "b"], [[2, 2, 0, "b"]])


def test_counts_add_up():
    assert Count(None, None).cells(block([[1.0], [1.0, 2.0]])) == [1, 2]
