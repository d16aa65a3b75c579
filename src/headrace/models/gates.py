"""Gates: the written conditions of a promotion, and the report of what was measured against them. Pure."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from headrace.errors import InvalidInputError
from headrace.models.text import number, table

__all__ = [
    "APPROVALS",
    "FACTS",
    "LATENCIES",
    "LOSSES",
    "REPRODUCIBLE",
    "SCHEMA",
    "SIZE",
    "Condition",
    "Evaluation",
    "Gate",
    "GateReport",
    "check_gates",
]

SIZE, SCHEMA, REPRODUCIBLE, APPROVALS = "size_mb", "schema", "reproducible", "approvals"
FACTS = (SIZE, SCHEMA, REPRODUCIBLE, APPROVALS)
"""Figures that aren't measured on data: they are properties of the version itself."""
LATENCIES = ("latency_p50_ms", "latency_p99_ms")
"""Figures of an evaluation: how long the model takes for one row, on the machine that evaluates it."""
LOSSES = frozenset({"log_loss", "brier", "rmse", "mae", "mse", "loss", SIZE, *LATENCIES})
"""Metrics that are better when lower, unless a gate says otherwise."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A condition that a version must meet to reach Production.

    Args:
        metric: name of the figure, for example `auc`.
        higher_is_better: Default: False for log_loss, brier, rmse, mae, mse and loss, True for every other metric.
        min_improvement: by how much the version must be better than the champion on the same data; 0 means at least as good, a
            negative number allows that loss, None means no comparison with the champion.
        at_least, at_most: bounds of the figure itself, inclusive.
        dataset: name or fingerprint of the data to measure on. Default: the data evaluated last for which the figures exist.
        confidence: the probability, such as 0.95, with which `min_improvement` must hold, by a paired bootstrap over the rows
            that both versions were evaluated on. Default: the figures alone decide.
        slice_tolerance: by how much the version may be worse than the champion in any slice that both were evaluated on.
        by_requester: for `Gate.approvals`: whether the requester's own approval counts.

    Beside the metrics of an evaluation there are `Gate.latency`, `Gate.size`, `Gate.schema`, `Gate.reproducible` and
    `Gate.approvals`.

    Raises:
        InvalidInputError: the gate asks for nothing, or for a number that isn't one.
    """

    metric: str
    higher_is_better: bool | None = field(default=None, kw_only=True)
    min_improvement: float | None = field(default=0.0, kw_only=True)
    at_least: float | None = field(default=None, kw_only=True)
    at_most: float | None = field(default=None, kw_only=True)
    dataset: str | None = field(default=None, kw_only=True)
    confidence: float | None = field(default=None, kw_only=True)
    slice_tolerance: float | None = field(default=None, kw_only=True)
    by_requester: bool = field(default=False, kw_only=True)

    @classmethod
    def latency(cls, *, p99_ms: float | None = None, p50_ms: float | None = None) -> Gate:
        """The model answers one row within so many milliseconds, where it was evaluated. Give one of the two."""
        if (p99_ms is None) == (p50_ms is None):
            msg = "a gate on latency takes p99_ms or p50_ms, for example Gate.latency(p99_ms=20)"
            raise InvalidInputError(msg)
        name = LATENCIES[1] if p50_ms is None else LATENCIES[0]
        return cls(name, min_improvement=None, at_most=p99_ms if p50_ms is None else p50_ms)

    @classmethod
    def size(cls, *, at_most_mb: float) -> Gate:
        """The version's files are together no larger than so many megabytes."""
        return cls(SIZE, min_improvement=None, at_most=at_most_mb)

    @classmethod
    def schema(cls) -> Gate:
        """The view that the version reads is there, and gives every column that the model takes, in a type that fits."""
        return cls(SCHEMA, min_improvement=None, at_least=1)

    @classmethod
    def reproducible(cls) -> Gate:
        """The version's commit is known, what wasn't committed is kept, and its training sets come out the same again."""
        return cls(REPRODUCIBLE, min_improvement=None, at_least=1)

    @classmethod
    def approvals(cls, count: int = 1, *, by_requester: bool = False) -> Gate:
        """So many people approved a request to move the version to Production."""
        return cls(APPROVALS, min_improvement=None, at_least=count, by_requester=by_requester)

    def __post_init__(self) -> None:
        if not isinstance(self.metric, str) or not self.metric.strip():
            msg = f"a gate needs the name of a metric, not {self.metric!r}; for example Gate('auc', min_improvement=0.01)"
            raise InvalidInputError(msg)
        numbers = {
            "min_improvement": self.min_improvement,
            "at_least": self.at_least,
            "at_most": self.at_most,
            "slice_tolerance": self.slice_tolerance,
        }
        for name, value in numbers.items():
            if value is not None and not _is_finite(value):
                msg = f"gate on {self.metric!r}: {name} must be a finite number or None, not {value!r}"
                raise InvalidInputError(msg)
        if all(value is None for value in numbers.values()):
            msg = f"gate on {self.metric!r} asks for nothing; give min_improvement, at_least or at_most"
            raise InvalidInputError(msg)
        if self.confidence is not None and not (_is_finite(self.confidence) and 0.5 <= self.confidence < 1):
            msg = f"gate on {self.metric!r}: confidence must be at least 0.5 and less than 1, not {self.confidence!r}"
            raise InvalidInputError(msg)
        if self.confidence is not None and self.min_improvement is None:
            msg = f"gate on {self.metric!r}: confidence is that of min_improvement, which isn't given"
            raise InvalidInputError(msg)

    @property
    def rises(self) -> bool:
        """Whether a higher figure is better."""
        return self.metric.lower() not in LOSSES if self.higher_is_better is None else self.higher_is_better

    def to_dict(self) -> dict[str, Any]:
        """The gate as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Gate:
        """The gate that `to_dict` wrote."""
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Figures of one version on one set of data.

    Attributes:
        name, version: the model version.
        dataset: the name of the data.
        fingerprint: hash of the data; figures are comparable when fingerprint and label agree.
        label: the column that held the truth.
        rows: how many rows were predicted.
        figures: metric to value.
        examples: SHA-256 of the Parquet file in the artifact store that holds each row's truth, prediction and slices, from which
            gates can be judged again; empty if it wasn't kept.
        slices: `column=value` to its figures, and its `rows`.
        user, time: who measured, and when in microseconds since 1970.
    """

    name: str
    version: int
    dataset: str
    fingerprint: str
    label: str
    rows: int
    figures: Mapping[str, float]
    user: str = ""
    time: int = 0
    examples: str = ""
    slices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def data(self) -> tuple[str, str]:
        """(fingerprint, label): equal for figures that may be compared."""
        return self.fingerprint, self.label

    def to_dict(self) -> dict[str, Any]:
        """The evaluation as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition of a gate, judged.

    Attributes:
        metric: name of the figure.
        rule: what is asked, in words.
        figure: the version's figure; None if it wasn't measured.
        threshold: what the figure had to reach; None if there was nothing to compare with.
        champion: the champion's figure on the same data; None if not compared.
        dataset: the data both figures were measured on; empty if none.
        passed: the decision.
        explanation: why, and what to do if it failed.
        confidence: the confidence that the gate asks for; None if it asks for none.
        low, high: the bounds of the improvement, each with that confidence.
    """

    metric: str
    rule: str
    figure: float | None
    threshold: float | None
    champion: float | None
    dataset: str
    passed: bool
    explanation: str
    confidence: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """What was measured before a promotion, and the decision.

    Attributes:
        name, version: the candidate.
        champion: the version in Production then; None if there was none.
        conditions: each condition with its figures.
        forced: promoted although a condition failed.
        note: a further remark, such as that the version is in Production already.
        time: microseconds since 1970.
    """

    name: str
    version: int
    champion: int | None
    conditions: tuple[Condition, ...] = ()
    forced: bool = False
    note: str = ""
    time: int = 0

    @property
    def passed(self) -> bool:
        """Every condition holds."""
        return all(condition.passed for condition in self.conditions)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {**asdict(self), "conditions": [asdict(condition) for condition in self.conditions], "passed": self.passed}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> GateReport:
        """The report that `to_dict` wrote."""
        rest = {name: value for name, value in values.items() if name not in ("passed", "conditions")}
        return cls(**rest, conditions=tuple(Condition(**condition) for condition in values["conditions"]))

    def __str__(self) -> str:
        if not self.conditions:
            return f"{self.name} version {self.version}: {self.note or 'no gate was asked'}"
        against = "no champion yet" if self.champion is None else f"champion: version {self.champion}"
        decision = "passed" if self.passed else "forced" if self.forced else "refused"
        lines = [f"{self.name} version {self.version} against its gates: {decision} ({against})"]
        lines.append(table(("", "condition", "figure", "needed", "champion", "data"), [_row(c) for c in self.conditions]))
        lines += [f"  {condition.metric}: {condition.explanation}" for condition in self.conditions]
        return "\n".join([*lines, *([f"  {self.note}"] if self.note else [])])


def check_gates(gates: Any) -> tuple[Gate, ...]:
    """The gates themselves. Raises InvalidInputError if they aren't a list of gates."""
    found = tuple(gates) if isinstance(gates, Iterable) and not isinstance(gates, str) else (gates,)
    for gate in found:
        if not isinstance(gate, Gate):
            msg = f"{gate!r} isn't a gate; give a list of gates, for example [hr.Gate('auc', min_improvement=0.01)]"
            raise InvalidInputError(msg)
    return found


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _row(condition: Condition) -> tuple[str, ...]:
    mark = "ok" if condition.passed else "FAILED"
    figures = (number(condition.figure), number(condition.threshold), number(condition.champion))
    return (mark, condition.rule, *figures, condition.dataset or "-")
