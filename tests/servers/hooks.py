"""A receiver of webhooks on a free loopback port: it keeps what it is sent and answers as a test tells it.

with receiver() as hooks: hooks.url; hooks.status = 500; hooks.got
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["Receiver", "receiver"]


class Receiver:
    """What was sent, and what is answered.

    Attributes:
        got: (headers, body) of each request.
        status: answered next.
        location: of a redirect.
        held: requests wait for it before they are answered.
    """

    def __init__(self) -> None:
        self.url = ""
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        self.location = ""
        self.held = threading.Event()
        self.held.set()


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver that runs within the block."""
    hooks = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            hooks.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            hooks.held.wait(30)
            self.send_response(hooks.status)
            if hooks.location:
                self.send_header("location", hooks.location)
            self.send_header("content-length", "2")
            self.end_headers()
            with suppress(BrokenPipeError):  # whoever sent it has given up
                self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    hooks.url = f"http://127.0.0.1:{server.server_port}/hook"
    try:
        yield hooks
    finally:
        hooks.held.set()
        server.shutdown()
        thread.join()
        server.server_close()
