"""MLflow's model registry over ours: the same service decides, with its gates, and writes the trail.

MLflow's clients set stages and aliases apart; here `champion` and Production are one, and so are `challenger` and the newest
version in Staging. So setting one of these aliases moves the version, and moving a version sets the alias.
"""

from __future__ import annotations

from typing import Any

from headrace.errors import ConflictError, InvalidInputError, NotFoundError
from headrace.models import lifecycle
from headrace.models.lifecycle import CHALLENGER, CHAMPION, STAGES, Stage
from headrace.models.version import ModelVersion, RegisteredModel
from headrace.server.http import Call, Reply
from headrace.server.mlflow.errors import not_kept
from headrace.server.mlflow.registry_search import PROMPT, search_models, search_versions
from headrace.server.mlflow.registry_shapes import latest_of, model_shape, place_of, version_shape
from headrace.server.mlflow.registry_sources import resolve_source
from headrace.server.mlflow.wire import DONE, PAGE, filled, next_page, offset_of, operation, pairs, read, reply, texts
from headrace.server.schema import Field, Record
from headrace.tracking.rules import check_key
from headrace.tracking.run import LoggedModel

__all__ = ["ROUTES"]

MOST_MODELS, USUAL_MODELS = 1000, 100
MOST_VERSIONS = 200_000
LONGEST_MODEL_VALUE = 100_000

_NAME = Field("The registered model.", required=True)
_NUMBER = Field("The version's number.", required=True)
_TEXT = Field("A description.")
_TAGS = Field("`key` and `value` of each.", ("array",))
_KEY, _VALUE = Field("The tag.", required=True), Field("Its value.")
_ALIAS = Field("The alias.", required=True)

_BY_NAME = Record("MlflowModelName", {"name": _NAME})
_NEW_MODEL = Record("MlflowNewRegisteredModel", {"name": _NAME, "tags": _TAGS, "description": _TEXT})
_RENAME = Record("MlflowRenameModel", {"name": _NAME, "new_name": Field("Its new name.", required=True)})
_DESCRIBE = Record("MlflowDescribeModel", {"name": _NAME, "description": _TEXT})
_MODEL = Record("MlflowFoundModel", {"registered_model": Field("The model.", ("object",))})
_SEARCH = Record(
    "MlflowSearchModels", {"filter": Field("`name LIKE 'a%' AND tags.team = 'x'`."), "order_by": Field("", ("array",)), **PAGE}
)
_MODELS = Record(
    "MlflowModels", {"registered_models": Field("Those found.", ("array",)), "next_page_token": Field("If more are.")}
)
_LATEST = Record("MlflowLatestVersions", {"name": _NAME, "stages": Field("Default: all.", ("array",))})
_VERSIONS = Record(
    "MlflowVersions", {"model_versions": Field("Those found.", ("array",)), "next_page_token": Field("If more are.")}
)
_TAG = Record("MlflowModelTag", {"name": _NAME, "key": _KEY, "value": _VALUE})
_TAG_KEY = Record("MlflowModelTagKey", {"name": _NAME, "key": _KEY})
_SET_ALIAS = Record("MlflowSetAlias", {"name": _NAME, "alias": _ALIAS, "version": _NUMBER})
_BY_ALIAS = Record("MlflowModelAlias", {"name": _NAME, "alias": _ALIAS})
_NEW_VERSION = Record(
    "MlflowNewVersion",
    {
        "name": _NAME,
        "source": Field("Where its files are: `models:/m-…`, `runs:/RUN/path`, `models:/name/3`, `s3://…`.", required=True),
        "run_id": Field("The run that made it."),
        "tags": _TAGS,
        "run_link": Field("An address of the run, for people."),
        "description": _TEXT,
        "model_id": Field("The logged model that it is."),
    },
)
_VERSION = Record("MlflowFoundVersion", {"model_version": Field("The version.", ("object",))})
_BY_NUMBER = Record("MlflowVersionNumber", {"name": _NAME, "version": _NUMBER})
_DESCRIBE_VERSION = Record("MlflowDescribeVersion", {"name": _NAME, "version": _NUMBER, "description": _TEXT})
_PLACE = Record("MlflowVersionPlace", {"artifact_uri": Field("Where its files are.")})
_STAGE = Record(
    "MlflowTransition",
    {
        "name": _NAME,
        "version": _NUMBER,
        "stage": Field(f"One of {', '.join(STAGES)}.", required=True),
        "archive_existing_versions": Field("Whether the others of that stage are archived.", ("boolean",), default=False),
    },
)
_VERSION_TAG = Record("MlflowVersionTag", {"name": _NAME, "version": _NUMBER, "key": _KEY, "value": _VALUE})
_VERSION_TAG_KEY = Record("MlflowVersionTagKey", {"name": _NAME, "version": _NUMBER, "key": _KEY})


