"""A real S3 API server for tests and benchmarks: a process on a free loopback port, gone when the block ends.

with S3Server() as server: server.environment, server.make_bucket("lake")
"""

from __future__ import annotations

import subprocess
import sys
import threading
import urllib.request
from typing import Any, Self

__all__ = ["ACCESS_KEY", "REGION", "S3Server"]

ACCESS_KEY, SECRET_KEY, REGION = "headrace", "headrace-secret", "us-east-1"


class S3Server:
    """moto's S3 in a process of its own; objects live in its memory.

    Attributes:
        url: its endpoint, http://127.0.0.1:PORT.
    """

    def __enter__(self) -> Self:
        command = [sys.executable, "-W", "ignore", __file__]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        port = self._process.stdout.readline().strip()
        if not port:
            self.close()
            raise RuntimeError("the S3 server didn't start")
        self.url = f"http://127.0.0.1:{port}"
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    @property
    def environment(self) -> dict[str, str]:
        """The standard variables with which a client finds the server."""
        return environment(self.url)

    def make_bucket(self, name: str) -> str:
        """Make a bucket; returns its URL, s3://NAME."""
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/{name}", method="PUT"), timeout=30).close()
        return f"s3://{name}"


def environment(url: str) -> dict[str, str]:
    """The standard variables with which a client finds the server at a URL."""
    return {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": url,
        "AWS_ALLOW_HTTP": "true",
    }


def _serve() -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    WSGIRequestHandler.protocol_version = "HTTP/1.1"
    moto = DomainDispatcherApplication(create_backend_app)
    one = threading.Lock()

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        with one:  # a conditional put is one step, as it is on S3
            return moto(environ, start_response)

    server = make_server("127.0.0.1", 0, application, threaded=True)
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    threading.Thread(target=_watch, args=(server,), daemon=True).start()
    server.serve_forever()


def _watch(server: Any) -> None:
    """End with the process that started us."""
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    _serve()
