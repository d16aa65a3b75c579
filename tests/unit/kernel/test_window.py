"""The rule of time over arrays."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headrace.kernel.window import window_start


@given(st.integers(-(2**60), 2**60), st.integers(1, 2**50), st.integers(1, 100))
def test_the_tail_is_floored_to_the_hop_toward_minus_infinity(moment, hop, tiles):
    assert window_start(np.array([moment]), hop * tiles, hop)[0] == (moment - hop * tiles) // hop * hop


def test_without_a_hop_the_tail_is_exact():
    assert window_start(np.array([-5, 100]), 7, None).tolist() == [-12, 93]


def test_the_earliest_time_does_not_wrap_around():
    assert window_start(np.array([-(2**63)]), 10, 5)[0] < -(2**61)
