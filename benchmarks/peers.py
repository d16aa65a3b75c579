"""The peers, each in a virtual environment of its own under benchmarks/.work, made when a benchmark first asks for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["WORK", "python_of"]

WORK = Path(__file__).parent / ".work"
REQUIREMENTS = {
    "feast": ["feast[duckdb,redis]==0.67.*"],
    "mlflow": ["mlflow>=3,<4", "psycopg2-binary"],
}


def python_of(peer: str) -> str:
    """The interpreter that has the peer installed: HEADRACE_BENCH_FEAST, HEADRACE_BENCH_MLFLOW, or one made now."""
    given = os.environ.get(f"HEADRACE_BENCH_{peer.upper()}")
    if given:
        return given
    folder = WORK / peer
    python = folder / "bin" / "python"
    ready = folder / ".ready"
    wanted = "\n".join(REQUIREMENTS[peer])
    if not ready.exists() or ready.read_text(encoding="utf-8") != wanted:
        print(f"installing {' '.join(REQUIREMENTS[peer])} into benchmarks/.work/{peer}")
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS[peer]], check=True)
        ready.write_text(wanted, encoding="utf-8")
    return str(python)
