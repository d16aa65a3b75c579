"""Connections on which nothing comes, or too little, are closed; those that ask are answered, again and again."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import contextmanager, suppress

import uvicorn

from headrace.server.connections import HttpConnection, allow_many_connections

ASKED = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def answer(scope, receive, send):
    await asyncio.sleep(2.5 if scope["path"] == "/slow" else 0)  # longer than a silent connection is kept
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@contextmanager
def serving():
    config = uvicorn.Config(answer, http=HttpConnection, loop="asyncio", lifespan="off", log_config=None, timeout_keep_alive=2)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield listening.getsockname()
        finally:
            server.should_exit = True
            thread.join(30)


def answered(connection):
    """Whether the answer comes whole."""
    found = b""
    while not found.endswith(b"ok") and (piece := connection.recv(1000)):
        found += piece
    return found.startswith(b"HTTP/1.1 200") and found.endswith(b"ok")


def ended(connection):
    """Whether the server closes it, without a word."""
    connection.settimeout(30)
    return connection.recv(100) == b""


def test_silent_and_trickling_connections_are_closed_and_a_slow_answer_is_waited_for():
    with serving() as place:
        silent, trickling, slow, asking = (socket.create_connection(place, timeout=30) for _ in range(4))
        slow.sendall(ASKED.replace(b"GET /", b"GET /slow"))
        for _ in range(2):
            asking.sendall(ASKED)
            assert answered(asking)
        trickling.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
        stopped = threading.Event()

        def trickle():
            while not stopped.wait(0.1):
                try:
                    trickling.sendall(b"a")
                except OSError:
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        assert ended(silent)
        with suppress(ConnectionResetError):  # a byte may be under way when it is closed
            assert ended(trickling)
        stopped.set()
        thread.join()
        assert answered(slow)
        assert ended(asking)
        for connection in (silent, trickling, slow, asking):
            connection.close()


def test_the_process_may_open_as_many_files_as_the_system_allows():
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, before[1]), before[1]))
        allow_many_connections()
        allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert (allowed > 512 or most <= 512, most) == (True, before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
