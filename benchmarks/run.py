"""`make bench`: runs every benchmark that states a claim, one after the other, and ends with a table of the ratios.

    python benchmarks/run.py                 all of them
    python benchmarks/run.py import_time     those named; with --keep their results are kept as those of a whole run are

A benchmark is a script beside this one with a line `CLAIM = "..."`. It times the peer and ours in turn in one run, and tells
each comparison with `measure.compare`. The results of a whole run go to benchmarks/results/ with the machine and the commit.
"""

from __future__ import annotations

import ast
import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent


def claim_of(path: Path) -> str | None:
    """The claim that a benchmark states; None if the file isn't one."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "CLAIM":
            return ast.literal_eval(node.value)
    return None


def machine() -> dict[str, object]:
    """Where and of what these are the numbers."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load": round(os.getloadavg()[0], 1),
    }


def run(path: Path, claim: str, scratch: Path) -> dict[str, object]:
    """Run one benchmark; returns its comparisons and whether it came to its end."""
    print(f"\n{path.stem}: {claim}", flush=True)
    scratch.unlink(missing_ok=True)
    start = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, path], cwd=HERE, env={**os.environ, "HEADRACE_BENCH_RESULTS": str(scratch)}, check=False
    )
    rows = [json.loads(line) for line in scratch.read_text(encoding="utf-8").splitlines()] if scratch.exists() else []
    taken = time.perf_counter() - start
    return {"benchmark": path.stem, "claim": claim, "seconds": taken, "finished": ended.returncode == 0, "comparisons": rows}


def table(done: list[dict]) -> list[str]:
    """The comparisons, one a line."""
    lines = []
    for one in done:
        if not one["finished"]:
            lines.append(f"MISS  {one['benchmark']} stopped with an error")
        for row in one["comparisons"]:
            ratio = row["peer_seconds"] / row["seconds"]
            lines.append(
                f"{'ok  ' if row['held'] else 'MISS'}  {ratio:8.2f}x  {one['benchmark']}: {row['case']}, against {row['peer']}"
            )
    return lines


def main(arguments: list[str]) -> int:
    names = [name for name in arguments if name != "--keep"]
    claims = {path: claim_of(path) for path in sorted(HERE.glob("*.py"))}
    chosen = {path: claim for path, claim in claims.items() if claim and (not names or path.stem in names)}
    if not chosen:
        print(f"no benchmark named {names}; there is: {', '.join(path.stem for path, claim in claims.items() if claim)}")
        return 2
    work = HERE / ".work"
    work.mkdir(exist_ok=True)
    done = [run(path, claim, work / "comparisons.jsonl") for path, claim in chosen.items()]
    if not names or "--keep" in arguments:
        keep(done, names)
    print("\npeer's time over ours")
    print("\n".join(table(done)))
    return 0 if all(one["finished"] for one in done) else 1


def keep(done: list[dict], names: list[str]) -> None:
    """Write the results of a whole run, or of those named, down."""
    about = machine()
    results = HERE / "results" / f"{'-'.join([about['time'][:10], str(about['commit'])[:10], *names])}.json"
    results.parent.mkdir(exist_ok=True)
    results.write_text(json.dumps({**about, "benchmarks": done}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
