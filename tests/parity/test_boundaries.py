"""The boundaries that random data misses, by name; each in training and in serving."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

import headrace as hr

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
BASE = 1_760_000_000 * SECOND  # on the edge of a second, a ten-second tile and a minute

thing = hr.Entity("thing", keys={"k": "int64"})
events = hr.EventSource("events", timestamp="at", stream="events", schema={"k": "int64", "x": "float64", "at": "timestamp"})
records = hr.TableSource("records", timestamp="at", stream="records", schema={"k": "int64", "x": "float64", "at": "timestamp"})
group = hr.FeatureGroup(
    "group",
    entity=thing,
    source=events,
    features={
        "tens": hr.count("1m", hop="10s"),
        "total": hr.sum("x", "1m", hop="10s"),
        "off_grid": hr.count("12m", hop="4m"),
        "ever": hr.count(),
        "last": hr.last("x"),
        "lasts": hr.last_n("x", 2),
    },
)
aged = hr.FeatureGroup(
    "aged", entity=thing, source=events, ttl="1m", features={"aged_last": hr.last("x"), "aged_count": hr.count()}
)
facts = hr.FeatureGroup("facts", entity=thing, source=records, ttl="1m", features={"rx": "x"})
view = hr.FeatureView("view", features=[group, aged, facts])


def moment(micros):
    return EPOCH + timedelta(microseconds=micros)


def rows(*items):
    return pd.DataFrame(
        {
            "k": [1] * len(items),
            "x": [float(x) for _, x in items],
            "at": pd.to_datetime([time for time, _ in items], unit="us", utc=True).as_unit("us"),
        }
    )


@pytest.fixture
def ask(tmp_path, connect):
    """Pushes events and records, then answers as of a moment from both sides, which must agree."""
    clock = [BASE - 3600 * SECOND]
    store = connect(tmp_path, clock=lambda: clock[0])
    store.apply([view])

    def at(t, pushed=(), held=(), key=1):
        if pushed:
            store.push("events", rows(*pushed))
        if held:
            store.push("records", rows(*held))
        frame = pd.DataFrame({"k": pd.array([key], "Int64"), "t": [pd.Timestamp(moment(t))]})
        trained = store.historical_features("view", frame, timestamp="t")
        served = store.online_features("view", {"k": [key]}, at=moment(t))
        clean = {
            name: None if trained[name].isna().any() else trained[name].iloc[0] for name in view.feature_names if name != "lasts"
        }
        lasts = trained["lasts"].iloc[0]
        clean["lasts"] = None if lasts is None else list(lasts)
        assert clean == {name: column[0] for name, column in served.values.items()}
        return served

    yield at
    store.close()


def value(answer, name):
    return answer.values[name][0]


def test_an_event_exactly_at_t_is_not_seen(ask):
    assert value(ask(BASE, [(BASE, 1)]), "ever") == 0
    assert value(ask(BASE + 1), "ever") == 1


def test_the_tail_counts_the_event_on_its_edge_and_not_the_one_before(ask):
    answer = ask(BASE, [(BASE - 60 * SECOND, 1), (BASE - 60 * SECOND - 1, 1)])
    assert value(answer, "tens") == 1


def test_the_tail_moves_in_steps_of_the_hop(ask):
    pushed = [(BASE - 60 * SECOND, 1)]
    assert value(ask(BASE + 10 * SECOND - 1, pushed), "tens") == 1
    assert value(ask(BASE + 10 * SECOND), "tens") == 0


def test_values_expire_without_new_events(ask):
    assert value(ask(BASE + 1, [(BASE, 5)]), "total") == 5.0
    later = ask(BASE + 70 * SECOND)
    assert value(later, "total") is None
    assert value(later, "tens") == 0
    assert value(later, "ever") == 1


def test_a_window_off_the_day_grid_counts_only_its_own_tiles(ask):
    start = (BASE - 720 * SECOND) // (240 * SECOND) * (240 * SECOND)
    answer = ask(BASE, [(start - 1, 1), (start, 1), (BASE - 1, 1)])
    assert value(answer, "off_grid") == 2


def test_large_and_small_floats_add_up_in_any_order(ask):
    answer = ask(BASE, [(BASE - 3, 1e16), (BASE - 2, 1.0), (BASE - 1, 1.0)])
    assert value(answer, "total") == 1e16 + 2


def test_of_one_event_time_the_later_arrival_is_last(ask):
    ask(BASE, [(BASE - 1, 1)])
    answer = ask(BASE, [(BASE - 1, 2)])
    assert value(answer, "last") == 2.0
    assert value(answer, "lasts") == [1.0, 2.0]


def test_a_late_event_lands_in_its_own_tile(ask):
    ask(BASE, [(BASE - 1, 1)])
    answer = ask(BASE, [(BASE - 59 * SECOND, 7)])
    assert value(answer, "total") == 8.0
    assert value(answer, "last") == 1.0


def test_a_record_holds_from_its_own_timestamp_on(ask):
    assert value(ask(BASE - 1, held=[(BASE, 3)]), "rx") is None
    assert value(ask(BASE), "rx") == 3.0


def test_a_correction_with_the_same_timestamp_lands(ask):
    ask(BASE, held=[(BASE, 3)])
    assert value(ask(BASE, held=[(BASE, 4)]), "rx") == 4.0


def test_a_value_is_null_once_it_is_older_than_the_ttl_and_not_before(ask):
    at_limit = ask(BASE + 60 * SECOND, [(BASE, 1)], [(BASE, 3)])
    assert (value(at_limit, "aged_last"), value(at_limit, "rx")) == (1.0, 3.0)
    assert at_limit.statuses["rx"] == ["PRESENT"]
    beyond = ask(BASE + 60 * SECOND + 1)
    assert (value(beyond, "aged_last"), value(beyond, "aged_count"), value(beyond, "rx")) == (None, None, None)
    assert beyond.statuses["rx"] == beyond.statuses["aged_last"] == ["OUTSIDE_MAX_AGE"]


def test_a_key_never_seen_and_a_null_key_count_nothing(ask):
    for key in (9, None):
        answer = ask(BASE + 1, [(BASE, 1)], key=key)
        assert value(answer, "ever") == 0
        assert value(answer, "last") is None
        assert answer.statuses["last"] == ["NOT_FOUND"]


def test_windows_before_1970_are_aligned_the_same_way(ask):
    t = -(10**6) * SECOND
    tail = (t - 60 * SECOND) // (10 * SECOND) * (10 * SECOND)
    assert value(ask(t, [(tail, 1), (tail - 1, 1)]), "tens") == 1


def test_an_event_dated_in_the_future_counts_when_its_time_has_come(ask):
    ask(BASE, [(BASE - 1, 1)])
    assert value(ask(BASE, [(BASE + 5 * SECOND, 2)]), "tens") == 1
    assert value(ask(BASE + 5 * SECOND + 1), "tens") == 2


def test_a_view_answers_for_a_moment_in_the_past(ask):
    pushed = [(BASE - lag * SECOND, lag) for lag in range(300, 0, -7)]
    for lag in (0, 1, 55, 150, 299, 301):
        ask(BASE - lag * SECOND, pushed if lag == 0 else ())
