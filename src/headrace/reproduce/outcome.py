"""What two runs measured, side by side, within tolerances. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from headrace.tracking.run import SYSTEM_METRICS, MetricSummary, Run

__all__ = ["Difference", "compare_outcomes"]


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that came out otherwise.

    Attributes:
        kind: metric, param or data.
        name: its name; of a metric with which of its values, for example `loss (lowest)`.
        before, after: of the run, and of its reproduction; None if it isn't there.
    """

    kind: str
    name: str
    before: str | float | None
    after: str | float | None


def compare_outcomes(
    before: Run,
    after: Run,
    summaries: tuple[Mapping[str, MetricSummary], Mapping[str, MetricSummary]],
    tolerance: float,
    own: Mapping[str, float],
) -> tuple[list[Difference], int]:
    """What differs between a run and its reproduction, and how many metrics were compared.

    Args:
        summaries: of all points, of both.
        tolerance: relative: two numbers are the same if they lie within this share of the larger one.
        own: tolerances of single metrics.
    """
    found = [
        Difference("param", key, before.params.get(key), after.params.get(key))
        for key in sorted({*before.params, *after.params})
        if before.params.get(key) != after.params.get(key)
    ]
    keys = sorted(key for key in {*before.metrics, *after.metrics} if not key.startswith(SYSTEM_METRICS))  # never the same twice
    for key in keys:
        pairs: dict[str, tuple[float | None, float | None]] = {
            "last": (before.metrics.get(key), after.metrics.get(key)),
            "lowest": (_low(summaries[0], key), _low(summaries[1], key)),
            "highest": (_high(summaries[0], key), _high(summaries[1], key)),
        }
        wrong = {name: pair for name, pair in pairs.items() if not _close(*pair, own.get(key, tolerance))}
        if len({pairs[name] for name in wrong}) == 1:
            wrong = {"": next(iter(wrong.values()))}
        found += [Difference("metric", f"{key} ({name})" if name else key, *pair) for name, pair in wrong.items()]
    theirs = {given.name: given.digest for given in after.inputs}
    found += [
        Difference("data", given.name, given.digest[:12], theirs.get(given.name, "")[:12] or None)
        for given in before.inputs
        if theirs.get(given.name) != given.digest
    ]
    return found, len(keys)


def _low(side: Mapping[str, MetricSummary], key: str) -> float | None:
    return side[key].low if key in side else None


def _high(side: Mapping[str, MetricSummary], key: str) -> float | None:
    return side[key].high if key in side else None


def _close(before: float | None, after: float | None, tolerance: float) -> bool:
    if before is None or after is None:
        return before is after
    if math.isnan(before) or math.isnan(after):
        return math.isnan(before) and math.isnan(after)
    return math.isclose(before, after, rel_tol=tolerance, abs_tol=0.0)
