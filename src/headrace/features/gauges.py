"""What a monitoring system is shown of features: freshness and quality as named figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from headrace.features.freshness import Freshness
from headrace.features.quality import Check

__all__ = ["Gauge", "gauges"]


@dataclass(frozen=True, slots=True)
class Gauge:
    """One figure.

    Attributes:
        name: of its family; figures of one name have the same labels.
        help: what it is, in a sentence.
        kind: a counter only grows, and starts anew with the catalog.
        labels: what it is about.
    """

    name: str
    help: str
    labels: Mapping[str, str]
    value: float
    kind: Literal["gauge", "counter"] = "gauge"


def gauges(freshness: Mapping[str, Freshness], checks: Sequence[Check]) -> Iterator[Gauge]:
    """The figures, those of one name together. What isn't known has none."""
    for name, text, figure in _FRESHNESS:
        for group, item in freshness.items():
            value = figure(item)
            if value is not None:
                yield Gauge(name, text, {"group": group}, float(value))
    for check in (check for check in checks if check.outcome != "feature"):
        labels = {"source": _name(check), "expectation": check.expectation, "outcome": check.outcome}
        yield Gauge("headrace_rows_broken", "Rows that broke an expectation.", labels, float(check.broken), "counter")
    looked_at = [check for check in checks if check.outcome == "feature" and check.at is not None]
    for check in looked_at:
        labels = {"group": _name(check), "expectation": check.expectation}
        yield Gauge("headrace_values_broken", "Values of the newest sample that break it.", labels, float(check.broken))
    for check in looked_at:
        labels = {"group": _name(check), "expectation": check.expectation}
        yield Gauge("headrace_values_checked", "Values of the newest sample.", labels, float(check.checked or 0))


def _name(check: Check) -> str:
    return check.subject.partition(":")[2]


_FRESHNESS: tuple[tuple[str, str, Callable[[Freshness], float | None]], ...] = (
    ("headrace_group_age_seconds", "Now minus the newest event online.", lambda item: item.age),
    ("headrace_group_age_limit_seconds", "The age that the group allows.", lambda item: item.limit),
    ("headrace_group_stale", "Whether it is older than it may be.", lambda item: item.stale),
    ("headrace_group_lag_rows", "Rows of the stream that aren't online yet.", lambda item: item.lag),
    ("headrace_group_waiting", "Whether the lake holds batches that aren't online yet.", lambda item: item.waiting),
    ("headrace_group_keys", "Entities online.", lambda item: item.keys),
    ("headrace_group_late_rows", "Rows that came later than allowed for.", lambda item: item.late),
    ("headrace_group_lake_rows", "Rows of its source in the lake.", lambda item: item.rows),
)
