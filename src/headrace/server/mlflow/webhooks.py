"""MLflow's webhooks over ours: made through its API, they are told in its shape, with its headers, from our outbox.

Those made otherwise aren't shown here: their events are more than MLflow's clients know.
"""

from __future__ import annotations

import re
from typing import Any

from headrace.errors import InvalidInputError, NotFoundError
from headrace.server.http import Call, Reply
from headrace.server.mlflow.wire import DONE, PAGE, choice, filled, member, millis, next_page, offset_of, operation, read, reply
from headrace.server.schema import Field, Record
from headrace.webhooks.mlflow import EVENTS
from headrace.webhooks.webhook import Webhook

__all__ = ["ROUTES"]

STATUSES = ("ACTIVE", "DISABLED")
ENTITIES = (
    "REGISTERED_MODEL",
    "MODEL_VERSION",
    "MODEL_VERSION_TAG",
    "MODEL_VERSION_ALIAS",
    "PROMPT",
    "PROMPT_VERSION",
    "PROMPT_TAG",
    "PROMPT_VERSION_TAG",
    "PROMPT_ALIAS",
    "BUDGET_POLICY",
)
ACTIONS = ("CREATED", "UPDATED", "DELETED", "SET", "EXCEEDED")
MOST, USUAL = 1000, 100
_NAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?")
_EVENTS = Field("`entity` and `action` of each.", ("array",))
_STATUS = Field(f"{' or '.join(STATUSES)}.")
_TEXTS = {"description": Field("Free text."), "secret": Field("What deliveries are signed with."), "status": _STATUS}
_NEW = Record(
    "MlflowNewWebhook",
    {"name": Field("Its name.", required=True), "url": Field("Where to.", required=True), "events": _EVENTS, **_TEXTS},
)
_CHANGE = Record(
    "MlflowWebhookChange", {"name": Field("Another name."), "url": Field("Another address."), "events": _EVENTS, **_TEXTS}
)
_LIST = Record("MlflowListWebhooks", PAGE)
_NOTHING = Record("MlflowWebhookId", {})
_TEST = Record("MlflowTestWebhook", {"event": Field("`entity` and `action`. Default: its first event.", ("object",))})
_FOUND = Record("MlflowFoundWebhook", {"webhook": Field("The webhook.", ("object",))})
_ALL = Record("MlflowWebhooks", {"webhooks": Field("A page.", ("array",)), "next_page_token": Field("If more are.")})
_RESULT = Record("MlflowWebhookTest", {"result": Field("`success`, `response_status`, `response_body`.", ("object",))})


def _create(call: Call) -> Reply:
    """Tell an address of what happens in the registry, in MLflow's shape."""
    asked = read(call, _NEW)
    made = call.store.webhooks.create(
        asked["url"],
        _events(asked["events"]),
        name=_named(asked["name"]),
        description=asked["description"] or "",
        secret=asked["secret"] or "",
        style="mlflow",
        active=choice("status", asked["status"], STATUSES) != "DISABLED",
    )
    return reply({"webhook": _shape(made)})


def _list(call: Call) -> Reply:
    """Webhooks, oldest first."""
    asked = read(call, _LIST)
    limit, offset = USUAL if asked["max_results"] is None else asked["max_results"], offset_of(asked["page_token"])
    if not 0 < limit <= MOST:
        msg = f"Invalid value {limit} for parameter 'max_results' supplied. It must be 1 to {MOST}"
        raise InvalidInputError(msg)
    found = _all(call)[offset : offset + limit + 1]
    return reply(filled({"webhooks": [_shape(each) for each in found[:limit]], **next_page(found, limit, offset)}))


def _get(call: Call) -> Reply:
    """One webhook."""
    return reply({"webhook": _shape(_found(call))})


