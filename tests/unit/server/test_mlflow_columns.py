"""A plain batch becomes series without a look at each point; whatever is unusual is left to the careful way."""

from __future__ import annotations

import pytest

from headrace.server.mlflow.columns import plain_series


def point(key="m", value=1.0, timestamp=5, step=0, **more):
    return {"key": key, "value": value, "timestamp": timestamp, "step": step, **more}


def told(items):
    series = plain_series(items)
    return None if series is None else {item.key: [(p.value, p.time, p.step) for p in item.points()] for item in series}


def test_points_of_each_key_stay_in_their_order():
    regular = [point(key, place, 10 + place, place) for place in range(3) for key in "ab"]
    wanted = [(float(place), (10 + place) * 1000, place) for place in range(3)]
    assert told(regular) == {"a": wanted, "b": wanted}
    uneven = [*regular, point("a", -1, 1, 2**40), point("c", 2.5)]
    assert told(uneven) == {"a": [*wanted, (-1.0, 1000, 2**40)], "b": wanted, "c": [(2.5, 5000, 0)]}
    assert told([]) == {}


@pytest.mark.parametrize(
    "item",
    [
        point(value="1"),
        point(value="NaN"),
        point(value=True),
        point(value=None),
        point(value=10**400),
        point(timestamp="5"),
        point(timestamp=True),
        point(timestamp=-1),
        point(timestamp=2**62),
        point(timestamp=5.0),
        point(step="1"),
        point(step=2**63),
        point(step=None),
        point(key=""),
        point(key=1),
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
    assert plain_series([point(), item]) is None
