"""MLflow's ways to write values, and ours."""

from __future__ import annotations

import math
import sys

from headrace.importers.source import LAST_MOMENT
from headrace.tracking.run import ACTIVE, DELETED, Metric

__all__ = ["STATUSES", "finite_or_infinite", "metric", "micros", "stage_of"]

STATUSES = {0: "UNSPECIFIED", 1: "PENDING", 2: "READY", 3: "UPLOAD_FAILED"}
"""A logged model's status, by the number that the database holds."""


def micros(millis: int | None) -> int | None:
    """Milliseconds as microseconds; a moment beyond what 64 bits hold, such as nanoseconds by mistake, as the last one."""
    return None if millis is None else min(max(int(millis) * 1000, -LAST_MOMENT), LAST_MOMENT)


def stage_of(text: str | None) -> str:
    """The lifecycle stage: active or deleted."""
    return DELETED if text == DELETED else ACTIVE


def finite_or_infinite(value: float) -> float:
    """The number that MLflow means: it keeps infinity as the largest number there is."""
    return math.copysign(math.inf, value) if abs(value) >= sys.float_info.max else float(value)


def metric(key: str, value: float, millis: int | None, step: int | None) -> Metric:
    """A point out of MLflow's fields."""
    return Metric(key, finite_or_infinite(value), micros(millis) or 0, int(step or 0))
