"""What MLflow's clients log to a run: metrics, params, tags, data and models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from headrace.errors import InvalidInputError
from headrace.server.http import Call, Reply
from headrace.server.mlflow.runs import RUN_ID
from headrace.server.mlflow.shapes import CONTEXT_TAG
from headrace.server.mlflow.wire import (
    DONE,
    METRIC,
    MOST_IN_ALL,
    MOST_METRICS,
    MOST_PAIRS,
    member,
    micros,
    operation,
    pairs,
    read,
    read_metric,
    read_record,
)
from headrace.server.schema import Field, Record
from headrace.tracking.run import DatasetInput, Metric, ModelOutput

__all__ = ["BATCH", "INPUTS", "LOG_METRIC", "LOG_MODEL", "LOG_PARAM", "OUTPUTS"]

MOST_DATASETS = 1000
HISTORY_TAG = "mlflow.log-model.history"
_METRIC = Record("MlflowLogMetric", {"run_id": RUN_ID, **METRIC.fields})
_PARAM = Record(
    "MlflowLogParam", {"run_id": RUN_ID, "key": Field("Up to 250 characters.", required=True), "value": Field("Cut to 6,000.")}
)
_BATCH = Record(
    "MlflowLogBatch",
    {
        "run_id": RUN_ID,
        "metrics": Field(f"Up to {MOST_METRICS} points.", ("array",)),
        "params": Field(f"Up to {MOST_PAIRS}, each key once.", ("array",)),
        "tags": Field(f"Up to {MOST_PAIRS}.", ("array",)),
    },
)
_INPUTS = Record(
    "MlflowLogInputs",
    {
        "run_id": RUN_ID,
        "datasets": Field("`dataset` and `tags` of each.", ("array",)),
        "models": Field("`model_id` of each logged model that the run reads.", ("array",)),
    },
)
_INPUT = Record("MlflowDatasetInput", {"dataset": Field("", ("object",), required=True), "tags": Field("", ("array",))})
_DATASET = Record(
    "MlflowDataset",
    {
        "name": Field("", required=True),
        "digest": Field("", required=True),
        "source_type": Field("", required=True),
        "source": Field("", required=True),
        "schema": Field(""),
        "profile": Field(""),
    },
)
_LONGEST = {"name": 500, "digest": 36, "source": 65_535, "schema": 1_048_575, "profile": 16_777_215}
_LONGEST_TAG_KEY, _LONGEST_TAG_VALUE = 255, 500
_MODEL_INPUT = Record("MlflowModelInput", {"model_id": Field("", required=True)})
_MODEL_OUTPUT = Record("MlflowModelOutput", {"model_id": Field("", required=True), "step": Field("", ("integer",))})
_OUTPUTS = Record(
    "MlflowLogOutputs",
    {
        "run_id": RUN_ID,
        "models": Field("`model_id` and `step` of each logged model that the run made.", ("array",), required=True),
    },
)
_MODEL = Record("MlflowLogModel", {"run_id": RUN_ID, "model_json": Field("The MLmodel file as JSON.", required=True)})
_MODEL_FIELDS = ("artifact_path", "flavors", "utc_time_created", "run_id")


def _log_metric(call: Call) -> Reply:
    """Log one point of a metric."""
    from headrace.server.mlflow.plain import plain_metric

    plain = plain_metric(call)
    if plain is not None:
        call.store.runs.recorder.log(plain[0], metrics=[plain[1]])
        return DONE
    asked = read(call, _METRIC)
    point = _point(read_metric(asked, ""), "")
    call.store.runs.recorder.log(asked["run_id"], metrics=[point])
    return DONE


def _log_param(call: Call) -> Reply:
    """Log a param. The same value again changes nothing; another is refused."""
    asked = read(call, _PARAM)
    call.store.runs.recorder.log(asked["run_id"], params={asked["key"]: asked["value"] or ""})
    return DONE


def _log_batch(call: Call) -> Reply:
    """Log points, params and tags, all or nothing."""
    from headrace.server.mlflow.plain import plain_batch

    plain = plain_batch(call)
    if plain is not None:
        call.store.runs.recorder.log(plain.run_id, params=plain.params, tags=plain.tags, series=plain.series)
        return DONE
    asked = read(call, _BATCH)
    counts = {name: len(asked[name]) for name in ("metrics", "params", "tags")}
    _require_few("metrics", counts["metrics"], MOST_METRICS)
    _require_few("params", counts["params"], MOST_PAIRS)
    _require_few("tags", counts["tags"], MOST_PAIRS)
    _require_few("metrics, params, and tags", sum(counts.values()), MOST_IN_ALL)
    points = _points(asked["metrics"])
    params = pairs(asked["params"], "params")
    _require_unique([key for key, _ in params])
    tags = dict(pairs(asked["tags"], "tags"))
    call.store.runs.recorder.log(asked["run_id"], metrics=points, params=dict(params), tags=tags)
    return DONE


def _log_inputs(call: Call) -> Reply:
    """Log which data and which logged models a run reads."""
    asked = read(call, _INPUTS)
    _require_few("datasets", len(asked["datasets"]), MOST_DATASETS)
    inputs = [_input_of(item, f"datasets[{place}]") for place, item in enumerate(asked["datasets"])]
    models = [
        read_record(member(item, f"models[{place}]"), _MODEL_INPUT, f"models[{place}].")
        for place, item in enumerate(asked["models"])
    ]
    call.store.runs.recorder.add_inputs(
        asked["run_id"], _telling(call, asked["run_id"], inputs), [item["model_id"] for item in models]
    )
    return DONE


def _telling(call: Call, run_id: str, inputs: list[DatasetInput]) -> list[DatasetInput]:
    """Without those that are inputs of the run already, said of which nothing is: the client sends such a one with a metric."""
    if all(item.context or item.tags for item in inputs):
        return inputs
    held = {(item.name, item.digest) for run in call.store.runs.stores.runs.get([run_id]) for item in run.inputs}
    return [item for item in inputs if item.context or item.tags or (item.name, item.digest) not in held]


def _log_outputs(call: Call) -> Reply:
    """Log which logged models a run made."""
    asked = read(call, _OUTPUTS)
    items = [
        read_record(member(item, f"models[{place}]"), _MODEL_OUTPUT, f"models[{place}].")
        for place, item in enumerate(asked["models"])
    ]
    outputs = [ModelOutput(item["model_id"], item["step"] or 0) for item in items]
    call.store.runs.recorder.add_outputs(asked["run_id"], outputs)
    return DONE


def _log_model(call: Call) -> Reply:
    """Note a model's MLmodel in the tag `mlflow.log-model.history` of its run, as clients before MLflow 3 do."""
    asked = read(call, _MODEL)
    try:
        model = json.loads(asked["model_json"])
    except (ValueError, RecursionError) as error:
        msg = f"Malformed model info: it is not a valid JSON: {error}"
        raise InvalidInputError(msg) from error
    absent = [name for name in _MODEL_FIELDS if not isinstance(model, dict) or name not in model]
    if absent:
        msg = f"Model json is missing mandatory fields: {', '.join(absent)}"
        raise InvalidInputError(msg)
    call.store.runs.recorder.append_to_tag(asked["run_id"], HISTORY_TAG, {**model, "run_id": asked["run_id"]})
    return DONE


