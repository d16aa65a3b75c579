"""Connections on which nothing comes, or too little, are closed; those that ask are answered, again and again."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import contextmanager, suppress

import pytest
import uvicorn
import uvloop

from headrace.server.connections import HttpConnection, _Joining, allow_many_connections

ASKED = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def answer(scope, receive, send):
    await asyncio.sleep(2.5 if scope["path"] == "/slow" else 0)  # longer than a silent connection is kept
    while (await receive()).get("more_body"):
        pass
    if scope["path"] == "/headers":
        body = b" ".join(name for name, _ in scope["headers"]) + b" ok"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})
        return
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


def test_a_client_that_hangs_up_before_its_answer_begins_is_no_fault():
    faults = []

    async def hang_up():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: faults.append(context))
        with socket.create_server(("127.0.0.1", 0)) as listening:
            server = await loop.create_server(asyncio.Protocol, sock=listening)
            transport, _ = await loop.create_connection(asyncio.Protocol, *listening.getsockname())
            joining = _Joining(transport, loop)
            transport.abort()
            joining.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await asyncio.sleep(0.1)
            server.close()

    uvloop.run(hang_up())
    assert faults == []


@pytest.mark.parametrize(
    "begun",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX: ",
        b"GET /",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: ",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2;",
    ],
    ids=["header", "address", "trailer", "chunk"],
)
def test_headers_without_end_are_refused_before_they_fill_the_memory(begun):
    with serving() as place, socket.create_connection(place, timeout=30) as endless:
        endless.sendall(begun)
        sent = 0
        with suppress(ConnectionError):
            while sent < 64 << 20:
                endless.sendall(b"a" * 65_536)
                sent += 65_536
        assert sent < 32 << 20
        with socket.create_connection(place, timeout=30) as other:
            other.sendall(ASKED)
            assert answered(other)


def test_what_follows_a_body_is_no_header_of_its_request():
    with serving() as place, socket.create_connection(place, timeout=30) as connection:
        head = b"POST /headers HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head + b"2\r\n{}\r\n0\r\nAuthorization: Bearer x\r\n\r\n")
        found = b""
        while not found.endswith(b"ok"):
            found += connection.recv(1000)
        assert found.endswith(b"host transfer-encoding ok")


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
