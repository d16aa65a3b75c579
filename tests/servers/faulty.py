"""A loopback proxy in front of an S3 server that fails as a bucket may: errors, lost answers, cut connections, half an object.

with FaultyS3(server.url) as proxy: proxy.fail(Fault.ERROR, method="PUT", path="_delta_log", times=2)
"""

from __future__ import annotations

import http.client
import threading
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote, urlsplit

__all__ = ["FOREVER", "Fault", "FaultyS3"]

FOREVER = 1_000_000
_STATUS = {"InternalError": 500, "SlowDown": 503, "AccessDenied": 403, "PermanentRedirect": 301}


class Fault(Enum):
    """What happens to a request."""

    ERROR = "InternalError"
    SLOW_DOWN = "SlowDown"
    DENIED = "AccessDenied"
    ELSEWHERE = "PermanentRedirect"
    CUT = "the connection is closed without an answer"
    LOST_ANSWER = "it is done, and the answer is an error"
    LOST_CONNECTION = "it is done, and the connection is closed without an answer"
    LAST = "it is done, and its answer and all others are errors"
    HALF = "the object is half as long"


@dataclass
class _Rule:
    fault: Fault
    method: str
    path: str
    times: int


class FaultyS3:
    """The proxy. Requests that no rule matches go through as they are.

    Attributes:
        url: what clients take for the server.
        seen: "METHOD path" of every request.
    """

    def __init__(self, server: str) -> None:
        self._target = urlsplit(server)
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        self.seen: list[str] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def fail(self, fault: Fault, *, method: str = "", path: str = "", times: int = FOREVER) -> None:
        """Let the next requests of this method, whose path or query holds this text, fail."""
        with self._lock:
            self._rules.append(_Rule(fault, method, path, times))

    def heal(self) -> None:
        """Let every request through."""
        with self._lock:
            self._rules.clear()

    def fault_of(self, method: str, path: str) -> Fault | None:
        """What happens to a request; counts it."""
        with self._lock:
            self.seen.append(f"{method} {path}")
            for rule in self._rules:
                if rule.times and rule.method in ("", method) and rule.path in unquote(path):
                    rule.times -= 1
                    if rule.fault is Fault.LAST:
                        self._rules.insert(0, _Rule(Fault.ERROR, "", "", FOREVER))
                    return rule.fault
        return None

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """What the server answers."""
        connection = http.client.HTTPConnection(self._target.hostname or "", self._target.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()


def _handler(proxy: FaultyS3) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None: ...

        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fault = proxy.fault_of(self.command, self.path)
            if fault is not None and fault.value in _STATUS:
                self.refuse(fault)
                return
            if fault is Fault.CUT:
                self.close_connection = True
                return
            status, headers, answer = proxy.forward(self.command, self.path, dict(self.headers), body)
            if fault in (Fault.LOST_ANSWER, Fault.LAST):
                self.refuse(Fault.ERROR)
            elif fault is Fault.LOST_CONNECTION:
                self.close_connection = True
            else:
                self.answer(status, headers, answer[: len(answer) // 2] if fault is Fault.HALF else answer)

        def refuse(self, fault: Fault) -> None:
            text = f"<?xml version='1.0'?><Error><Code>{fault.value}</Code><Message>refused</Message></Error>"
            self.answer(_STATUS[fault.value], [("Content-Type", "application/xml")], text.encode())

        def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response_only(status)
            length = None
            for name, value in headers:
                if name.lower() == "content-length":
                    length = value
                elif name.lower() not in ("transfer-encoding", "connection", "keep-alive"):
                    self.send_header(name, value)
            self.send_header("Content-Length", length if self.command == "HEAD" and length else str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                with suppress(ConnectionError):  # clients that know enough hang up
                    self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_one

    return Handler
