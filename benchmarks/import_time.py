"""How long `import headrace` takes in a fresh interpreter, against `import mlflow` and `import feast`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from measure import compare
from peers import python_of

CLAIM = "import headrace takes under 150 ms, and a fifth of the time of import mlflow or import feast"
REPEAT = 7


def seconds(python: str, statement: str) -> float:
    """The time of one statement in a fresh interpreter, beyond what starting one takes. The disk cache is warm."""

    def run(code: str) -> float:
        start = time.perf_counter()
        subprocess.run([python, "-c", code], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - start

    run(statement)
    return statistics.median(run(statement) - run("pass") for _ in range(REPEAT))


def main() -> None:
    ours = seconds(sys.executable, "import headrace")
    compare("import headrace", ours, "the budget", 0.150, at_most=1.0)
    for peer in ("mlflow", "feast"):
        compare("import headrace", ours, f"import {peer}", seconds(python_of(peer), f"import {peer}"), at_most=0.2)


if __name__ == "__main__":
    main()
