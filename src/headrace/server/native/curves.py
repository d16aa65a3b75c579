"""Curves of metrics at the width of a chart, as little-endian arrays; all points, as CSV or Arrow."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from headrace.errors import InvalidInputError
from headrace.server.endpoint import Operation
from headrace.server.http import Call, Reply, arrow_reply
from headrace.server.schema import ARROW_STREAM, Content, Field, Record, read_query
from headrace.tracking.curves import AXES, Curve

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["POINTS", "SERIES"]

SERIES_TYPE = "application/vnd.headrace.series"
CSV = "text/csv; charset=utf-8"
MOST_CURVES = 2000
MOST_WIDTH = 10_000
COLUMNS = ("start", "end", "low", "high", "last", "points", "marks")

_ASKED = Record(
    "SeriesQuery",
    {
        "runs": Field("Ids of runs.", ("array",), required=True, of=Field("An id.")),
        "keys": Field("Keys of metrics; a run that lacks one has no curve of it.", ("array",), required=True, of=Field("A key.")),
        "width": Field("Buckets at most: the width of the chart in pixels.", ("integer",), default=600),
        "axis": Field(
            "`step`; `time`, seconds since 1970; `relative`, seconds since the run's start; `metric:KEY`, what another metric "
            "had at the same step.",
            default="step",
        ),
        "start": Field(
            "Where the axis begins, both ends included. Default: at the first point of all.", ("number",), nullable=True
        ),
        "end": Field("Where it ends. Default: at the last point of all.", ("number",), nullable=True),
    },
)
_POINTS = {
    "key": Field("The metric.", required=True),
    "format": Field("How: `csv`, or `arrow` for an Arrow IPC stream.", default="csv", choices=("csv", "arrow")),
}


def _series(call: Call) -> Reply:
    """Curves of many runs and metrics at once, at the width of a chart: no spike is lost, and nothing is made up.

    The answer is the length of a header (uint32), the header (JSON, filled up with spaces so that what follows starts at a
    multiple of 8), then the curves one after the other. The header is `{"axis": "step", "columns": ["start", "end", "low",
    "high", "last", "points", "marks"], "series": [{"run": "…", "key": "loss", "count": 1000000, "buckets": 600}, …]}`. A curve
    is its columns one after the other, each `buckets` float64; all numbers are little-endian.

    A bucket has its points' first and last place on the axis (`start`, `end`), their lowest and highest finite value (NaN if
    there is none), the last value as it was logged, their number, and its marks: 1 if there is a NaN, plus 2 for an infinity,
    plus 4 for a negative one. Buckets without points aren't there. `count` is the number of all points of the metric.
    """
    asked = _read(call)
    curves = call.store.curves.read(**asked)
    told = [{"run": curve.run_id, "key": curve.key, "count": curve.count, "buckets": len(curve)} for curve in curves]
    return Reply(_packed({"axis": asked["axis"], "columns": COLUMNS, "series": told}, curves), media_type=SERIES_TYPE)


def _points(call: Call) -> Reply:
    """Every point of a metric of a run by (step, time), as CSV or as an Arrow stream: columns step, time, value, dataset."""
    asked = read_query(call.query, _POINTS)
    history = call.store.runs.metric_history(call.path["run"], asked["key"])
    if asked["format"] not in ("csv", "arrow"):
        msg = f"format must be csv or arrow, not {asked['format']!r}"
        raise InvalidInputError(msg)
    table = history.to_arrow()
    return arrow_reply(table) if asked["format"] == "arrow" else Reply(_csv(table), media_type=CSV, headers=_DOWNLOAD)


def _csv(table: pa.Table) -> Iterator[bytes]:
    from pyarrow import csv

    for first, batch in enumerate(table.to_batches(max_chunksize=65_536) or [table.slice(0, 0)]):
        sink = io.BytesIO()
        csv.write_csv(batch, sink, csv.WriteOptions(include_header=first == 0))
        yield sink.getvalue()


def _read(call: Call) -> dict[str, Any]:
    asked = _ASKED.read(call.json())
    runs, keys = _texts(asked.pop("runs")), _texts(asked.pop("keys"))
    if len(runs) * len(keys) > MOST_CURVES or not 0 < asked["width"] <= MOST_WIDTH:
        msg = f"ask for at most {MOST_CURVES:,} curves, 1 to {MOST_WIDTH:,} wide; axes are {', '.join(AXES)} and metric:KEY"
        raise InvalidInputError(msg)
    return {"run_ids": runs, "keys": keys, **asked}


def _packed(header: dict[str, Any], curves: Sequence[Curve]) -> bytes:
    told = orjson.dumps(header)
    told += b" " * (-(4 + len(told)) % 8)
    arrays = [_column(curve, name) for curve in curves for name in COLUMNS]
    return b"".join([struct.pack("<I", len(told)), told, *arrays])


def _column(curve: Curve, name: str) -> bytes:
    values = getattr(curve, name)
    return bytes(values.astype("<f8", copy=False).tobytes())


def _texts(given: Any) -> list[str]:
    if not all(isinstance(item, str) for item in given):
        raise InvalidInputError("ids of runs and keys of metrics are texts")
    return list(dict.fromkeys(given))


_DOWNLOAD = {"content-disposition": 'attachment; filename="points.csv"'}
SERIES = Operation(_series, takes=(Content(record=_ASKED),), gives=(Content(SERIES_TYPE),))
POINTS = Operation(_points, gives=(Content("text/csv"), ARROW_STREAM), query=_POINTS)
