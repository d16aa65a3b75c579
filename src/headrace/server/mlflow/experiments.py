"""MLflow's experiments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from headrace.errors import ConflictError, InvalidInputError, NotFoundError
from headrace.server.http import Call, Reply
from headrace.server.mlflow.shapes import experiment_shape
from headrace.server.mlflow.wire import (
    DONE,
    PAGE,
    choice,
    experiment_id,
    filled,
    next_page,
    offset_of,
    operation,
    pairs,
    read,
    reply,
    texts,
)
from headrace.server.schema import Field, Record
from headrace.tracking.run import ACTIVE, DELETED, View
from headrace.tracking.search import EXPERIMENTS, parse_filter, parse_order

__all__ = [
    "CREATE",
    "DELETE",
    "DELETE_TAG",
    "GET",
    "GET_BY_NAME",
    "RESTORE",
    "SEARCH",
    "SEARCH_BY_QUERY",
    "SET_TAG",
    "UPDATE",
    "VIEWS",
    "known_ids",
    "searched_ids",
    "view_of",
]

MOST_EXPERIMENTS = 50_000
USUAL_EXPERIMENTS = 1000
MOST_SEARCHED = 20_000
"""Experiments that one search looks into: PostgreSQL takes 65,535 parameters, and a statement names each up to three times."""
MOST_WRITTEN = 100
"""Ids that somebody may have written down before an import gave others: each is looked up. Longer lists were found here."""
VIEWS: dict[str, View] = {"ACTIVE_ONLY": "active", "DELETED_ONLY": "deleted", "ALL": "all"}
_ID = Field("The experiment's id.", required=True)
_BY_ID = Record("MlflowExperimentId", {"experiment_id": _ID})
_BY_NAME = Record("MlflowExperimentName", {"experiment_name": Field("Its name.", required=True)})
_CREATED = Record("MlflowExperimentCreated", {"experiment_id": Field("Its id.")})
_FOUND = Record("MlflowExperiment", {"experiment": Field("Id, name, place of its files, stage, times, tags.", ("object",))})
_NEW = Record(
    "MlflowCreateExperiment",
    {
        "name": Field("Its name: 1 to 500 characters, unique among deleted ones too.", required=True),
        "artifact_location": Field("A bucket's URL, or a path below the server's artifacts. Default: a folder of its own."),
        "tags": Field("`key` and `value` of each.", ("array",)),
    },
)
_RENAME = Record("MlflowUpdateExperiment", {"experiment_id": _ID, "new_name": Field("The new name.", required=True)})
_TAG = Record(
    "MlflowExperimentTag",
    {"experiment_id": _ID, "key": Field("Up to 250 characters.", required=True), "value": Field("Up to 20,000 characters.")},
)
_TAG_KEY = Record("MlflowExperimentTagKey", {"experiment_id": _ID, "key": Field("The tag.", required=True)})
_SEARCH = Record(
    "MlflowSearchExperiments",
    {
        "filter": Field("`name LIKE 'a%' AND tags.team = 'x'`."),
        "order_by": Field("`name`, `experiment_id`, `creation_time` or `last_update_time`, with ASC or DESC.", ("array",)),
        "view_type": Field("ACTIVE_ONLY, DELETED_ONLY or ALL.", ("any",), default="ACTIVE_ONLY"),
        **PAGE,
    },
)
_PAGE = Record("MlflowExperiments", {"experiments": Field("Those found.", ("array",)), "next_page_token": Field("If more are.")})


def view_of(name: str, value: str | None) -> View:
    """Which stages a search looks at. Raises BadRequestError."""
    return VIEWS[cast("str", choice(name, value, tuple(VIEWS), "ACTIVE_ONLY"))]


def searched_ids(given: Any) -> list[str]:
    """Ids of experiments to look in, each once. Raises InvalidInputError for one that is none, or too many for one statement."""
    ids = list(dict.fromkeys(experiment_id(item) for item in texts("experiment_ids", given)))
    if len(ids) > MOST_SEARCHED:
        msg = f"Invalid value for parameter 'experiment_ids' supplied: {len(ids):,} experiments, at most {MOST_SEARCHED:,}"
        raise InvalidInputError(msg)
    return ids


def known_ids(call: Call, ids: Sequence[str]) -> list[str]:
    """The ids that experiments have here, of ids that they may have had where they were imported from."""
    return [_known_id(call, number) for number in ids] if len(ids) <= MOST_WRITTEN else list(ids)


def _known_id(call: Call, number: str) -> str:
    try:
        return call.store.runs.stores.experiments.get(number).id
    except NotFoundError:
        return number


def _create(call: Call) -> Reply:
    """Make an experiment."""
    asked = read(call, _NEW)
    tags = dict(pairs(asked["tags"], "tags"))
    made = call.store.runs.recorder.create_experiment(asked["name"], tags, asked["artifact_location"] or "")
    return reply({"experiment_id": made.id})


def _get(call: Call) -> Reply:
    """An experiment by its id, deleted or not."""
    return reply({"experiment": experiment_shape(call.store.runs.stores.experiments.get(_id(read(call, _BY_ID))))})


def _get_by_name(call: Call) -> Reply:
    """An experiment by its name, deleted or not."""
    name = read(call, _BY_NAME)["experiment_name"]
    found = call.store.runs.stores.experiments.by_name(name)
    if found is None:
        msg = f"Could not find experiment with name '{name}'"
        raise NotFoundError(msg)
    return reply({"experiment": experiment_shape(found)})


def _search(call: Call) -> Reply:
    """Experiments that match a filter, newest first unless ordered."""
    asked = read(call, _SEARCH)
    limit = USUAL_EXPERIMENTS if asked["max_results"] is None else asked["max_results"]
    if not 0 < limit <= MOST_EXPERIMENTS:
        most = "It must be a positive integer" if limit < 1 else f"It must be at most {MOST_EXPERIMENTS}"
        msg = f"Invalid value {limit} for parameter 'max_results' supplied. {most}"
        raise InvalidInputError(msg)
    offset = offset_of(asked["page_token"])
    found = call.store.runs.stores.experiments.search(
        parse_filter(asked["filter"] or "", EXPERIMENTS),
        parse_order(texts("order_by", asked["order_by"]), EXPERIMENTS),
        view=view_of("view_type", asked["view_type"]),
        limit=limit + 1,
        offset=offset,
    )
    shapes = [experiment_shape(item) for item in found[:limit]]
    return reply(filled({"experiments": shapes, **next_page(found, limit, offset)}))


def _delete(call: Call) -> Reply:
    """Delete an experiment with its runs; they can be restored."""
    call.store.runs.recorder.set_experiment_stage(_id(read(call, _BY_ID)), DELETED)
    return DONE


def _restore(call: Call) -> Reply:
    """Restore a deleted experiment with its runs."""
    call.store.runs.recorder.set_experiment_stage(_id(read(call, _BY_ID)), ACTIVE)
    return DONE


def _update(call: Call) -> Reply:
    """Rename an active experiment."""
    asked = read(call, _RENAME)
    call.store.runs.recorder.rename_experiment(_id(asked), asked["new_name"])
    return DONE


def _set_tag(call: Call) -> Reply:
    """Set a tag of an experiment."""
    asked = read(call, _TAG)
    call.store.runs.recorder.tag_experiment(_active(call, asked), asked["key"], asked["value"] or "")
    return DONE


def _delete_tag(call: Call) -> Reply:
    """Remove a tag of an experiment."""
    asked = read(call, _TAG_KEY)
    call.store.runs.stores.experiments.delete_tag(_active(call, asked), asked["key"])
    return DONE


def _active(call: Call, asked: dict[str, str]) -> str:
    """The id that is asked for. Raises NotFoundError; ConflictError if that experiment is deleted."""
    held = call.store.runs.stores.experiments.get(_id(asked))
    if held.lifecycle_stage != ACTIVE:
        msg = f"The experiment {held.name!r} must be in the 'active' state. Current state is deleted; restore it first"
        raise ConflictError(msg)
    return held.id


def _id(asked: dict[str, str]) -> str:
    return experiment_id(asked["experiment_id"])


CREATE = operation(_create, _NEW, _CREATED)
GET = operation(_get, _BY_ID, _FOUND, query=True)
GET_BY_NAME = operation(_get_by_name, _BY_NAME, _FOUND, query=True)
SEARCH = operation(_search, _SEARCH, _PAGE)
SEARCH_BY_QUERY = operation(_search, _SEARCH, _PAGE, query=True)
DELETE = operation(_delete, _BY_ID)
RESTORE = operation(_restore, _BY_ID)
UPDATE = operation(_update, _RENAME)
SET_TAG = operation(_set_tag, _TAG)
DELETE_TAG = operation(_delete_tag, _TAG_KEY)
