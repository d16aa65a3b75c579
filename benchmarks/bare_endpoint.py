"""An HTTP endpoint that knows nothing: it gives MLflow's client the answers it waits for. What is left is what the client takes.

    python benchmarks/bare_endpoint.py PORT [CATALOG] [--uvicorn]

With a catalog, a new SQLite file or the address of a PostgreSQL database, it keeps each body as a row first, committed, one at a
time, and reads nothing of it: what is left then is what any server takes that loses nothing. With `--uvicorn` its HTTP is that of
uvicorn, as that of ours.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
from collections.abc import Callable

import uvloop

RUN_ID = "0" * 32
INFO = {
    "run_uuid": RUN_ID,
    "run_id": RUN_ID,
    "experiment_id": "0",
    "run_name": "bare",
    "status": "RUNNING",
    "start_time": 1,
    "lifecycle_stage": "active",
    "artifact_uri": f"mlflow-artifacts:/0/{RUN_ID}/artifacts",
}
DATA = {
    "metrics": [{"key": f"m{place}", "value": 0.5, "timestamp": 1, "step": 0} for place in range(10)],
    "params": [{"key": f"p{place}", "value": "1"} for place in range(10)],
    "tags": [{"key": f"t{place}", "value": "x"} for place in range(5)],
}
ANSWERS = {
    "create": {"run": {"info": INFO, "data": {}, "inputs": {}, "outputs": {}}},
    "get": {"run": {"info": INFO, "data": DATA, "inputs": {}, "outputs": {}}},
    "update": {"run_info": INFO},
}
"""By the last part of the path; anything else is answered `{}`."""
BODIES = {name: json.dumps(answer).encode() for name, answer in ANSWERS.items()}


Keep = Callable[[bytes], object]
"""Given the body of a request."""


def keeper(catalog: str) -> Keep:
    """What keeps a body, with the durability that the tracking servers have."""
    if not catalog:
        return lambda body: body
    if catalog.startswith("postgresql:"):
        import psycopg

        connection = psycopg.connect(catalog, autocommit=True)
        connection.execute("CREATE TABLE bodies (body bytea)")
        return lambda body: body and connection.execute("INSERT INTO bodies VALUES (%s)", (body,), prepare=True)
    file = sqlite3.connect(catalog, isolation_level=None)
    file.execute("PRAGMA journal_mode=WAL")
    file.execute("PRAGMA synchronous=FULL")
    file.execute("CREATE TABLE bodies (body BLOB)")
    return lambda body: body and file.execute("INSERT INTO bodies VALUES (?)", (body,))


class Answering(asyncio.Protocol):
    """One connection."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._held = b""

    def data_received(self, data: bytes) -> None:
        self._held += data
        while b"\r\n\r\n" in self._held:
            head, _, rest = self._held.partition(b"\r\n\r\n")
            length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
            if len(rest) < length:
                return
            self._held = rest[length:]
            name = head.split(b" ", 2)[1].partition(b"?")[0].rpartition(b"/")[2].decode()
            self._keep(rest[:length])
            body = BODIES.get(name, b"{}")
            start = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            self._transport.write(start % len(body) + body)


def serve_through_uvicorn(port: int, keep: Keep) -> None:
    from uvicorn import run

    async def answer(scope, receive, send) -> None:
        name = scope["path"].rpartition("/")[2]
        keep((await receive())["body"])
        told = BODIES.get(name, b"{}")
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(told))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": told})

    run(answer, port=port, loop="uvloop", http="httptools", lifespan="off", log_level="error", access_log=False)


async def serve(port: int, keep: Keep) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Answering(keep), "127.0.0.1", port)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("catalog", nargs="?", default="")
    parser.add_argument("--uvicorn", action="store_true")
    options = parser.parse_args()
    keep = keeper(options.catalog)
    if options.uvicorn:
        serve_through_uvicorn(options.port, keep)
    else:
        uvloop.run(serve(options.port, keep))


if __name__ == "__main__":
    main()
