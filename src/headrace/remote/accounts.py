"""Users and tokens behind a server: it knows who asks, and what they may."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headrace.accounts.account import Token, User
from headrace.accounts.act import Act
from headrace.accounts.service import SESSION, Accounts
from headrace.arguments import checked
from headrace.remote.transport import Transport
from headrace.shapes import shaped

__all__ = ["RemoteAccounts"]


@checked()
class RemoteAccounts(Accounts):
    """`store.accounts` over HTTP. Each verb raises as the embedded one does. Hashes of secrets stay where they are."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def add_user(self, name: str, role: str = "editor", password: str = "") -> User:
        """Make a user; see `Accounts.add_user`."""
        return self._user("add_user", {"name": name, "role": role, "password": password}, changes=True)

    def user(self, name: str) -> User:
        """One user; see `Accounts.user`."""
        return self._user("user", {"name": name})

    def users(self) -> list[User]:
        """All users, by name."""
        found: list[User] = shaped(self._call("users", {}), list[User])
        return found

    def change_user(self, name: str, *, role: str | None = None, password: str | None = None, active: bool | None = None) -> User:
        """Give a user another role or password, or let them in no more; see `Accounts.change_user`."""
        return self._user("change_user", {"name": name, "role": role, "password": password, "active": active}, changes=True)

    def change_password(self, name: str, old: str, new: str) -> User:
        """Give oneself another password; see `Accounts.change_password`."""
        return self._user("change_password", {"name": name, "old": old, "new": new}, changes=True)

    def create_token(
        self, user: str | None = None, label: str = "", scopes: Sequence[str] = (), days: float | None = None
    ) -> tuple[Token, str]:
        """A new token of a user, and the secret; see `Accounts.create_token`."""
        asked = {"user": user, "label": label, "scopes": list(scopes), "days": None if days is None else float(days)}
        # Not as a change that happens once: its outcome would be kept, and the secret in it. One made twice can be revoked.
        token, secret = self._call("create_token", asked)
        made: Token = shaped(token, Token)
        return made, str(secret)

    def tokens(self, user: str | None = None) -> list[Token]:
        """Tokens, oldest first; see `Accounts.tokens`."""
        found: list[Token] = shaped(self._call("tokens", {"user": user}), list[Token])
        return found

    def revoke(self, token_id: str) -> None:
        """Make a token open nothing from now on."""
        self._call("revoke", {"token": token_id}, changes=True)

    def sign_out(self, token_id: str) -> None:
        """Revoke a token that `sign_in` made; one that was made on purpose stays."""
        if any(token.id == token_id and token.label == SESSION and not token.revoked for token in self.tokens()):
            self.revoke(token_id)

    def history(self, limit: int = 100) -> list[Act]:
        """What was done to users and tokens, newest first."""
        found: list[Act] = shaped(self._call("history", {"limit": limit}), list[Act])
        return found

    def _user(self, verb: str, asked: dict[str, Any], *, changes: bool = False) -> User:
        found: User = shaped(self._call(verb, asked, changes=changes), User)
        return found

    def _call(self, verb: str, asked: dict[str, Any], *, changes: bool = False) -> Any:
        return self._transport.call(f"accounts/{verb}", asked, changes=changes)
