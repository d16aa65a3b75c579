"""Reads of one Redis server by an event loop: all its coroutines have their commands under way at once, on one connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from redis.exceptions import AuthenticationError, ClusterDownError, InvalidResponse, RedisError
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import TimeoutError as Slow

from headrace.online.redis.client import PAUSES, Command, RedisClient
from headrace.online.redis.connection import Address
from headrace.online.redis.errors import explained
from headrace.online.redis.reader import Trips
from headrace.online.steps import run_async

try:
    import hiredis
except ImportError:
    hiredis = None  # type: ignore[assignment]

__all__ = ["EventLoopClient"]

Result = TypeVar("Result")


class EventLoopClient:
    """Does what reads ask for, for whichever event loop asks: each has a connection of its own, made when it's needed.

    Args:
        address: of one server, not of a cluster.
    """

    @staticmethod
    def serves(client: RedisClient) -> bool:
        """Whether there is such a way to the servers of a client. Of a cluster there is none, nor without hiredis."""
        return hiredis is not None and not client.cluster and client.where.awaitable

    def __init__(self, address: Address) -> None:
        self._address = address
        self._lines: dict[asyncio.AbstractEventLoop, _Line] = {}

    async def retried(self, read: Callable[[], Trips[Result]]) -> Result:
        """The result of a read, which is begun again after a pause if the server is away for a moment.

        Raises:
            StorageError, IntegrityError: as `RedisClient.retried` and `run` do.
        """
        for pause in (*PAUSES, None):
            try:
                return await run_async(read(), self._run)
            except (Unreachable, Slow, ClusterDownError) as error:
                if pause is None or isinstance(error, AuthenticationError):
                    raise explained(error, self._address.shown) from error
                await asyncio.sleep(pause)
            except RedisError as error:
                raise explained(error, self._address.shown) from error
        raise AssertionError

    def close(self) -> None:
        """Close the connections; from any thread."""
        lines, self._lines = self._lines, {}
        for loop, line in lines.items():
            with contextlib.suppress(RuntimeError):  # a loop that has ended
                loop.call_soon_threadsafe(line.close)

    async def _run(self, commands: Sequence[Command]) -> list[Any]:
        loop = asyncio.get_running_loop()
        line = self._lines.get(loop)
        if line is None:
            self._lines = {known: line for known, line in self._lines.items() if not known.is_closed()}
            line = self._lines[loop] = _Line(self._address, loop)
        wire = line.wire if line.wire is not None and line.wire.up else await line.connected()
        if len(commands) == 1:  # nearly always
            replies = [await wire.ask(commands[0][1])]
        else:
            replies = await asyncio.gather(*[wire.ask(packed) for _, packed in commands])
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies


class _Line:
    """An event loop's way to the server: a connection, and another one when that has gone.

    Attributes:
        wire: the connection, if it has ever been made.
    """

    def __init__(self, address: Address, loop: asyncio.AbstractEventLoop) -> None:
        self._address = address
        self._loop = loop
        self._connecting: asyncio.Task[_Wire] | None = None
        self.wire: _Wire | None = None

    async def connected(self) -> _Wire:
        """A connection; whoever comes while it's being made waits for the same one."""
        task = self._connecting
        if task is None:
            task = self._connecting = self._loop.create_task(self._connect())
            task.add_done_callback(self._is_connected)
        return await asyncio.shield(task)

    def close(self) -> None:
        """Hang up."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self.wire is not None:
            self.wire.close()

    async def _connect(self) -> _Wire:
        link = self._address.awaited()
        try:
            await link.connect()  # logs in and selects the database, with TLS if the URL says so
        except BaseException:
            await link.disconnect(nowait=True)
            raise
        # From here on the transport is ours: redis-py would take one command at a time, and a task for each reply.
        writer, link._reader, link._writer = link._writer, None, None  # noqa: SLF001 - there is no public way to it
        self.wire = _Wire(writer, self._address.settings.get("socket_timeout"), self._loop)
        return self.wire

    def _is_connected(self, task: asyncio.Task[_Wire]) -> None:
        self._connecting = None
        if not task.cancelled():
            task.exception()  # those who waited have been told; perhaps nobody waits any more


class _Wire(asyncio.Protocol):
    """A connection. Replies come in the order of the commands.

    Args:
        writer: owns the transport.
        timeout: seconds without a sign from the server, while it owes a reply, after which it's given up.

    Attributes:
        up: whether it can be asked.
    """

    def __init__(self, writer: asyncio.StreamWriter, timeout: float | None, loop: asyncio.AbstractEventLoop) -> None:
        from redis.connection import DefaultParser

        self._writer = writer  # closes the transport if it's forgotten
        self._transport = writer.transport
        self._timeout = timeout
        self._loop = loop
        self._owed: deque[asyncio.Future[Any]] = deque()
        self._replies = hiredis.Reader(
            protocolError=InvalidResponse, replyError=DefaultParser.parse_error, notEnoughData=_NOT_YET
        )
        self._watching: asyncio.TimerHandle | None = None
        self._heard = 0.0
        self.up = not self._transport.is_closing()
        self._transport.set_protocol(self)

    def ask(self, packed: bytes) -> asyncio.Future[Any]:
        """Send a command; its reply, which may be an exception: a refusal. What is asked in one turn of the loop goes in one
        packet, where the loop gathers writes as uvloop does."""
        reply = self._loop.create_future()
        if not self._owed:
            self._heard = self._loop.time()
            if self._watching is None and self._timeout:
                self._watching = self._loop.call_later(self._timeout, self._watch)
        self._owed.append(reply)
        self._transport.write(packed)
        return reply

    def close(self) -> None:
        """Hang up. Who still waits is told."""
        self._end(Unreachable("the connection was closed"))

    def data_received(self, data: bytes) -> None:
        """Hand out the replies that are whole."""
        self._heard = self._loop.time()
        replies, owed = self._replies, self._owed
        try:
            replies.feed(data)
            while (reply := replies.gets()) is not _NOT_YET:
                future = owed.popleft()
                if not future.done():  # who asked may have gone
                    future.set_result(reply)
        except (InvalidResponse, IndexError) as error:
            self._end(Unreachable(f"it sent what isn't a reply: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody who waits."""
        self._end(Unreachable(str(exc) if exc is not None else "the connection was closed by the server"))

    def _watch(self) -> None:
        """One timer for all that is under way; none for each command."""
        self._watching = None
        if not self._owed or not self._timeout:
            return
        left = self._heard + self._timeout - self._loop.time()
        if left > 0:
            self._watching = self._loop.call_later(left, self._watch)
        else:
            self._end(Slow(f"no reply for {self._timeout:g} s"))

    def _end(self, error: RedisError) -> None:
        self.up = False
        self._transport.abort()
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None
        while self._owed:
            future = self._owed.popleft()
            if not future.done():
                future.set_exception(error)


_NOT_YET = object()
