"""MLflow's runs: made, changed, found."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from headrace.errors import InvalidInputError, NotFoundError
from headrace.server.http import Call, Reply
from headrace.server.mlflow.experiments import known_ids, searched_ids, view_of
from headrace.server.mlflow.shapes import PAGE_FORM, info_shape, page_shapes, run_shape
from headrace.server.mlflow.wire import (
    DONE,
    PAGE,
    choice,
    experiment_id,
    filled,
    micros,
    next_page,
    offset_of,
    operation,
    pairs,
    read,
    reply,
    texts,
)
from headrace.server.schema import Field, Record
from headrace.tracking.run import ACTIVE, DELETED, STATUSES, Run, Status
from headrace.tracking.search import parse_filter, parse_order
from headrace.tracking.store import RunQuery

__all__ = ["BY_RUN", "CREATE", "DELETE", "DELETE_TAG", "GET", "RESTORE", "RUN_ID", "SEARCH", "SET_TAG", "UPDATE", "run_of"]

MOST_RUNS = 50_000
USUAL_RUNS = 1000
RUN_ID = Field("The run's id; also `run_uuid`.", required=True)
BY_RUN = Record("MlflowRunId", {"run_id": RUN_ID})
_NEW = Record(
    "MlflowCreateRun",
    {
        "experiment_id": Field("The experiment's id.", required=True),
        "user_id": Field("Who runs it."),
        "run_name": Field("What to call it. Default: two words and a number."),
        "start_time": Field("When it began, milliseconds since 1970. Default: now.", ("integer",)),
        "tags": Field("`key` and `value` of each.", ("array",)),
    },
)
_FOUND = Record("MlflowRun", {"run": Field("`info`, `data`, `inputs` and `outputs` of the run.", ("object",))})
_CHANGE = Record(
    "MlflowUpdateRun",
    {
        "run_id": RUN_ID,
        "status": Field(f"One of {', '.join(STATUSES)}.", ("any",)),
        "end_time": Field("When it ended, milliseconds since 1970.", ("integer",)),
        "run_name": Field("Its new name."),
    },
)
_INFO = Record("MlflowRunInfo", {"run_info": Field("The run's info as it is now.", ("object",))})
_SEARCH = Record(
    "MlflowSearchRuns",
    {
        "experiment_ids": Field("Where to look.", ("array",)),
        "filter": Field("`metrics.auc > 0.8 AND params.depth = '6' AND status = 'FINISHED'`."),
        "run_view_type": Field("ACTIVE_ONLY, DELETED_ONLY or ALL.", ("any",), default="ACTIVE_ONLY"),
        "order_by": Field("`metrics.auc DESC`; runs without the value come last. Then newest first.", ("array",)),
        **PAGE,
    },
)
_PAGE = Record("MlflowRuns", {"runs": Field("Those found.", ("array",)), "next_page_token": Field("If more are.")})
_TAG = Record(
    "MlflowTag", {"run_id": RUN_ID, "key": Field("Up to 250 characters.", required=True), "value": Field("Cut to 8,000.")}
)
_TAG_KEY = Record("MlflowTagKey", {"run_id": RUN_ID, "key": Field("The tag.", required=True)})


def _create(call: Call) -> Reply:
    """Make a run."""
    asked = read(call, _NEW)
    run = call.store.runs.recorder.start_in(
        experiment_id(asked["experiment_id"]),
        asked["run_name"],
        tags=dict(pairs(asked["tags"], "tags")),
        user=asked["user_id"] or "",
        start=None if asked["start_time"] is None else micros("start_time", asked["start_time"]),
    )
    return reply({"run": run_shape(run)})


def _get(call: Call) -> Reply:
    """A run with its latest metrics, params, tags, inputs and outputs, deleted or not."""
    return reply({"run": run_shape(run_of(call, read(call, BY_RUN)["run_id"]))})


def _update(call: Call) -> Reply:
    """Change a run's status, end or name."""
    asked = read(call, _CHANGE)
    status = cast("Status | None", choice("status", asked["status"], STATUSES))
    end = None if asked["end_time"] is None else micros("end_time", asked["end_time"])
    info = call.store.runs.recorder.update(asked["run_id"], status=status, end=end, name=asked["run_name"] or None)
    return reply({"run_info": info_shape(info)})


def _delete(call: Call) -> Reply:
    """Delete a run; it can be restored."""
    call.store.runs.recorder.set_run_stage(read(call, BY_RUN)["run_id"], DELETED)
    return DONE


def _restore(call: Call) -> Reply:
    """Restore a deleted run."""
    call.store.runs.recorder.set_run_stage(read(call, BY_RUN)["run_id"], ACTIVE)
    return DONE


def _search(call: Call) -> Reply:
    """Runs of some experiments that match a filter."""
    asked = read(call, _SEARCH)
    limit = USUAL_RUNS if asked["max_results"] is None else asked["max_results"]
    if not 0 < limit <= MOST_RUNS:
        msg = f"Invalid value {limit} for parameter 'max_results' supplied. It must be 1 to {MOST_RUNS}"
        raise InvalidInputError(msg)
    offset = offset_of(asked["page_token"])
    ids = searched_ids(asked["experiment_ids"])
    query = RunQuery(
        parse_filter(asked["filter"] or ""),
        parse_order(texts("order_by", asked["order_by"])),
        ids,
        view_of("run_view_type", asked["run_view_type"]),
        limit + 1,
        offset,
    )
    runs = call.store.runs.stores.runs
    found = runs.search_as(PAGE_FORM, query)
    if not found.ids and (here := known_ids(call, ids)) != ids:  # ids of another server, which these were imported from
        found = runs.search_as(PAGE_FORM, replace(query, experiments=here))
    return reply(filled({"runs": page_shapes(found, limit), **next_page(found.ids, limit, offset)}))


def _set_tag(call: Call) -> Reply:
    """Set a tag of a run."""
    asked = read(call, _TAG)
    call.store.runs.recorder.log(asked["run_id"], tags={asked["key"]: asked["value"] or ""})
    return DONE


def _delete_tag(call: Call) -> Reply:
    """Remove a tag of a run."""
    asked = read(call, _TAG_KEY)
    call.store.runs.stores.runs.delete_tag(asked["run_id"], asked["key"])
    return DONE


def run_of(call: Call, run_id: str) -> Run:
    """A run by its whole id. Raises NotFoundError."""
    try:
        return call.store.runs.stores.runs.get([run_id])[0]
    except NotFoundError as error:
        msg = f"Run with id={run_id[:300]} not found"
        raise NotFoundError(msg) from error


CREATE = operation(_create, _NEW, _FOUND, soon=True)
GET = operation(_get, BY_RUN, _FOUND, query=True, soon=True)
UPDATE = operation(_update, _CHANGE, _INFO, soon=True)
DELETE = operation(_delete, BY_RUN)
RESTORE = operation(_restore, BY_RUN)
SEARCH = operation(_search, _SEARCH, _PAGE)
SET_TAG = operation(_set_tag, _TAG, soon=True, blind=True)
DELETE_TAG = operation(_delete_tag, _TAG_KEY)
