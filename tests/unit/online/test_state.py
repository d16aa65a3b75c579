"""States answer as plain loops over all rows do, whatever order the rows came in, or say that they can't."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.definitions import aggregation
from headrace.errors import InvalidInputError
from headrace.online.codec import unpack
from headrace.online.state import GroupState
from unit.kernel import naive
from unit.online.rows import SECOND, all_functions, event_group, expected, record_group, table

EVENTS = all_functions()
EVENT_STATE = GroupState(EVENTS)
RECORDS = record_group("x", "s", "n")
RECORD_STATE = GroupState(RECORDS)

moments = st.integers(-100, 100).map(lambda tick: tick * SECOND) | st.integers(-100 * SECOND, 100 * SECOND)
floats = st.sampled_from([0.0, -0.0, 1.5, 0.1, 1e16, -1e16, 1e308, 1e-310, math.inf, -math.inf, math.nan]) | st.floats()


@st.composite
def histories(draw):
    rows = [
        {
            "key": draw(st.sampled_from([1, 2, None])),
            "time": draw(moments),
            "partition": draw(st.sampled_from([0, -1])),
            "x": draw(st.none() | floats),
            "n": draw(st.none() | st.integers(-(2**57), 2**57)),
            "s": draw(st.none() | st.sampled_from(["", "a", "b", "ü"])),
            "flag": draw(st.none() | st.booleans()),
        }
        for _ in range(draw(st.integers(0, 25)))
    ]
    return [{**row, "offset": offset} for offset, row in enumerate(rows)]


@st.composite
def deliveries(draw):
    """Rows cut into batches, in any order, and the clock at each."""
    rows = draw(histories())
    order = draw(st.permutations(rows))
    cuts = sorted(draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    batches = [order[start:end] for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    clocks = sorted(draw(st.lists(moments, min_size=len(batches), max_size=len(batches))))
    return rows, [batch for batch in batches if batch], clocks


def store(state, batches, clocks, known=True):
    stored = {}
    for batch, now in zip(batches, clocks, strict=False):
        for key, change in state.changes(table(state, batch), now if known else None).items():
            stored[key] = state.merge(now)(stored.get(key), change)
    return stored


def check(group, state, rows, stored, t, oracle):
    """The reading of keys 1 and 2 as of t equals the oracle's; returns how many rows the state couldn't answer."""
    keys = state.keys([[1, 2]])
    reading = state.read([stored.get(key) for key in keys], t)
    for place, key in enumerate((1, 2)):
        if place in reading.inexact:
            continue
        values, time = oracle(group, rows, key, t)
        assert reading.times[place] == time
        for name, value in values.items():
            assert naive.same(reading.values[name][place], value), (name, key, reading.values[name][place], value)
    return len(reading.inexact)


@settings(max_examples=80, deadline=None)
@given(deliveries(), moments)
def test_event_states_read_as_the_loop_does_or_are_inexact(delivery, t):
    rows, batches, clocks = delivery
    stored = store(EVENT_STATE, batches, clocks)
    check(EVENTS, EVENT_STATE, rows, stored, t, expected)
    clock = clocks[len(batches) - 1] if batches else 0
    assert check(EVENTS, EVENT_STATE, rows, stored, max(t, clock), expected) == 0


@settings(max_examples=40, deadline=None)
@given(deliveries(), moments)
def test_without_a_clock_event_states_are_exact_after_the_newest_event(delivery, t):
    rows, batches, clocks = delivery
    stored = store(EVENT_STATE, batches, clocks, known=False)
    check(EVENTS, EVENT_STATE, rows, stored, t, expected)
    after = max([t, *[row["time"] + 1 for row in rows]])
    assert check(EVENTS, EVENT_STATE, rows, stored, after, expected) == 0


@settings(max_examples=30, deadline=None)
@given(histories(), st.randoms(), moments)
def test_merging_is_commutative_and_associative(rows, random, t):
    parts = [EVENT_STATE.changes(table(EVENT_STATE, [row]), 100 * SECOND + 1) for row in rows]
    merge = EVENT_STATE.merge(100 * SECOND + 1)
    readings = []
    for _ in range(2):
        pool = [part for part in parts if part]
        while len(pool) > 1:
            one, other = (pool.pop(random.randrange(len(pool))) for _ in range(2))
            pool.append(other | {key: merge(other.get(key), change) for key, change in one.items()})
        stored = pool[0] if pool else {}
        readings.append(EVENT_STATE.read([stored.get(key) for key in EVENT_STATE.keys([[1, 2]])], t + 200 * SECOND))
    assert repr(readings[0]) == repr(readings[1])


def pieces(state, batches, clocks):
    """What a store that doesn't merge has of each key: the first state and the changes to it."""
    found = {}
    for batch, now in zip(batches, clocks, strict=False):
        for key, change in state.changes(table(state, batch), now).items():
            found.setdefault(key, []).append(change)
    return {key: tuple(parts) if len(parts) > 1 else parts[0] for key, parts in found.items()}


