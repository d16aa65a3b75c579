"""A streaming query's batches count once, in whatever order Spark repeats their rows, and wherever a crash comes between."""

from __future__ import annotations

from unittest import mock

import pyarrow as pa
import pytest

import headrace as hr
from headrace.errors import ConflictError, HeadraceError, InvalidInputError, NotFoundError
from headrace.features.feed import Feed
from headrace.features.streaming import FIRST_LANE, lane_of

NOW = 1_760_000_000_000_000
TIME = pa.timestamp("us", tz="UTC")
COLUMNS = {"k": "int64", "x": "float64", "ok": "bool", "v": "vector[2]", "at": "timestamp"}
thing = hr.Entity("thing", keys={"k": "int64"})
events = hr.EventSource("events", timestamp="at", schema=COLUMNS)
told = hr.EventSource("told", timestamp="at", stream="told", id="id", schema={"id": "string", **COLUMNS})
facts = hr.TableSource("facts", timestamp="at", schema=COLUMNS)
view = hr.FeatureView(
    "view",
    features=[
        hr.FeatureGroup("sums", entity=thing, source=events, features={"n": hr.count(), "x": hr.sum("x"), "last": hr.last("x")}),
        hr.FeatureGroup("ids", entity=thing, source=told, features={"told": hr.count()}),
        hr.FeatureGroup("held", entity=thing, source=facts, features={"held": "x"}),
    ],
)


@pytest.fixture
def store(tmp_path):
    with hr.connect(tmp_path, clock=lambda: NOW) as store:
        store.apply([view])
        yield store


class Frame:
    """As much of a data frame as a writer uses."""

    def __init__(self, rows):
        self.rows = rows

    def toArrow(self):
        return self.rows


def rows(xs, at=None, **more):
    times = pa.array([NOW - 100] * len(xs) if at is None else at, pa.int64()).cast(TIME)
    vectors = pa.array([None if x is None else [x, 0.0] for x in xs], pa.list_(pa.float32(), 2))
    flags = [place % 2 == 0 for place in range(len(xs))]
    return pa.table({"k": [1] * len(xs), "x": pa.array(xs, pa.float64()), "ok": flags, "v": vectors, "at": times, **more})


def values(store, *names):
    """Online, which history confirms."""
    store_now = store.online_features("view", {"k": 1}).values
    past = store.historical_features("view", pa.table({"k": [1], "t": pa.array([NOW], pa.int64()).cast(TIME)}), timestamp="t")
    for name in names:
        assert store_now[name] == past[name].to_pylist(), name
    return [store_now[name][0] for name in names]


def test_a_batch_counts_once_in_whatever_order_it_is_repeated(store):
    write = store.stream_writer("events", query="q")
    first = rows([1.0, None, float("nan"), -0.0, 0.0, 7.0, 7.0])
    for again in (first, first, first.take(pa.array([6, 2, 4, 0, 1, 3, 5]))):
        write(Frame(again), 0)
        assert values(store, "n") == [7]
    write(Frame(rows([10.0])), 5)
    write(Frame(first), 0)
    assert values(store, "n") == [8]


def test_batches_are_told_by_query_and_source(store):
    for query in ("a", "b"):
        store.stream_writer("events", query)(Frame(rows([1.0])), 3)
    store.stream_writer("facts", "a")(Frame(rows([5.0])), 3)
    assert values(store, "n", "x", "held") == [2, 2.0, 5.0]


def test_a_crash_between_lake_and_online_is_completed_by_the_repeat_or_by_whoever_comes_next(store):
    write = store.stream_writer("events", query="q")
    for batch, repeat in enumerate([True, False]):
        with mock.patch.object(Feed, "advance", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
            write(Frame(rows([1.0, 2.0])), batch)
        if repeat:
            write(Frame(rows([1.0, 2.0]).take(pa.array([1, 0]))), batch)
        else:
            store.materialize()
        assert values(store, "n", "x") == [2 + 2 * batch, 3.0 + 3 * batch]


def test_of_one_event_time_the_later_arrival_is_last_whichever_way_it_came(store):
    write = store.stream_writer("events", query="q")
    write(Frame(rows([1.0])), 0)
    store.write("events", rows([2.0]))
    store.materialize()
    assert values(store, "last") == [2.0]
    write(Frame(rows([3.0])), 1)
    assert values(store, "last") == [3.0]


def test_other_rows_under_a_batch_that_has_landed_are_refused(store):
    write = store.stream_writer("events", query="q")
    write(Frame(rows([1.0, 2.0])), 0)
    for other in ([1.0], [1.0, 3.0], [1.0, 2.0, 2.0]):
        with pytest.raises(
            ConflictError, match="batch 0 of the streaming query 'q' has reached 'events' before, with other rows"
        ):
            write(Frame(rows(other)), 0)
    write(Frame(rows([1.0])), 9)
    with pytest.raises(ConflictError, match="batch 4"):
        write(Frame(rows([1.0])), 4)
    assert values(store, "n") == [3]


def test_events_with_an_id_count_once_however_they_come(store):
    write = store.stream_writer("told", query="q")
    batch = rows([1.0, 2.0, 3.0], id=["a", "b", "a"])
    write(Frame(batch), 0)
    write(Frame(batch), 0)
    write(Frame(rows([1.0, 4.0], id=["a", "c"])), 1)
    assert store.push("told", rows([1.0, 5.0], id=["c", "d"])).repeats == 1
    write(Frame(rows([1.0], id=["d"])), 2)
    write(Frame(rows([1.0], id=["e"])), 3)
    assert values(store, "told") == [5]


def test_a_batch_without_rows_and_rows_that_do_not_fit_change_nothing(store):
    write = store.stream_writer("events", query="q")
    write(Frame(rows([])), 0)
    with pytest.raises(InvalidInputError, match=r"(?s)batch 1 of the streaming query 'q'.*column 'x'"):
        write(Frame(rows([1.0]).drop_columns(["x"])), 1)
    write(Frame(rows([1.0])), 1)
    assert values(store, "n") == [1]


def test_lanes_of_queries_are_beyond_those_of_logs():
    lanes = {lane_of(f"query {number}") for number in range(1000)}
    assert len(lanes) == 1000
    assert min(lanes) >= FIRST_LANE
    assert max(lanes) < 2**31


def test_a_writer_needs_a_source_and_a_name(store):
    with pytest.raises(NotFoundError, match="evnts"):
        store.stream_writer("evnts", query="q")
    with pytest.raises(InvalidInputError, match="give the query a name"):
        store.stream_writer("events", query="")


def test_a_writer_is_not_served_over_http():
    with hr.connect("http://127.0.0.1:9") as store, pytest.raises(HeadraceError, match=r"store\.stream_writer isn't served"):
        store.stream_writer("events", query="q")
