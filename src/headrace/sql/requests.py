"""Requests to move versions, in SQL."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from headrace.errors import ConflictError, NotFoundError
from headrace.models.audit import AuditEntry
from headrace.models.requests import Remark, TransitionRequest
from headrace.sql.audit import append
from headrace.sql.database import Database
from headrace.sql.tables import registry as t

__all__ = ["SqlRequestStore", "settle"]


class SqlRequestStore:
    """A RequestStore in the catalog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, request: TransitionRequest, entry: AuditEntry) -> None:
        """Keep a new request. Raises ConflictError if the version has an open one to that stage."""
        c = t.requests.c
        same = (c.name == request.name) & (c.version == request.version) & (c.stage == request.stage) & (c.status == "open")
        with self._database.write() as connection:
            held = connection.execute(sa.select(c.id, c.user).where(same)).first()
            if held is not None:
                msg = (
                    f"{held.user} asked for version {request.version} of {request.name!r} to move to {request.stage} already: "
                    f"request {held.id}"
                )
                raise ConflictError(msg)
            connection.execute(t.requests.insert().values(asdict(request)))
            append(connection, request.name, entry)

    def get(self, request_id: str) -> TransitionRequest:
        """The request of this id, or the one that alone begins so. Raises NotFoundError."""
        query = sa.select(t.requests).where(t.requests.c.id.startswith(request_id, autoescape=True)).limit(2)
        with self._database.read() as connection:
            found = connection.execute(query).all()
        if len(found) != 1 or not request_id:
            what = "several requests begin with" if len(found) > 1 else "there is no request"
            msg = f"{what} {request_id!r}; list them with: headrace models requests"
            raise NotFoundError(msg)
        return _request(found[0])

    def find(
        self, name: str | None = None, version: int | None = None, status: str | None = None, limit: int = 1000
    ) -> list[TransitionRequest]:
        """Requests, newest first: of a model, of a version, in a status, or all."""
        c = t.requests.c
        asked = {c.name: name, c.version: version, c.status: status}
        conditions = [column == value for column, value in asked.items() if value is not None]
        query = sa.select(t.requests).where(*conditions).order_by(c.created.desc(), c.id.desc()).limit(limit)
        with self._database.read() as connection:
            return [_request(row) for row in connection.execute(query)]

    def replace(self, before: TransitionRequest, after: TransitionRequest, entry: AuditEntry) -> bool:
        """Replace a request if it is still as `before`; False, and nothing changed, if it moved on meanwhile."""
        key = t.requests.c.id == before.id
        with self._database.write() as connection:
            row = connection.execute(sa.select(t.requests).where(key).with_for_update()).first()
            if row is None or _request(row) != before:
                return False
            connection.execute(t.requests.update().where(key).values(asdict(after)))
            append(connection, after.name, entry)
            return True


def settle(connection: sa.Connection, name: str, version: int, stage: str, time: int) -> None:
    """Note that a version came to a stage, within the caller's transaction: open requests for that are done."""
    c = t.requests.c
    open_ones = (c.name == name) & (c.version == version) & (c.stage == stage) & (c.status == "open")
    connection.execute(t.requests.update().where(open_ones).values(status="done", updated=time))


def _request(row: sa.Row[Any]) -> TransitionRequest:
    remarks = tuple(Remark(**remark) for remark in row.remarks)
    return TransitionRequest(**{**row._asdict(), "remarks": remarks})