@settings(max_examples=60, deadline=None)
@given(deliveries(), moments)
def test_changes_that_nobody_merged_are_merged_by_reading_and_all_at_once(delivery, t):
    rows, batches, clocks = delivery
    clock = clocks[len(batches) - 1] if batches else 0
    for group, state, oracle in ((EVENTS, EVENT_STATE, expected), (RECORDS, RECORD_STATE, record_expected)):
        stored = pieces(state, batches, clocks)
        assert check(group, state, rows, stored, max(t, clock), oracle) == 0
        at_once = {key: state.merge(clock)(*item) if isinstance(item, tuple) else item for key, item in stored.items()}
        assert check(group, state, rows, at_once, max(t, clock), oracle) == 0


def record_expected(group, rows, key, t):
    record = naive.record_held(rows, key, t)
    values = {feature.name: None if record is None else record.get(feature.name) for feature in group.resolved}
    return values, None if record is None else record["time"]


@settings(max_examples=100, deadline=None)
@given(deliveries(), moments, st.booleans())
def test_record_states_read_as_the_loop_does_or_are_inexact(delivery, t, known):
    rows, batches, clocks = delivery
    stored = store(RECORD_STATE, batches, clocks, known)
    check(RECORDS, RECORD_STATE, rows, stored, t, record_expected)
    clock = clocks[len(batches) - 1] if batches else 0
    assert check(RECORDS, RECORD_STATE, rows, stored, max(t, clock), record_expected) == 0


def row(time, offset=0, key=1, **values):
    return {"key": key, "time": time, "offset": offset, "partition": 0, **values}


def test_windows_decay_without_new_events():
    state = GroupState(event_group(a=aggregation.count("10s", hop="1s"), b=aggregation.sum("x", "20s", hop="10s")))
    stored = state.changes(table(state, [row(5 * SECOND, x=1.5)]), 6 * SECOND)
    packed = list(stored.values())
    counts = [state.read(packed, t * SECOND).values["a"][0] for t in (6, 15, 16, 100)]
    assert counts == [1, 1, 0, 0]
    assert [state.read(packed, t * SECOND).values["b"][0] for t in (25, 29, 30)] == [1.5, 1.5, None]


def test_an_event_dated_in_the_future_slows_nothing():
    state = GroupState(event_group(a=aggregation.count("10s", hop="10s"), b=aggregation.count()))
    rows = [row(5 * SECOND), row(9 * SECOND, 1), row(50 * SECOND, 2)]
    stored = list(state.changes(table(state, rows), 8 * SECOND).values())
    for moment, counts in ((8, (1, 1)), (9, (1, 1)), (10, (2, 2)), (60, (1, 3))):
        reading = state.read(stored, moment * SECOND)
        assert reading.inexact == []
        assert (reading.values["a"][0], reading.values["b"][0]) == counts


def test_a_flood_of_future_events_is_folded_and_stays_right():
    state = GroupState(event_group(b=aggregation.count()))
    rows = [row(SECOND + tick, tick) for tick in range(1500)]
    merge = state.merge(0)
    (change,) = state.changes(table(state, rows), 0).values()
    (more,) = state.changes(table(state, [row(10 * SECOND, 2000)]), 0).values()
    merged = merge(change, more)
    assert len(unpack(merged)[2]) == 1000
    assert state.read([merged], 2 * SECOND).values["b"] == [1500]
    assert state.read([merged], SECOND).inexact in ([], [0])


def test_what_no_read_can_need_is_pruned():
    state = GroupState(event_group(a=aggregation.count("10s", hop="1s")))
    stored = store(state, [[row(tick * SECOND, tick)] for tick in range(300)], [tick * SECOND + 1 for tick in range(300)])
    (packed,) = stored.values()
    assert len(packed) < 100
    assert state.read([packed], 300 * SECOND).values["a"] == [10]
    assert state.read([packed], 5 * SECOND).inexact == [0]


