"""Real Redis servers for tests and benchmarks: processes on free loopback ports, gone when the block ends.

with redis_server() as url: …                   one server, nothing kept on disk
with redis_server("--maxmemory", "64mb") as url: …
with redis_cluster() as url: …                  three masters
with RedisServer("--appendonly", "yes") as server: server.kill(); server.start()      for faults
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import redis

from servers.ports import free_port
from waiting import until

__all__ = ["RedisServer", "redis_cluster", "redis_server"]

SLOTS = 16384


class RedisServer:
    """A redis-server of its own folder and port; `start` after `kill` gives the same port, and the data if it's kept on disk.

    Attributes:
        port: chosen free when it is made.
        url: redis://127.0.0.1:PORT/0.
        folder: where it keeps its files; removed at the end.
    """

    def __init__(self, *arguments: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.folder = Path(tempfile.mkdtemp(prefix="headrace-redis-"))
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the process and wait until it listens."""
        base = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder), "--save", "", "--appendonly", "no"]
        with (self.folder / "log").open("ab") as log:
            command = ["redis-server", *base, *self._arguments]
            process = self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        until(lambda: self._listens(process), f"redis-server on port {self.port}")

    def kill(self) -> None:
        """End the process at once (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Let it fall silent (SIGSTOP): connections stay, nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on where it was."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End the process and remove its files."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _listens(self, process: subprocess.Popen[bytes]) -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"redis-server ended with {process.returncode}: {(self.folder / 'log').read_text()[-2000:]}")
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                answer = connection.recv(64)
        except OSError:
            return False
        return bool(answer) and not answer.startswith(b"-LOADING")  # -NOAUTH and the like are answers too


@contextmanager
def redis_server(*arguments: str) -> Iterator[str]:
    """The URL of a server that runs within the block. The arguments are redis-server's."""
    with RedisServer(*arguments) as server:
        yield server.url


@contextmanager
def redis_cluster(*arguments: str, nodes: int = 3) -> Iterator[str]:
    """The URL, redis+cluster://HOST:PORT,HOST:PORT,…, of a cluster of masters that runs within the block."""
    with ExitStack() as stack:
        buses = [free_port() for _ in range(nodes)]
        options = [("--cluster-enabled", "yes", "--cluster-port", str(bus), *arguments) for bus in buses]
        servers = [stack.enter_context(RedisServer(*option)) for option in options]
        clients = [stack.enter_context(redis.Redis(port=server.port)) for server in servers]
        edges = [SLOTS * place // nodes for place in range(nodes + 1)]
        for client, low, high in zip(clients, edges, edges[1:], strict=False):
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", low, high - 1)
        for server, bus in zip(servers[1:], buses[1:], strict=True):
            clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", server.port, bus)
        until(lambda: all(_is_whole(client, nodes) for client in clients), "a cluster of redis-servers")
        yield "redis+cluster://" + ",".join(f"127.0.0.1:{server.port}" for server in servers)


def _is_whole(client: redis.Redis, nodes: int) -> bool:
    info = client.execute_command("CLUSTER", "INFO")
    lines = info if isinstance(info, dict) else dict(line.split(":", 1) for line in info.decode().split("\r\n") if ":" in line)
    return lines["cluster_state"] == "ok" and int(lines["cluster_known_nodes"]) == nodes
