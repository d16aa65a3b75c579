"""The end of streams that have none of their own: the client hangs up, or the server is asked to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from types import FrameType
from typing import Any

__all__ = ["Stopping"]

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Stopping:
    """Whether this process was asked to stop. Uvicorn waits for what is under way; a live stream would keep it waiting."""

    def __init__(self) -> None:
        self._asked: asyncio.Event | None = None

    def listen(self) -> None:
        """From now on, notice SIGINT and SIGTERM; what was done about them is done still."""
        self._asked = asyncio.Event()
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            self._notice(number, self._asked, asyncio.get_running_loop())

    def _notice(self, number: int, asked: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
        before = signal.getsignal(number)

        def noticed(number: int, frame: FrameType | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                loop.call_soon_threadsafe(asked.set)
            if callable(before):
                before(number, frame)

        signal.signal(number, noticed)

    async def until(self, pieces: AsyncIterator[bytes], receive: Receive) -> AsyncIterator[bytes]:
        """The pieces, until the client hangs up or this process is asked to stop."""
        asked = self._asked if self._asked is not None else asyncio.Event()
        ends = {asyncio.ensure_future(receive()), asyncio.ensure_future(asked.wait())}
        try:
            while True:
                following = asyncio.ensure_future(anext(pieces, b""))
                await asyncio.wait({following, *ends}, return_when=asyncio.FIRST_COMPLETED)
                if not following.done() or not following.result():
                    following.cancel()
                    return
                yield following.result()
        finally:
            for end in ends:
                end.cancel()
