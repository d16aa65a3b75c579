"""MLflow's logged models: what a run made, with params, tags and the metrics that were measured on it."""

from __future__ import annotations

from typing import Any, cast

from headrace.errors import InvalidInputError
from headrace.ids import content_hash
from headrace.server.endpoint import Operation
from headrace.server.http import JSON, Call, Reply
from headrace.server.mlflow.experiments import known_ids, searched_ids
from headrace.server.mlflow.shapes import model_shape
from headrace.server.mlflow.wire import (
    DONE,
    PAGE,
    choice,
    experiment_id,
    filled,
    member,
    next_page,
    offset_of,
    operation,
    pairs,
    read,
    read_record,
    reply,
)
from headrace.server.schema import Content, Field, Record
from headrace.tracking.search import LOGGED_MODELS, ModelOrder, Order, check_few, parse_filter, parse_order

__all__ = ["CREATE", "DELETE", "DELETE_TAG", "FINISH", "GET", "PARAMS", "SEARCH", "STATUSES", "TAGS"]

STATUSES = ("LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED")
PREFIX = "LOGGED_MODEL_"
MOST_MODELS = 1000
USUAL_MODELS = 100
MOST_DATASETS = 100
_TAGS_FIELD = Field("`key` and `value` of each.", ("array",))
_NEW = Record(
    "MlflowCreateLoggedModel",
    {
        "experiment_id": Field("The experiment's id.", required=True),
        "name": Field("Its name, without / : . % and quotes. Default: two words and a number."),
        "model_type": Field("What its author calls this type of model."),
        "source_run_id": Field("The run that made it."),
        "params": Field("`key` and `value` of each.", ("array",)),
        "tags": _TAGS_FIELD,
    },
)
_FOUND = Record("MlflowLoggedModel", {"model": Field("`info` and `data` of the model.", ("object",))})
_ONE = Record("MlflowGetLoggedModel", {"allow_deleted": Field("Whether a deleted one may be shown.", ("boolean",))})
_STATUS = Record(
    "MlflowFinalizeLoggedModel",
    {"model_id": Field("Its id."), "status": Field(f"One of {', '.join(STATUSES)}.", ("any",), required=True)},
)
_TAGS = Record("MlflowLoggedModelTags", {"tags": _TAGS_FIELD})
_PARAMS = Record("MlflowLoggedModelParams", {"params": Field("`key` and `value` of each.", ("array",))})
_SEARCH = Record(
    "MlflowSearchLoggedModels",
    {
        "experiment_ids": Field("Where to look.", ("array",), required=True),
        "filter": Field("`name = 'model' AND metrics.auc > 0.8 AND params.depth = '6'`."),
        "datasets": Field("`dataset_name` and `dataset_digest`: only metrics on one of these data count.", ("array",)),
        "order_by": Field("`field_name`, `ascending`, `dataset_name`, `dataset_digest` of each key.", ("array",)),
        **PAGE,
    },
)
_DATASET = Record("MlflowDatasetKey", {"dataset_name": Field("", required=True), "dataset_digest": Field("")})
_ORDER = Record(
    "MlflowLoggedModelOrder",
    {
        "field_name": Field("", required=True),
        "ascending": Field("", ("boolean",)),
        "dataset_name": Field(""),
        "dataset_digest": Field(""),
    },
)
_PAGE = Record("MlflowLoggedModels", {"models": Field("Those found.", ("array",)), "next_page_token": Field("If more are.")})


def _create(call: Call) -> Reply:
    """Make a logged model whose files are yet to come."""
    asked = read(call, _NEW)
    made = call.store.runs.recorder.create_model(
        experiment_id(asked["experiment_id"]),
        asked["name"] or "",
        kind=asked["model_type"] or "",
        run_id=asked["source_run_id"] or "",
        params=dict(pairs(asked["params"], "params")),
        tags=dict(pairs(asked["tags"], "tags")),
    )
    return reply({"model": model_shape(made)})


def _get(call: Call) -> Reply:
    """A logged model by its id."""
    deleted = bool(read(call, _ONE)["allow_deleted"]) if call.raw_query else False
    return reply({"model": model_shape(call.store.runs.stores.models.get(call.path["model_id"], deleted=deleted))})