def test_a_correction_of_a_record_lands_and_an_older_record_does_not():
    state = GroupState(record_group("x"))
    merge = state.merge(100)
    (first,), (fix,), (late,) = (
        state.changes(table(state, [row(10, offset, x=value)]), 100).values() for offset, value in ((1, 1.0), (2, 2.0), (0, 9.0))
    )
    assert state.read([merge(merge(first, fix), late)], 100).values["x"] == [2.0]
    assert state.read([merge(late, merge(fix, first))], 100).values["x"] == [2.0]
    (older,) = state.changes(table(state, [row(5, 3, x=5.0)]), 100).values()
    merged = merge(fix, older)
    assert state.read([merged], 100).values["x"] == [2.0]
    assert state.read([merged], 7).inexact == [0]
    assert state.read([merged], 4).times == [None]


def test_records_to_come_are_kept_until_they_hold():
    state = GroupState(record_group("x"))
    (packed,) = state.changes(table(state, [row(10, 0, x=1.0), row(200, 1, x=2.0), row(300, 2, x=3.0)]), 100).values()
    assert [state.read([packed], t).values["x"][0] for t in (9, 10, 199, 200, 299, 300)] == [None, 1.0, 1.0, 2.0, 2.0, 3.0]
    assert [state.read([packed], t).times[0] for t in (9, 10, 200)] == [None, 10, 200]


def test_values_of_every_type_come_back_as_plain_values():
    state = GroupState(record_group("x", "f", "n", "s", "b", "flag", "at", "day"))
    whole = {"x": 0.1, "f": 0.5, "n": -(2**63), "s": "ü" * 1_000_000, "b": b"\0\xff", "flag": True, "at": -1, "day": -1}
    (packed,) = state.changes(table(state, [row(10, 0, **whole)]), 100).values()
    reading = state.read([packed, None], 100)
    assert reading.values == {name: [value, None] for name, value in whole.items()}
    assert reading.times == [10, None]
    assert state.read([packed], 100, ["n", "x"]).values == {"n": [-(2**63)], "x": [0.1]}


def test_aggregates_of_every_type_come_back_as_plain_values():
    names = ("f", "b", "flag", "at", "day")
    state = GroupState(
        event_group(**{f"{f}_{c}": getattr(aggregation, f)(c) for f in ("min", "max", "last", "count_distinct") for c in names})
    )
    one = {"f": 0.5, "b": b"\0", "flag": False, "at": -1, "day": -1}
    two = {"f": math.nan, "b": b"\xff", "flag": True, "at": 2**40, "day": 20000}
    (packed,) = state.changes(table(state, [row(10, 0, **one), row(11, 1, **two)]), 100).values()
    values = state.read([packed], 100).values
    for name in names:
        assert naive.same(values[f"min_{name}"][0], one[name])
        assert naive.same(values[f"max_{name}"][0], two[name])
        assert naive.same(values[f"last_{name}"][0], two[name])
        assert values[f"count_distinct_{name}"] == [2]


def test_a_sum_that_no_int64_holds_is_an_error_that_names_the_feature():
    state = GroupState(event_group(total=aggregation.sum("n"), many=aggregation.count()))
    rows = [row(1, 0, n=2**63 - 1), row(2, 1, n=2**63 - 1)]
    (packed,) = state.changes(table(state, rows), 100).values()
    with pytest.raises(InvalidInputError, match=r"'total'.*cast its argument to float64"):
        state.read([packed], 100)
    assert state.read([packed], 100, ["many"]).values == {"many": [2]}
    (back,) = state.changes(table(state, [row(3, 2, n=-(2**63))]), 100).values()
    assert state.read([state.merge(100)(packed, back)], 100).values["total"] == [2**63 - 2]


def test_nothing_in_nothing_out():
    assert EVENT_STATE.changes(table(EVENT_STATE, []), 0) == {}
    assert RECORD_STATE.changes(table(RECORD_STATE, [row(1, key=None)]), 0) == {}
    empty = EVENT_STATE.read([], 0)
    assert empty.times == empty.inexact == []
    missing = EVENT_STATE.read([None], 0)
    assert missing.values["count_30s"] == [0]
    assert missing.values["sum_x_30s"] == [None]
    assert missing.times == [None]


@pytest.mark.parametrize("layout", ["string", "string_view", "large_string"])
def test_text_may_come_in_any_layout(layout):
    kind = getattr(pa, layout)()
    state = GroupState(event_group(last=aggregation.last("s"), most=aggregation.max("s"), kinds=aggregation.count_distinct("s")))
    columns = table(state, [row(1, 0, s="b"), row(2, 1, s="a"), row(3, 2, s=None)])
    (column,) = state.inputs.expressions
    changes = state.changes(columns.set_column(columns.column_names.index(column), column, columns[column].cast(kind)), 100)
    assert state.read(list(changes.values()), 100).values == {"last": ["a"], "most": ["b"], "kinds": [2]}
