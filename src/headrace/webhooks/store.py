"""The contract of where webhooks and their outbox are kept. What is to be told is written with the change that it tells of."""

from __future__ import annotations

from typing import Protocol

from headrace.webhooks.webhook import Delivery, Webhook

__all__ = ["WebhookStore"]


class WebhookStore(Protocol):
    """Each change is durable when the call returns."""

    def webhooks(self) -> list[Webhook]:
        """All webhooks, oldest first."""
        ...

    def put(self, webhook: Webhook) -> None:
        """Keep a webhook, or replace it."""
        ...

    def remove(self, webhook_id: str) -> None:
        """Forget a webhook and its deliveries. Raises NotFoundError."""
        ...

    def add(self, delivery: Delivery) -> None:
        """Keep a delivery to be sent."""
        ...

    def claim(self, now: int, until: int, limit: int) -> list[Delivery]:
        """Deliveries that are due; nobody else gets them before `until`, by when they should be settled."""
        ...

    def settle(self, delivery: Delivery) -> None:
        """Keep what became of an attempt."""
        ...

    def deliveries(self, webhook_id: str | None = None, status: str | None = None, limit: int = 100) -> list[Delivery]:
        """Deliveries, newest first."""
        ...

    def delivery(self, delivery_id: str) -> Delivery:
        """One delivery. Raises NotFoundError."""
        ...
