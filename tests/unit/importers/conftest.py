"""Real histories of other tools, made by those tools, and a project to bring them into."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import headrace as hr

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
    command = [str(MLFLOW), str(script), f"sqlite:///{folder / 'mlflow.db'}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MLFLOW"))}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return History(folder / "mlflow.db", json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture
def store(tmp_path):
    with hr.connect(tmp_path / "project") as opened:
        yield opened
