"""Runs the server: one process, or several that share a port, until a signal ends it."""

from __future__ import annotations

import functools
import gc
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.errors import StorageError

if TYPE_CHECKING:
    from uvicorn import Config

    from headrace.server.dispatch import Dispatcher

__all__ = ["ServerOptions", "run", "serve", "set_up_worker"]

GRACE_SECONDS = 30
"""How long requests under way may take to finish once the server is told to stop."""
KEEP_ALIVE_SECONDS = 30
HUNG_SECONDS = 20
"""How long a worker may not say that it lives before another takes its place: a busy machine isn't a dead one."""
PARENT_SECONDS = 1
_SWITCH_SECONDS = 0.001
"""How long a thread that computes may keep the event loop waiting for Python's global lock: Python's own 5 ms would show."""

_GARBAGE = 50_000, 20, 100
"""A large answer is thousands of objects that live for a moment: looked through at each 700, they cost more than they hold."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How to serve a project.

    Attributes:
        project: its folder.
        host, port: where to listen; port 0 takes a free one.
        workers: processes.
        allowed_hosts: further names in the Host header; `*` for any.
        body_mb: the largest body, in MB.
        access_log: whether each request is a line on standard error.
    """

    project: Path
    host: str = "127.0.0.1"
    port: int = 5000
    workers: int = 1
    allowed_hosts: tuple[str, ...] = ()
    body_mb: int = 256
    access_log: bool = True


def serve(options: ServerOptions, started: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; requests under way are finished first.

    Args:
        started: told the server's address, once it takes connections.

    Raises:
        InvalidInputError: the address can't be listened on.
    """
    run(functools.partial(_application, options, os.getpid()), options, started)


def run(application: Callable[[], Dispatcher], options: ServerOptions, started: Callable[[str], None]) -> None:
    """Serve an application until SIGINT or SIGTERM.

    Args:
        application: makes it, in each worker; workers of their own get it pickled.
        options: where to listen, and by how many workers.
        started: as in `serve`.

    Raises:
        InvalidInputError: the address can't be listened on.
    """
    from headrace.server.connections import allow_many_connections

    allow_many_connections()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with _listen(options.host, options.port) as listening:
        host, port = listening.getsockname()[:2]
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        config = _config(application, options.workers)
        try:
            (_serve_alone if options.workers == 1 else _serve_together)(config, listening, lambda: started(address))
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)


def _serve_alone(config: Config, listening: socket.socket, started: Callable[[], None]) -> None:
    from uvicorn import Server

    server = Server(config)
    # From here on a signal means stop. Uvicorn takes the handlers over, gives them back, and raises the signal once more.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, server.handle_exit)
    started()
    server.run(sockets=[listening])


def _serve_together(config: Config, listening: socket.socket, started: Callable[[], None]) -> None:
    from uvicorn.supervisors import Multiprocess

    from headrace.server.metrics import FOLDER

    class Workers(Multiprocess):
        def terminate_all(self) -> None:
            """Who comes from now on is refused at once, and not kept waiting until the last worker has gone."""
            listening.close()
            super().terminate_all()

    with tempfile.TemporaryDirectory(prefix="headrace-metrics-") as shared:
        os.environ[FOLDER] = shared  # before the workers start: they inherit it
        try:
            supervisor = Workers(config, [listening])
            started()
            supervisor.run()
        finally:
            del os.environ[FOLDER]


def _config(application: Callable[[], Dispatcher], workers: int) -> Config:
    from uvicorn import Config

    from headrace.server.connections import HttpConnection

    return Config(
        application,
        factory=True,
        workers=workers,
        http=HttpConnection,
        loop="uvloop",
        lifespan="on",
        ws="none",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_worker_healthcheck=HUNG_SECONDS,
    )


def _application(options: ServerOptions, started_by: int) -> Dispatcher:
    """What each worker serves."""
    from headrace.project import connect
    from headrace.server.app import make_app
    from headrace.server.dispatch import Limits
    from headrace.server.guard import Guard
    from headrace.server.logs import AccessLog

    set_up_worker(options, started_by)
    return make_app(
        functools.partial(connect, options.project),
        Guard(options.host, options.allowed_hosts),
        Limits(body_bytes=options.body_mb << 20),
        AccessLog(sys.stderr.buffer if options.access_log else None),
    )


def set_up_worker(options: ServerOptions, started_by: int) -> None:
    """Make a process ready to serve: how its threads and its memory behave, where it says what happens, when it ends."""
    from headrace.server.logs import log_messages

    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.set_threshold(*_GARBAGE)
    if options.workers > 1:
        threading.Thread(target=_end_with, args=(started_by,), daemon=True).start()
    log_messages()


def _end_with(parent: int) -> None:
    """Stop this worker once the process that started it has died without saying so."""
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(2048)
    except (OSError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or str(error)
        msg = f"can't listen on {host}:{port}: {reason}; take another --port, or stop what uses this one"
        raise StorageError(msg) from error
    listening.set_inheritable(True)
    return listening
