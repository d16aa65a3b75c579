"""A loopback HTTP proxy that does to requests what networks do: cuts, delays, repeats, or answers in the server's place."""

from __future__ import annotations

import http.client
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import urlsplit

__all__ = ["Proxy"]


class Proxy:
    """Stands in front of a server. Requests to a path that ends as planned meet the planned mishaps, one each; then none.

    Mishaps: `lose` (the request never arrives), `cut` (it is done, the answer is lost), `halve` (the answer breaks off),
    `repeat` (it is done twice), `delay` (the answer comes after two seconds), `html` (an error page of the proxy's own).
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.plans: dict[tuple[str, str], deque[str]] = {}
        self.forwarded: list[str] = []

    def plan(self, at: str, *mishaps: str, method: str = "") -> None:
        """What the next requests to paths that end with `at` meet; those of one method, or of all."""
        self.plans.setdefault((method, at), deque()).extend(mishaps)

    @property
    def mishaps(self) -> list[str]:
        """Those that nothing has met yet."""
        return [mishap for planned in self.plans.values() for mishap in planned]

    def next_mishap(self, method: str, path: str) -> str:
        """What a request meets; empty if nothing."""
        fitting = (
            mishaps for (only, at), mishaps in self.plans.items() if only in ("", method) and path.endswith(at) and mishaps
        )
        return next((mishaps.popleft() for mishaps in fitting), "")

    def __enter__(self) -> Self:
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    owner: Proxy
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self._body()
        mishap = self.owner.next_mishap(self.command, self.path)
        if mishap == "lose":
            self._hang_up()
            return
        if mishap == "html":
            self._reply(502, b"<html><h1>Bad gateway</h1></html>", "text/html")
            return
        status, answer, kind = self._forward(body)
        if mishap == "repeat":
            status, answer, kind = self._forward(body)
        if mishap == "delay":
            time.sleep(2)
        if mishap == "cut":
            self._hang_up()
            return
        self._reply(status, answer, kind, cut=mishap == "halve")

    do_GET = do_PUT = do_PATCH = do_DELETE = do_POST

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _forward(self, body: bytes) -> tuple[int, bytes, str]:
        self.owner.forwarded.append(self.path)
        connection = http.client.HTTPConnection(self.owner.upstream, timeout=60)
        names = ("content-type", "idempotency-key", "user-agent")
        headers = {name: self.headers[name] for name in names if self.headers.get(name)}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        found = answer.status, answer.read(), answer.headers["content-type"]
        connection.close()
        return found

    def _reply(self, status: int, body: bytes, kind: str, *, cut: bool = False) -> None:
        try:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if cut else body)
        except OSError:  # who asked is gone
            cut = True
        if cut:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""