def _change(call: Call) -> Reply:
    """Change a webhook; what is left out stays."""
    asked, webhook = read(call, _CHANGE), _found(call)
    status = choice("status", asked["status"], STATUSES)
    changed = call.store.webhooks.change(
        webhook.id,
        url=asked["url"] or None,
        events=_events(asked["events"]) if asked["events"] else None,
        active=None if status is None else status == "ACTIVE",
        secret=asked["secret"],
        name=_named(asked["name"]) if asked["name"] else None,
        description=asked["description"],
    )
    return reply({"webhook": _shape(changed)})


def _delete(call: Call) -> Reply:
    """Forget a webhook and what was sent to it."""
    call.store.webhooks.remove(_found(call).id)
    return DONE


def _test(call: Call) -> Reply:
    """Send an example of an event now, and tell what became of it."""
    asked, webhook = read(call, _TEST), _found(call)
    event = _event(asked["event"], "event") if asked["event"] else ""
    sent = call.store.webhooks.test(webhook.id, event)
    result: dict[str, Any] = {"success": sent.status == "done"}
    if sent.code is None:
        result["error_message"] = sent.answer
    else:
        result |= {"response_status": sent.code, "response_body": sent.answer}
    return reply({"result": result})


def _all(call: Call) -> list[Webhook]:
    return [webhook for webhook in call.store.webhooks.list() if webhook.style == "mlflow"]


def _found(call: Call) -> Webhook:
    wanted = call.path["webhook_id"]
    for webhook in _all(call):
        if webhook.id == wanted:
            return webhook
    msg = f"Webhook with ID {wanted[:100]} not found."
    raise NotFoundError(msg)


def _events(items: list[Any]) -> list[str]:
    if not items:
        msg = "Webhook events must be a non-empty list of WebhookEvent objects"
        raise InvalidInputError(msg)
    return [_event(item, f"events[{place}]") for place, item in enumerate(items)]


def _event(item: Any, path: str) -> str:
    given = member(item, path)
    entity = choice(f"{path}.entity", _text(given.get("entity")), ENTITIES) or ""
    action = choice(f"{path}.action", _text(given.get("action")), ACTIONS) or ""
    event = f"{entity.lower()}.{action.lower()}"
    if event not in EVENTS:
        msg = f"Invalid webhook event '{event}': this server tells {', '.join(EVENTS)}, and keeps no prompts or budgets"
        raise InvalidInputError(msg)
    return event


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _named(name: str) -> str:
    if not _NAME.fullmatch(name):
        msg = (
            f"Webhook name {name[:100]!r} is invalid. It must start and end with a letter or digit, be less than 63 characters "
            "long, and contain only letters, digits, dots (.), underscores (_), and hyphens (-)."
        )
        raise InvalidInputError(msg)
    return name


def _shape(webhook: Webhook) -> dict[str, Any]:
    pairs = (event.partition(".") for event in webhook.events)
    return filled(
        {
            "webhook_id": webhook.id,
            "name": webhook.name,
            "description": webhook.description,
            "url": webhook.url,
            "events": [{"entity": entity.upper(), "action": action.upper()} for entity, _, action in pairs],
            "status": "ACTIVE" if webhook.active else "DISABLED",
            "creation_timestamp": millis(webhook.created),
            "last_updated_timestamp": millis(webhook.updated),
        }
    )


_ADMIN, _ONE = "webhooks:admin", "webhooks/{webhook_id}"
ROUTES = (
    ("POST", "webhooks", _ADMIN, operation(_create, _NEW, _FOUND)),
    ("GET", "webhooks", _ADMIN, operation(_list, _LIST, _ALL, query=True)),
    ("GET", _ONE, _ADMIN, operation(_get, _NOTHING, _FOUND, query=True)),
    ("PATCH", _ONE, _ADMIN, operation(_change, _CHANGE, _FOUND)),
    ("DELETE", _ONE, _ADMIN, operation(_delete, _NOTHING)),
    ("POST", f"{_ONE}/test", _ADMIN, operation(_test, _TEST, _RESULT)),
)
"""Method, path, permission and operation of each."""
