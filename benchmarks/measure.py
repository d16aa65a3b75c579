"""How a benchmark says what it measured: one line a comparison, printed and kept for the table at the end of `make bench`."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["compare", "median_seconds"]


def median_seconds(work: Callable[[], object], repeat: int = 5) -> float:
    """The median wall time of a few calls, in seconds."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def compare(case: str, ours: float, peer: str, theirs: float, *, at_most: float) -> bool:
    """Print how our seconds compare with a peer's; `at_most` is the highest share of theirs that the claim allows.

    Returns whether the claim holds. A claim of being 5 times faster is `at_most=0.2`; of being within 1.2 times, `at_most=1.2`.
    """
    share = ours / theirs
    held = share <= at_most
    speed = f"{1 / share:.1f}x faster" if share < 1 else f"{share:.2f}x slower"
    times = f"{_shown(ours)} against {_shown(theirs)} of {peer}"
    print(f"  {'ok  ' if held else 'MISS'} {case}: {times}, {speed} (claimed: {_claim(at_most)})", flush=True)
    results = os.environ.get("HEADRACE_BENCH_RESULTS")
    if results:
        row = {
            "case": case,
            "seconds": ours,
            "peer": peer,
            "peer_seconds": theirs,
            "share": share,
            "at_most": at_most,
            "held": held,
        }
        with Path(results).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    return held


def _claim(at_most: float) -> str:
    return f"at least {1 / at_most:.4g}x faster" if at_most < 1 else f"within {at_most:.4g}x"


def _shown(seconds: float) -> str:
    for scale, unit in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
