"""Real histories of other tools, made by those tools, and a project to bring them into."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

import headrace as hr
from waiting import until

ROOT = Path(__file__).resolve().parents[3]
MLFLOW = Path(os.environ.get("HEADRACE_MLFLOW_PYTHON") or ROOT / ".venv-mlflow" / "bin" / "python")


@dataclass(frozen=True)
class History:
    """An MLflow database with its files beside it, and what was put into it."""

    path: Path
    made: dict[str, Any]

    @property
    def url(self):
        return f"sqlite:///{self.path}"

    def copy(self, folder):
        """One of its own to change; its files stay where they are."""
        return History(Path(shutil.copy(self.path, folder / "mlflow.db")), self.made)


@pytest.fixture(scope="session")
def mlflow_history(tmp_path_factory):
    """What tests/servers/mlflow_history.py makes with the real mlflow; read only."""
    if not MLFLOW.is_file():
        pytest.skip("MLflow isn't installed beside: make .venv-mlflow/.ready, or HEADRACE_MLFLOW_PYTHON=…")
    folder = tmp_path_factory.mktemp("mlflow")
    script = ROOT / "tests" / "servers" / "mlflow_history.py"
    command = [
        str(MLFLOW),
        "-P",
        str(script),
        f"sqlite:///{folder / 'mlflow.db'}",
    ]  # -P: a module beside the script is called mlflow too
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MLFLOW"))}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return History(folder / "mlflow.db", json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture
def store(tmp_path):
    with hr.connect(tmp_path / "project") as opened:
        yield opened


@pytest.fixture(scope="session")
def mlflow_server(mlflow_history):
    """The address of a real `mlflow server` over that history."""
    from servers.ports import free_port

    port = free_port()
    command = [
        MLFLOW.with_name("mlflow"),
        "server",
        "--backend-store-uri",
        mlflow_history.url,
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MLFLOW"))}
    folder = mlflow_history.path.parent
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        until(lambda: is_up(f"http://127.0.0.1:{port}", process), "mlflow server")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def is_up(url, process):
    assert process.poll() is None, "mlflow server ended by itself"
    try:
        return httpx.get(f"{url}/health").is_success
    except httpx.HTTPError:
        return False
