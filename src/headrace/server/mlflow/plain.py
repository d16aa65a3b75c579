"""What clients log nearly always, decoded and checked in one step. What is unusual is left to be looked at member by member."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from headrace.server.http import JSON, Call
from headrace.server.mlflow.wire import MOST_IN_ALL, MOST_METRICS, MOST_PAIRS
from headrace.tracking.history import Series
from headrace.tracking.run import Metric

__all__ = ["PlainBatch", "plain_batch", "plain_metric"]

T = TypeVar("T")
_LATEST = (2**63 - 1) // 1000
_Name = Annotated[str, Meta(min_length=1)]
_Millis = Annotated[int, Meta(ge=0, le=_LATEST)]
_Step = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class _Point(Struct, forbid_unknown_fields=True, gc=False):
    key: _Name
    value: float
    timestamp: _Millis
    step: _Step


class _Pair(Struct, forbid_unknown_fields=True, gc=False):
    key: _Name
    value: str


class _Batch(Struct, forbid_unknown_fields=True):
    run_id: _Name
    run_uuid: str = ""
    metrics: Annotated[list[_Point], Meta(max_length=MOST_METRICS)] = []
    params: Annotated[list[_Pair], Meta(max_length=MOST_PAIRS)] = []
    tags: Annotated[list[_Pair], Meta(max_length=MOST_PAIRS)] = []


class _Logged(_Point, kw_only=True):
    run_id: _Name
    run_uuid: str = ""


_BATCH, _METRIC = msgspec.json.Decoder(_Batch), msgspec.json.Decoder(_Logged)


@dataclass(frozen=True, slots=True)
class PlainBatch:
    """What a batch logs to a run: points as series, one a key; params, whose keys differ; tags, of a key the last."""

    run_id: str
    series: Sequence[Series]
    params: dict[str, str]
    tags: dict[str, str]


def plain_batch(call: Call) -> PlainBatch | None:
    """The body of a batch; None if it needs a closer look: a point has an origin, something is of another type, missing, too
    much, or there twice."""
    found = _decoded(_BATCH, call)
    if found is None or len(found.metrics) + len(found.params) + len(found.tags) > MOST_IN_ALL:
        return None
    params = {item.key: item.value for item in found.params}
    if len(params) < len(found.params):
        return None
    return PlainBatch(found.run_id, _series(found.metrics), params, {item.key: item.value for item in found.tags})


def plain_metric(call: Call) -> tuple[str, Metric] | None:
    """The run and the point that a body logs; None if it needs a closer look."""
    found = _decoded(_METRIC, call)
    return None if found is None else (found.run_id, Metric(found.key, found.value, found.timestamp * 1000, found.step))


def _decoded(decoder: msgspec.json.Decoder[T], call: Call) -> T | None:
    if call.raw_query or call.media_type != JSON:
        return None
    try:
        return decoder.decode(call.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _series(points: Sequence[_Point]) -> list[Series]:
    if not points:
        return []
    keys = [point.key for point in points]
    times = [point.timestamp * 1000 for point in points]
    steps, values = [point.step for point in points], [point.value for point in points]
    names = list(dict.fromkeys(keys))
    count = len(names)
    if keys == names * (len(keys) // count):  # every key at every step, as training loops log
        return [
            Series.of_points(name, times[start::count], steps[start::count], values[start::count])
            for start, name in enumerate(names)
        ]
    groups: dict[str, list[int]] = {name: [] for name in names}
    for place, key in enumerate(keys):
        groups[key].append(place)
    return [
        Series.of_points(name, [times[place] for place in own], [steps[place] for place in own], [values[place] for place in own])
        for name, own in groups.items()
    ]
