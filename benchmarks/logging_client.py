"""The logging client: what a call costs while the server is frozen, how fast a batch is taken in, how much memory the loop needs.

python benchmarks/logging_client.py
"""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

import headrace as hr
from headrace.tracking.client.writer import NOWHERE, POINT, RunWriter

CALLS = 1_000_000
ROWS_PER_SECOND, SECONDS = 50_000, 15
FLOOD = 10_000_000
BATCH, BATCHES, KEYS = 50_000, 8, 10


@contextlib.contextmanager
def frozen_server():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def log_calls(run) -> dict[str, float]:
    run.log_metric("m", 0.0)
    took = np.empty(CALLS, np.int64)
    clock = time.perf_counter_ns
    for step in range(CALLS):
        began = clock()
        run.log_metric("m", 0.5, step=step)
        took[step] = clock() - began
    return {"p50_us": np.median(took) / 1e3, "p999_us": np.quantile(took, 0.999) / 1e3, "max_ms": took.max() / 1e6}


def memory(run) -> float:
    process = psutil.Process()
    before, most = process.memory_info().rss, 0
    for second in range(SECONDS):
        began = time.perf_counter()
        for step in range(ROWS_PER_SECOND):
            run.log_metric("rows", 0.5, step=second * ROWS_PER_SECOND + step)
        most = max(most, process.memory_info().rss)
        time.sleep(max(0.0, 1 - (time.perf_counter() - began)))
    return (most - before) / 1e6


def flood(run) -> tuple[float, int]:
    """Points as fast as a loop can log them, and nobody to take them: growth of memory in MB, and points given up."""
    process = psutil.Process()
    before, most = process.memory_info().rss, 0
    for step in range(FLOOD):
        run.log_metric("flood", 0.5, step=step)
        if step % 50_000 == 0:
            most = max(most, process.memory_info().rss)
    return (most - before) / 1e6, run._writer.spool.thinned + run._writer.given_up  # noqa: SLF001


def batches(folder: Path) -> float:
    """Points a second that a server's core takes in: the same call that its route makes, on SQLite with full sync."""
    with hr.connect(folder) as store:
        run = store.start_run(capture=False, nested=True)
        run.flush()
        now, series = time.time_ns() // 1000, [run._writer.series(f"m{key}", NOWHERE) for key in range(KEYS)]  # noqa: SLF001
        made = []
        for number in range(BATCHES):
            points = [
                POINT.pack(series[step % KEYS], now + number * BATCH + step, number * BATCH + step, 0.5) for step in range(BATCH)
            ]
            made.append([(number + 1, "metrics", RunWriter._columns(run._writer, points))])  # noqa: SLF001 - as the spool has it
        began = time.process_time()
        for entries in made:
            store.runs.sink.append(run.id, "benchmark", entries)
        seconds = time.process_time() - began
        run.end()
        return BATCH * BATCHES / seconds


def main() -> None:
    with tempfile.TemporaryDirectory() as name, frozen_server() as url:
        os.chdir(name)
        Path("headrace.toml").touch()
        store = hr.connect(url)
        began = time.perf_counter()
        run = store.start_run(capture=False, nested=True)
        print(f"start, server frozen: {1e3 * (time.perf_counter() - began):.0f} ms")
        found = log_calls(run)
        print(f"log_metric, server frozen, {CALLS:,} calls: " + "  ".join(f"{key} {value:.2f}" for key, value in found.items()))
        print(f"memory at {ROWS_PER_SECOND:,} rows/s for {SECONDS} s: +{memory(run):.0f} MB")
        grown, lost = flood(run)
        print(f"memory, {FLOOD:,} points at once, nobody takes them: +{grown:.0f} MB, {lost} given up")
        print(f"batch path: {batches(Path(name) / 'server'):,.0f} points per second of a core")
        with hr.connect(Path(name) / "server") as here:
            starts = []
            for _ in range(10):
                began = time.perf_counter()
                started = here.start_run(capture=True, nested=True)
                starts.append(1e3 * (time.perf_counter() - began))
                started.end()
            print(f"start of a run, embedded, with capture: first {starts[0]:.1f} ms, median {np.median(starts):.1f} ms")
        os._exit(0)  # the frozen server would hold up the end


if __name__ == "__main__":
    main()
