"""A contest of several ways to do one thing: runs in turn in processes of their own, medians and peak memory, a table, a claim.

A benchmark file is both the runner and the worker: the runner starts it again for each contestant, `--worker NAME CASE`, so
that one's memory and caches are its own. A worker prints one line of JSON. Everything made is kept under `.work/`.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from measure import compare
from peers import python_of


@dataclass(frozen=True)
class Contestant:
    """One way to do the work.

    Attributes:
        name: as the table shows it.
        open: prepares a case, not timed, and returns the timed call. Its result is handed to the benchmark's check.
        ours: whether it's Headrace.
        feast: whether it runs in Feast's environment.
        environment: variables set for its process.
    """

    name: str
    open: Callable[[str], Callable[[], object]]
    ours: bool = False
    feast: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Benchmark:
    """A claim: cases, who competes in each, and how results are seen to be equal.

    Attributes:
        file: the benchmark's own file.
        cases: name to the names of its contestants.
        prepare: makes a case's data.
        check: a few figures of a result that every contestant must agree on.
        limit: seconds after which a contestant is stopped.
        once: cases so long that each contestant runs them a single time.
        against: case to a peer's name to the share of that peer's time that ours may take.
        bound: our time may be at most so many times that of the fastest peer; one for all cases, or by case.
    """

    file: str
    cases: Mapping[str, Sequence[str]]
    contestants: Sequence[Contestant]
    prepare: Callable[[str], None]
    check: Callable[[object], Sequence[float]]
    bound: float | Mapping[str, float]
    limit: int = 600
    against: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    once: Sequence[str] = ()

    def main(self) -> None:
        """Run as the command line says: `[CASE …] [--rounds N] [--calls N] [--only NAME …]`."""
        parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
        parser.add_argument("cases", nargs="*", help=f"of {', '.join(self.cases)}; default all")
        parser.add_argument("--rounds", type=int, default=3, help="processes per contestant")
        parser.add_argument("--calls", type=int, default=3, help="timed calls per process")
        parser.add_argument("--only", nargs="*", help="contestants")
        parser.add_argument("--worker", help=argparse.SUPPRESS)
        options = parser.parse_args()
        if options.worker:
            self._work(options.worker, options.cases[0], options.calls)
            return
        for case in options.cases or self.cases:
            self._compare(case, options)

    def _work(self, name: str, case: str, calls: int) -> None:
        contestant = next(one for one in self.contestants if one.name == name)
        run = contestant.open(case)
        seconds, cpu, figures = [], [], []
        for _ in range(calls):
            gc.collect()
            began, worked = time.perf_counter(), time.process_time()
            result = run()
            seconds.append(time.perf_counter() - began)
            cpu.append(time.process_time() - worked)
            figures = [round(float(value), 3) for value in self.check(result)]
            del result
        print(json.dumps({"seconds": seconds, "cpu": cpu, "peak_mb": peak_mb(), "check": figures}), flush=True)

    def _compare(self, case: str, options: argparse.Namespace) -> None:
        self.prepare(case)
        names = [name for name in self.cases[case] if not options.only or name in options.only]
        runs: dict[str, list[dict]] = {name: [] for name in names}
        rounds, calls = (1, 1) if case in self.once else (options.rounds, options.calls)
        for _ in range(rounds):
            for name in names:  # in turn, so that a noisy moment hits everyone
                if not any("error" in run for run in runs[name]):
                    runs[name].append(self._start(name, case, calls))
        rows = [summary(name, runs[name]) for name in names]
        fastest = min((row["seconds"] for row in rows if row["seconds"] and not self._named(row["name"]).ours), default=None)
        for row in rows:
            row["ratio"] = round(row["seconds"] / fastest, 2) if fastest and row["seconds"] else None
        show(
            f"{Path(self.file).stem}: {case} (ours at most {self.bound_of(case):.3g} x the fastest peer)",
            rows,
            {n: self._named(n).ours for n in names},
        )
        self._claim(case, rows)

    def bound_of(self, case: str) -> float:
        """Our time may be at most so many times that of the fastest peer."""
        return self.bound if isinstance(self.bound, float) else self.bound[case]

    def _claim(self, case: str, rows: Sequence[dict]) -> None:
        """Tell each of our contestants' times against that of the fastest peer."""
        peers = [row for row in rows if row["seconds"] and not self._named(row["name"]).ours]
        fastest = min(peers, key=lambda row: row["seconds"], default=None)
        for row in rows:
            if self._named(row["name"]).ours and fastest and row["seconds"]:
                named = case if row["name"] == "headrace" else f"{case}, {row['name']}"
                compare(named, row["seconds"], fastest["name"], fastest["seconds"], at_most=self.bound_of(case))
        ours = next((row["seconds"] for row in rows if row["name"] == "headrace"), None)
        for row in rows:
            at_most = self.against.get(case, {}).get(row["name"])
            if at_most and ours and (row["seconds"] or row["error"].startswith(">")):  # stopped at the limit: at least so long
                compare(f"{case}, against {row['name']}", ours, row["name"], row["seconds"] or self.limit, at_most=at_most)

    def _start(self, name: str, case: str, calls: int) -> dict:
        contestant = self._named(name)
        python = python_of("feast") if contestant.feast else sys.executable
        command = [python, self.file, case, "--worker", name, "--calls", str(calls)]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=self.limit,
                check=True,
                env={**os.environ, **contestant.environment},
            )
        except subprocess.TimeoutExpired:
            return {"error": f"> {self.limit} s"}
        except subprocess.CalledProcessError as error:
            print(error.stderr[-2000:], file=sys.stderr)
            return {"error": "failed"}
        return json.loads(done.stdout.splitlines()[-1])

    def _named(self, name: str) -> Contestant:
        return next(one for one in self.contestants if one.name == name)


