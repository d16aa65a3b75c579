"""`headrace server` processes for tests and benchmarks, on free loopback ports, stopped when the block ends.

with headrace_server(folder) as url: …
with HeadraceServer(folder, "--workers", "2") as server: server.kill()      for faults
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from waiting import PATIENCE

__all__ = ["HeadraceServer", "headrace_server"]

STARTED = " at http://"


class HeadraceServer:
    """One `headrace server`, by its command line; or another verb that serves, with its arguments.

    Attributes:
        url: http://127.0.0.1:PORT.
        process: the process; of several workers, the one that starts them.
    """

    def __init__(
        self, project: Path | str, *arguments: str, environment: Mapping[str, str] | None = None, verb: str = "server"
    ) -> None:
        self.url = ""
        self._command = [
            sys.executable,
            "-c",
            "from headrace.cli import main; main()",
            "-C",
            str(project),
            verb,
            "--port",
            "0",
            *arguments,
        ]
        self._environment = {**os.environ, **(environment or {})}
        self._said: list[str] = []
        self._ready = threading.Event()

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self._command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=self._environment
        )
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()
        if not self._ready.wait(PATIENCE) or not self.url:
            self.stop()
            raise RuntimeError(f"headrace server didn't start: {self.said}")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def said(self) -> str:
        """What it wrote on standard error; whole once it has stopped."""
        return "".join(self._said)

    def stop(self) -> int:
        """Ask it to stop, and wait; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self._wait()

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self._wait()

    def _wait(self) -> int:
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        if self._reader.is_alive():
            raise RuntimeError("a process that headrace server started outlived it")
        if self.process.stderr is not None:
            self.process.stderr.close()
        return code

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._said.append(line)
            if STARTED in line and not self.url:
                self.url = "http://" + line.partition(STARTED)[2].partition(";")[0].strip()
                self._ready.set()
        self._ready.set()


@contextmanager
def headrace_server(project: Path, *arguments: str) -> Iterator[str]:
    """The address of a server of this project that runs within the block."""
    with HeadraceServer(project, *arguments) as server:
        yield server.url