def _create_model(call: Call) -> Reply:
    """Make a registered model."""
    asked = read(call, _NEW_MODEL)
    tags = _checked(pairs(asked["tags"], "tags"))
    if tags.get(PROMPT, "").lower() == "true":
        raise not_kept("prompts")  # told before there is a model that could never get a version
    return _told(call, call.store.models.create(asked["name"], asked["description"] or "", tags))


def _rename_model(call: Call) -> Reply:
    """Rename a registered model, its versions and its history with it."""
    asked = read(call, _RENAME)
    _model(call, asked["name"])
    return _told(call, call.store.models.rename(asked["name"], asked["new_name"]))


def _describe_model(call: Call) -> Reply:
    """Replace the description of a registered model."""
    asked = read(call, _DESCRIBE)
    _model(call, asked["name"])
    call.store.models.describe(asked["name"], asked["description"] or "")
    return _told(call, _model(call, asked["name"]))


def _delete_model(call: Call) -> Reply:
    """Delete a registered model with its versions; one with a version in Production is refused."""
    name = read(call, _BY_NAME)["name"]
    _model(call, name)
    call.store.models.delete(name)
    return DONE


def _get_model(call: Call) -> Reply:
    """A registered model."""
    return _told(call, _model(call, read(call, _BY_NAME)["name"]))


def _search_models(call: Call) -> Reply:
    """Registered models that match a filter."""
    asked = read(call, _SEARCH)
    limit = _limit(asked["max_results"], USUAL_MODELS, MOST_MODELS)
    offset = offset_of(asked["page_token"])
    found = search_models(call.store, asked["filter"] or "", texts("order_by", asked["order_by"]))[offset : offset + limit + 1]
    shapes = [model_shape(model, _latest(call, model)) for model in found[:limit]]
    return reply(filled({"registered_models": shapes, **next_page(found, limit, offset)}))


def _latest_versions(call: Call) -> Reply:
    """The newest version of each stage."""
    asked = read(call, _LATEST)
    model = _model(call, asked["name"])
    stages = [_stage(name) for name in texts("stages", asked["stages"])] or list(STAGES)
    versions = call.store.models.store.versions(model.name, latest_of(model, stages))
    return reply(filled({"model_versions": [version_shape(version) for version in versions]}))


def _set_model_tag(call: Call) -> Reply:
    """Set a tag of a registered model."""
    asked = read(call, _TAG)
    _model(call, asked["name"])
    ((key, value),) = _checked([(asked["key"], asked["value"] or "")]).items()
    call.store.models.set_tag(asked["name"], key, value)
    return DONE


def _delete_model_tag(call: Call) -> Reply:
    """Remove a tag of a registered model; one that isn't there is fine."""
    asked = read(call, _TAG_KEY)
    if asked["key"] in _model(call, asked["name"]).tags:
        call.store.models.set_tag(asked["name"], asked["key"], None)
    return DONE


def _set_alias(call: Call) -> Reply:
    """Point an alias at a version. `champion` moves it to Production, through the gates; `challenger` to Staging."""
    asked = read(call, _SET_ALIAS)
    found = _version(call, asked)
    alias = asked["alias"].lower()
    if alias == CHAMPION:
        _promote(call, found)
    elif alias == CHALLENGER:
        _challenge(call, found)
    else:
        call.store.models.set_alias(found.name, asked["alias"], found.version)
    return DONE


def _delete_alias(call: Call) -> Reply:
    """Remove an alias; one that isn't there is fine. `champion` and `challenger` go only with their stages."""
    asked = read(call, _BY_ALIAS)
    model = _model(call, asked["name"])
    alias = asked["alias"]
    if alias.lower() not in lifecycle.PROTECTED or alias.lower() in model.aliases:
        call.store.models.delete_alias(model.name, alias)
    return DONE


def _get_by_alias(call: Call) -> Reply:
    """The version that an alias names; `latest` is the newest."""
    asked = read(call, _BY_ALIAS)
    model = _model(call, asked["name"])
    number = model.latest if asked["alias"].lower() == "latest" else model.aliases.get(asked["alias"])
    if number is None:
        msg = f"Registered model alias {asked['alias'][:300]} not found."
        raise InvalidInputError(msg)
    return reply({"model_version": version_shape(call.store.models.get(model.name, number))})


