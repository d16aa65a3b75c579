"""A server in a thread of the test's own process, on a free loopback port: the real application over a real socket, with the
test's clock."""

from __future__ import annotations

import functools
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import uvicorn

import headrace as hr
from headrace.server.app import make_app
from headrace.server.connections import HttpConnection
from headrace.server.dispatch import Limits
from headrace.server.guard import Guard
from headrace.server.logs import AccessLog
from waiting import PATIENCE

__all__ = ["Shared", "served", "serving"]


class Shared:
    """A store that stands for whichever one a test puts here, so that many tests share one server."""

    def __init__(self) -> None:
        self.url = ""
        self.store: hr.Store | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def close(self) -> None: ...


def served(folder: Path, clock: Callable[[], int] | None = None) -> AbstractContextManager[str]:
    """The address of a server of this project that runs within the block."""
    return serving(functools.partial(hr.connect, folder, **({} if clock is None else {"clock": clock})))


@contextmanager
def serving(opened: Callable[[], Any]) -> Iterator[str]:
    """The address of a server of the store that this opens."""
    app = make_app(opened, Guard("127.0.0.1"), Limits(), AccessLog(None))
    config = uvicorn.Config(
        app, http=HttpConnection, lifespan="on", ws="none", interface="asgi3", log_config=None, access_log=False, loop="asyncio"
    )
    server = uvicorn.Server(config)
    # asyncio sends without delay only on sockets that say they are TCP
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="server")
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
    assert not thread.is_alive()
