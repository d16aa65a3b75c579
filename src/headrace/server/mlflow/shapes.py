"""Our values in MLflow's shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import orjson

from headrace.server.mlflow.wire import filled, millis, number, rendered
from headrace.tracking.history import MetricHistory
from headrace.tracking.page import Form, LatestPoints, Origin, Page
from headrace.tracking.run import DatasetInput, Experiment, LoggedModel, Metric, ModelOutput, Run, RunInfo

__all__ = [
    "CONTEXT_TAG",
    "PAGE_FORM",
    "experiment_shape",
    "history_shapes",
    "info_shape",
    "metric_shape",
    "model_shape",
    "page_shapes",
    "run_shape",
]

CONTEXT_TAG = "mlflow.data.context"


def experiment_shape(item: Experiment) -> dict[str, Any]:
    """An Experiment."""
    return filled(
        {
            "experiment_id": item.id,
            "name": item.name,
            "artifact_location": item.artifact_location,
            "lifecycle_stage": item.lifecycle_stage,
            "last_update_time": millis(item.updated),
            "creation_time": millis(item.created),
            "tags": rendered(item.tags),
        }
    )


def run_shape(run: Run) -> dict[str, Any]:
    """A Run: its info, data, inputs and outputs."""
    metrics = [metric_shape(point) for point in run.latest.values()]
    told = {"metrics": metrics, "params": rendered(run.params), "tags": rendered(run.tags)}
    return _whole_run(info_shape(run), told, run.inputs, run.model_inputs, run.outputs)


def page_shapes(page: Page[orjson.Fragment, orjson.Fragment], count: int) -> list[dict[str, Any]]:
    """The first runs of a page that was read in the PAGE_FORM."""
    found = []
    for run_id in page.ids[:count]:
        held = {"metrics": page.metrics.get(run_id), "params": page.params.get(run_id), "tags": page.tags.get(run_id)}
        name, experiment, _, status, start, end, _, user, artifacts, stage = page.heads[run_id]
        info = _info(run_id, experiment, name, user, status, start, end, artifacts, stage)
        parts = (page.inputs.get(run_id, ()), page.model_inputs.get(run_id, ()), page.outputs.get(run_id, ()))
        found.append(_whole_run(info, held, *parts))
    return found


def info_shape(run: Run | RunInfo) -> dict[str, Any]:
    """A RunInfo."""
    times = (run.start, run.end)
    return _info(run.id, run.experiment_id, run.name, run.user, run.status, *times, run.artifact_uri, run.lifecycle_stage)


def metric_shape(point: Metric, run_id: str | None = None) -> dict[str, Any]:
    """A Metric; with the run's id where points of several runs are told."""
    shape: dict[str, Any] = {
        "key": point.key,
        "value": number(point.value),
        "timestamp": millis(point.time),
        "step": point.step,
    }
    origin = {"model_id": point.model_id, "dataset_name": point.dataset_name, "dataset_digest": point.dataset_digest}
    shape |= {name: value for name, value in origin.items() if value}
    if run_id is not None:
        shape["run_id"] = run_id
    return shape


def history_shapes(history: MetricHistory, places: slice) -> list[dict[str, Any]]:
    """Some points of a history. Those without an origin, all finite, are told from the columns: there may be a million."""
    import numpy as np

    values = history.values[places]
    if history.origins not in ([], [("", "", "")]) or not np.isfinite(values).all():
        return [metric_shape(point) for point in history[places]]
    columns = (values, history.times[places] // 1000, history.steps[places])
    key = history.key
    return [
        {"key": key, "value": value, "timestamp": time, "step": step}
        for value, time, step in zip(*[column.tolist() for column in columns], strict=True)
    ]


def model_shape(model: LoggedModel) -> dict[str, Any]:
    """A LoggedModel: its info and data."""
    info = {
        "model_id": model.id,
        "experiment_id": model.experiment_id,
        "name": model.name,
        "creation_timestamp_ms": millis(model.created),
        "last_updated_timestamp_ms": millis(model.updated),
        "artifact_uri": model.artifact_uri,
        "status": f"LOGGED_MODEL_{model.status}",
        "model_type": model.kind,
        "source_run_id": model.run_id,
        "tags": rendered(model.tags),
    }
    metrics = [
        {**metric_shape(point), "model_id": model.id, "run_id": run_id}
        for run_id, point in zip(model.measured_by, model.metrics, strict=True)
    ]
    return {"info": filled(info), "data": filled({"params": rendered(model.params), "metrics": metrics})}


def _input_shape(item: DatasetInput) -> dict[str, Any]:
    fields = ("name", "digest", "source_type", "source", "schema", "profile")
    dataset = {field: getattr(item, field) for field in fields if getattr(item, field)}
    tags = {**({CONTEXT_TAG: item.context} if item.context else {}), **item.tags}
    return filled({"tags": rendered(tags), "dataset": dataset})


def _whole_run(
    info: dict[str, Any],
    told: dict[str, Any],
    inputs: Sequence[DatasetInput],
    models: Sequence[str],
    outputs: Sequence[ModelOutput],
) -> dict[str, Any]:
    read, made = {}, {}
    if inputs:
        read["dataset_inputs"] = [_input_shape(item) for item in inputs]
    if models:
        read["model_inputs"] = [{"model_id": name} for name in models]
    if outputs:
        made["model_outputs"] = [{"model_id": item.model_id, "step": item.step} for item in outputs]
    return {"info": info, "data": {name: items for name, items in told.items() if items}, "inputs": read, "outputs": made}


def _info(
    run_id: str,
    experiment: str,
    name: str,
    user: str,
    status: str,
    start: int,
    end: int | None,
    artifacts: str,
    stage: str,
) -> dict[str, Any]:
    shape = {
        "run_uuid": run_id,
        "experiment_id": experiment,
        "run_name": name,
        "user_id": user,
        "status": status,
        "start_time": millis(start),
        "artifact_uri": artifacts,
        "lifecycle_stage": stage,
        "run_id": run_id,
    }
    if end is not None:
        shape["end_time"] = millis(end)
    return shape


def _points_text(
    keys: Sequence[str],
    values: Sequence[float],
    times: Sequence[int],
    steps: Sequence[int],
    origins: Mapping[str, Origin],
) -> orjson.Fragment:
    """Each as `metric_shape`, as JSON. Nearly all points of a page are finite numbers without an origin."""
    if origins or not isfinite(sum(values)):
        points = LatestPoints(keys, values, times, steps, origins).metrics()
        return orjson.Fragment(orjson.dumps([metric_shape(point) for point in points.values()]))
    shapes = [
        {"key": key, "value": value, "timestamp": time // 1000, "step": step}
        for key, value, time, step in zip(keys, values, times, steps, strict=True)
    ]
    return orjson.Fragment(orjson.dumps(shapes))


def _texts_text(keys: Sequence[str], values: Sequence[str]) -> orjson.Fragment:
    """As `rendered`, as JSON."""
    return orjson.Fragment(orjson.dumps([{"key": key, "value": value} for key, value in zip(keys, values, strict=True)]))


PAGE_FORM = Form(_texts_text, _points_text)
"""What runs have as JSON, which is written while the database works on the rest."""