def _create_version(call: Call) -> Reply:
    """Make a version of a registered model, from a logged model, from files of a run, or from another version."""
    asked = read(call, _NEW_VERSION)
    name = _model(call, asked["name"]).name
    tags = _checked(pairs(asked["tags"], "tags"))
    source, link, text = asked["source"], asked["run_link"] or "", asked["description"] or ""
    found = resolve_source(call.store, source, asked["run_id"] or "", asked["model_id"] or "")
    registering = call.store.models.registering
    if isinstance(found, LoggedModel):
        made = registering.logged(found, name, text, tags, source=source, link=link)
    elif isinstance(found, ModelVersion):
        made = registering.copy(found, name, text, tags, link=link)
    else:
        place, run_id, files = found
        made = registering.files(files, name, text, tags, source=place, run_id=run_id, link=link)
    return reply({"model_version": version_shape(made)})


def _describe_version(call: Call) -> Reply:
    """Replace the description of a version."""
    asked = read(call, _DESCRIBE_VERSION)
    found = _version(call, asked)
    if asked["description"] is not None:
        call.store.models.describe(found.name, asked["description"], found.version)
    return _told_version(call, found)


def _delete_version(call: Call) -> Reply:
    """Delete a version; one in Production is refused."""
    found = _version(call, read(call, _BY_NUMBER))
    call.store.models.delete_version(found.name, found.version)
    return DONE


def _get_version(call: Call) -> Reply:
    """A version."""
    return reply({"model_version": version_shape(_version(call, read(call, _BY_NUMBER)))})


def _download_place(call: Call) -> Reply:
    """Where the files of a version are."""
    return reply({"artifact_uri": place_of(_version(call, read(call, _BY_NUMBER)))})


def _search_versions(call: Call) -> Reply:
    """Versions that match a filter."""
    asked = read(call, _SEARCH)
    limit = _limit(asked["max_results"], MOST_VERSIONS, MOST_VERSIONS)
    offset = offset_of(asked["page_token"])
    found = search_versions(call.store, asked["filter"] or "", texts("order_by", asked["order_by"]))[offset : offset + limit + 1]
    shapes = [version_shape(version) for version in found[:limit]]
    return reply(filled({"model_versions": shapes, **next_page(found, limit, offset)}))


def _transition(call: Call) -> Reply:
    """Move a version to a stage. To Production its gates decide, and the version that was there is archived."""
    asked = read(call, _STAGE)
    stage = _stage(asked["stage"])
    archive = bool(asked["archive_existing_versions"])
    if archive and stage not in ("Staging", "Production"):
        reason = "Model version transition cannot archive existing model versions because"
        msg = f"{reason} '{stage}' is not an Active stage. Valid stages are Staging, Production"
        raise InvalidInputError(msg)
    found = _version(call, asked)
    if stage == "Production":
        _promote(call, found)
    else:
        call.store.models.transition(found.name, found.version, stage)
    if archive and stage == "Staging":
        for other in call.store.models.model(found.name).lifecycle.staging:
            if other != found.version:
                call.store.models.transition(found.name, other, "Archived", reason=f"version {found.version} took its place")
    return _told_version(call, found)


def _set_version_tag(call: Call) -> Reply:
    """Set a tag of a version."""
    asked = read(call, _VERSION_TAG)
    found = _version(call, asked)
    ((key, value),) = _checked([(asked["key"], asked["value"] or "")]).items()
    call.store.models.set_tag(found.name, key, value, found.version)
    return DONE


def _delete_version_tag(call: Call) -> Reply:
    """Remove a tag of a version; one that isn't there is fine."""
    asked = read(call, _VERSION_TAG_KEY)
    found = _version(call, asked)
    if asked["key"] in found.tags:
        call.store.models.set_tag(found.name, asked["key"], None, found.version)
    return DONE


def _promote(call: Call, version: ModelVersion) -> None:
    """To Production; back there, if it was there before."""
    models = call.store.models
    state = models.model(version.name).lifecycle
    if state.stage_of(version.version) == "Archived" and version.version in state.reigned:
        models.rollback(version.name, version.version)
    else:
        models.promote(version.name, version.version)


def _challenge(call: Call, version: ModelVersion) -> None:
    """To Staging, as the newest there."""
    models = call.store.models
    state = models.model(version.name).lifecycle
    stage = state.stage_of(version.version)
    if stage == "Production":
        msg = f"version {version.version} is in Production, so it can't be the challenger; move it to Staging first"
        raise ConflictError(msg)
    if version.version == state.challenger:
        return
    if stage == "Staging":
        models.transition(version.name, version.version, "None", reason="to become the challenger")
    models.transition(version.name, version.version, "Staging")


def _model(call: Call, name: str) -> RegisteredModel:
    found = call.store.models.store.model(name)
    if found is None:
        msg = f"Registered Model with name={name[:300]} not found"
        raise NotFoundError(msg)
    return found


