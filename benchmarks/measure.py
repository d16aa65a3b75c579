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


def compare(case: str, ours: float, peer: str, theirs: float, *, at_most: float, unit: str = "s") -> bool:
    """Print how our seconds, or what else is counted in `unit`, compare with a peer's.

    `at_most` is the highest share of theirs that the claim allows.

    Returns whether the claim holds. A claim of being 5 times faster is `at_most=0.2`; of being within 1.2 times, `at_most=1.2`.
    """
    share = ours / theirs
    held = share <= at_most
    better, worse = ("faster", "slower") if unit == "s" else ("less", "more")
    ratio = f"{1 / share:.1f}x {better}" if share < 1 else f"{share:.2f}x {worse}"
    figures = f"{_shown(ours, unit)} against {_shown(theirs, unit)} of {peer}"
    print(f"  {'ok  ' if held else 'MISS'} {case}: {figures}, {ratio} (claimed: {_claim(at_most, better)})", flush=True)
    results = os.environ.get("HEADRACE_BENCH_RESULTS")
    if results:
        row = {
            "case": case,
            "seconds": ours,
            "peer": peer,
            "peer_seconds": theirs,
            **({} if unit == "s" else {"unit": unit}),
            "share": share,
            "at_most": at_most,
            "held": held,
        }
        with Path(results).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    return held


def _claim(at_most: float, better: str) -> str:
    return f"at least {1 / at_most:.4g}x {better}" if at_most < 1 else f"within {at_most:.4g}x"


def _shown(seconds: float, unit: str) -> str:
    if unit != "s":
        return f"{seconds:.3g} {unit}"
    for scale, unit in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
