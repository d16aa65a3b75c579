"""The verbs of users and tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from headrace.accounts.account import Account, Token, User, check_scopes, check_user_name
from headrace.accounts.act import Act
from headrace.accounts.door import PREFIX, Door
from headrace.accounts.passwords import hashed, new_secret, token_digest
from headrace.accounts.roles import parse_role
from headrace.accounts.store import AccountStore
from headrace.arguments import checked
from headrace.clock import Clock
from headrace.errors import AccessError, InvalidInputError, NotFoundError, TooManyAttemptsError, UnauthenticatedError
from headrace.ids import new_id

__all__ = ["SESSION", "SESSION_DAYS", "Accounts"]

SESSION = "signed in from a browser"
"""The label of a token that signing in made."""
SESSION_DAYS = 14.0
_SHORTEST_PASSWORD = 8
_ADMIN = "accounts:admin"


@checked()
class Accounts:
    """Users and tokens of a project, and what was done to them.

    Args:
        author: whose name goes into the trail.
        door: forgets what it knows of a user who is changed here.
        account: whom a server knows the author to be; None where nobody is asked, so that everything is allowed.
        origin: the address from which the server is asked; goes into the trail.
    """

    def __init__(
        self,
        store: AccountStore,
        clock: Clock,
        author: str = "",
        door: Door | None = None,
        account: Account | None = None,
        origin: str = "",
    ) -> None:
        self._store = store
        self._clock = clock
        self._author = author
        self._door = door or Door(store, clock)
        self._account = account
        self._origin = origin

    def by(self, account: Account, origin: str = "") -> Accounts:
        """The same users and tokens, in the name of an account: what it may not do is refused."""
        return Accounts(self._store, self._clock, account.name, self._door, account, origin)

    def add_user(self, name: str, role: str = "editor", password: str = "") -> User:
        """Make a user. The first one must be an admin.

        Raises:
            AccessError: you may not.
            AlreadyExistsError: the name is taken.
            InvalidInputError: the name, the role or the password can't be used.
        """
        self._require(_ADMIN)
        check_user_name(name)
        parsed = parse_role(role)
        if parsed != "admin" and not any(user.role == "admin" and user.active for user in self._store.users()):
            msg = "the first user must be an admin, or nobody could add another: give the role 'admin'"
            raise InvalidInputError(msg)
        user = User(name=name, role=parsed, password=_hash(password), created=self._clock())
        self._store.add_user(user, self._act("add user", after={"account": name, "role": parsed, "password": bool(password)}))
        self._door.forget()
        return user

    def user(self, name: str) -> User:
        """One user. Raises NotFoundError; AccessError for another than oneself, unless an admin asks."""
        if self._account is None or self._account.name != name:
            self._require(_ADMIN)
        return self._found(name)

    def users(self) -> list[User]:
        """All users, by name. Raises AccessError."""
        self._require(_ADMIN)
        return self._store.users()

    def change_user(self, name: str, *, role: str | None = None, password: str | None = None, active: bool | None = None) -> User:
        """Give a user another role or password, or let them in no more. Another password ends what browsers are signed in by.

        Raises:
            AccessError: you may not.
            NotFoundError: there is no such user.
            ConflictError: no active admin would be left.
            InvalidInputError: the role or the password can't be used.
        """
        self._require(_ADMIN)
        before = self._found(name)
        user = before
        if role is not None:
            user = replace(user, role=parse_role(role))
        if password is not None:
            user = replace(user, password=_hash(password))
        if active is not None:
            user = replace(user, active=active)
        changed = [field for field in ("role", "active") if getattr(before, field) != getattr(user, field)]
        was, now = ({"account": name, **{field: getattr(each, field) for field in changed}} for each in (before, user))
        if password is not None:
            now["password"] = "another" if password else "none"
        self._store.update_user(user, self._act("change user", before=was, after=now))
        if password is not None:
            self._end_sessions(name)
        self._door.forget()
        return user

    def change_password(self, name: str, old: str, new: str) -> User:
        """Give oneself another password, who shows the present one; an empty text if there is none yet.

        The browser that asks stays signed in; others have to sign in again.

        Raises:
            AccessError: it isn't oneself, or the present password is another.
            TooManyAttemptsError: wrong ones came before.
            InvalidInputError: the new one can't be used.
            NotFoundError: there is no such user.
        """
        if self._account is not None and (self._account.name != name or self._account.scopes):
            msg = "a password is changed by whose it is, with it or with a token that isn't limited; an admin sets another's"
            raise AccessError(msg)
        user = self._found(name)
        if user.password or old:
            self._prove(name, old)
        if not new:
            msg = f"a password has at least {_SHORTEST_PASSWORD} characters"
            raise InvalidInputError(msg)
        changed = replace(user, password=_hash(new))
        self._store.update_user(changed, self._act("change password", after={"account": name, "password": "another"}))
        self._end_sessions(name, keep="" if self._account is None else self._account.token)
        self._door.forget()
        return changed

    def create_token(
        self, user: str | None = None, label: str = "", scopes: Sequence[str] = (), days: float | None = None
    ) -> tuple[Token, str]:
        """A new token of a user, and the secret, which isn't kept and can't be shown again.

        Args:
            user: who it stands for. Default: oneself.
            scopes: roles or permissions to limit it to, such as `viewer` or `runs:write`. Default: all that the user may.
            days: how long it is good for. Default: until it is revoked.

        Raises:
            AccessError: it is another's and you are no admin, or you show a token that is limited.
            NotFoundError: there is no such user.
            InvalidInputError: a scope or the number of days can't be used, or nobody is named.
        """
        whose = self._whose(user)
        if whose is None:
            msg = "name the user that the token stands for"
            raise InvalidInputError(msg)
        if self._account is not None and self._account.scopes:
            msg = "a token that is limited makes no tokens; ask with one that isn't, or with a password"
            raise AccessError(msg)
        if days is not None and not 0 < days <= 36_500:
            msg = f"a token is good for more than 0 and at most 36500 days, not {days:g}"
            raise InvalidInputError(msg)
        now = self._clock()
        token_id = new_id()[-12:]
        secret = f"{PREFIX}{token_id}_{new_secret()}"
        token = Token(
            id=token_id,
            user=self._found(whose).name,
            label=label,
            digest=token_digest(secret),
            scopes=check_scopes(scopes),
            created=now,
            expires=None if days is None else now + round(days * 86_400_000_000),
        )
        after = {"account": token.user, "token": token.id, "label": label, "scopes": list(token.scopes)}
        self._store.add_token(token, self._act("create token", after=after))
        return token, secret

    def sign_in(self) -> str:
        """The secret of a token of oneself for a browser: it ends after two weeks, by `sign_out`, or with another password."""
        return self.create_token(label=SESSION, days=SESSION_DAYS)[1]

    def sign_out(self, token_id: str) -> None:
        """Revoke a token that `sign_in` made; one that was made on purpose stays."""
        token = self._store.token(token_id)
        if token is not None and token.label == SESSION and not token.revoked:
            self.revoke(token_id)

    def tokens(self, user: str | None = None) -> list[Token]:
        """Tokens, oldest first: a user's; or everybody's, for an admin, and one's own for others. Raises AccessError."""
        if user is None and (self._account is None or self._account.may(_ADMIN)):
            return self._store.tokens()
        return self._store.tokens(self._whose(user))

    def revoke(self, token_id: str) -> None:
        """Make a token open nothing from now on. Raises NotFoundError; AccessError for another's, unless an admin asks."""
        if self._account is not None and not self._account.may(_ADMIN):
            token = self._store.token(token_id)
            if token is None or token.user != self._account.name:
                self._require(_ADMIN)
        self._store.revoke(token_id, self._act("revoke token", after={"token": token_id}))
        self._door.forget()

    def history(self, limit: int = 100) -> list[Act]:
        """What was done to users and tokens, newest first, wrong passwords in a row too. Raises AccessError."""
        self._require(_ADMIN)
        return self._store.acts(limit)

    def _end_sessions(self, name: str, keep: str = "") -> None:
        for token in self._store.tokens(name):
            if token.label == SESSION and not token.revoked and token.id != keep:
                self.revoke(token.id)

    def _require(self, permission: str) -> None:
        if self._account is not None:
            self._account.require(permission)

    def _whose(self, user: str | None) -> str | None:
        """Whose tokens are meant. Raises AccessError for another's, unless an admin asks."""
        if self._account is None:
            return user
        if user not in (None, self._account.name):
            self._require(_ADMIN)
        return user or self._account.name

    def _found(self, name: str) -> User:
        found = self._store.user(name)
        if found is None:
            raise NotFoundError.of("user", name, [user.name for user in self._store.users()])
        return found

    def _prove(self, name: str, password: str) -> None:
        try:
            self._door.prove(name, password, "with a token")
        except TooManyAttemptsError:
            raise
        except UnauthenticatedError as error:
            msg = "the present password isn't right; nothing was changed"
            raise AccessError(msg) from error

    def _act(self, action: str, *, before: Mapping[str, Any] | None = None, after: Mapping[str, Any]) -> Act:
        return Act(user=self._author, action=action, before=before or {}, after=after, origin=self._origin, time=self._clock())


def _hash(password: str) -> str:
    if password and len(password) < _SHORTEST_PASSWORD:
        msg = f"a password has at least {_SHORTEST_PASSWORD} characters"
        raise InvalidInputError(msg)
    return hashed(password) if password else ""
