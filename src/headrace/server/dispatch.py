"""From ASGI to endpoints and back: finds the route, reads the body, runs the handler, says what happened."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import quote

from headrace.errors import HeadraceError
from headrace.server.admission import Admission, is_from_the_app
from headrace.server.bodies import DRAINED, BodyStream, GoneError
from headrace.server.delivering import Delivering
from headrace.server.endpoint import AsyncHandler, Dialect, Endpoint, Handler
from headrace.server.errors import (
    PROBLEM,
    BodyTooLargeError,
    BusyError,
    MethodNotAllowedError,
    NoRouteError,
    TooSlowError,
    problem,
)
from headrace.server.feast.errors import failure
from headrace.server.http import JSON, Call, Reply
from headrace.server.mlflow import errors as mlflow
from headrace.server.pace import Pace
from headrace.server.scoring.errors import scoring_failure
from headrace.server.stopping import Stopping
from headrace.server.web import PAGE, is_navigation, release

if TYPE_CHECKING:
    from headrace.server.guard import Guard
    from headrace.server.logs import AccessLog
    from headrace.server.metrics import Metrics
    from headrace.store import Store

__all__ = ["Companion", "Dispatcher", "Limits"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

FLUSH_SECONDS = 0.2
REQUEST_ID = re.compile(rb"[\w.:/+=-]{1,128}")
_HINTS: Mapping[int, Mapping[str, str]] = {
    401: {"www-authenticate": 'Basic realm="headrace", charset="UTF-8", Bearer'},
    503: {"retry-after": "1"},
}
"""Headers that go with a status."""
log = logging.getLogger("headrace.server")


class Limits:
    """What one request, and all of them together, may take.

    Args:
        body_bytes: the largest body.
        body_seconds: how long a body may take to arrive; one that is streamed, each piece of it.
        upload_bytes: the largest body that is streamed.
        threads: requests that work at one time.
        streams: bodies that are streamed at one time.
        waiting: requests that may wait for a thread.
    """

    def __init__(
        self,
        body_bytes: int = 256 << 20,
        body_seconds: float = 60.0,
        threads: int = 16,
        waiting: int = 1000,
        *,
        upload_bytes: int = 1 << 40,
        streams: int = 32,
    ) -> None:
        self.body_bytes = body_bytes
        self.body_seconds = body_seconds
        self.upload_bytes = upload_bytes
        self.streams = streams
        self.threads = threads
        self.waiting = waiting


class Companion(Protocol):
    """What lives as long as the server does, on its event loop."""

    async def start(self, store: Store) -> None:
        """Get ready. Raises HeadraceError if that can't be done; then the server doesn't start."""
        ...

    async def close(self) -> None:
        """Finish; the last request has been answered."""
        ...


class Dispatcher:
    """The ASGI application.

    Args:
        open_store: opens the project; called when the server starts. It's closed when the server stops.
        companion: what starts before the first request and ends after the last.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        open_store: Callable[[], Store],
        guard: Guard,
        limits: Limits,
        metrics: Metrics,
        access: AccessLog,
        companion: Companion | None = None,
    ) -> None:
        self._companion = companion
        self._exact: dict[str, dict[str, Endpoint]] = {}
        self._patterns: list[tuple[re.Pattern[str], dict[str, Endpoint]]] = []
        self._open_store = open_store
        self._guard = guard
        self._metrics = metrics
        self._limits = limits
        self._access = access
        self._pool = ThreadPoolExecutor(limits.threads, "headrace-server")
        self._streams = ThreadPoolExecutor(limits.streams, "headrace-body")  # a slow sender keeps its thread waiting
        self._busy = 0
        self._receiving: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._ids = map(f"{os.urandom(6).hex()}-{{:x}}".format, count(1))
        self._store: Store | None = None
        self._admit = Admission(None, self._pool)
        self._stopping = Stopping()
        self._paces = {item.path: Pace() for item in endpoints}
        for item in endpoints:
            self._add(item)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event of ASGI."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    def _add(self, item: Endpoint) -> None:
        if "{" not in item.path:
            self._exact.setdefault(item.path, {})[item.method] = item
            return
        part = re.sub(r"\\{(\w+)\\.\\.\\.\\}", r"(?P<\1>.+)", re.escape(item.path))
        pattern = re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", part))
        for known, methods in self._patterns:
            if known.pattern == pattern.pattern:
                methods[item.method] = item
                return
        self._patterns.append((pattern, {item.method: item}))

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            self._store = self._open_store()
            if self._companion is not None:
                await self._companion.start(self._store)
        except HeadraceError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        self._admit = Admission.of(self._store, self._pool)
        self._metrics.watch(self._store)
        self._stopping.listen()
        flushing = asyncio.create_task(self._flush_forever())
        delivering = Delivering.begin(self._store)
        self._pool.submit(_warm, self._store)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        flushing.cancel()
        await asyncio.to_thread(delivering.end)
        if self._companion is not None:
            await self._companion.close()
        self._admit.close()
        for threads in (self._streams, self._pool):  # what a thread waits for may be done on this loop
            await asyncio.to_thread(threads.shutdown)
        self._access.flush()
        self._store.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _flush_forever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            self._end_slow_bodies()
            await asyncio.to_thread(self._access.flush)

    def _end_slow_bodies(self) -> None:
        """One look at all, now and then, costs less than a timer for each."""
        since = time.monotonic() - self._limits.body_seconds
        for task, began in list(self._receiving.items()):
            if began < since and task not in self._late:
                self._late.add(task)
                task.cancel()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        request_id = self._name(headers)
        path, method, route = scope["path"], scope["method"], ""
        dialect: Dialect = "mlflow" if path.startswith(mlflow.PREFIXES) else "native"
        try:
            endpoint, parts = self._find(method, path, headers.get("accept", ""))
            dialect, route = endpoint.dialect, endpoint.path
            self._guard.check(headers, is_open=self._admit.is_open)
            store = self._opened()
            account = await self._admit(endpoint, headers, scope.get("client"))
            streams = endpoint.operation.streams
            body = b"" if streams else await self._body(headers, receive)
            named = store.by(account, _origin(scope)) if account is not None or endpoint.changes_models else store
            call = Call(named, self._metrics, body, parts, scope["query_string"], headers, request_id, account=account)
            reply = await (self._take(endpoint, call, receive) if streams else self._answer(endpoint, call))
        except GoneError:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            reply = self._failed(error, dialect, request_id, headers)
        if reply.live and isinstance(reply.body, AsyncIterator):
            admitted = self._admit.as_long_as(reply.body, endpoint, headers, scope.get("client"))
            reply.body = self._stopping.until(admitted, receive)
        told = [(b"x-request-id", request_id.encode("latin-1"))]
        if dialect == "native":  # the app looks whether it is another release's; MLflow's client reads each header for 5 µs
            told.append((b"x-headrace-release", release()))
        await self._send(send, reply, told, with_body=method != "HEAD")
        if reply.afterwards is not None:
            self._pool.submit(self._run_afterwards, reply.afterwards, request_id)
        seconds = time.perf_counter() - began
        self._metrics.served(route or "none", method, reply.status, seconds)
        self._access.add(request_id, method, path, reply.status, seconds, scope.get("client"))

    def _opened(self) -> Store:
        if self._store is None:
            raise BusyError("the server is starting; try again in a second")
        return self._store

    def _name(self, headers: Mapping[str, str]) -> str:
        given = headers.get("x-request-id")
        if given is not None and REQUEST_ID.fullmatch(given.encode("latin-1")):
            return given
        return next(self._ids)

    def _find(self, method: str, path: str, accept: str) -> tuple[Endpoint, Mapping[str, str]]:
        parts: Mapping[str, str] = {}
        methods = self._exact.get(path)
        if methods is None:
            for pattern, found in self._patterns:
                match = pattern.fullmatch(path)
                if match:
                    methods, parts = found, match.groupdict()
                    break
            else:
                if is_navigation(method, path, accept):
                    return PAGE, {}
                if (left_out := mlflow.left_out(path)) is not None:
                    raise left_out
                msg = f"nothing is served at {quote(path)}; /docs lists what is"
                raise NoRouteError(msg)
        endpoint = methods.get("GET" if method == "HEAD" else method)
        if endpoint is None:
            msg = f"{quote(path)} takes {', '.join(sorted(methods))}, not {method}"
            raise MethodNotAllowedError(msg)
        return endpoint, parts

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        limit = self._limits.body_bytes
        length = headers.get("content-length")
        if length is not None and length.isdecimal() and int(length) > limit:
            waits = headers.get("expect", "").lower() == "100-continue"
            raise self._too_large() if waits else await self._refused(receive)
        message = await self._next(receive)
        if not message.get("more_body"):  # nearly always
            body: bytes = message.get("body", b"")
            if len(body) > limit:
                raise self._too_large()
            return body
        pieces = [message["body"]]
        size = len(message["body"])
        while message.get("more_body"):
            message = await self._next(receive)
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            if size > limit:
                raise await self._refused(receive) if message.get("more_body") else self._too_large()
        return b"".join(pieces)

    async def _refused(self, receive: Receive) -> BodyTooLargeError:
        """Read on, so that the sender comes to see the answer: one that still sends when the connection closes sees nothing."""
        await BodyStream(functools.partial(self._next, receive), DRAINED).drain()
        return self._too_large()

    async def _take(self, endpoint: Endpoint, call: Call, receive: Receive) -> Reply:
        """Let a handler read the body, then answer."""
        self._refuse_if_too_busy()
        stream = BodyStream(functools.partial(self._next, receive), self._limits.upload_bytes)
        call.pieces = stream
        self._busy += 1
        try:
            stream.expect(call.headers.get("content-length"))
            handler = cast("Handler", endpoint.operation.handler)
            return await asyncio.get_running_loop().run_in_executor(self._streams, handler, call)
        finally:
            self._busy -= 1
            await stream.drain()

    async def _next(self, receive: Receive) -> MutableMapping[str, Any]:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker: ASGI servers run an application in a task
        self._receiving[task] = time.monotonic()
        try:
            message = await receive()
        except asyncio.CancelledError:
            if task not in self._late:
                raise
            self._late.discard(task)
            task.uncancel()
            msg = f"no piece of the body came for {self._limits.body_seconds:g} s; send it again"
            raise TooSlowError(msg) from None
        finally:
            del self._receiving[task]
        if message["type"] == "http.disconnect":
            raise GoneError
        return message

    def _refuse_if_too_busy(self) -> None:
        if self._busy >= self._limits.threads + self._limits.waiting:
            msg = f"{self._busy} requests wait already; try again soon, or start the server with more --workers"
            raise BusyError(msg)

    def _too_large(self) -> BodyTooLargeError:
        limit = self._limits.body_bytes
        return BodyTooLargeError(f"the body is larger than {limit:,} bytes; send less at once, or raise --max-body-mb")

    async def _answer(self, endpoint: Endpoint, call: Call) -> Reply:
        pace, operation = self._paces[endpoint.path], endpoint.operation
        reply: Reply | Coroutine[Any, Any, Reply | None] | None = None
        if operation.quick is not None and pace.fast:
            reply = pace.timed(operation.quick, call)
        if reply is None:
            self._refuse_if_too_busy()  # before anything is left to be written
        if reply is None and operation.patient is not None and not pace.looks():
            reply = operation.patient(call)
        if isinstance(reply, Coroutine):
            reply = await self._awaited(reply)
        if reply is not None:
            return reply
        handler = operation.handler
        if operation.quick is not None and not pace.fast:
            handler = functools.partial(pace.timed, cast("Handler", handler))
        return await self._handled(endpoint, handler, call)

    async def _awaited(self, reply: Coroutine[Any, Any, Reply | None]) -> Reply | None:
        """A reply that waits for something else, not for a thread."""
        try:
            self._refuse_if_too_busy()
        except BusyError:
            reply.close()
            raise
        self._busy += 1
        try:
            return await reply
        finally:
            self._busy -= 1

    async def _handled(self, endpoint: Endpoint, handler: Handler | AsyncHandler, call: Call) -> Reply:
        self._busy += 1
        try:
            if endpoint.operation.waits:
                return await cast("AsyncHandler", handler)(call)
            return await asyncio.get_running_loop().run_in_executor(self._pool, cast("Handler", handler), call)
        finally:
            self._busy -= 1

    async def _send(self, send: Send, reply: Reply, told: Sequence[tuple[bytes, bytes]], *, with_body: bool) -> None:
        headers = [(b"content-type", reply.media_type.encode()), *told]
        headers += [(name.encode(), value.encode("latin-1", "replace")) for name, value in reply.headers.items()]
        body = reply.body
        if isinstance(body, bytes):
            headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        if not with_body:
            body = b""
        if isinstance(body, AsyncIterator):
            async for piece in body:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            body = b""
        while not isinstance(body, bytes):  # each piece may take its time to be made
            following = await asyncio.get_running_loop().run_in_executor(self._pool, _following, body)
            if following is None:
                body = b""
            else:
                await send({"type": "http.response.body", "body": following, "more_body": True})
        await send({"type": "http.response.body", "body": body})

    def _failed(self, error: Exception, dialect: Dialect, request_id: str, headers: Mapping[str, str]) -> Reply:
        status, body, media_type = _RENDERERS[dialect](error, request_id)
        if status == 500:
            log.error("request %s failed inside Headrace", request_id, exc_info=error)
        wait = getattr(error, "retry_after", None)
        hints = _HINTS.get(status, {}) if wait is None else {"retry-after": str(wait)}
        if status == 401 and is_from_the_app(headers):
            hints = {"www-authenticate": "Bearer"}
        return Reply(body, status, media_type, hints)

    def _run_afterwards(self, work: Callable[[], None], request_id: str) -> None:
        try:
            work()
        except Exception:
            log.exception("what request %s left to be done failed", request_id)


