"""Users and tokens in SQL."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from headrace.accounts.account import Token, User
from headrace.accounts.act import TRAIL, Act
from headrace.errors import AlreadyExistsError, ConflictError, NotFoundError
from headrace.models.audit import AuditEntry, verify
from headrace.sql.audit import SqlAuditStore, append
from headrace.sql.database import Database
from headrace.sql.tables import accounts as t

__all__ = ["SqlAccountStore"]


class SqlAccountStore:
    """An AccountStore in the catalog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def users(self) -> list[User]:
        """All users, by name. A server's event loop asks for them now and then: it may not wait for a write."""
        with self._database.read(of_runs=False) as connection:
            return [_user(row) for row in connection.execute(sa.select(t.users).order_by(t.users.c.name))]

    def user(self, name: str) -> User | None:
        """The user of this name."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(t.users).where(t.users.c.name == name)).first()
        return None if row is None else _user(row)

    def add_user(self, user: User, act: Act) -> None:
        """Keep a new user. Raises AlreadyExistsError."""
        with self._database.write() as connection:
            if connection.execute(sa.select(t.users.c.name).where(t.users.c.name == user.name)).first() is not None:
                msg = f"there is a user {user.name!r} already"
                raise AlreadyExistsError(msg)
            connection.execute(t.users.insert().values(asdict(user)))
            _append(connection, act)

    def update_user(self, user: User, act: Act) -> None:
        """Replace what is kept of a user."""
        with self._database.write() as connection:
            done = connection.execute(t.users.update().where(t.users.c.name == user.name).values(asdict(user)))
            if not done.rowcount:
                msg = f"there is no user {user.name!r}"
                raise NotFoundError(msg)
            admins = sa.select(t.users.c.name).where(t.users.c.role == "admin", t.users.c.active)
            if connection.execute(admins).first() is None:
                msg = f"{user.name!r} is the last active admin; make another user an admin first"
                raise ConflictError(msg)
            _append(connection, act)

    def tokens(self, user: str | None = None) -> list[Token]:
        """All tokens, or a user's; oldest first."""
        query = sa.select(t.tokens).order_by(t.tokens.c.created, t.tokens.c.id)
        with self._database.read() as connection:
            rows = connection.execute(query if user is None else query.where(t.tokens.c.user == user))
            return [_token(row) for row in rows]

    def token(self, token_id: str) -> Token | None:
        """The token of this id."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(t.tokens).where(t.tokens.c.id == token_id)).first()
        return None if row is None else _token(row)

    def add_token(self, token: Token, act: Act) -> None:
        """Keep a new token."""
        with self._database.write() as connection:
            connection.execute(t.tokens.insert().values({**asdict(token), "scopes": list(token.scopes)}))
            _append(connection, act)

    def revoke(self, token_id: str, act: Act) -> None:
        """Make a token open nothing. Raises NotFoundError."""
        with self._database.write() as connection:
            if not connection.execute(t.tokens.update().where(t.tokens.c.id == token_id).values(revoked=True)).rowcount:
                msg = f"there is no token {token_id!r}; list them with: headrace tokens list"
                raise NotFoundError(msg)
            _append(connection, act)

    def touch(self, token_id: str, time: int) -> None:
        """Keep when a token was last used."""
        with self._database.write("tokens") as connection:
            connection.execute(t.tokens.update().where(t.tokens.c.id == token_id).values(used=time))

    def record(self, act: Act) -> None:
        """Keep what changed nothing else in the trail."""
        with self._database.write() as connection:
            _append(connection, act)

    def acts(self, limit: int) -> list[Act]:
        """What was done, newest first. Raises IntegrityError."""
        entries = SqlAuditStore(self._database).history(TRAIL)
        verify(entries)
        return [
            Act(
                user=entry.user,
                action=entry.action,
                before=entry.before,
                after=entry.after,
                origin=entry.origin,
                time=entry.time,
            )
            for entry in entries[: -limit - 1 : -1]
        ]


def _append(connection: sa.Connection, act: Act) -> None:
    append(connection, TRAIL, AuditEntry(**asdict(act)))


def _user(row: sa.Row[Any]) -> User:
    return User(**row._asdict())


def _token(row: sa.Row[Any]) -> Token:
    return Token(**{**row._asdict(), "scopes": tuple(row.scopes)})
