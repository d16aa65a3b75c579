"""Runs in full, and what a person changes on many at once: tags, notes, deletion and its undoing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headrace.clock import isoformat
from headrace.definitions.plain import plain
from headrace.errors import InvalidInputError
from headrace.server.columns import dumps
from headrace.server.endpoint import Operation
from headrace.server.http import JSON, Call, Reply, json_reply
from headrace.server.schema import Content, Field, Record
from headrace.tracking.run import DatasetInput, LoggedModel, MetricSummary, Run

__all__ = ["GET", "MANY", "STAGE", "TAGS"]

MOST_RUNS = 1000

_METRIC = Record(
    "RunMetric",
    {
        "value": Field("The latest value; NaN, Infinity and -Infinity as texts.", ("number", "string")),
        "step": Field("Its step.", ("integer",)),
        "time": Field("When it was measured, RFC 3339."),
        "count": Field("How many points there are.", ("integer",)),
        "low": Field("The lowest value.", ("number", "string")),
        "high": Field("The highest value.", ("number", "string")),
    },
    whole=True,
)
_INPUT = Record(
    "RunInput",
    {
        "name": Field("Its name."),
        "digest": Field("Hash of its content."),
        "context": Field("What it was for."),
        "source_type": Field("Where it came from: of what kind."),
        "source": Field("Where it came from."),
        "schema": Field("The columns, JSON text."),
        "profile": Field("Figures, JSON text."),
        "urn": Field("Its name in the lineage; empty if it has none."),
    },
    whole=True,
)
_MODEL = Record(
    "RunModel",
    {
        "id": Field("Its id."),
        "name": Field("Its name."),
        "flavor": Field("How it was saved."),
        "view": Field("The feature view that it reads; empty if none was named."),
        "size": Field("Bytes of its files.", ("integer",)),
        "created": Field("When, RFC 3339."),
        "urn": Field("Its name in the lineage."),
    },
    whole=True,
)
_RUN = Record(
    "Run",
    {
        "id": Field("Its id."),
        "name": Field("Its name."),
        "experiment_id": Field("The experiment it is in."),
        "experiment": Field("That experiment's name."),
        "status": Field("How it stands.", choices=("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")),
        "start": Field("When it started, RFC 3339."),
        "end": Field("When it ended, RFC 3339.", nullable=True),
        "user": Field("Who started it."),
        "lifecycle_stage": Field("active or deleted."),
        "parent": Field("The run that it is nested in.", nullable=True),
        "urn": Field("Its name in the lineage."),
        "params": Field("Its params.", ("object",), of=Field("A value."), keyed=True),
        "tags": Field("Its tags.", ("object",), of=Field("A value."), keyed=True),
        "metrics": Field("Its metrics: the latest point and the extent of each.", ("object",), of=_METRIC, keyed=True),
        "inputs": Field("The data that it read.", ("array",), of=_INPUT),
        "models": Field("The models that it logged.", ("array",), of=_MODEL),
    },
    whole=True,
)
_IDS = Field("Ids of runs.", ("array",), required=True, of=Field("An id."))
_ASKED = Record("RunsQuery", {"runs": _IDS})
_MANY = Record("Runs", {"runs": Field("In the order that was asked for.", ("array",), of=_RUN)}, whole=True)
_TAGS = Record(
    "RunTags",
    {
        "runs": _IDS,
        "set": Field("Tags to set.", ("object",), nullable=True, of=Field("A value."), keyed=True),
        "remove": Field("Tags to remove; a run that lacks one is left as it is.", ("array",), nullable=True, of=Field("A key.")),
    },
)
_STAGE = Record(
    "RunStage",
    {"runs": _IDS, "stage": Field("`deleted` hides them, `active` restores them.", required=True, choices=("active", "deleted"))},
)
_CHANGED = Record("RunsChanged", {"runs": Field("How many.", ("integer",))}, whole=True)


def _get(call: Call) -> Reply:
    """One run, deleted or not, by its id or the start of it."""
    run = call.store.runs.get(call.path["run"])
    return Reply(dumps(_told(call, run)), media_type=JSON)


def _many(call: Call) -> Reply:
    """Several runs in full, to compare them."""
    ids = _ids(_ASKED.read(call.json())["runs"])
    return Reply(dumps({"runs": [_told(call, call.store.runs.get(run_id)) for run_id in ids]}), media_type=JSON)


def _tags(call: Call) -> Reply:
    """Set and remove tags of several runs. Every run is looked at before the first is changed."""
    asked, runs = _TAGS.read(call.json()), call.store.runs
    held = [runs.get(run_id) for run_id in _ids(asked["runs"])]
    for run in held:
        for key, value in (asked["set"] or {}).items():
            runs.set_tag(run.id, key, value)
        for key in asked["remove"] or ():
            if key in run.tags:
                runs.delete_tag(run.id, key)
    return json_reply({"runs": len(held)})


def _stage(call: Call) -> Reply:
    """Delete several runs, or restore them. Every run is looked at before the first is changed."""
    asked, runs = _STAGE.read(call.json()), call.store.runs
    if asked["stage"] not in ("active", "deleted"):
        msg = f"stage must be active or deleted, not {asked['stage']!r}"
        raise InvalidInputError(msg)
    ids = [runs.resolve(run_id) for run_id in _ids(asked["runs"])]
    for run_id in ids:
        (runs.delete if asked["stage"] == "deleted" else runs.restore)(run_id)
    return json_reply({"runs": len(ids)})


def _ids(given: Sequence[Any]) -> list[str]:
    if len(given) > MOST_RUNS or not all(isinstance(item, str) for item in given):
        msg = f"give at most {MOST_RUNS} ids of runs, as texts"
        raise InvalidInputError(msg)
    return list(given)


def _told(call: Call, run: Run) -> dict[str, Any]:
    summaries = call.store.runs.summaries(run.id)
    return {
        "id": run.id,
        "name": run.name,
        "experiment_id": run.experiment_id,
        "experiment": run.experiment,
        "status": run.status,
        "start": isoformat(run.start),
        "end": None if run.end is None else isoformat(run.end),
        "user": run.user,
        "lifecycle_stage": run.lifecycle_stage,
        "parent": run.parent,
        "urn": run.urn,
        "params": dict(run.params),
        "tags": dict(run.tags),
        "metrics": {key: _metric(run, key, summaries.get(key)) for key in sorted(run.latest)},
        "inputs": [_input(item) for item in run.inputs],
        "models": [_model(item) for item in call.store.runs.models(run.id)],
    }


def _metric(run: Run, key: str, summary: MetricSummary | None) -> dict[str, Any]:
    point = run.latest[key]
    extent = (1, point.value, point.value) if summary is None else (summary.count, summary.low, summary.high)
    return {
        "value": plain(point.value),
        "step": point.step,
        "time": isoformat(point.time),
        "count": extent[0],
        "low": plain(extent[1]),
        "high": plain(extent[2]),
    }


def _input(item: DatasetInput) -> dict[str, str]:
    names = ("name", "digest", "context", "source_type", "source", "schema", "profile", "urn")
    return {name: getattr(item, name) for name in names}


def _model(model: LoggedModel) -> dict[str, Any]:
    return {
        "id": model.id,
        "name": model.name,
        "flavor": model.flavor,
        "view": model.view,
        "size": model.size,
        "created": isoformat(model.created),
        "urn": model.urn,
    }


GET = Operation(_get, gives=(Content(record=_RUN),))
MANY = Operation(_many, takes=(Content(record=_ASKED),), gives=(Content(record=_MANY),))
TAGS = Operation(_tags, takes=(Content(record=_TAGS),), gives=(Content(record=_CHANGED),))
STAGE = Operation(_stage, takes=(Content(record=_STAGE),), gives=(Content(record=_CHANGED),))
