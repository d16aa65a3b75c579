"""The contract of where users and tokens are kept."""

from __future__ import annotations

from typing import Protocol

from headrace.accounts.account import Token, User
from headrace.accounts.act import Act

__all__ = ["AccountStore"]


class AccountStore(Protocol):
    """Each change is durable, with its entry in the trail, when the call returns."""

    def users(self) -> list[User]:
        """All users, by name."""
        ...

    def user(self, name: str) -> User | None:
        """The user of this name."""
        ...

    def add_user(self, user: User, act: Act) -> None:
        """Keep a new user. Raises AlreadyExistsError."""
        ...

    def update_user(self, user: User, act: Act) -> None:
        """Replace what is kept of a user.

        Raises:
            NotFoundError: there is no such user.
            ConflictError: no active admin would be left.
        """
        ...

    def tokens(self, user: str | None = None) -> list[Token]:
        """All tokens, or a user's; oldest first."""
        ...

    def token(self, token_id: str) -> Token | None:
        """The token of this id."""
        ...

    def add_token(self, token: Token, act: Act) -> None:
        """Keep a new token."""
        ...

    def revoke(self, token_id: str, act: Act) -> None:
        """Make a token open nothing. Raises NotFoundError."""
        ...

    def touch(self, token_id: str, time: int) -> None:
        """Keep when a token was last used."""
        ...

    def record(self, act: Act) -> None:
        """Keep what changed nothing else in the trail."""
        ...

    def acts(self, limit: int) -> list[Act]:
        """What was done, newest first.

        Raises:
            IntegrityError: the trail was changed past this.
        """
        ...
