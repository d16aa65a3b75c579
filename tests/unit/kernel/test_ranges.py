"""Questions about ranges, against plain loops."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headrace.kernel.ranges import count_distinct, expand, extreme, last_at_most, prefix_counts


@st.composite
def values_and_ranges(draw):
    values = np.array(draw(st.lists(st.integers(-9, 9), max_size=70)), np.int64)
    ends = st.integers(0, len(values))
    ranges = [sorted(pair) for pair in draw(st.lists(st.tuples(ends, ends), max_size=30))]
    low, high = (np.array([pair[i] for pair in ranges], np.int64) for i in (0, 1))
    return values, low, high


@given(values_and_ranges(), st.sampled_from([(np.minimum, min), (np.maximum, max)]))
def test_the_extreme_of_each_range(drawn, choices):
    values, low, high = drawn
    choose, plain = choices
    got = extreme(values, low, high, choose)
    for a, b, found in zip(low, high, got, strict=True):
        assert a == b or found == plain(values[a:b].tolist())


@given(values_and_ranges(), st.integers(-10, 10))
def test_the_last_value_within_a_bound(drawn, bound):
    values, low, high = drawn
    got = last_at_most(values, low, high, np.full(len(low), bound))
    assert got.tolist() == [
        max((i for i in range(a, b) if values[i] <= bound), default=a - 1) for a, b in zip(low, high, strict=True)
    ]


@given(values_and_ranges(), st.lists(st.integers(0, 70), max_size=6))
def test_different_values_in_ranges_that_stay_in_their_segment(drawn, cuts):
    values, low, high = drawn
    segments = np.array(sorted({0, *(cut for cut in cuts if cut < len(values))}), np.int64)
    ends = np.append(segments[1:], len(values))
    high = np.minimum(high, ends[np.searchsorted(segments, low, "right") - 1])
    codes = values - values.min(initial=0)
    assert count_distinct(codes, segments, low, high).tolist() == [
        len(set(values[a:b].tolist())) for a, b in zip(low, high, strict=True)
    ]


@given(values_and_ranges())
def test_expanded_ranges_follow_each_other(drawn):
    values, low, high = drawn
    positions, begins = expand(low, high)
    assert positions.tolist() == [i for a, b in zip(low, high, strict=True) for i in range(a, b)]
    assert begins.tolist() == (prefix_counts(np.zeros(0, bool)).tolist() + np.cumsum(high - low).tolist())[: len(low)]
    assert len(values) >= positions.max(initial=-1)
