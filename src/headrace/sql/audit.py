"""The audit trail in SQL."""

from __future__ import annotations

from dataclasses import asdict

import sqlalchemy as sa

from headrace.models.audit import AuditEntry, seal
from headrace.sql.changes import note
from headrace.sql.database import Database
from headrace.sql.tables import registry as t
from headrace.sql.webhooks import enqueue

__all__ = ["SqlAuditStore", "append"]


NOT_OF_MODELS = "server:"
"""How the subjects begin that are no models: what was done to accounts."""
_OF_MODELS = t.audit.c.subject.notlike(f"{NOT_OF_MODELS}%")
"""What isn't of a model is told to those alone who may know it."""


class SqlAuditStore:
    """An AuditStore in the catalog; triggers refuse to change or delete what it wrote."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, subject: str, entry: AuditEntry) -> AuditEntry:
        """Add an entry that changes nothing else; durable when this returns."""
        with self._database.write() as connection:
            return append(connection, subject, entry)

    def history(self, subject: str) -> list[AuditEntry]:
        """All entries of a subject, oldest first."""
        query = sa.select(t.audit).where(t.audit.c.subject == subject).order_by(t.audit.c.seq)
        with self._database.read() as connection:
            return [_entry(row) for row in connection.execute(query)]

    def subjects(self) -> list[str]:
        """The models that have a trail, those that are gone too, by name."""
        query = sa.select(t.audit.c.subject).where(_OF_MODELS).distinct().order_by(t.audit.c.subject)
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def newest(self, limit: int, *, before: int | None = None, user: str | None = None) -> list[AuditEntry]:
        """The newest entries of all subjects, newest first: those before a moment, or by a user."""
        query = (
            sa.select(t.audit)
            .where(_OF_MODELS)
            .order_by(t.audit.c.time.desc(), t.audit.c.subject, t.audit.c.seq.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(t.audit.c.time < before)
        if user is not None:
            query = query.where(t.audit.c.user == user)
        with self._database.read() as connection:
            return [_entry(row) for row in connection.execute(query)]


def append(connection: sa.Connection, subject: str, entry: AuditEntry) -> AuditEntry:
    """Add an entry to the subject's chain, within the caller's transaction."""
    query = sa.select(t.audit).where(t.audit.c.subject == subject).order_by(t.audit.c.seq.desc()).limit(1)
    last = connection.execute(query).first()
    sealed = seal(entry, subject, None if last is None else _entry(last))
    connection.execute(t.audit.insert().values(asdict(sealed)))
    if not subject.startswith(NOT_OF_MODELS):
        note(connection, "model", subject)
    enqueue(connection, sealed)
    return sealed


def _entry(row: sa.Row[tuple[object, ...]]) -> AuditEntry:
    return AuditEntry(**row._asdict())