def _origin(scope: Scope) -> str:
    """The address that a request came from; empty for a socket that isn't of the internet."""
    client = scope.get("client")
    return client[0] if client else ""


def _warm(store: Store) -> None:
    """Open what features need while nobody waits for it; a store that is down is told to whoever asks it. Where none were ever
    defined it would be half of the memory of a server of runs."""
    with contextlib.suppress(HeadraceError):
        if store.catalog.revision():
            _ = store.lookup


def _following(pieces: Iterator[bytes]) -> bytes | None:
    return next(pieces, None)


def _native_failure(error: BaseException, request_id: str) -> tuple[int, bytes, str]:
    return *problem(error, request_id), PROBLEM


def _feast_failure(error: BaseException, request_id: str) -> tuple[int, bytes, str]:
    return *failure(error, request_id), JSON


def _mlflow_failure(error: BaseException, request_id: str) -> tuple[int, bytes, str]:
    return *mlflow.failure(error, request_id), JSON


def _scoring_failure(error: BaseException, request_id: str) -> tuple[int, bytes, str]:
    return *scoring_failure(error, request_id), JSON


_RENDERERS: dict[Dialect, Callable[[BaseException, str], tuple[int, bytes, str]]] = {
    "native": _native_failure,
    "feast": _feast_failure,
    "mlflow": _mlflow_failure,
    "scoring": _scoring_failure,
}
