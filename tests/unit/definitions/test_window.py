"""Durations and hops."""

from __future__ import annotations

import pytest

from headrace.definitions.window import HOPS, default_hop, format_duration, parse_duration


@pytest.mark.parametrize(
    ("window", "hop"),
    [
        ("1s", "1s"),
        ("100s", "1s"),  # in 100 tiles
        ("101s", None),
        ("105s", "5s"),
        ("10m", "10s"),
        ("7d", "2h"),
        ("30d", "12h"),
        ("365d", "5d"),
        ("1000d", "10d"),
        ("1001d", None),
        ("500ms", None),
    ],
)
def test_the_default_hop_is_the_smallest_that_cuts_a_window_into_at_most_100_tiles(window, hop):
    assert default_hop(parse_duration(window)) == (None if hop is None else parse_duration(hop))


def test_hops_ascend():
    assert list(HOPS) == sorted(set(HOPS))


@pytest.mark.parametrize("text", ["1us", "1d12h", "1h30m", "5ms", "26687997d"])
def test_a_duration_is_written_as_it_is_read(text):
    assert format_duration(parse_duration(text)) == text