def _finish(call: Call) -> Reply:
    """Say whether all files of a logged model came."""
    status = cast("str", choice("status", read(call, _STATUS)["status"], STATUSES))
    call.store.runs.recorder.finish_model(call.path["model_id"], status.removeprefix(PREFIX))
    return reply({"model": model_shape(call.store.runs.stores.models.get(call.path["model_id"]))})


def _delete(call: Call) -> Reply:
    """Delete a logged model."""
    call.store.runs.recorder.delete_model(call.path["model_id"])
    return DONE


def _set_tags(call: Call) -> Reply:
    """Set tags of a logged model."""
    call.store.runs.recorder.tag_model(call.path["model_id"], dict(pairs(read(call, _TAGS)["tags"], "tags")))
    return DONE


def _delete_tag(call: Call) -> Reply:
    """Remove a tag of a logged model."""
    call.store.runs.stores.models.delete_tag(call.path["model_id"], call.path["key"])
    return DONE


def _add_params(call: Call) -> Reply:
    """Add params of a logged model. The same value again changes nothing; another is refused."""
    call.store.runs.recorder.add_model_params(call.path["model_id"], dict(pairs(read(call, _PARAMS)["params"], "params")))
    return DONE


def _search(call: Call) -> Reply:
    """Logged models of some experiments that match a filter, newest first unless ordered."""
    asked = read(call, _SEARCH)
    limit = asked["max_results"] or USUAL_MODELS
    if not 0 < limit <= MOST_MODELS:
        msg = f"Invalid value {limit} for parameter 'max_results' supplied. It must be 1 to {MOST_MODELS}"
        raise InvalidInputError(msg)
    check_few(asked["order_by"])
    if len(asked["datasets"]) > MOST_DATASETS:
        msg = f"datasets holds at most {MOST_DATASETS}, not {len(asked['datasets']):,}; ask for some after the others"
        raise InvalidInputError(msg)
    search = content_hash([asked[name] or "" for name in ("experiment_ids", "filter", "order_by", "datasets")])[:16]
    offset = offset_of(asked["page_token"], search)
    found = call.store.runs.stores.models.search(
        parse_filter(asked["filter"] or "", LOGGED_MODELS),
        [_order_of(item, f"order_by[{place}]") for place, item in enumerate(asked["order_by"])],
        experiments=known_ids(call, searched_ids(asked["experiment_ids"])),
        datasets=[_dataset_of(item, f"datasets[{place}]") for place, item in enumerate(asked["datasets"])],
        limit=limit + 1,
        offset=offset,
    )
    return reply(filled({"models": [model_shape(model) for model in found[:limit]], **next_page(found, limit, offset, search)}))


def _order_of(item: Any, path: str) -> ModelOrder:
    given = read_record(member(item, path), _ORDER, f"{path}.")
    name = given["field_name"].strip()
    entity, dot, key = name.partition(".")
    if dot and entity == "metrics":
        found = Order("metric", key, given["ascending"] is not False)
    else:
        (found,) = parse_order([f"{name} {'DESC' if given['ascending'] is False else 'ASC'}"], LOGGED_MODELS)
    if given["dataset_digest"] and not given["dataset_name"]:
        raise InvalidInputError("`dataset_digest` can only be specified if `dataset_name` is also specified.")
    return ModelOrder(found, given["dataset_name"] or "", given["dataset_digest"] or "")


def _dataset_of(item: Any, path: str) -> tuple[str, str]:
    given = read_record(member(item, path), _DATASET, f"{path}.")
    return given["dataset_name"], given["dataset_digest"] or ""


CREATE = operation(_create, _NEW, _FOUND)
GET = operation(_get, _ONE, _FOUND, query=True)
FINISH = operation(_finish, _STATUS, _FOUND)
DELETE = Operation(_delete, gives=(Content(JSON),))
TAGS = operation(_set_tags, _TAGS)
DELETE_TAG = Operation(_delete_tag, gives=(Content(JSON),))
PARAMS = operation(_add_params, _PARAMS)
SEARCH = operation(_search, _SEARCH, _PAGE)
