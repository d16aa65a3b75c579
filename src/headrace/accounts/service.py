"""The verbs of users and tokens, and who a request is from."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

from headrace.accounts.account import Account, Token, User, check_scopes, check_user_name
from headrace.accounts.passwords import hashed, matches, new_secret, token_digest
from headrace.accounts.roles import parse_role
from headrace.accounts.store import AccountStore
from headrace.clock import Clock
from headrace.errors import AccessError, InvalidInputError, NotFoundError, UnauthenticatedError
from headrace.ids import new_id

__all__ = ["PREFIX", "Accounts"]

PREFIX = "hr_"
"""How a token begins, so that scanners of leaked secrets know one."""
KNOWN_SECONDS = 1.0
"""How long an answer holds without a look at the catalog: a revoked token opens nothing a second later."""
USED_SECONDS = 60.0
"""How exactly the last use of a token is kept."""
_SHORTEST_PASSWORD = 8
_MOST_KNOWN = 10_000


class Accounts:
    """Users and tokens of a project. As long as there is no user, its server asks nobody who they are."""

    def __init__(self, store: AccountStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[bytes, tuple[float, Account]] = {}
        self._proven: dict[bytes, str] = {}
        self._key = os.urandom(32)
        self._exist = (False, -KNOWN_SECONDS)

    @property
    def exist(self) -> bool:
        """Whether there is a user, so that every request has to say who it is from; as of a second ago at most."""
        exist, asked = self._exist
        now = time.monotonic()
        if now - asked >= KNOWN_SECONDS:
            exist = bool(self._store.users())
            self._exist = exist, now
        return exist

    def add_user(self, name: str, role: str = "editor", password: str = "") -> User:
        """Make a user. The first one must be an admin.

        Raises:
            AlreadyExistsError: the name is taken.
            InvalidInputError: the name, the role or the password can't be used.
        """
        check_user_name(name)
        parsed = parse_role(role)
        if parsed != "admin" and not any(user.role == "admin" and user.active for user in self._store.users()):
            msg = "the first user must be an admin, or nobody could add another: give the role 'admin'"
            raise InvalidInputError(msg)
        user = User(name=name, role=parsed, password=_hash(password), created=self._clock())
        self._store.add_user(user)
        self._forget()
        return user

    def user(self, name: str) -> User:
        """One user. Raises NotFoundError."""
        found = self._store.user(name)
        if found is None:
            raise NotFoundError.of("user", name, [user.name for user in self._store.users()])
        return found

    def users(self) -> list[User]:
        """All users, by name."""
        return self._store.users()

    def change_user(self, name: str, *, role: str | None = None, password: str | None = None, active: bool | None = None) -> User:
        """Give a user another role or password, or let them in no more.

        Raises:
            NotFoundError: there is no such user.
            ConflictError: no active admin would be left.
            InvalidInputError: the role or the password can't be used.
        """
        user = self.user(name)
        if role is not None:
            user = replace(user, role=parse_role(role))
        if password is not None:
            user = replace(user, password=_hash(password))
        if active is not None:
            user = replace(user, active=active)
        self._store.update_user(user)
        self._forget()
        return user

    def change_password(self, name: str, old: str, new: str) -> User:
        """Give a user another password, who shows the present one; an empty text if there is none yet.

        Raises:
            AccessError: the present password is another.
            InvalidInputError: the new one can't be used.
            NotFoundError: there is no such user.
        """
        user = self.user(name)
        if (user.password or old) and not matches(old, user.password):
            msg = "the present password isn't right; nothing was changed"
            raise AccessError(msg)
        if not new:
            msg = f"a password has at least {_SHORTEST_PASSWORD} characters"
            raise InvalidInputError(msg)
        return self.change_user(name, password=new)

    def create_token(
        self, user: str, label: str = "", scopes: Sequence[str] = (), days: float | None = None
    ) -> tuple[Token, str]:
        """A new token of a user, and the secret, which isn't kept and can't be shown again.

        Args:
            scopes: roles or permissions to limit it to, such as `viewer` or `runs:write`. Default: all that the user may.
            days: how long it is good for. Default: until it is revoked.

        Raises:
            NotFoundError: there is no such user.
            InvalidInputError: a scope or the number of days can't be used.
        """
        if days is not None and not 0 < days <= 36_500:
            msg = f"a token is good for more than 0 and at most 36500 days, not {days:g}"
            raise InvalidInputError(msg)
        now = self._clock()
        token_id = new_id()[-12:]
        secret = f"{PREFIX}{token_id}_{new_secret()}"
        token = Token(
            id=token_id,
            user=self.user(user).name,
            label=label,
            digest=token_digest(secret),
            scopes=check_scopes(scopes),
            created=now,
            expires=None if days is None else now + round(days * 86_400_000_000),
        )
        self._store.add_token(token)
        return token, secret

    def tokens(self, user: str | None = None) -> list[Token]:
        """All tokens, or a user's; oldest first."""
        return self._store.tokens(user)

    def revoke(self, token_id: str) -> None:
        """Make a token open nothing from now on. Raises NotFoundError."""
        self._store.revoke(token_id)
        self._forget()

    def known(self, authorization: str) -> Account | None:
        """Whom this header showed a moment ago; None if it has to be looked at again. Costs microseconds."""
        held = self._known.get(self._mark(authorization))
        return held[1] if held is not None and time.monotonic() - held[0] < KNOWN_SECONDS else None

    def authenticate(self, authorization: str) -> Account:
        """Whom an Authorization header shows: `Bearer TOKEN`, or `Basic` with a user and a password or token.

        Raises:
            UnauthenticatedError: nobody.
        """
        scheme, _, value = authorization.strip().partition(" ")
        if scheme.lower() == "bearer":
            account = self._of_token(value.strip())
        elif scheme.lower() == "basic":
            account = self._of_basic(value.strip())
        else:
            raise UnauthenticatedError(_HOW)
        with self._lock:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[self._mark(authorization)] = time.monotonic(), account
        return account

    def _of_token(self, secret: str) -> Account:
        token_id = secret.removeprefix(PREFIX).partition("_")[0] if secret.startswith(PREFIX) else ""
        token = self._store.token(token_id) if token_id else None
        given = token_digest(secret)
        if not hmac.compare_digest(given, token.digest if token is not None else "0" * 64) or token is None:
            msg = "this token isn't one of this server's; make one with: headrace tokens create"
            raise UnauthenticatedError(msg)
        now = self._clock()
        if token.revoked or (token.expires is not None and token.expires <= now):
            fate = "was revoked" if token.revoked else "has expired"
            msg = f"the token {token.id} {fate}; make another with: headrace tokens create"
            raise UnauthenticatedError(msg)
        user = self._active(token.user)
        if token.used is None or now - token.used > USED_SECONDS * 1e6:
            self._store.touch(token.id, now)
        return Account(user.name, user.role, token.scopes, token.id)

    def _of_basic(self, value: str) -> Account:
        try:
            name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise UnauthenticatedError(_HOW) from error
        if password.startswith(PREFIX):  # MLflow's clients send Basic alone when they have a user and a password
            account = self._of_token(password)
            if name not in ("", "token", account.name):
                raise UnauthenticatedError(_WRONG)
            return account
        user = self._store.user(name)
        kept = user.password if user is not None else ""
        mark = self._mark(f"{name}\0{password}")
        if not kept or self._proven.get(mark) != kept:  # hashing takes long on purpose: once proven, it's remembered
            if not matches(password, kept):
                raise UnauthenticatedError(_WRONG)
            with self._lock:
                if len(self._proven) >= _MOST_KNOWN:
                    self._proven.clear()
                self._proven[mark] = kept
        found = self._active(name)
        return Account(found.name, found.role)

    def _active(self, name: str) -> User:
        user = self._store.user(name)
        if user is None or not user.active:
            raise UnauthenticatedError(_WRONG)
        return user

    def _mark(self, text: str) -> bytes:
        """What stands for a secret in memory: of no use elsewhere."""
        return hmac.digest(self._key, text.encode("utf-8", "replace"), hashlib.sha256)

    def _forget(self) -> None:
        with self._lock:
            self._known.clear()
        self._exist = (False, -KNOWN_SECONDS)


def _hash(password: str) -> str:
    if password and len(password) < _SHORTEST_PASSWORD:
        msg = f"a password has at least {_SHORTEST_PASSWORD} characters"
        raise InvalidInputError(msg)
    return hashed(password) if password else ""


_HOW = (
    "this server wants to know who you are: set HEADRACE_TOKEN (or MLFLOW_TRACKING_TOKEN) to a token, or send the header "
    "Authorization: Bearer TOKEN; an admin makes one with: headrace tokens create"
)
_WRONG = "the user, the password or the token isn't right"
