"""What clients log nearly always is decoded in one step; whatever is unusual is left to the careful way."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.server.http import Call
from headrace.server.mlflow.plain import plain_batch, plain_metric
from headrace.tracking.run import Metric

INT64 = st.integers(-(2**63), 2**63 - 1)


def point(key="m", value=1.0, timestamp=5, step=0, **more):
    return {"key": key, "value": value, "timestamp": timestamp, "step": step, **more}


def call(body, kind="application/json"):
    return Call(None, None, body if isinstance(body, bytes) else json.dumps(body).encode(), {}, b"", {"content-type": kind}, "")


def told(metrics, **more):
    found = plain_batch(call({"run_id": "r", "metrics": metrics, **more}))
    return None if found is None else {item.key: [(p.value, p.time, p.step) for p in item.points()] for item in found.series}


def test_points_of_each_key_stay_in_their_order():
    regular = [point(key, place, 10 + place, place) for place in range(3) for key in "ab"]
    wanted = [(float(place), (10 + place) * 1000, place) for place in range(3)]
    assert told(regular) == {"a": wanted, "b": wanted}
    uneven = [*regular, point("a", -1, 1, 2**40), point("c", 2.5)]
    assert told(uneven) == {"a": [*wanted, (-1.0, 1000, 2**40)], "b": wanted, "c": [(2.5, 5000, 0)]}
    assert told([]) == {}


def test_params_and_tags_come_with_them():
    pairs = [{"key": "a", "value": "1"}, {"key": "b", "value": ""}]
    found = plain_batch(call({"run_id": "r", "run_uuid": "r", "params": pairs, "tags": [*pairs, {"key": "a", "value": "2"}]}))
    assert (found.run_id, found.params, found.tags) == ("r", {"a": "1", "b": ""}, {"a": "2", "b": ""})
    assert plain_batch(call({"run_id": "r", "params": [*pairs, pairs[0]]})) is None


@given(st.floats(allow_nan=False, allow_infinity=False) | INT64, st.integers(0, (2**63 - 1) // 1000), INT64)
def test_a_point_is_what_the_careful_way_would_read(value, time, step):
    body = orjson.dumps({"run_uuid": "r", "run_id": "r", **point(value=value, timestamp=time, step=step)})
    assert plain_metric(call(body)) == ("r", Metric("m", float(value), time * 1000, step))


@pytest.mark.parametrize(
    "item",
    [
        point(value="1"),
        point(value="NaN"),
        point(value=float("nan")),
        point(value=float("inf")),
        point(value=True),
        point(value=None),
        point(value=10**400),
        point(timestamp="5"),
        point(timestamp=True),
        point(timestamp=-1),
        point(timestamp=2**62),
        point(timestamp=5.5),
        point(step="1"),
        point(step=2**63),
        point(step=2**64),
        point(step=None),
        point(key=""),
        point(key=1),
        point(key="half \ud800"),
        point(model_id="m-1"),
        {"key": "m", "value": 1.0, "timestamp": 5},
        {"key": "m", "value": 1.0, "timestamp": 5, "model_id": "m-1"},
        {},
        [],
        "abcd",
        None,
        7,
    ],
)
def test_whatever_is_unusual_is_left_to_the_careful_way(item):
    assert told([point(), item]) is None
    logged = {"run_id": "r", **item} if isinstance(item, dict) else item
    assert plain_metric(call(logged)) is None


@pytest.mark.parametrize(
    "body",
    [
        {"metrics": [point()]},
        {"run_id": "", "metrics": [point()]},
        {"runId": "r", "metrics": [point()]},
        {"run_id": "r", "metrics": None},
        {"run_id": "r", "params": [{"key": "a"}]},
        {"run_id": "r", "params": [{"key": "a", "value": 1}]},
        {"run_id": "r", "metrics": [point()] * 1001},
        {"run_id": "r", "params": [{"key": f"p{place}", "value": ""} for place in range(101)]},
        {"run_id": "r", "metrics": [point()] * 1000, "tags": [{"key": "a", "value": ""}]},
        json.dumps({"run_id": "r"}),
        [],
        b"",
        b"{",
        b'{"run_id": "\xff"}',
        b'{"run_id": "r", "more": "\xff"}',
        b'{"run_id": "r", "tags": [{"key": "a", "value": "two\nlines"}]}',
        b'{"run_id": "r", "metrics": ' + b"[" * 100_000,
    ],
)
def test_a_body_of_another_shape_too(body):
    assert plain_batch(call(body)) is None


def test_a_body_of_another_type_too():
    assert plain_batch(call({"run_id": "r"}, "text/plain")) is None
    assert plain_batch(call({"run_id": "r"}, "Application/JSON; charset=utf-8")) is not None
