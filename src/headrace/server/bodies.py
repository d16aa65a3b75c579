"""The body of a request as it comes, for who reads it piece by piece."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

from headrace.errors import HeadraceError
from headrace.server.errors import BodyTooLargeError

__all__ = ["DRAINED", "BodyStream", "GoneError"]

PIECE = 1 << 20
"""A body that is streamed reaches its handler in pieces of about so many bytes: each costs a change of threads."""
DRAINED = 64 << 20
"""So much of a body that nobody wants is read, so that its sender sees the answer."""


class GoneError(Exception):
    """The client hung up before its request was whole."""


class BodyStream:
    """The body of a request, for a handler in another thread: each step fetches what has come meanwhile.

    Args:
        following: gives the next message of the request.
        limit: the most bytes.
    """

    def __init__(self, following: Callable[[], Awaitable[MutableMapping[str, Any]]], limit: int) -> None:
        self._following = following
        self._limit = limit
        self._size = 0
        self._more = True
        self._loop = asyncio.get_running_loop()

    def expect(self, length: str | None) -> None:
        """Raises BodyTooLargeError if the body says that it is larger than the limit."""
        if length is not None and length.isdecimal() and int(length) > self._limit:
            raise self._too_large()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece = asyncio.run_coroutine_threadsafe(self._gather(), self._loop).result() if self._more else b""
        if not piece:
            raise StopIteration
        return piece

    async def drain(self) -> None:
        """Read a body that nobody wants, unless it is very large."""
        with contextlib.suppress(GoneError, HeadraceError):
            for _ in range(DRAINED // PIECE):
                if not self._more:
                    return
                await self._gather()

    async def _gather(self) -> bytes:
        piece = bytearray()
        while self._more and len(piece) < PIECE:
            message = await self._following()
            piece += message.get("body", b"")
            self._more = bool(message.get("more_body"))
        self._size += len(piece)
        if self._size > self._limit:
            raise self._too_large()
        return bytes(piece)

    def _too_large(self) -> BodyTooLargeError:
        return BodyTooLargeError(f"the body is larger than {self._limit:,} bytes, which is the most that is taken")
