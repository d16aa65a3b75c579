"""A real `mlflow server` for tests and benchmarks, on a free loopback port, in the environment of `make .venv-mlflow/.ready`."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

import httpx

from servers.ports import free_port
from waiting import PATIENCE

__all__ = ["ENVIRONMENT", "PYTHON", "MlflowServer"]

PYTHON = Path(os.environ.get("HEADRACE_MLFLOW_PYTHON") or Path(__file__).parents[2] / ".venv-mlflow" / "bin" / "python")
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}


class MlflowServer:
    """One server on SQLite in a folder, its processes ended together.

    Attributes:
        url: http://127.0.0.1:PORT; it answers once `wait` has returned.
        process: the process that starts its workers.
    """

    def __init__(self, folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._log = (folder / "mlflow.log").open("wb")
        places = (
            "--backend-store-uri",
            f"sqlite:///{folder / 'mlflow.db'}",
            "--artifacts-destination",
            str(folder / "artifacts"),
        )
        self.process = subprocess.Popen(
            [str(PYTHON), "-m", "mlflow", "server", *places, "--port", str(port), *arguments],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **ENVIRONMENT, **(environment or {})},
            cwd=folder,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):  # one that didn't start has told why
            os.killpg(self.process.pid, signal.SIGKILL)  # it would take its time otherwise, and nobody wants what it has
        self.process.wait()
        self._log.close()

    def wait(self) -> None:
        """Return once it answers. Raises RuntimeError if it doesn't."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if httpx.get(f"{self.url}/health", timeout=2).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
        raise RuntimeError(f"mlflow server didn't start: {Path(self._log.name).read_text(errors='replace')[-2000:]}")
