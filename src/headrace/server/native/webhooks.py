"""Webhooks and what was sent to them, for the app."""

from __future__ import annotations

from typing import Any

from headrace.definitions.plain import plain
from headrace.server.columns import dumps
from headrace.server.endpoint import Endpoint, Operation
from headrace.server.http import JSON, Call, Reply
from headrace.server.schema import Content, Field, Record, read_query
from headrace.webhooks.webhook import EVENTS, STYLES

__all__ = ["ENDPOINTS"]

_EVENTS = Field("Events, or `*` for all.", ("array",), of=Field("An event.", choices=("*", *EVENTS)))
_WEBHOOK = Record(
    "Webhook",
    {
        "id": Field("Its id."),
        "name": Field("What it is called."),
        "description": Field("Free text."),
        "url": Field("Where to."),
        "events": _EVENTS,
        "model": Field("Of this model alone; empty for all."),
        "signed": Field("Whether deliveries are signed.", ("boolean",)),
        "active": Field("Whether it is told anything.", ("boolean",)),
        "style": Field("In whose shape it is told.", choices=STYLES),
        "user": Field("Who made it."),
        "created": Field("When, RFC 3339."),
        "updated": Field("When, RFC 3339."),
    },
    whole=True,
)
_WEBHOOKS = Record("Webhooks", {"webhooks": Field("Oldest first.", ("array",), of=_WEBHOOK)}, whole=True)
_NEW = Record(
    "NewWebhook",
    {
        "url": Field("Where to, https://…", required=True),
        "events": Field("Events. Default: all.", ("array",), nullable=True, of=Field("An event.", choices=("*", *EVENTS))),
        "model": Field("Of this model alone.", default=""),
        "name": Field("What to call it.", default=""),
        "description": Field("Free text.", default=""),
        "secret": Field("What deliveries are signed with; shown to nobody.", default=""),
        "style": Field("In whose shape it is told.", default="headrace", choices=STYLES),
    },
)
_CHANGE = Record(
    "WebhookChange",
    {
        "url": Field("Another address.", nullable=True),
        "model": Field("Of this model alone; empty for all.", nullable=True),
        "events": Field("Other events.", ("array",), nullable=True, of=Field("An event.", choices=("*", *EVENTS))),
        "active": Field("Told something, or nothing.", ("boolean",), nullable=True),
        "secret": Field("Another secret.", nullable=True),
        "name": Field("Another name.", nullable=True),
        "description": Field("Another text.", nullable=True),
    },
)
_DELIVERY = Record(
    "WebhookDelivery",
    {
        "id": Field("The same at every attempt."),
        "webhook": Field("The webhook."),
        "event": Field("What it tells."),
        "payload": Field("What is told.", ("object",), of=Field("A value.", ("any",), nullable=True), keyed=True),
        "status": Field("How it stands.", choices=("waiting", "done", "failed")),
        "attempts": Field("How often it was sent.", ("integer",)),
        "due": Field("When it is sent next, RFC 3339."),
        "code": Field("The status that was answered.", ("integer",), nullable=True),
        "answer": Field("The beginning of the answer, or why none came."),
        "created": Field("When, RFC 3339."),
        "tried": Field("When last, RFC 3339.", nullable=True),
    },
    whole=True,
)
_DELIVERIES = Record("WebhookDeliveries", {"deliveries": Field("Newest first.", ("array",), of=_DELIVERY)}, whole=True)
_KNOWN = Record(
    "WebhookEvents", {"events": Field("All there are; `*` stands for every one.", ("array",), of=Field("An event."))}, whole=True
)
_GONE = Record("RemovedWebhook", {"id": Field("The webhook.")}, whole=True)
_QUERY = {
    "webhook": Field("Of this one alone.", nullable=True),
    "status": Field("waiting, done or failed.", nullable=True),
    "limit": Field("At most so many, up to 1000.", ("integer",), default=100),
}


def _list(call: Call) -> Reply:
    """All webhooks."""
    return _reply({"webhooks": [each.to_dict() for each in call.store.webhooks.list()]})


def _create(call: Call) -> Reply:
    """Tell an address of what happens in the registry."""
    asked = _NEW.read(call.json())
    events = list(map(str, asked["events"] or ("*",)))
    more = {name: asked[name] for name in ("model", "name", "description", "secret", "style")}
    return _reply(call.store.webhooks.create(asked["url"], events, **more).to_dict())


def _events(call: Call) -> Reply:
    """The events that a webhook can be told of."""
    del call
    return _reply({"events": list(EVENTS)})


def _get(call: Call) -> Reply:
    """One webhook."""
    return _reply(call.store.webhooks.get(call.path["webhook"]).to_dict())


def _change(call: Call) -> Reply:
    """Change a webhook."""
    return _reply(call.store.webhooks.change(call.path["webhook"], **_CHANGE.read(call.json())).to_dict())


def _remove(call: Call) -> Reply:
    """Forget a webhook and what was sent to it."""
    call.store.webhooks.remove(call.path["webhook"])
    return _reply({"id": call.path["webhook"]})


def _test(call: Call) -> Reply:
    """Send a ping now, and tell what became of it."""
    return _reply(call.store.webhooks.test(call.path["webhook"]).to_dict())


def _deliveries(call: Call) -> Reply:
    """What was sent, and what waits."""
    asked = read_query(call.query, _QUERY)
    found = call.store.webhooks.deliveries(asked["webhook"], asked["status"], max(1, min(asked["limit"], 1000)))
    return _reply({"deliveries": [each.to_dict() for each in found]})


def _replay(call: Call) -> Reply:
    """Send a delivery once more, with its own id."""
    return _reply(call.store.webhooks.replay(call.path["delivery"]).to_dict())


def _reply(value: Any) -> Reply:
    return Reply(dumps(plain(value)), media_type=JSON)


def _operation(handler: Any, gives: Record, takes: Record | None = None, query: Any = None) -> Operation:
    taken = () if takes is None else (Content(record=takes),)
    return Operation(handler, takes=taken, gives=(Content(record=gives),), query=query or {})


_ADMIN = "webhooks:admin"
ENDPOINTS = (
    Endpoint("GET", "/api/v1/webhooks", _ADMIN, _operation(_list, _WEBHOOKS)),
    Endpoint("POST", "/api/v1/webhooks", _ADMIN, _operation(_create, _WEBHOOK, _NEW)),
    Endpoint("GET", "/api/v1/webhooks/events", _ADMIN, _operation(_events, _KNOWN)),
    Endpoint("GET", "/api/v1/webhooks/deliveries", _ADMIN, _operation(_deliveries, _DELIVERIES, query=_QUERY)),
    Endpoint("POST", "/api/v1/webhooks/deliveries/{delivery}/replay", _ADMIN, _operation(_replay, _DELIVERY)),
    Endpoint("GET", "/api/v1/webhooks/{webhook}", _ADMIN, _operation(_get, _WEBHOOK)),
    Endpoint("POST", "/api/v1/webhooks/{webhook}", _ADMIN, _operation(_change, _WEBHOOK, _CHANGE)),
    Endpoint("DELETE", "/api/v1/webhooks/{webhook}", _ADMIN, _operation(_remove, _GONE)),
    Endpoint("POST", "/api/v1/webhooks/{webhook}/test", _ADMIN, _operation(_test, _DELIVERY)),
)
"""The routes."""
