"""Connections on which no request comes, or headers without end, are closed: files and memory of the process are limited."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["HttpConnection", "allow_many_connections"]

MOST_FILES = 65_536
MOST_HEAD = 128 << 10
"""Bytes that may come without being a request or a piece of its body."""
_HEAD = b"HTTP/1.1 "


class HttpConnection(HttpToolsProtocol):
    """An HTTP connection that is closed if the headers of a request aren't whole in the time that an idle one is kept.

    Uvicorn's own waits for ever for a first request, and for the rest of headers of which each byte takes its time. It keeps
    headers of any size, and takes trailers, which follow the body, for headers that a proxy in front has seen.
    """

    _since: float | None = None
    _undone = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the class above
        """Begin to wait. What is written is sent at once, where uvloop would gather it until nothing else is left to be done."""
        transport.set_write_buffer_limits(high=0)
        super().connection_made(cast("asyncio.Transport", _Joining(transport, self.loop)))
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Take in what came; wait for the rest no longer than from the beginning."""
        self._undone += len(data)
        super().data_received(data)
        if self._undone > MOST_HEAD and not self.transport.is_closing():
            self.send_400_response(f"The headers are larger than {MOST_HEAD} bytes.")
        if self.cycle is not None and not self.cycle.response_complete:
            self._since = None
        elif self.timeout_keep_alive_task is None and not self.transport.is_closing():
            self._expect()

    def on_headers_complete(self) -> None:
        """Begin to answer. Trailers go nowhere from here on."""
        self._undone = 0
        super().on_headers_complete()
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """Take in a piece of the body."""
        self._undone = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._undone = 0
        super().on_message_complete()

    def _expect(self) -> None:
        if self._since is None:
            self._since = self.loop.time()
        self.timeout_keep_alive_task = self.loop.call_at(self._since + self.timeout_keep_alive, self.timeout_keep_alive_handler)


class _Joining:
    """A transport that sends the head of an answer together with its first piece, if that follows at once.

    Uvicorn writes the two one after the other, and each write is a packet that wakes the client.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""
        self._late: asyncio.Handle | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send, or keep for a moment what begins an answer."""
        if self._late is not None:
            self._late.cancel()
            self._late = None
            self._transport.writelines((self._head, data))
        elif data.startswith(_HEAD):
            self._head = data
            self._late = self._loop.call_soon(self._send_head)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Send what is kept, then close."""
        if self._late is not None:
            self._late.cancel()
            self._send_head()
        self._transport.close()

    def _send_head(self) -> None:
        self._late = None
        if not self._transport.is_closing():  # the client hung up meanwhile
            self._transport.write(self._head)


def allow_many_connections() -> None:
    """Let this process and those it starts have 65,536 files and connections, or as many as the system allows them."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # not on every system
        import resource

        now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MOST_FILES if most == resource.RLIM_INFINITY else min(MOST_FILES, most)
        if now != resource.RLIM_INFINITY and now < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
