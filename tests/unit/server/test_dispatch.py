"""Requests that come slowly, break off or are too many harm nobody else."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import headrace as hr
from headrace.server.app import make_app
from headrace.server.dispatch import Dispatcher, Limits
from headrace.server.endpoint import Endpoint, Operation
from headrace.server.guard import Guard
from headrace.server.http import Reply
from headrace.server.logs import AccessLog
from headrace.server.metrics import Metrics
from waiting import PATIENCE


class Lifespan:
    """Runs an application as an ASGI server does, for one block."""

    def __init__(self, app):
        self.app, self.stop, self.started = app, asyncio.Event(), asyncio.Event()

    async def __aenter__(self):
        self.task = asyncio.create_task(self.app({"type": "lifespan"}, self.receive, self.send))
        await self.started.wait()
        return self.app

    async def __aexit__(self, *_):
        self.stop.set()
        await self.task

    async def receive(self):
        if self.started.is_set():
            await self.stop.wait()
            return {"type": "lifespan.shutdown"}
        return {"type": "lifespan.startup"}

    async def send(self, message):
        if message["type"].startswith("lifespan.startup"):
            self.started.set()


async def ask(app, path, *pieces, method="POST"):
    """Status and JSON body of a request whose body comes in pieces; None waits for ever."""
    waiting, sent = list(pieces), []

    async def receive():
        piece = waiting.pop(0)
        if piece is None:
            await asyncio.Event().wait()
        return piece if isinstance(piece, dict) else {"type": "http.request", "body": piece, "more_body": bool(waiting)}

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"localhost")]
    scope = {"type": "http", "path": path, "method": method, "headers": headers, "query_string": b"", "client": ("127.0.0.1", 1)}
    await app(scope, receive, send)
    return (sent[0]["status"], json.loads(b"".join(item["body"] for item in sent[1:]))) if sent else None


def app_of(tmp_path, **limits):
    return make_app(lambda: hr.connect(tmp_path), Guard("127.0.0.1"), Limits(**limits), AccessLog(None))


def test_a_body_that_does_not_come_is_given_up_and_others_are_answered(tmp_path):
    async def work():
        async with Lifespan(app_of(tmp_path, body_seconds=0.3)) as app:
            slow = asyncio.create_task(ask(app, "/api/v1/features/online", b"{", None))
            quick = await ask(app, "/api/v1/features/online", b"{", b"}")
            return quick, await slow

    quick, slow = asyncio.run(work())
    assert quick[0] == 400
    assert (slow[0], slow[1]["type"]) == (408, "urn:headrace:error:TooSlowError")


def test_a_client_that_hangs_up_gets_no_answer(tmp_path):
    async def work():
        async with Lifespan(app_of(tmp_path)) as app:
            return await ask(app, "/api/v1/features/online", b"{", {"type": "http.disconnect"})

    assert asyncio.run(work()) is None


def test_a_server_that_is_stopped_while_a_body_comes_is_cancelled_as_usual(tmp_path):
    async def work():
        async with Lifespan(app_of(tmp_path)) as app:
            task = asyncio.create_task(ask(app, "/api/v1/features/online", b"{", None))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(work())


def test_too_many_requests_are_told_to_come_back(tmp_path):
    gate = []

    def slow(_call):
        import time

        while not gate:
            time.sleep(0.01)
        return Reply(b"{}")

    async def work():
        routes = (Endpoint("POST", "/slow", "", Operation(slow)),)
        limits = Limits(threads=1, waiting=1)
        app = Dispatcher(routes, lambda: hr.connect(tmp_path), Guard("127.0.0.1"), limits, Metrics(), AccessLog(None))
        async with Lifespan(app) as app:
            tasks = [asyncio.create_task(ask(app, "/slow", b"")) for _ in range(5)]
            await asyncio.sleep(0.2)
            gate.append(True)
            return [await task for task in tasks]

    answers = asyncio.run(work())
    assert [status for status, _ in answers] == [200, 200, 503, 503, 503]
    assert answers[-1][1]["type"] == "urn:headrace:error:BusyError"


def test_a_thread_that_waits_for_the_event_loop_while_the_server_stops_is_waited_for(tmp_path):
    stopping = threading.Event()

    class Threads(ThreadPoolExecutor):
        def shutdown(self, *given, **named):
            stopping.set()
            super().shutdown(*given, **named)

    async def work():
        def waits(_call):
            stopping.wait(PATIENCE)
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(PATIENCE)
            return Reply(b"{}")

        loop, routes = asyncio.get_running_loop(), (Endpoint("POST", "/waits", "", Operation(waits)),)
        app = Dispatcher(routes, lambda: hr.connect(tmp_path), Guard("127.0.0.1"), Limits(), Metrics(), AccessLog(None))
        app._pool = Threads(2)
        async with Lifespan(app) as app:
            asked = asyncio.create_task(ask(app, "/waits", b""))
            await asyncio.sleep(0)
        return await asked

    assert asyncio.run(work()) == (200, {})


def test_a_fault_of_ours_is_a_500_without_its_text(tmp_path, caplog):
    def broken(_call):
        raise RuntimeError("secret")

    async def work():
        routes = (Endpoint("POST", "/broken", "", Operation(broken)),)
        app = Dispatcher(routes, lambda: hr.connect(tmp_path), Guard("127.0.0.1"), Limits(), Metrics(), AccessLog(None))
        async with Lifespan(app) as app:
            return await ask(app, "/broken", b"")

    status, body = asyncio.run(work())
    assert status == 500
    assert "secret" not in json.dumps(body)
    assert body["request_id"] in caplog.text
