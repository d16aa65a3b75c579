"""Models that MLflow saved are loaded by MLflow itself, where it is installed, and say the same."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

import headrace
from servers.mlflow import ENVIRONMENT, PYTHON


@pytest.mark.skipif(not PYTHON.exists(), reason="MLflow isn't installed beside: make .venv-mlflow/.ready")
def test_models_of_mlflow_are_loaded_by_its_own_package_and_only_with_the_word(tmp_path):
    environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": str(Path(headrace.__file__).parents[1])}
    command = [str(PYTHON), str(Path(__file__).with_name("flavors.py")), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "own": {"read_as": "python_function/mlflow", "needs_the_word": True, "same": True},
        "sklearn": {"read_as": "pickle/pickle", "needs_the_word": True, "same": True},
        "lightgbm": {"read_as": "lightgbm/mlflow", "needs_the_word": True, "same": True},
        "booster": {"read_as": "lightgbm/mlflow", "needs_the_word": False, "same": True},
    }
