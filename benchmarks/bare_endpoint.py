"""An HTTP endpoint that knows nothing: it gives MLflow's client the answers it waits for. What is left is what the client takes.

python benchmarks/bare_endpoint.py PORT
"""

from __future__ import annotations

import asyncio
import json
import sys

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


class Answering(asyncio.Protocol):
    """One connection."""

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
            path = head.split(b" ", 2)[1].partition(b"?")[0]
            body = BODIES.get(path.rpartition(b"/")[2].decode(), b"{}")
            start = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            self._transport.write(start % len(body) + body)


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