def _version(call: Call, asked: dict[str, Any]) -> ModelVersion:
    name, text = asked["name"], asked["version"]
    if not (text.isascii() and text.isdecimal()):
        msg = f"Parameter 'version' must be an integer, got '{text[:100]}'."
        raise InvalidInputError(msg)
    number = int(text) if len(text) < 10 else 0
    found = call.store.models.store.versions(name, [number])
    if not found:
        msg = f"Model Version (name={name[:300]}, version={text[:100]}) not found"
        raise NotFoundError(msg)
    return found[0]


def _told(call: Call, model: RegisteredModel) -> Reply:
    return reply({"registered_model": model_shape(model, _latest(call, model))})


def _told_version(call: Call, version: ModelVersion) -> Reply:
    return reply({"model_version": version_shape(call.store.models.get(version.name, version.version))})


def _latest(call: Call, model: RegisteredModel) -> list[ModelVersion]:
    numbers = latest_of(model)
    return call.store.models.store.versions(model.name, numbers) if numbers else []


def _stage(text: str) -> Stage:
    for stage in STAGES:
        if stage.lower() == text.lower():
            return stage
    msg = f"Invalid Model Version stage: {text[:100]}. Value must be one of {', '.join(STAGES)}."
    raise InvalidInputError(msg)


def _limit(given: int | None, usual: int, most: int) -> int:
    limit = usual if given is None else given
    if not 0 < limit <= most:
        what = "It must be a positive integer" if limit < 1 else f"It must be at most {most}"
        msg = f"Invalid value {limit} for parameter 'max_results' supplied. {what}"
        raise InvalidInputError(msg)
    return limit


def _checked(tags: list[tuple[str, str]]) -> dict[str, str]:
    for key, value in tags:
        check_key("tag", key)
        if len(value) > LONGEST_MODEL_VALUE:
            msg = f"The value of tag {key!r} exceeds the maximum length of {LONGEST_MODEL_VALUE:,} characters"
            raise InvalidInputError(msg)
    return dict(tags)


_R, _W = "models:read", "models:write"
ROUTES = (
    ("POST", "registered-models/create", _W, operation(_create_model, _NEW_MODEL, _MODEL)),
    ("POST", "registered-models/rename", _W, operation(_rename_model, _RENAME, _MODEL)),
    ("PATCH", "registered-models/update", _W, operation(_describe_model, _DESCRIBE, _MODEL)),
    ("DELETE", "registered-models/delete", _W, operation(_delete_model, _BY_NAME)),
    ("GET", "registered-models/get", _R, operation(_get_model, _BY_NAME, _MODEL, query=True)),
    ("GET", "registered-models/search", _R, operation(_search_models, _SEARCH, _MODELS, query=True)),
    ("POST", "registered-models/get-latest-versions", _R, operation(_latest_versions, _LATEST, _VERSIONS)),
    ("GET", "registered-models/get-latest-versions", _R, operation(_latest_versions, _LATEST, _VERSIONS, query=True)),
    ("POST", "registered-models/set-tag", _W, operation(_set_model_tag, _TAG)),
    ("DELETE", "registered-models/delete-tag", _W, operation(_delete_model_tag, _TAG_KEY)),
    ("POST", "registered-models/alias", _W, operation(_set_alias, _SET_ALIAS)),
    ("DELETE", "registered-models/alias", _W, operation(_delete_alias, _BY_ALIAS)),
    ("GET", "registered-models/alias", _R, operation(_get_by_alias, _BY_ALIAS, _VERSION, query=True)),
    ("POST", "model-versions/create", _W, operation(_create_version, _NEW_VERSION, _VERSION)),
    ("PATCH", "model-versions/update", _W, operation(_describe_version, _DESCRIBE_VERSION, _VERSION)),
    ("DELETE", "model-versions/delete", _W, operation(_delete_version, _BY_NUMBER)),
    ("GET", "model-versions/get", _R, operation(_get_version, _BY_NUMBER, _VERSION, query=True)),
    ("GET", "model-versions/get-download-uri", _R, operation(_download_place, _BY_NUMBER, _PLACE, query=True)),
    ("GET", "model-versions/search", _R, operation(_search_versions, _SEARCH, _VERSIONS, query=True)),
    ("POST", "model-versions/transition-stage", _W, operation(_transition, _STAGE, _VERSION)),
    ("POST", "model-versions/set-tag", _W, operation(_set_version_tag, _VERSION_TAG)),
    ("DELETE", "model-versions/delete-tag", _W, operation(_delete_version_tag, _VERSION_TAG_KEY)),
)
"""The registry's routes, below MLflow's prefixes."""
