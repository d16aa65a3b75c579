"""Webhooks and their outbox, in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from headrace.errors import NotFoundError
from headrace.ids import new_id
from headrace.sql.database import Database
from headrace.sql.tables import webhooks as t
from headrace.webhooks import mlflow
from headrace.webhooks.events import Entry, events_of, payload_of
from headrace.webhooks.webhook import Delivery, Webhook

__all__ = ["SqlWebhookStore", "enqueue"]


class SqlWebhookStore:
    """A WebhookStore in the catalog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def webhooks(self) -> list[Webhook]:
        """All webhooks, oldest first."""
        with self._database.read() as connection:
            return _webhooks(connection)

    def put(self, webhook: Webhook) -> None:
        """Keep a webhook, or replace it."""
        values = {**asdict(webhook), "events": list(webhook.events)}
        with self._database.write() as connection:
            done = connection.execute(t.webhooks.update().where(t.webhooks.c.id == webhook.id).values(values))
            if not done.rowcount:
                connection.execute(t.webhooks.insert().values(values))

    def remove(self, webhook_id: str) -> None:
        """Forget a webhook and its deliveries. Raises NotFoundError."""
        with self._database.write() as connection:
            connection.execute(t.deliveries.delete().where(t.deliveries.c.webhook == webhook_id))
            if not connection.execute(t.webhooks.delete().where(t.webhooks.c.id == webhook_id)).rowcount:
                msg = f"there is no webhook {webhook_id!r}; list them with: headrace webhooks list"
                raise NotFoundError(msg)

    def add(self, delivery: Delivery) -> None:
        """Keep a delivery to be sent."""
        with self._database.write() as connection:
            connection.execute(t.deliveries.insert().values(_row(delivery)))

    def claim(self, now: int, until: int, limit: int) -> list[Delivery]:
        """Deliveries that are due; nobody else gets them before `until`."""
        c = t.deliveries.c
        due = (c.status == "waiting") & (c.due <= now)
        query = sa.select(t.deliveries).where(due).order_by(c.due).limit(limit)
        with self._database.read() as connection:  # nearly always there is nothing, and nobody waits for a lock
            if connection.execute(query.limit(1)).first() is None:
                return []
        with self._database.write() as connection:
            found = [_delivery(row) for row in connection.execute(query)]
            ids = [delivery.id for delivery in found]
            connection.execute(t.deliveries.update().where(c.id.in_(ids)).values(due=until))
            return found

    def settle(self, delivery: Delivery) -> None:
        """Keep what became of an attempt."""
        with self._database.write() as connection:
            connection.execute(t.deliveries.update().where(t.deliveries.c.id == delivery.id).values(_row(delivery)))

    def deliveries(self, webhook_id: str | None = None, status: str | None = None, limit: int = 100) -> list[Delivery]:
        """Deliveries, newest first."""
        c = t.deliveries.c
        asked = {c.webhook: webhook_id, c.status: status}
        conditions = [column == value for column, value in asked.items() if value is not None]
        query = sa.select(t.deliveries).where(*conditions).order_by(c.created.desc(), c.id.desc()).limit(limit)
        with self._database.read() as connection:
            return [_delivery(row) for row in connection.execute(query)]

    def delivery(self, delivery_id: str) -> Delivery:
        """One delivery. Raises NotFoundError."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(t.deliveries).where(t.deliveries.c.id == delivery_id)).first()
        if row is None:
            msg = f"there is no delivery {delivery_id!r}; list them with: headrace webhooks deliveries"
            raise NotFoundError(msg)
        return _delivery(row)


def enqueue(connection: sa.Connection, entry: Entry) -> None:
    """Put what an entry of the trail is into the outbox of every webhook that wants it, within the caller's transaction."""
    wanting = _webhooks(connection)
    rows = [
        _row(Delivery(id=new_id(), webhook=webhook.id, event=event, payload=payload, created=entry.time, due=0))
        for webhook in wanting
        for event, payload in _told(webhook, entry)
        if webhook.wants(event, entry.subject)
    ]
    if rows:
        connection.execute(t.deliveries.insert(), rows)


def _told(webhook: Webhook, entry: Entry) -> Iterable[tuple[str, Mapping[str, Any]]]:
    return mlflow.told(entry) if webhook.style == "mlflow" else [(event, payload_of(entry)) for event in events_of(entry)]


def _webhooks(connection: sa.Connection) -> list[Webhook]:
    rows = connection.execute(sa.select(t.webhooks).order_by(t.webhooks.c.created, t.webhooks.c.id))
    return [Webhook(**{**row._asdict(), "events": tuple(row.events)}) for row in rows]


def _row(delivery: Delivery) -> dict[str, Any]:
    return {**asdict(delivery), "payload": dict(delivery.payload)}


def _delivery(row: sa.Row[Any]) -> Delivery:
    return Delivery(**row._asdict())
