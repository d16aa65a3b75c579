"""Connections on which no request comes are closed: each takes a file of the process, and of those there are only so many."""

from __future__ import annotations

import asyncio
import contextlib

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["HttpConnection", "allow_many_connections"]

MOST_FILES = 65_536


class HttpConnection(HttpToolsProtocol):
    """An HTTP connection that is closed if the headers of a request aren't whole in the time that an idle one is kept.

    Uvicorn's own waits for ever for a first request, and for the rest of headers of which each byte takes its time.
    """

    _since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the class above
        """Begin to wait."""
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Take in what came; wait for the rest no longer than from the beginning."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._since = None
        elif self.timeout_keep_alive_task is None and not self.transport.is_closing():
            self._expect()

    def _expect(self) -> None:
        if self._since is None:
            self._since = self.loop.time()
        self.timeout_keep_alive_task = self.loop.call_at(self._since + self.timeout_keep_alive, self.timeout_keep_alive_handler)


def allow_many_connections() -> None:
    """Let this process and those it starts have 65,536 files and connections, or as many as the system allows them."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # not on every system
        import resource

        now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MOST_FILES if most == resource.RLIM_INFINITY else min(MOST_FILES, most)
        if now != resource.RLIM_INFINITY and now < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
