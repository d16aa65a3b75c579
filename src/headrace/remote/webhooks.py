"""Webhooks behind a server: it keeps the outbox, and sends."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

from headrace.arguments import checked
from headrace.remote.transport import Transport
from headrace.shapes import shaped
from headrace.webhooks.service import Webhooks
from headrace.webhooks.webhook import Delivery, Style, Webhook

__all__ = ["RemoteWebhooks"]


@checked()
class RemoteWebhooks(Webhooks):
    """`store.webhooks` over HTTP. Each verb raises as the embedded one does. Secrets stay where they are."""

    def __init__(self, transport: Transport, author: str) -> None:
        self._transport = transport
        self._author = author

    def by(self, user: str) -> Webhooks:
        """The same webhooks, in another name; a server that knows who asks takes theirs."""
        return RemoteWebhooks(self._transport, user)

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
        """Make a webhook; see `Webhooks.create`."""
        asked = {"url": url, "events": list(events), "model": model, "name": name, "description": description, "secret": secret}
        return self._webhook("create", {**asked, "style": style, "active": active, "user": self._author}, changes=True)

    def list(self) -> Sequence[Webhook]:
        """All webhooks, oldest first."""
        found: Sequence[Webhook] = shaped(self._call("list", {}), list[Webhook])
        return found

    def get(self, webhook_id: str) -> Webhook:
        """One webhook. Raises NotFoundError."""
        return self._webhook("get", {"webhook": webhook_id})

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
        """Change a webhook; see `Webhooks.change`."""
        asked = {"url": url, "model": model, "active": active, "secret": secret, "name": name, "description": description}
        named = None if events is None else builtins.list(events)
        return self._webhook("change", {"webhook": webhook_id, "events": named, **asked}, changes=True)

    def remove(self, webhook_id: str) -> None:
        """Forget a webhook and its deliveries. Raises NotFoundError."""
        self._call("remove", {"webhook": webhook_id}, changes=True)

    def test(self, webhook_id: str, event: str = "") -> Delivery:
        """Let the server send a `ping` now; what became of it."""
        return self._delivery("test", {"webhook": webhook_id, "event": event, "user": self._author})

    def deliveries(self, webhook_id: str | None = None, status: str | None = None, limit: int = 100) -> Sequence[Delivery]:
        """What was sent and what waits, newest first."""
        asked = {"webhook": webhook_id, "status": status, "limit": limit}
        found: Sequence[Delivery] = shaped(self._call("deliveries", asked), list[Delivery])
        return found

    def replay(self, delivery_id: str) -> Delivery:
        """Send a delivery once more; see `Webhooks.replay`."""
        return self._delivery("replay", {"delivery": delivery_id})

    def deliver(self, limit: int = 100) -> int:
        """Let the server send what is due now; it does so by itself every second. The number that were tried."""
        return int(self._call("deliver", {"limit": limit}))

    def _webhook(self, verb: str, asked: dict[str, Any], *, changes: bool = False) -> Webhook:
        found: Webhook = shaped(self._call(verb, asked, changes=changes), Webhook)
        return found

    def _delivery(self, verb: str, asked: dict[str, Any]) -> Delivery:
        found: Delivery = shaped(self._call(verb, asked, changes=True), Delivery)
        return found

    def _call(self, verb: str, asked: dict[str, Any], *, changes: bool = False) -> Any:
        return self._transport.call(f"webhooks/{verb}", asked, changes=changes)
