"""Curves of metrics at the width of a chart, as little-endian arrays.

A reply is the length of a header (uint32), the header (JSON, filled up with spaces to a multiple of 8), then for each curve of
the header its arrays one after the other: position, last, low, high, NaNs, each `points` float64. Positions are those of each
bucket's last point: steps, microseconds since 1970, or values of another metric.
"""

from __future__ import annotations

import math
import struct
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import orjson

from headrace.errors import InvalidInputError
from headrace.server.endpoint import Operation
from headrace.server.http import Call, Reply
from headrace.server.schema import Content, Field, Record
from headrace.tracking.history import MetricHistory, buckets

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["SERIES"]

SERIES_TYPE = "application/vnd.headrace.curves"
MOST_CURVES = 2000
MOST_WIDTH = 10_000
KEPT_BYTES = 128 << 20

_ASKED = Record(
    "CurvesQuery",
    {
        "runs": Field("Ids of runs.", ("array",), required=True, of=Field("An id.")),
        "keys": Field("Keys of metrics; a run that lacks one has no curve of it.", ("array",), required=True, of=Field("A key.")),
        "width": Field("Buckets at most: the width of the chart in pixels.", ("integer",), default=600),
        "axis": Field("`step`, `time`, or the key of a metric as `metric:KEY`.", default="step"),
        "start": Field("Where the axis begins, both ends included. Default: at the first point.", ("number",), nullable=True),
        "end": Field("Where it ends. Default: at the last point.", ("number",), nullable=True),
    },
)


class _Kept:
    """Curves as they were sent, the least recently asked for forgotten first. A curve with more points has another name."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._held: OrderedDict[Any, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: Any) -> bytes | None:
        with self._lock:
            found = self._held.get(name)
            if found is not None:
                self._held.move_to_end(name)
            return found

    def put(self, name: Any, data: bytes) -> None:
        with self._lock:
            self._size += len(data) - len(self._held.pop(name, b""))
            self._held[name] = data
            while self._size > self._most and self._held:
                self._size -= len(self._held.popitem(last=False)[1])


_kept = _Kept(KEPT_BYTES)


def _series(call: Call) -> Reply:
    """Curves at the width of a chart: of each bucket the last, the lowest and the highest value. Nothing is interpolated."""
    asked = _ASKED.read(call.json())
    runs, keys = _texts(asked["runs"]), _texts(asked["keys"])
    if len(runs) * len(keys) > MOST_CURVES or not 0 < asked["width"] <= MOST_WIDTH:
        msg = f"ask for at most {MOST_CURVES} curves, 1 to {MOST_WIDTH} wide"
        raise InvalidInputError(msg)
    across = str(asked["axis"]).removeprefix("metric:") if str(asked["axis"]).startswith("metric:") else None
    marks = call.store.overview.marks(runs, keys if across is None else [*keys, across])
    told, bodies = [], []
    for run_id in runs:
        for key in keys:
            mark = marks.get((run_id, key))
            if mark is None or (across is not None and (run_id, across) not in marks):
                continue
            body = _curve(call, asked, run_id, key, mark)
            told.append({"run": run_id, "key": key, "points": len(body) // 40, "count": mark[0]})
            bodies.append(body)
    header = orjson.dumps({"axis": asked["axis"], "curves": told})
    header += b" " * (-(4 + len(header)) % 8)
    return Reply(b"".join([struct.pack("<I", len(header)), header, *bodies]), media_type=SERIES_TYPE)


def _curve(call: Call, asked: dict[str, Any], run_id: str, key: str, mark: tuple[int, int]) -> bytes:
    name = (call.store.settings.catalog, run_id, key, mark, asked["width"], asked["axis"], asked["start"], asked["end"])
    body = _kept.get(name)
    if body is None:
        history = call.store.runs.metric_history(run_id, key)
        axis = str(asked["axis"])
        if axis.startswith("metric:"):
            body = _against(history, call.store.runs.metric_history(run_id, axis.removeprefix("metric:")), asked["width"])
        else:
            start, end = (None if asked[side] is None else int(asked[side]) for side in ("start", "end"))
            body = _along(history, asked["width"], axis, start, end)
            _kept.put(name, body)
    return body


def _along(history: MetricHistory, width: int, axis: str, start: int | None, end: int | None) -> bytes:
    import numpy as np

    found = history.buckets(width, axis, start, end)
    columns = (found.end, found.last, found.low, found.high, found.nans)
    return b"".join(np.asarray(column).astype("<f8").tobytes() for column in columns)


def _against(history: MetricHistory, other: MetricHistory, width: int) -> bytes:
    """A metric along another one: the points that both have at a step, in the order of the other's values."""
    import numpy as np

    at: dict[int, float] = dict(zip(other.steps.tolist(), other.values.tolist(), strict=True))
    pairs = [(at[step], value) for step, value in zip(history.steps.tolist(), history.values.tolist(), strict=True) if step in at]
    pairs = sorted(pair for pair in pairs if math.isfinite(pair[0]))
    if not pairs:
        return b""
    position: npt.NDArray[np.float64] = np.array([x for x, _ in pairs])
    value = np.array([y for _, y in pairs])
    ranks = np.arange(len(pairs))
    found = buckets(ranks, ranks, value, width)
    columns = (position[found.end], found.last, found.low, found.high, found.nans)
    return b"".join(np.asarray(column).astype("<f8").tobytes() for column in columns)


def _texts(given: Any) -> list[str]:
    if not all(isinstance(item, str) for item in given):
        raise InvalidInputError("ids of runs and keys of metrics are texts")
    return list(dict.fromkeys(given))


SERIES = Operation(_series, takes=(Content(record=_ASKED),), gives=(Content(SERIES_TYPE),))
