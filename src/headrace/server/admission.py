"""Who a request is from, and whether they may: asked of every request, as soon as the project has users."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ipaddress
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Self, cast

from headrace.errors import HeadraceError, UnauthenticatedError
from headrace.server.endpoint import Endpoint

if TYPE_CHECKING:
    from headrace.accounts.account import Account
    from headrace.accounts.door import Door
    from headrace.store import Store

__all__ = ["COOKIE", "Admission", "address_of", "is_from_the_app"]

COOKIE = "headrace_session"
"""The cookie of a browser that signed in; it holds a token."""

LOOK_SECONDS = 10.0
"""So often it is looked whether who is told something live still may be."""
HASHING = 4
"""Passwords that are hashed at one time, 32 MB each: whoever guesses keeps those waiting alone who come with a password."""


class Admission:
    """Admits requests, or refuses them.

    Args:
        door: knows the project's users; None where there can be none.
        pool: where a token is looked up.
    """

    def __init__(self, door: Door | None, pool: Executor) -> None:
        self._door = door
        self._pool = pool
        self._hashing = ThreadPoolExecutor(HASHING, "headrace-passwords")

    @classmethod
    def of(cls, store: Store, pool: Executor) -> Self:
        """That of a store; one behind another server has no users of its own."""
        return cls(store.door, pool)

    @property
    def is_open(self) -> bool:
        """Whether everybody is let in, since there are no users yet."""
        return self._door is not None and not self._door.exist

    async def __call__(
        self, endpoint: Endpoint, headers: Mapping[str, str], client: tuple[str, int] | None = None
    ) -> Account | None:
        """Who asks, if they may; None where nobody is asked who they are.

        Raises:
            UnauthenticatedError: nobody that is known.
            TooManyAttemptsError: somebody who guesses passwords.
            AccessError: somebody who may not.
        """
        door = self._door
        if door is None or not door.exist:
            return None
        given = headers.get("authorization", "") or _shown_by_cookie(headers.get("cookie", ""))
        if not given and not endpoint.permission:
            return None
        address = address_of(client[0]) if client else ""
        account = door.known(given, address)
        if account is None:
            pool = self._hashing if door.is_slow(given) else self._pool
            try:
                account = await asyncio.get_running_loop().run_in_executor(pool, door.authenticate, given, address)
            except UnauthenticatedError:
                if endpoint.permission:
                    raise
                return None
        if endpoint.permission:
            account.require(endpoint.permission)
        return account

    async def as_long_as(
        self, pieces: AsyncIterator[bytes], endpoint: Endpoint, headers: Mapping[str, str], client: tuple[str, int] | None
    ) -> AsyncIterator[bytes]:
        """What a live answer tells, until who asked may not any more (a token was revoked or ran out, a role was taken away), or
        until a store can't be used. Whoever listens asks again then, and is told why."""
        looked = time.monotonic()
        with contextlib.suppress(HeadraceError):
            async with contextlib.aclosing(cast("AsyncGenerator[bytes]", pieces)):
                async for piece in pieces:
                    if time.monotonic() - looked >= LOOK_SECONDS:
                        await self(endpoint, headers, client)
                        looked = time.monotonic()
                    yield piece

    def close(self) -> None:
        """End its threads."""
        self._hashing.shutdown()


@functools.lru_cache(1024)
def address_of(host: str) -> str:
    """Who a connection is from, as wrong passwords are counted: an IPv6 address by its network, which one person has whole."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:  # a socket that isn't of the internet
        return host
    if address.version == 4 or address.ipv4_mapped is not None:
        return str(address)
    return str(ipaddress.ip_network((address, 64), strict=False))


def is_from_the_app(headers: Mapping[str, str]) -> bool:
    """Whether the web app asks: it shows a page to sign in itself, so that the browser shall not ask with a box of its own."""
    return "x-requested-with" in headers or headers.get("accept", "").startswith("text/event-stream")


def _shown_by_cookie(cookies: str) -> str:
    """The Authorization header that a cookie stands for; empty without one."""
    for pair in cookies.split(";"):
        name, _, value = pair.strip().partition("=")
        if name == COOKIE and value:
            return f"Bearer {value}"
    return ""
