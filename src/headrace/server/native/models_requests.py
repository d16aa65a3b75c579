"""Requests to move versions, model cards, owners, and which version an alias named when, for the app."""

from __future__ import annotations

from typing import Any

from headrace.definitions.plain import plain
from headrace.models.lifecycle import CHAMPION
from headrace.models.timeline import aliases_in, reigns
from headrace.server.columns import dumps
from headrace.server.endpoint import Endpoint, Operation
from headrace.server.http import JSON, Call, Reply
from headrace.server.native.models import version_number
from headrace.server.schema import PLAIN_TEXT, Content, Field, Record, read_query

__all__ = ["ENDPOINTS"]

_REMARK = Record(
    "RequestRemark",
    {
        "kind": Field("What was meant.", choices=("comment", "approve", "reject", "withdraw")),
        "user": Field("Who."),
        "time": Field("When, RFC 3339."),
        "text": Field("What was said."),
    },
    whole=True,
)
_STATUSES = ("open", "done", "rejected", "withdrawn")
_REQUEST = Record(
    "TransitionRequest",
    {
        "id": Field("Its id."),
        "name": Field("The model."),
        "version": Field("The version.", ("integer",)),
        "stage": Field("Where to."),
        "reason": Field("Why, in the words of who asks."),
        "user": Field("Who asks."),
        "status": Field("How it stands.", choices=_STATUSES),
        "remarks": Field("Comments and decisions, oldest first.", ("array",), of=_REMARK),
        "approved_by": Field("Who approved it.", ("array",), of=Field("A user.")),
        "created": Field("When, RFC 3339."),
        "updated": Field("When, RFC 3339."),
    },
    whole=True,
)
_REQUESTS = Record("TransitionRequests", {"requests": Field("Newest first.", ("array",), of=_REQUEST)}, whole=True)
_ASK = Record(
    "NewTransitionRequest",
    {
        "to": Field("Where to.", default="Production", choices=("None", "Staging", "Production", "Archived")),
        "reason": Field("Why.", default=""),
    },
)
_SAY = Record(
    "NewRemark",
    {
        "kind": Field("What is meant.", required=True, choices=("comment", "approve", "reject", "withdraw")),
        "text": Field("What is said.", default=""),
    },
)
_REIGN = Record(
    "ModelReign",
    {
        "version": Field("The version that it named.", ("integer",)),
        "began": Field("When, RFC 3339."),
        "ended": Field("When, RFC 3339; null as long as it is there.", nullable=True),
        "action": Field("How it came there: promote, rollback, import."),
        "user": Field("Who put it there."),
        "reason": Field("Why."),
        "forced": Field("Whether it was promoted past its gates.", ("boolean",)),
    },
    whole=True,
)
_ALIAS = Record(
    "AliasTimeline",
    {"alias": Field("The alias."), "reigns": Field("Which version it named when, oldest first.", ("array",), of=_REIGN)},
    whole=True,
)
_TIMELINE = Record(
    "ModelTimeline",
    {
        "reigns": Field("The champion's, oldest first.", ("array",), of=_REIGN),
        "aliases": Field("Those of every alias, the champion first.", ("array",), of=_ALIAS),
    },
    whole=True,
)
_CARD = Record("NewModelCard", {"text": Field("Markdown, by a person.", required=True)})
_OWNER = Record("NewOwner", {"owner": Field("Who answers for it; empty for nobody.", required=True)})
_DONE = Record("Done", {"done": Field("Always true.", ("boolean",))}, whole=True)
_QUERY = {
    "model": Field("Of this model alone.", nullable=True),
    "version": Field("Of this version of it alone.", ("integer",), nullable=True),
    "status": Field("open, done, rejected, withdrawn, or all.", default="open"),
}


def _list(call: Call) -> Reply:
    """Requests to move versions; those that wait, unless another status is asked for."""
    asked = read_query(call.query, _QUERY)
    status = None if asked["status"] == "all" else asked["status"]
    found = call.store.models.requests.list(asked["model"], asked["version"], status)
    return _reply({"requests": [each.to_dict() for each in found]})


def _get(call: Call) -> Reply:
    """One request to move a version, with all that was said."""
    return _reply(call.store.models.requests.get(call.path["request"]).to_dict())


def _open(call: Call) -> Reply:
    """Ask for a version to be moved to a stage."""
    asked = _ASK.read(call.json())
    return _reply(
        call.store.models.requests.open(call.path["name"], version_number(call), asked["to"], asked["reason"]).to_dict()
    )


def _say(call: Call) -> Reply:
    """Comment on a request, approve, reject or withdraw it. The approval that is enough moves the version, if its gates agree."""
    asked = _SAY.read(call.json())
    return _reply(call.store.models.requests.remark(asked["kind"], call.path["request"], asked["text"]).to_dict())


def _timeline(call: Call) -> Reply:
    """Which versions the aliases named, from when until when, and who put them there: the champion's are those in Production."""
    entries = call.store.models.history(call.path["name"])
    told = {alias: [reign.to_dict() for reign in reigns(entries, alias)] for alias in aliases_in(entries)}
    aliases = [{"alias": alias, "reigns": found} for alias, found in told.items()]
    return _reply({"reigns": told.get(CHAMPION, []), "aliases": aliases})


def _card(call: Call) -> Reply:
    """The model card of a version, Markdown: what people wrote, completed with what is known."""
    text = call.store.models.card(call.path["name"], version_number(call))
    return Reply(text.encode(), media_type="text/markdown; charset=utf-8")


def _write_card(call: Call) -> Reply:
    """Replace what people wrote of a version."""
    call.store.models.write_card(call.path["name"], _CARD.read(call.json())["text"], version_number(call))
    return _reply({"done": True})


def _set_owner(call: Call) -> Reply:
    """Say who answers for a model."""
    call.store.models.set_owner(call.path["name"], _OWNER.read(call.json())["owner"])
    return _reply({"done": True})


def _reply(value: Any) -> Reply:
    return Reply(dumps(plain(value)), media_type=JSON)


_OF_VERSION = "/api/v1/models/{name}/versions/{version}"
_GIVES, _DID = (Content(record=_REQUEST),), (Content(record=_DONE),)
ENDPOINTS = (
    Endpoint("GET", "/api/v1/requests", "models:read", Operation(_list, gives=(Content(record=_REQUESTS),), query=_QUERY)),
    Endpoint("GET", "/api/v1/requests/{request}", "models:read", Operation(_get, gives=_GIVES)),
    Endpoint("POST", f"{_OF_VERSION}/requests", "models:write", Operation(_open, takes=(Content(record=_ASK),), gives=_GIVES)),
    Endpoint(
        "POST", "/api/v1/requests/{request}/remarks", "models:write", Operation(_say, takes=(Content(record=_SAY),), gives=_GIVES)
    ),
    Endpoint("GET", "/api/v1/models/{name}/timeline", "models:read", Operation(_timeline, gives=(Content(record=_TIMELINE),))),
    Endpoint("GET", f"{_OF_VERSION}/card", "models:read", Operation(_card, gives=(PLAIN_TEXT,))),
    Endpoint("PUT", f"{_OF_VERSION}/card", "models:write", Operation(_write_card, takes=(Content(record=_CARD),), gives=_DID)),
    Endpoint(
        "PUT", "/api/v1/models/{name}/owner", "models:write", Operation(_set_owner, takes=(Content(record=_OWNER),), gives=_DID)
    ),
)
"""The routes."""
