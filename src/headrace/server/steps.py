"""Work that the event loop does in steps: what comes between two of them doesn't hold up anybody."""

from __future__ import annotations

import asyncio
import select
import threading
from collections.abc import Iterator
from contextlib import suppress

from headrace.patience import Wait

__all__ = ["Kept", "go_on", "take"]


class Kept:
    """The promise that a write is kept, made to a request on the event loop of this thread. Any thread may tell."""

    def __init__(self) -> None:
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self._told: asyncio.Future[None] | None = None
        self._over = False
        self._error: BaseException | None = None

    def set_result(self, result: None) -> None:  # noqa: ARG002 - there is none but this
        """It is kept."""
        self._over = True
        if self._told is None:  # nobody waits yet; who is about to will look once more
            return
        if threading.get_ident() == self._thread:
            _wake(self._told)
        else:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(_wake, self._told)

    def set_exception(self, error: BaseException) -> None:
        """It isn't."""
        self._error = error
        self.set_result(None)

    async def awaited(self) -> None:
        """Wait until it is told. Raises what went wrong."""
        if not self._over:
            self._told = self._loop.create_future()
            if not self._over:
                await self._told
        if self._error is not None:
            raise self._error


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


class _Going(threading.local):
    """What the event loop of this thread is in the middle of, by the socket that it waits for."""

    def __init__(self) -> None:
        self.by_socket: dict[int, _Work] = {}


_going = _Going()


class _Work:
    """Steps that are gone through, each when what it waits for is there."""

    def __init__(self, steps: Iterator[Wait], loop: asyncio.AbstractEventLoop) -> None:
        self._steps = steps
        self._loop = loop
        self._wait: Wait | None = None
        self._look = select.poll()

    def go_on(self) -> None:
        """Go on to the next thing that is to be waited for."""
        if self._wait is not None:
            self._stop_waiting(self._wait)  # before a step that may close the socket
        self._wait = next(self._steps, None)
        if self._wait is not None:
            self._begin_to_wait(self._wait)

    def go_on_if_ready(self) -> None:
        """Go on if what is waited for is there."""
        if self._look.poll(0):
            self.go_on()

    def _begin_to_wait(self, wait: Wait) -> None:
        _going.by_socket[wait.socket] = self
        self._look.register(wait.socket, select.POLLIN | (select.POLLOUT if wait.writes else 0))
        self._loop.add_reader(wait.socket, self.go_on)
        if wait.writes:
            self._loop.add_writer(wait.socket, self.go_on)

    def _stop_waiting(self, wait: Wait) -> None:
        del _going.by_socket[wait.socket]
        self._look.unregister(wait.socket)
        self._loop.remove_reader(wait.socket)
        if wait.writes:
            self._loop.remove_writer(wait.socket)


def take(steps: Iterator[Wait]) -> None:
    """Go through steps on the event loop of this thread; they raise nothing."""
    _Work(steps, asyncio.get_running_loop()).go_on()


def go_on() -> None:
    """Go on with all that needn't wait any longer. Called between two requests: the loop itself looks again only after all that
    came together, and a database would have nothing to do meanwhile."""
    for work in list(_going.by_socket.values()):
        work.go_on_if_ready()
