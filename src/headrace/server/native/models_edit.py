"""What people change of a registered model and its versions beside their stages: texts, tags, aliases, gates, and their end."""

from __future__ import annotations

from typing import Any

from headrace.definitions.plain import plain
from headrace.errors import InvalidInputError
from headrace.models.conditions import rules
from headrace.models.gates import Gate
from headrace.models.service import Models
from headrace.server.columns import dumps
from headrace.server.endpoint import Endpoint, Operation
from headrace.server.errors import BadRequestError
from headrace.server.http import JSON, Call, Reply
from headrace.server.native.models import version_number
from headrace.server.schema import Content, Field, Record

__all__ = ["ENDPOINTS"]

_TAGS = Field("Tags to set.", ("object",), nullable=True, of=Field("A value."), keyed=True)
_TEXTS = {
    "description": Field("Another description.", nullable=True),
    "owner": Field("Who answers for it; empty for nobody.", nullable=True),
    "card": Field("Another card, Markdown.", nullable=True),
    "set": _TAGS,
    "remove": Field("Tags to remove; one that it lacks is passed over.", ("array",), nullable=True, of=Field("A tag.")),
}
_NEW_MODEL = Record(
    "NewRegisteredModel",
    {"name": Field("A name.", required=True), "description": Field("Free text.", default=""), "tags": _TAGS},
)
_MODEL_CHANGE = Record("RegisteredModelChange", {"name": Field("Another name.", nullable=True), **_TEXTS})
_VERSION_CHANGE = Record("ModelVersionChange", _TEXTS)
_ALIAS = Record("NewAlias", {"version": Field("The version.", ("integer",), required=True)})
_GATE_FIELDS = {
    "higher_is_better": Field("Whether more is better. Default: by the metric's name.", ("boolean",), nullable=True),
    "min_improvement": Field("Better than the champion by so much; null compares with nobody.", ("number",), nullable=True),
    "at_least": Field("A lower bound.", ("number",), nullable=True),
    "at_most": Field("An upper bound.", ("number",), nullable=True),
    "dataset": Field("Name or fingerprint of the data. Default: that evaluated last.", nullable=True),
    "confidence": Field("How sure to be of the improvement, 0.5 to 1.", ("number",), nullable=True),
    "slice_tolerance": Field("Worse than the champion by so much at most, in any slice.", ("number",), nullable=True),
    "by_requester": Field("Of approvals: whether who asked may approve.", ("boolean",), default=False),
}
_METRIC = Field("A metric; or size_mb, schema, reproducible, approvals.", required=True)
_GATE = Record("GateSetting", {"metric": _METRIC, **_GATE_FIELDS})
_TOLD_GATE = Record("GateInFull", {"metric": _METRIC, **_GATE_FIELDS, "rule": Field("What is asked, in words.")}, whole=True)
_GATES = Record("NewGates", {"gates": Field("All gates; none for no condition.", ("array",), required=True, of=_GATE)})
_TOLD_GATES = Record("Gates", {"gates": Field("In the order that they were given.", ("array",), of=_TOLD_GATE)}, whole=True)
_CHANGED = Record("Changed", {"changed": Field("What was, `models:/NAME` or `models:/NAME/VERSION`.")}, whole=True)


def _create(call: Call) -> Reply:
    """Make a registered model that has no versions yet."""
    asked = _NEW_MODEL.read(call.json())
    call.store.models.create(asked["name"], asked["description"], asked["tags"] or {})
    return _changed(asked["name"])


def _change_model(call: Call) -> Reply:
    """Change the name, texts or tags of a model."""
    asked, name, models = _MODEL_CHANGE.read(call.json()), call.path["name"], call.store.models
    models.model(name)
    _rewrite(models, name, None, asked)
    if asked["name"] not in (None, name):
        name = models.rename(name, asked["name"]).name
    return _changed(name)


def _change_version(call: Call) -> Reply:
    """Change the texts or tags of a version."""
    name, version = call.path["name"], version_number(call)
    call.store.models.get(name, version)
    _rewrite(call.store.models, name, version, _VERSION_CHANGE.read(call.json()))
    return _changed(name, version)