def summary(name: str, runs: Sequence[dict]) -> dict:
    """The median time of all calls, on the wall and of all cores, the highest peak, and what the results added up to."""
    good = [run for run in runs if "error" not in run]
    errors = [run["error"] for run in runs if "error" in run]
    seconds, cpu = ([call for run in good for call in run[kind]] for kind in ("seconds", "cpu"))
    return {
        "name": name,
        "seconds": round(statistics.median(seconds), 3) if seconds else None,
        "best": round(min(seconds), 3) if seconds else None,
        "cpu": round(statistics.median(cpu), 3) if cpu else None,
        "peak_mb": max((run["peak_mb"] for run in good), default=None),
        "check": good[0]["check"] if good else None,
        "error": errors[0] if errors else "",
    }


def show(title: str, rows: Sequence[dict], ours: Mapping[str, bool]) -> None:
    """Print the rows as a table, fastest first."""
    from rich.console import Console
    from rich.table import Table

    table = Table("", "median s", "best s", "cpu s", "x fastest peer", "peak MB", "check", title=title)
    for row in sorted(rows, key=lambda row: row["seconds"] or float("inf")):
        figures = row["error"] or " ".join(f"{value:.12g}" for value in row["check"] or ())
        cells = [str("" if row[key] is None else row[key]) for key in ("name", "seconds", "best", "cpu", "ratio", "peak_mb")]
        table.add_row(*cells, figures, style="bold" if ours[row["name"]] else "")
    Console(width=150).print(table)


def peak_mb() -> int | None:
    """The most memory that this process held. Linux tells it without what the runner held before it started this process."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(
            int(line.split()[1]) >> 10 for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM")
        )
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 20


def once(path: Path, make: Callable[[Path], None]) -> Path:
    """The path, made if it isn't there: whole, or not at all."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"unfinished-{os.getpid()}-{path.name}")
        make(unfinished)
        unfinished.rename(path)
    return path
