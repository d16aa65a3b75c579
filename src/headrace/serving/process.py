"""One process with one model in it, from the event loop's side: asked one thing at a time, ended when it takes too long."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any, cast

from headrace.errors import StorageError
from headrace.serving.errors import DiedError, TimedOutError, told
from headrace.serving.forks import ForkServer
from headrace.serving.messages import LENGTH, LOAD, framed, pack, unpack

__all__ = ["Loaded", "ModelProcess"]

Loaded = dict[str, Any]
"""What a process says of the model that it loaded: `seconds`, whether there was an `example`, the `modules` that came with it."""


class ModelProcess(asyncio.Protocol):
    """Made with `start`. At most one question is open at a time."""

    def __init__(self, forks: ForkServer, pid: int) -> None:
        self._forks = forks
        self._pid = pid
        self._transport: asyncio.Transport | None = None
        self._data = bytearray()
        self._asked: asyncio.Future[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ended: Callable[[], None] = lambda: None
        self.alive = True

    @classmethod
    async def start(cls, forks: ForkServer, load: Mapping[str, Any], seconds: float) -> tuple[ModelProcess, Loaded]:
        """A process that has loaded a model and predicted its example.

        Raises:
            HeadraceError: loading failed, took too long or ended the process; nothing is left of it.
        """
        loop = asyncio.get_running_loop()
        channel, pid = await asyncio.to_thread(forks.fork)
        channel.setblocking(False)
        _, process = await loop.create_connection(lambda: cls(forks, pid), sock=channel)
        try:
            return process, await process.load(load, seconds)
        except BaseException:
            await process.close()
            raise

    async def load(self, load: Mapping[str, Any], seconds: float) -> Loaded:
        """Load a model into it. Raises as `start` does."""
        try:
            found: Loaded = await self.ask(framed([pack([LOAD, load])]), seconds)
        except TimedOutError:
            msg = f"the model wasn't loaded, and its example predicted, within {seconds:g} s; give it longer with --load-seconds"
            raise TimedOutError(msg) from None
        except DiedError:
            msg = (
                "the model's process ended while it loaded it and predicted its example: out of memory, or a crash in native code"
            )
            raise DiedError(msg) from None
        if "error" in found:
            raise told(*found["error"])
        return found

    def ask(self, message: bytes, seconds: float) -> asyncio.Future[Any]:
        """The answer to a framed message. The future fails with TimedOutError or DiedError; then the process is gone."""
        loop = asyncio.get_running_loop()
        asked = self._asked = loop.create_future()
        if self._transport is None or not self.alive:
            self._fail(DiedError("the model's process has ended; another one is being made: try again"))
            return asked
        self._timer = loop.call_later(seconds, self._late, seconds)
        self._transport.write(message)
        return asked

    def when_ended(self, ended: Callable[[], None]) -> None:
        """What to call when the process ends although nobody closed it."""
        self._ended = ended

    async def close(self) -> None:
        """End the process; whoever waits is told that it died."""
        self._ended = lambda: None
        self._end()
        with contextlib.suppress(StorageError):
            await asyncio.to_thread(self._forks.kill, self._pid)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ready."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's isn't one by name

    def data_received(self, data: bytes) -> None:
        """A piece of an answer."""
        self._data += data
        if len(self._data) < LENGTH.size:
            return
        end = LENGTH.size + LENGTH.unpack_from(self._data)[0]
        if len(self._data) >= end and self._asked is not None:
            asked, self._asked = self._asked, None
            self._stop_timer()
            try:
                answer = unpack(memoryview(self._data)[LENGTH.size : end])
            except ValueError as error:  # a model that writes to its own socket
                asked.set_exception(DiedError(f"the model's process gave what can't be read: {error}"))
                self._end()
                return
            self._data = self._data[end:]
            asked.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's argument
        """The process has ended."""
        self.alive = False
        self._fail(DiedError("the model's process ended while it predicted: out of memory, or a crash in native code"))
        self._ended()

    def _late(self, seconds: float) -> None:
        self._fail(
            TimedOutError(f"the model gave no answer within {seconds:g} s; its process was ended, and another one is made")
        )
        self._end()
        asyncio.get_running_loop().run_in_executor(None, self._kill)

    def _kill(self) -> None:
        with contextlib.suppress(StorageError):
            self._forks.kill(self._pid)

    def _end(self) -> None:
        self.alive = False
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, error: Exception) -> None:
        self._stop_timer()
        asked, self._asked = self._asked, None
        if asked is not None and not asked.done():
            asked.set_exception(error)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
