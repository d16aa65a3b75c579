"""MLflow's metric histories: of one run, of several, and thinned out for a chart."""

from __future__ import annotations

from typing import Any

from headrace.errors import InvalidInputError
from headrace.server.http import Call, Reply
from headrace.server.mlflow.runs import RUN_ID, run_of
from headrace.server.mlflow.shapes import history_shapes, metric_shape
from headrace.server.mlflow.wire import PAGE, filled, next_page, offset_of, operation, read, reply, texts
from headrace.server.schema import Field, Record
from headrace.tracking.history import MetricHistory

__all__ = ["HISTORY", "HISTORY_BULK", "HISTORY_INTERVAL"]

MOST_RUNS = 100
MOST_POINTS = 25_000
MOST_SAMPLES = 2500
_KEY = Field("The metric.", required=True)
_ONE = Record("MlflowGetHistory", {"run_id": RUN_ID, "metric_key": _KEY, **PAGE})
_POINTS = Record("MlflowHistory", {"metrics": Field("The points.", ("array",)), "next_page_token": Field("If more are.")})
_BULK = Record(
    "MlflowGetHistoryBulk",
    {
        "run_id": Field(f"Up to {MOST_RUNS} runs, the parameter given several times.", ("array",)),
        "metric_key": Field("The metric."),
        "max_results": Field(f"At most so many points in all, up to {MOST_POINTS}.", ("integer",)),
    },
)
_SAMPLED = Record(
    "MlflowGetHistoryInterval",
    {
        "run_ids": Field(f"Up to {MOST_RUNS} runs, the parameter given several times.", ("array",), required=True),
        "metric_key": _KEY,
        "start_step": Field("The first step; with `end_step` or not at all.", ("integer",)),
        "end_step": Field("The last step.", ("integer",)),
        "max_results": Field(f"About so many points a run, up to {MOST_SAMPLES}.", ("integer",)),
    },
)


def _history(call: Call) -> Reply:
    """Every point of a metric, ordered by time, step and value; none for a metric that the run hasn't."""
    asked = read(call, _ONE)
    limit = asked["max_results"]
    if limit is not None and limit <= 0:
        msg = f"Invalid value {limit} for parameter 'max_results' supplied. It must be a positive integer."
        raise InvalidInputError(msg)
    offset = offset_of(asked["page_token"])
    history = _known(call, asked["run_id"], asked["metric_key"])
    end = len(history) if limit is None else offset + limit
    shapes = history_shapes(history, slice(offset, end))
    more = {} if limit is None else next_page(range(len(history) - offset), limit, offset)
    return reply(filled({"metrics": shapes, **more}))


def _history_bulk(call: Call) -> Reply:
    """The points of a metric of several runs, one run after the other."""
    asked = read(call, _BULK)
    runs = asked["run_id"]
    if not runs:
        raise InvalidInputError("GetMetricHistoryBulk request must specify at least one run_id.")
    _require_few("GetMetricHistoryBulk", runs)
    if not asked["metric_key"]:
        raise InvalidInputError("GetMetricHistoryBulk request must specify a metric_key.")
    limit = MOST_POINTS if asked["max_results"] is None else min(max(asked["max_results"], 0), MOST_POINTS)
    shapes: list[dict[str, Any]] = []
    for run_id in sorted(runs):
        history = call.store.runs.stores.metrics.history(run_id, asked["metric_key"])
        shapes += [metric_shape(point, run_id) for point in history[: limit - len(shapes)]]
        if len(shapes) >= limit:
            break
    return reply({"metrics": shapes})


def _history_interval(call: Call) -> Reply:
    """Some points of a metric of several runs, spread over their steps; the first and the last of each run are among them."""
    asked = read(call, _SAMPLED)
    runs = texts("run_ids", asked["run_ids"])
    _require_few("GetMetricHistoryBulkInterval", runs)
    limit = MOST_SAMPLES if asked["max_results"] is None else asked["max_results"]
    if not 0 < limit <= MOST_SAMPLES:
        msg = f"max_results must be between 1 and {MOST_SAMPLES}."
        raise InvalidInputError(msg)
    start, end = asked["start_step"], asked["end_step"]
    if (start is None) != (end is None):
        raise InvalidInputError("If either start step or end step are specified, both must be specified.")
    if start is not None and start > end:
        msg = f"end_step must be greater than start_step. Found start_step={start} and end_step={end}."
        raise InvalidInputError(msg)
    shapes = [
        metric_shape(point, run_id)
        for run_id in runs
        for point in _known(call, run_id, asked["metric_key"]).sample(limit, start, end)
    ]
    return reply(filled({"metrics": shapes}))


def _known(call: Call, run_id: str, key: str) -> MetricHistory:
    """The history of a run that exists. Raises NotFoundError."""
    history = call.store.runs.stores.metrics.history(run_id, key)
    if not len(history):
        run_of(call, run_id)
    return history


def _require_few(request: str, runs: list[str]) -> None:
    if len(runs) > MOST_RUNS:
        msg = f"{request} request cannot specify more than {MOST_RUNS} run_ids. Received {len(runs)} run_ids."
        raise InvalidInputError(msg)


HISTORY = operation(_history, _ONE, _POINTS, query=True)
HISTORY_BULK = operation(_history_bulk, _BULK, _POINTS, query=True)
HISTORY_INTERVAL = operation(_history_interval, _SAMPLED, _POINTS, query=True)
