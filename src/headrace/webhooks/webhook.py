"""Webhooks and deliveries: what is kept of them, which events they want, and how a delivery is signed. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from headrace.clock import isoformat
from headrace.errors import InvalidInputError

__all__ = [
    "EVENTS",
    "PING",
    "STYLES",
    "Delivery",
    "DeliveryStatus",
    "Style",
    "Webhook",
    "check_webhook",
    "pause_after",
    "signature",
    "signed_body",
    "signing_key",
]

EVENTS = (
    "registered_model.created",
    "registered_model.deleted",
    "registered_model.renamed",
    "registered_model.updated",
    "model_version.created",
    "model_version.deleted",
    "model_version.updated",
    "model_version.stage_changed",
    "model_version.promoted",
    "model_version.rolled_back",
    "model_version.refused",
    "model_version_alias.created",
    "model_version_alias.deleted",
    "model_version_tag.set",
    "model_version_tag.deleted",
    "transition_request.opened",
    "transition_request.approved",
    "transition_request.rejected",
    "transition_request.withdrawn",
    "transition_request.commented",
)
"""What can be told. The names that MLflow's webhooks know too mean the same."""
HIDDEN = "(kept by the server)"
"""Stands for a secret that is nobody else's matter."""
PING = "ping"
"""What a test sends, whatever events the webhook wants."""
PAUSES = (5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800)
"""Seconds between attempts: ten of them within sixteen hours."""
DeliveryStatus = Literal["waiting", "done", "failed"]
Style = Literal["headrace", "mlflow"]
STYLES: tuple[Style, ...] = get_args(Style)


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An address that is told of events.

    Attributes:
        url: where to.
        events: which; `*` for all.
        model: of this model alone; empty for all models.
        secret: signs each delivery; shown to nobody.
        active: whether it is told anything.
        style: in whose shape it is told: headrace, or mlflow, with the body and the headers of MLflow's webhooks.
        user: who made it.
        created, updated: microseconds since 1970.
    """

    id: str
    url: str
    name: str = ""
    description: str = ""
    events: tuple[str, ...] = ("*",)
    model: str = ""
    secret: str = field(default="", repr=False)
    active: bool = True
    style: Style = "headrace"
    user: str = ""
    created: int = 0
    updated: int = 0

    def hidden(self) -> Webhook:
        """The webhook without its secret: what leaves the server. Whether there is one still shows."""
        return replace(self, secret=HIDDEN if self.secret else "")

    def wants(self, event: str, model: str) -> bool:
        """Whether it is to be told of this event of this model."""
        return self.active and self.model in ("", model) and ("*" in self.events or event in self.events)

    def to_dict(self) -> dict[str, Any]:
        """The webhook as plain JSON values, without its secret."""
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "url": self.url,
            "events": list(self.events),
            "model": self.model,
            "signed": bool(self.secret),
            "active": self.active,
            "style": self.style,
            "user": self.user,
            "created": isoformat(self.created),
            "updated": isoformat(self.updated),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event for one webhook, and what became of it.

    Attributes:
        id: the same at every attempt, so that a receiver knows a repeat.
        payload: what is told.
        status: waiting, done, or failed for good.
        attempts: how often it was sent.
        due: when it is sent next, microseconds since 1970.
        code: the status that the receiver answered; None if it didn't.
        answer: the beginning of what it said, or why nothing came.
        created, tried: microseconds since 1970.
    """

    id: str
    webhook: str
    event: str
    payload: Mapping[str, Any]
    status: DeliveryStatus = "waiting"
    attempts: int = 0
    due: int = 0
    code: int | None = None
    answer: str = ""
    created: int = 0
    tried: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The delivery as plain JSON values."""
        return {
            "id": self.id,
            "webhook": self.webhook,
            "event": self.event,
            "payload": dict(self.payload),
            "status": self.status,
            "attempts": self.attempts,
            "due": isoformat(self.due),
            "code": self.code,
            "answer": self.answer,
            "created": isoformat(self.created),
            "tried": None if self.tried is None else isoformat(self.tried),
        }


_PREFIX = "whsec_"


def pause_after(attempts: int) -> int | None:
    """Microseconds until the next attempt, after so many; None if there is none."""
    return PAUSES[attempts - 1] * 1_000_000 if attempts <= len(PAUSES) else None


def signed_body(delivery: Delivery, style: Style = "headrace") -> bytes:
    """What is sent."""
    if style == "mlflow":
        entity, _, action = delivery.event.partition(".")
        shaped = {"entity": entity, "action": action, "timestamp": isoformat(delivery.created), "data": dict(delivery.payload)}
        return json.dumps(shaped).encode()
    told = {"id": delivery.id, "event": delivery.event, "time": isoformat(delivery.created), "data": dict(delivery.payload)}
    return json.dumps(told, separators=(",", ":")).encode()


def signing_key(secret: str, style: Style = "headrace") -> bytes:
    """The key of a secret's signatures: what `whsec_` is followed by, in base64, as Standard Webhooks has it; else its text.

    Raises:
        InvalidInputError: what follows isn't base64.
    """
    if style == "mlflow" or not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError as error:
        msg = f"a secret that begins with {_PREFIX} goes on in base64, and this one doesn't; mend it, or leave {_PREFIX} out"
        raise InvalidInputError(msg) from error


def signature(key: bytes, delivery_id: str, seconds: int, body: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over `id.seconds.body`, as Standard Webhooks has it."""
    digest = hmac.digest(key, f"{delivery_id}.{seconds}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def check_webhook(url: str, events: Sequence[str], *, plain_http: bool) -> tuple[str, ...]:
    """The events. Raises InvalidInputError for an address or an event that can't be used."""
    try:
        parts = urlsplit(url)
        fine = parts.hostname and (parts.port is None or parts.port > 0) and not parts.username and not parts.fragment
    except ValueError:
        parts, fine = urlsplit(""), None
    if not fine or parts.scheme not in ("https", "http") or not url.isprintable():
        msg = f"{url[:200]!r} can't be a webhook's address; use for example https://ci.example.com/hooks/headrace"
        raise InvalidInputError(msg)
    if parts.scheme == "http" and not plain_http:
        rule = "begins with https://, unless the setting webhook_hosts allows its host"
        msg = f"a webhook's address {rule}; {url[:200]!r} doesn't"
        raise InvalidInputError(msg)
    for event in events:
        if event not in (*EVENTS, "*"):
            msg = f"no event named {event!r}; there are: *, {', '.join(EVENTS)}"
            raise InvalidInputError(msg)
    if not events:
        msg = "a webhook without events is told nothing; give some, or '*'"
        raise InvalidInputError(msg)
    return tuple(dict.fromkeys(events))
