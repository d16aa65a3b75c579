"""The verbs of webhooks: make, change, remove, test, look at what was sent, send again, and send what is due."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from headrace.arguments import checked
from headrace.clock import Clock, isoformat
from headrace.errors import InvalidInputError, NotFoundError
from headrace.ids import new_id
from headrace.webhooks import mlflow
from headrace.webhooks.sending import SECONDS, is_allowed, send
from headrace.webhooks.store import WebhookStore
from headrace.webhooks.webhook import (
    PING,
    Delivery,
    Style,
    Webhook,
    check_webhook,
    pause_after,
    signature,
    signed_body,
    signing_key,
)

__all__ = ["Webhooks"]

AT_ONCE = 8
GONE = 410
"""How a receiver says that it wants nothing more."""
_CLAIMED = round((3 * SECONDS + 5) * 1e6)


@checked()
class Webhooks:
    """Webhooks of a project.

    Args:
        allowed: hosts that may be private, or spoken to without TLS: the setting webhook_hosts.
    """

    def __init__(self, store: WebhookStore, clock: Clock, author: str, allowed: Collection[str] = ()) -> None:
        self._store = store
        self._clock = clock
        self._author = author
        self._allowed = allowed

    def by(self, user: str) -> Webhooks:
        """The same webhooks, in another name."""
        return Webhooks(self._store, self._clock, user, self._allowed)

    def create(
        self,
        url: str,
        events: Sequence[str] = ("*",),
        *,
        model: str = "",
        name: str = "",
        description: str = "",
        secret: str = "",
        style: Style = "headrace",
        active: bool = True,
    ) -> Webhook:
        """Make a webhook. Raises InvalidInputError for an address, an event or a style that can't be used.

        Args:
            secret: what deliveries are signed with, HMAC-SHA256; the receiver has to know it. One that begins with `whsec_` is
                a key in base64, as Standard Webhooks' libraries read it. Default: they aren't signed.
            style: `mlflow` tells it in the shape of MLflow's webhooks, of the events that those have.
            active: False for one that is told nothing yet.
        """
        signing_key(secret, style)
        now = self._clock()
        webhook = Webhook(
            id=new_id()[-12:],
            url=url,
            name=name,
            description=description,
            events=self._checked(url, events, style),
            model=model,
            secret=secret,
            style=style,
            active=active,
            user=self._author,
            created=now,
            updated=now,
        )
        self._store.put(webhook)
        return webhook

    def list(self) -> Sequence[Webhook]:
        """All webhooks, oldest first."""
        return self._store.webhooks()

    def get(self, webhook_id: str) -> Webhook:
        """One webhook. Raises NotFoundError."""
        found = {webhook.id: webhook for webhook in self._store.webhooks()}
        if webhook_id not in found:
            raise NotFoundError.of("webhook", webhook_id, found)
        return found[webhook_id]

    def change(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        events: Sequence[str] | None = None,
        model: str | None = None,
        active: bool | None = None,
        secret: str | None = None,
        name: str | None = None,
        description: str | None = None,
    ) -> Webhook:
        """Change a webhook. Raises NotFoundError, InvalidInputError."""
        webhook = self.get(webhook_id)
        signing_key(secret or "", webhook.style)
        given: dict[str, Any] = {"url": url, "model": model, "active": active, "secret": secret}
        given |= {"name": name, "description": description}
        changed = replace(webhook, updated=self._clock(), **{key: value for key, value in given.items() if value is not None})
        changed = replace(changed, events=self._checked(changed.url, webhook.events if events is None else events, webhook.style))
        self._store.put(changed)
        return changed

    def remove(self, webhook_id: str) -> None:
        """Forget a webhook and its deliveries. Raises NotFoundError."""
        self._store.remove(webhook_id)

    def test(self, webhook_id: str, event: str = "") -> Delivery:
        """Send a `ping` now; what became of it, which isn't tried again. Raises NotFoundError.

        Args:
            event: of a webhook in MLflow's style: the event to send an example of. Default: its first.
        """
        webhook, now = self.get(webhook_id), self._clock()
        kind, payload = PING, {"webhook": webhook.id, "user": self._author, "time": isoformat(now)}
        if webhook.style == "mlflow":
            kind = event or next((each for each in webhook.events if each != "*"), mlflow.EVENTS[0])
            payload = dict(mlflow.EXAMPLES[kind]) if kind in mlflow.EXAMPLES else {}
        due = now + _CLAIMED  # no worker takes it meanwhile
        delivery = Delivery(id=new_id(), webhook=webhook.id, event=kind, payload=payload, created=now, due=due)
        self._store.add(delivery)
        return self._attempt(webhook, delivery, again=False)

    def deliveries(self, webhook_id: str | None = None, status: str | None = None, limit: int = 100) -> Sequence[Delivery]:
        """What was sent and what waits, newest first."""
        return self._store.deliveries(webhook_id, status, limit)

    def replay(self, delivery_id: str) -> Delivery:
        """Send a delivery once more, done or failed, with its own id; it is due at once. Raises NotFoundError."""
        again = replace(self._store.delivery(delivery_id), status="waiting", attempts=0, due=self._clock())
        self._store.settle(again)
        return again

    def deliver(self, limit: int = 100) -> int:
        """Send what is due; the number of deliveries that were tried. Several may do so at once: each gets others."""
        now = self._clock()
        due = self._store.claim(now, now + _CLAIMED, limit)
        if due:
            known = {webhook.id: webhook for webhook in self._store.webhooks()}
            with ThreadPoolExecutor(min(AT_ONCE, len(due)), "headrace-webhooks") as pool:
                list(pool.map(lambda delivery: self._attempt(known[delivery.webhook], delivery), due))
        return len(due)

    def _attempt(self, webhook: Webhook, delivery: Delivery, *, again: bool = True) -> Delivery:
        body, now = signed_body(delivery, webhook.style), self._clock()
        seconds = now // 1_000_000
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"headrace/{version('headrace')}",
            "Webhook-Id": delivery.id,
            "Webhook-Timestamp": str(seconds),
        }
        if webhook.secret:
            headers["Webhook-Signature"] = signature(_key(webhook), delivery.id, seconds, body)
        if webhook.style == "mlflow":
            headers = {mlflow.HEADERS.get(name, name): value for name, value in headers.items()}
        answer = send(webhook.url, body, headers, self._allowed)
        attempts = delivery.attempts + 1
        done = answer.code is not None and 200 <= answer.code < 300
        pause = pause_after(attempts) if again and answer.code != GONE and webhook.active else None
        settled = replace(
            delivery,
            status="done" if done else "waiting" if pause is not None else "failed",
            attempts=attempts,
            due=now + _spread(delivery, attempts, pause or 0),
            code=answer.code,
            answer=answer.text,
            tried=now,
        )
        self._store.settle(settled)
        return settled

    def _checked(self, url: str, events: Sequence[str], style: Style) -> tuple[str, ...]:
        if style == "mlflow" and "*" in events:
            events = mlflow.EVENTS
        for event in events if style == "mlflow" else ():
            if event not in mlflow.EVENTS:
                msg = f"MLflow's webhooks have no event {event!r}; they have: *, {', '.join(mlflow.EVENTS)}"
                raise InvalidInputError(msg)
        return check_webhook(url, events, plain_http=is_allowed(urlsplit(url).hostname or "", self._allowed))


def _spread(delivery: Delivery, attempts: int, pause: int) -> int:
    """The pause, up to a fifth longer, so that what failed together isn't sent together again."""
    share = hashlib.sha256(f"{delivery.id} {attempts}".encode()).digest()[0] / 255
    return round(pause * (1 + share / 5))


def _key(webhook: Webhook) -> bytes:
    try:
        return signing_key(webhook.secret, webhook.style)
    except InvalidInputError:  # it was made before such secrets were refused
        return webhook.secret.encode()