def _delete_model(call: Call) -> Reply:
    """Delete a model with all its versions; not while one is in Production. Its history stays."""
    call.store.models.delete(call.path["name"])
    return _changed(call.path["name"])


def _delete_version(call: Call) -> Reply:
    """Delete a version and the aliases that name it; not while it is in Production. Its number isn't given again."""
    version = version_number(call)
    call.store.models.delete_version(call.path["name"], version)
    return _changed(call.path["name"], version)


def _set_alias(call: Call) -> Reply:
    """Point an alias at a version; `champion` and `challenger` follow the stages and are refused."""
    version = call.store.models.set_alias(call.path["name"], call.path["alias"], _ALIAS.read(call.json())["version"])
    return _changed(version.name, version.version)


def _delete_alias(call: Call) -> Reply:
    """Remove an alias; one that isn't there is fine."""
    call.store.models.delete_alias(call.path["name"], call.path["alias"])
    return _changed(call.path["name"])


def _gates(call: Call) -> Reply:
    """What a version must meet to reach Production, in full."""
    return _told_gates(call)


def _set_gates(call: Call) -> Reply:
    """Replace what a version must meet to reach Production."""
    asked = [_GATE.read(each) for each in _GATES.read(call.json())["gates"]]
    given = call.json()["gates"]
    call.store.models.set_gates(call.path["name"], [_gate(each, set(told)) for each, told in zip(asked, given, strict=True)])
    return _told_gates(call)


def _gate(values: dict[str, Any], given: set[str]) -> Gate:
    """A gate of the members that were given: the others have defaults of their own."""
    try:
        return Gate(**{name: value for name, value in values.items() if name in given})
    except InvalidInputError as error:
        raise BadRequestError(str(error)) from error


def _told_gates(call: Call) -> Reply:
    found = call.store.models.gates(call.path["name"])
    return _reply({"gates": [{**gate.to_dict(), "rule": ", ".join(rules(gate))} for gate in found]})


def _rewrite(models: Models, name: str, version: int | None, asked: dict[str, Any]) -> None:
    tags = {**dict.fromkeys(asked["remove"] or ()), **(asked["set"] or {})}
    held = (models.model(name) if version is None else models.get(name, version)).tags
    for key, value in tags.items():
        if value is not None or key in held:
            models.set_tag(name, key, value, version)
    for text, verb in (("description", models.describe), ("owner", models.set_owner), ("card", models.write_card)):
        if asked[text] is not None:
            verb(name, asked[text], version)


def _changed(name: str, version: int | None = None) -> Reply:
    return _reply({"changed": f"models:/{name}" if version is None else f"models:/{name}/{version}"})


def _reply(value: Any) -> Reply:
    return Reply(dumps(plain(value)), media_type=JSON)


def _operation(handler: Any, takes: Record | None = None, gives: Record = _CHANGED) -> Operation:
    return Operation(handler, takes=() if takes is None else (Content(record=takes),), gives=(Content(record=gives),))


_OF_MODEL = "/api/v1/models/{name}"
_OF_VERSION = f"{_OF_MODEL}/versions/{{version}}"
_WRITE = "models:write"
ENDPOINTS = (
    Endpoint("POST", "/api/v1/models", _WRITE, _operation(_create, _NEW_MODEL)),
    Endpoint("PATCH", _OF_MODEL, _WRITE, _operation(_change_model, _MODEL_CHANGE)),
    Endpoint("DELETE", _OF_MODEL, _WRITE, _operation(_delete_model)),
    Endpoint("PATCH", _OF_VERSION, _WRITE, _operation(_change_version, _VERSION_CHANGE)),
    Endpoint("DELETE", _OF_VERSION, _WRITE, _operation(_delete_version)),
    Endpoint("PUT", f"{_OF_MODEL}/aliases/{{alias}}", _WRITE, _operation(_set_alias, _ALIAS)),
    Endpoint("DELETE", f"{_OF_MODEL}/aliases/{{alias}}", _WRITE, _operation(_delete_alias)),
    Endpoint("GET", f"{_OF_MODEL}/gates", "models:read", _operation(_gates, gives=_TOLD_GATES)),
    Endpoint("PUT", f"{_OF_MODEL}/gates", "models:promote", _operation(_set_gates, _GATES, _TOLD_GATES)),
)
"""The routes."""
