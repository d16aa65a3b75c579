"""Our values in MLflow's shapes."""

from __future__ import annotations

from typing import Any

from headrace.server.mlflow.wire import filled, millis, number, rendered
from headrace.tracking.run import DatasetInput, Experiment, LoggedModel, Metric, Run

__all__ = ["CONTEXT_TAG", "experiment_shape", "info_shape", "metric_shape", "model_shape", "run_shape"]

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
    inputs = [_input_shape(item) for item in run.inputs]
    outputs = [{"model_id": item.model_id, "step": item.step} for item in run.outputs]
    return {
        "info": info_shape(run),
        "data": filled({"metrics": metrics, "params": rendered(run.params), "tags": rendered(run.tags)}),
        "inputs": filled({"dataset_inputs": inputs, "model_inputs": [{"model_id": name} for name in run.model_inputs]}),
        "outputs": filled({"model_outputs": outputs}),
    }


def info_shape(run: Run) -> dict[str, Any]:
    """A RunInfo."""
    return filled(
        {
            "run_uuid": run.id,
            "experiment_id": run.experiment_id,
            "run_name": run.name,
            "user_id": run.user,
            "status": run.status,
            "start_time": millis(run.start),
            "end_time": None if run.end is None else millis(run.end),
            "artifact_uri": run.artifact_uri,
            "lifecycle_stage": run.lifecycle_stage,
            "run_id": run.id,
        }
    )


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
