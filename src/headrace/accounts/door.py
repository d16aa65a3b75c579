"""Who a request is from: what an Authorization header shows, and how often somebody may be wrong about it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import math
import os
import threading
import time

from headrace.accounts.account import Account, User
from headrace.accounts.act import Act
from headrace.accounts.passwords import matches, token_digest
from headrace.accounts.store import AccountStore
from headrace.accounts.throttle import Throttle
from headrace.clock import Clock
from headrace.errors import TooManyAttemptsError, UnauthenticatedError

__all__ = ["KNOWN_SECONDS", "PREFIX", "Door"]

PREFIX = "hr_"
"""How a token begins, so that scanners of leaked secrets know one."""
KNOWN_SECONDS = 1.0
"""How long an answer holds without a look at the catalog: a revoked token opens nothing a second later."""
USED_SECONDS = 60.0
"""How exactly the last use of a token is kept."""
TOLD_SECONDS = 10.0
"""Who guesses in many names at once doesn't fill the trail: an entry in so many seconds, and the rest is in the log alone."""
_MOST_KNOWN = 10_000
_TURNS = 64
_LONGEST_NAME = 128
log = logging.getLogger("headrace.accounts")


class Door:
    """Tells who a header shows. As long as there is no user, a server asks nobody who they are."""

    def __init__(self, store: AccountStore, clock: Clock, throttle: Throttle | None = None) -> None:
        self._store = store
        self._clock = clock
        self._throttle = throttle or Throttle()
        self._turns = [threading.Lock() for _ in range(_TURNS)]
        self._lock = threading.Lock()
        self._known: dict[bytes, tuple[float, Account]] = {}
        self._proven: dict[bytes, str] = {}
        self._key = os.urandom(32)
        self._exist = (False, -KNOWN_SECONDS)
        self._told = -TOLD_SECONDS

    @property
    def exist(self) -> bool:
        """Whether there is a user, so that every request has to say who it is from; as of a second ago at most."""
        exist, asked = self._exist
        now = time.monotonic()
        if now - asked >= KNOWN_SECONDS:
            exist = bool(self._store.users())
            self._exist = exist, now
        return exist

    def known(self, authorization: str, address: str = "") -> Account | None:
        """Whom this header showed a moment ago, from there; None if it has to be looked at again. Costs microseconds."""
        held = self._known.get(self._mark(f"{address}\0{authorization}"))
        return held[1] if held is not None and time.monotonic() - held[0] < KNOWN_SECONDS else None

    @staticmethod
    def is_slow(authorization: str) -> bool:
        """Whether looking at a header may take long, since a password has to be hashed."""
        return authorization[:6].lower() == "basic "

    def authenticate(self, authorization: str, address: str = "") -> Account:
        """Whom an Authorization header shows: `Bearer TOKEN`, or `Basic` with a user and a password or token.

        Args:
            address: where it came from: wrong passwords are counted by account and address.

        Raises:
            UnauthenticatedError: nobody.
            TooManyAttemptsError: wrong passwords came before; this one wasn't looked at.
        """
        scheme, _, value = authorization.strip().partition(" ")
        if scheme.lower() == "bearer":
            account = self._of_token(value.strip())
        elif scheme.lower() == "basic":
            account = self._of_basic(value.strip(), address)
        else:
            raise UnauthenticatedError(_HOW)
        with self._lock:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[self._mark(f"{address}\0{authorization}")] = time.monotonic(), account
        return account

    def prove(self, name: str, password: str, address: str = "") -> User:
        """The user of this name, if the password is theirs. One try at a time of each account and address is looked at.

        Raises:
            UnauthenticatedError: it isn't, or there is no such user, or none that is let in.
            TooManyAttemptsError: wrong ones came before.
        """
        key = (name, address)
        with self._turns[hash(key) % _TURNS]:
            if (wait := self._throttle.wait(key)) > 0:
                raise _too_many(wait)
            user = self._store.user(name)
            kept = user.password if user is not None and user.active else ""
            mark = self._mark(f"{name}\0{password}")
            if not kept or self._proven.get(mark) != kept:  # hashing takes long on purpose: once proven, it's remembered
                if not matches(password, kept) or user is None:
                    self._missed(name, address)
                    raise UnauthenticatedError(_WRONG)
                with self._lock:
                    if len(self._proven) >= _MOST_KNOWN:
                        self._proven.clear()
                    self._proven[mark] = kept
            self._throttle.passed(key)
            return user  # type: ignore[return-value]  # a password was kept, so there is a user

    def forget(self) -> None:
        """Ask the catalog again: a user or a token changed."""
        with self._lock:
            self._known.clear()
        self._exist = (False, -KNOWN_SECONDS)

    def _missed(self, name: str, address: str) -> None:
        pause = self._throttle.missed((name, address))
        if not pause:
            return
        log.warning(
            "wrong passwords for %r from %s: another is looked at in %g s", name[:_LONGEST_NAME], address or "here", pause
        )
        with self._lock:
            now = time.monotonic()
            if now - self._told < TOLD_SECONDS:
                return
            self._told = now
        after = {"account": name[:_LONGEST_NAME], "address": address, "seconds": pause}
        act = Act(user=name[:_LONGEST_NAME], action="slow down", after=after, origin=address, time=self._clock())
        self._store.record(act)

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
        user = self._store.user(token.user)
        if user is None or not user.active:
            raise UnauthenticatedError(_WRONG)
        if token.used is None or now - token.used > USED_SECONDS * 1e6:
            self._store.touch(token.id, now)
        return Account(user.name, user.role, token.scopes, token.id)

    def _of_basic(self, value: str, address: str) -> Account:
        try:
            name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise UnauthenticatedError(_HOW) from error
        if password.startswith(PREFIX):  # MLflow's clients send Basic alone when they have a user and a password
            account = self._of_token(password)
            if name not in ("", "token", account.name):
                raise UnauthenticatedError(_WRONG)
            return account
        found = self.prove(name, password, address)
        return Account(found.name, found.role)

    def _mark(self, text: str) -> bytes:
        """What stands for a secret in memory: of no use elsewhere."""
        return hmac.digest(self._key, text.encode("utf-8", "replace"), hashlib.sha256)


def _too_many(wait: float) -> TooManyAttemptsError:
    seconds = math.ceil(wait)
    return TooManyAttemptsError(
        f"too many wrong passwords came for this user from this address; try again in {seconds} s, or show a token", seconds
    )


_HOW = (
    "this server wants to know who you are: set HEADRACE_TOKEN (or MLFLOW_TRACKING_TOKEN) to a token, or send the header "
    "Authorization: Bearer TOKEN; an admin makes one with: headrace tokens create"
)
_WRONG = "the user, the password or the token isn't right"