def _points(items: Sequence[Any]) -> list[Metric]:
    return [_point(read_metric(item, f"metrics[{place}]"), f"metrics[{place}].") for place, item in enumerate(items)]


def _point(metric: tuple[str, float, int, int, str, str, str], path: str) -> Metric:
    key, value, time, step, *origin = metric
    if time < 0:
        about = f"metric '{key}' (value={value}). Timestamp must be a nonnegative long (64-bit integer)"
        msg = f"Invalid value {time} for parameter '{path}timestamp' supplied: {about}"
        raise InvalidInputError(msg)
    return Metric(key, value, micros(f"{path}timestamp", time), step, *origin)


def _input_of(item: Any, path: str) -> DatasetInput:
    given = read_record(member(item, path), _INPUT, f"{path}.")
    dataset = read_record(member(given["dataset"], f"{path}.dataset"), _DATASET, f"{path}.dataset.")
    for name, most in _LONGEST.items():
        if len(dataset[name] or "") > most:
            msg = f"'{path}.dataset.{name}' exceeds the maximum length of {most} characters"
            raise InvalidInputError(msg)
    tags = dict(pairs(given["tags"], f"{path}.tags"))
    if any(len(key) > _LONGEST_TAG_KEY or len(value) > _LONGEST_TAG_VALUE for key, value in tags.items()):
        limits = f"a key has at most {_LONGEST_TAG_KEY} characters, its value {_LONGEST_TAG_VALUE}"
        msg = f"'{path}.tags' exceeds the maximum length: {limits}"
        raise InvalidInputError(msg)
    context = tags.pop(CONTEXT_TAG, "")
    return DatasetInput(**{name: value or "" for name, value in dataset.items()}, context=context, tags=tags)


def _require_few(what: str, count: int, most: int) -> None:
    if count > most:
        limit = f"A batch logging request can contain at most {most} {what}. Got {count} {what}."
        msg = f"{limit} Please split up {what} across multiple requests and try again."
        raise InvalidInputError(msg)


def _require_unique(keys: Sequence[str]) -> None:
    if len(set(keys)) < len(keys):
        twice = [key for place, key in enumerate(keys) if key in keys[:place]]
        only = "Please ensure the request contains only one param value per param key."
        msg = f"Duplicate parameter keys have been submitted: {twice}. {only}"
        raise InvalidInputError(msg)


LOG_METRIC = operation(_log_metric, _METRIC, soon=True, blind=True)
LOG_PARAM = operation(_log_param, _PARAM, soon=True, blind=True)
BATCH = operation(_log_batch, _BATCH, blind=True)
INPUTS = operation(_log_inputs, _INPUTS)
OUTPUTS = operation(_log_outputs, _OUTPUTS)
LOG_MODEL = operation(_log_model, _MODEL)
