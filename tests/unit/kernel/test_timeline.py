"""Events in order, and the search among them, against sorted lists."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.kernel.timeline import Timeline

small = st.integers(-20, 20)
spread = st.one_of(small, st.integers(-(2**61), 2**61), st.sampled_from([2**62 + 1, 2**62 + 2]))


@pytest.mark.parametrize("times", [small, spread], ids=["close together", "more bits than fit"])
@given(data=st.data())
def test_events_are_ordered_and_found(times, data):
    events = data.draw(st.lists(st.tuples(st.integers(0, 70_000), times, st.integers(0, 5)), max_size=60))
    events = [(key % 3 * 30_000, time, arrival) for key, time, arrival in events]
    keys, moments, arrival = (
        (np.array(column, np.int64) for column in zip(*events, strict=True)) if events else [np.zeros(0, np.int64)] * 3
    )
    timeline = Timeline(keys, moments, [arrival])
    assert [events[row] for row in timeline.order] == sorted(events)

    asked = data.draw(st.lists(st.tuples(st.sampled_from([0, 30_000, 60_000]), times), max_size=20))
    asked_keys, asked_times = np.array([key for key, _ in asked], np.int64), np.array([t for _, t in asked], np.int64)
    places = [(key, time) for key, time, _ in sorted(events)]
    assert timeline.before(asked_keys, asked_times).tolist() == [bisect_left(places, pair) for pair in asked]
    assert timeline.starts(asked_keys).tolist() == [bisect_left(places, (key, -(2**63))) for key, _ in asked]
    assert timeline.segments().tolist() == sorted({bisect_left(places, (key, -(2**63))) for key, _, _ in events})


def test_the_last_of_all_times_can_be_asked_for_and_held():
    last = 2**63 - 1
    timeline = Timeline(np.array([0, 0]), np.array([last, last - 5]))
    assert timeline.before(np.array([0, 0]), np.array([last, last - 5])).tolist() == [1, 0]
