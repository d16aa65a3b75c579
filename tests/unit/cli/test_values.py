"""Values on one line for people, as JSON for programs."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import pytest

from headrace.cli.values import age, cell, seconds, short_time, size, sparkline
from headrace.definitions.plain import plain


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        ("", "-"),
        (0, "0"),
        (True, "yes"),
        (0.1 + 0.2, "0.3"),
        ([1, None, "a"], "1, -, a"),
        ({"a": 1}, "a=1"),
        ({}, "-"),
        (b"\x00", "AA=="),
        (datetime(2026, 1, 31, tzinfo=UTC), "2026-01-31T00:00:00Z"),
        ("zwei\nZeilen", "zwei\\nZeilen"),
        ("日本 é", "日本 é"),
    ],
)
def test_a_cell_is_one_line_that_a_person_can_read(value, text):
    assert cell(value) == text


def test_stored_text_cannot_drive_the_terminal():
    assert "\x1b" not in cell("\x1b[2Jgone")


@dataclass
class Point:
    x: float
    when: datetime


def test_json_holds_every_value_that_a_feature_may_have():
    values = {
        "p": Point(math.nan, datetime(2026, 1, 31)),
        1: [math.inf, -math.inf, b"\xff", date(2026, 1, 2), np.int64(3), np.array([1.5])],
    }
    text = json.dumps(plain(values), allow_nan=False)
    assert json.loads(text) == {
        "p": {"x": "NaN", "when": "2026-01-31T00:00:00Z"},
        "1": ["Infinity", "-Infinity", "/w==", "2026-01-02", 3, [1.5]],
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0123, "0.0123s"),
        (59.9, "59.9s"),
        (61, "1m01s"),
        (3_600, "1h00m"),
        (90_000, "1d01h"),
        (31 * 86_400, "31d00h"),
    ],
)
def test_lengths_of_time_keep_two_units(value, text):
    assert seconds(value) == text


def test_an_event_ahead_of_the_clock_has_no_negative_age():
    assert age(-120.0) == "2m00s ahead"


def test_sizes_are_decimal():
    assert [size(n) for n in (12, 3_400, 1_200_000_000)] == ["12 B", "3.4 kB", "1.2 GB"]


def test_times_before_1970_are_shown():
    assert short_time(-1_000_000) == "1969-12-31 23:59:59"


def test_a_sparkline_goes_from_lowest_to_highest():
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"


def test_a_sparkline_marks_what_is_not_finite_and_stays_within_its_width():
    assert sparkline([1.0, math.nan, 2.0, math.inf]) == "▁x█x"
    assert sparkline([5.0, 5.0]) == "▄▄"
    assert len(sparkline(list(range(1000)), width=60)) == 60
    assert sparkline(list(range(1000)), width=60)[-1] == "█"


def test_a_vector_is_cut_and_its_length_told():
    assert cell(np.array([0.5, 1, 2, 3, 4], np.float32)) == "[0.5, 1, 2, 3, …] (5)"
    assert cell(np.array([0.25, 1], np.float32)) == "[0.25, 1] (2)"
