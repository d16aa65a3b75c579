"""Gates: the written conditions of a promotion, and the report of what was measured against them. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from headrace.errors import InvalidInputError
from headrace.models.text import number, table

__all__ = ["LOSSES", "Condition", "Evaluation", "Gate", "GateReport", "check_gates", "judge"]

LOSSES = frozenset({"log_loss", "brier", "rmse", "mae", "mse", "loss"})
"""Metrics of which less is better unless a gate says otherwise."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A condition that a version must meet to reach Production.

    Args:
        metric: name of the figure, for example `auc`.
        higher_is_better: default: False for log_loss, brier, rmse, mae, mse and loss, True for every other metric.
        min_improvement: by how much the version must be better than the champion on the same data; 0 asks for at least as good,
            a negative number tolerates that loss, None doesn't compare with the champion.
        at_least, at_most: bounds of the figure itself, inclusive.
        dataset: name or fingerprint of the data to measure on. Default: the data evaluated last for which the figures exist.

    Raises:
        InvalidInputError: the gate asks for nothing, or for a number that isn't one.
    """

    metric: str
    higher_is_better: bool | None = field(default=None, kw_only=True)
    min_improvement: float | None = field(default=0.0, kw_only=True)
    at_least: float | None = field(default=None, kw_only=True)
    at_most: float | None = field(default=None, kw_only=True)
    dataset: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.metric, str) or not self.metric.strip():
            msg = f"a gate needs the name of a metric, not {self.metric!r}; for example Gate('auc', min_improvement=0.01)"
            raise InvalidInputError(msg)
        numbers = {"min_improvement": self.min_improvement, "at_least": self.at_least, "at_most": self.at_most}
        for name, value in numbers.items():
            if value is not None and not _is_finite(value):
                msg = f"gate on {self.metric!r}: {name} must be a finite number or None, not {value!r}"
                raise InvalidInputError(msg)
        if all(value is None for value in numbers.values()):
            msg = f"gate on {self.metric!r} asks for nothing; give min_improvement, at_least or at_most"
            raise InvalidInputError(msg)

    @property
    def rises(self) -> bool:
        """More is better."""
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
        dataset: what people call the data.
        fingerprint: hash of the data; figures are comparable when fingerprint and label agree.
        label: the column that held the truth.
        rows: how many rows were predicted.
        figures: metric to value.
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
    """

    metric: str
    rule: str
    figure: float | None
    threshold: float | None
    champion: float | None
    dataset: str
    passed: bool
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """What was measured before a promotion, and the decision.

    Attributes:
        name, version: the candidate.
        champion: the version in Production then; None if there was none.
        conditions: each condition with its figures.
        forced: promoted although a condition failed.
        note: what else there is to say.
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


def judge(
    gates: Iterable[Gate],
    candidate: Sequence[Evaluation],
    champion: Sequence[Evaluation] | None,
    logged: Mapping[str, float],
) -> tuple[Condition, ...]:
    """Every condition of the gates, judged.

    Args:
        gates: what is asked.
        candidate: the candidate's evaluations, oldest first.
        champion: the champion's, oldest first; None if there is no champion.
        logged: metrics of the candidate's run. They don't say on which data, so they count for bounds alone.
    """
    return tuple(condition for gate in gates for condition in _conditions(gate, candidate, champion, logged))


def _conditions(
    gate: Gate, candidate: Sequence[Evaluation], champion: Sequence[Evaluation] | None, logged: Mapping[str, float]
) -> Iterable[Condition]:
    mine = [evaluation for evaluation in candidate if _measures(evaluation, gate)]
    if gate.min_improvement is not None:
        yield _first(gate, mine) if champion is None else _improvement(gate, mine, champion)
    if gate.at_least is not None:
        yield _bound(gate, mine, logged, gate.at_least, least=True)
    if gate.at_most is not None:
        yield _bound(gate, mine, logged, gate.at_most, least=False)


def _first(gate: Gate, mine: Sequence[Evaluation]) -> Condition:
    newest = mine[-1] if mine else None
    return Condition(
        metric=gate.metric,
        rule=_improvement_rule(gate),
        figure=newest.figures[gate.metric] if newest else None,
        threshold=None,
        champion=None,
        dataset=newest.dataset if newest else "",
        passed=True,
        explanation="passes because there is no champion to compare with: this is the first version in Production",
    )


def _improvement(gate: Gate, mine: Sequence[Evaluation], champion: Sequence[Evaluation]) -> Condition:
    theirs = {evaluation.data: evaluation for evaluation in champion if _measures(evaluation, gate)}
    shared = next((evaluation for evaluation in reversed(mine) if evaluation.data in theirs), None)
    if shared is None:
        return _not_comparable(gate, mine, champion)
    figure, against = shared.figures[gate.metric], theirs[shared.data].figures[gate.metric]
    margin = gate.min_improvement or 0.0
    threshold = against + margin if gate.rises else against - margin
    passed = _reaches(figure, threshold, least=gate.rises)
    gain = figure - against if gate.rises else against - figure
    return Condition(
        metric=gate.metric,
        rule=_improvement_rule(gate),
        figure=figure,
        threshold=threshold,
        champion=against,
        dataset=shared.dataset,
        passed=passed,
        explanation=_improvement_text(gain, margin, passed=passed),
    )


def _not_comparable(gate: Gate, mine: Sequence[Evaluation], champion: Sequence[Evaluation]) -> Condition:
    newest = mine[-1] if mine else None
    where = f" on {gate.dataset!r}" if gate.dataset else ""
    lacking = "the version" if newest is None else "the champion"
    if newest is not None and any(gate.metric in evaluation.figures for evaluation in champion):
        reason = f"the version and the champion have no {gate.metric}{where} measured on the same data"
    else:
        reason = f"{lacking} has no {gate.metric}{where}"
    return Condition(
        metric=gate.metric,
        rule=_improvement_rule(gate),
        figure=newest.figures[gate.metric] if newest else None,
        threshold=None,
        champion=None,
        dataset=newest.dataset if newest else "",
        passed=False,
        explanation=f"not comparable: {reason}; measure both on one set: "
        f"store.models.evaluate(NAME, VERSION, data, label=..., metrics=[{gate.metric!r}]) for the version and for '@champion'",
    )


def _bound(gate: Gate, mine: Sequence[Evaluation], logged: Mapping[str, float], threshold: float, *, least: bool) -> Condition:
    figure, dataset = None, ""
    if mine:
        figure, dataset = mine[-1].figures[gate.metric], mine[-1].dataset
    elif gate.dataset is None and gate.metric in logged:
        figure, dataset = logged[gate.metric], "as its run logged it"
    passed = figure is not None and _reaches(figure, threshold, least=least)
    return Condition(
        metric=gate.metric,
        rule=f"{gate.metric} {'at least' if least else 'at most'} {number(threshold)}",
        figure=figure,
        threshold=threshold,
        champion=None,
        dataset=dataset,
        passed=passed,
        explanation=_bound_text(gate, figure, threshold, passed=passed),
    )


def _measures(evaluation: Evaluation, gate: Gate) -> bool:
    asked = gate.dataset is None or gate.dataset in (evaluation.dataset, evaluation.fingerprint)
    return asked and gate.metric in evaluation.figures


def _reaches(figure: float, threshold: float, *, least: bool) -> bool:
    # 0.81 + 0.01 is 0.8200000000000001 in binary: a figure that people would call equal isn't refused for its last digit.
    if math.isclose(figure, threshold, rel_tol=1e-12):
        return True
    return figure > threshold if least else figure < threshold


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _improvement_rule(gate: Gate) -> str:
    margin = gate.min_improvement or 0.0
    better = "higher" if gate.rises else "lower"
    if margin > 0:
        return f"{gate.metric} {better} than the champion's by {number(margin)}"
    worse = f", {number(-margin)} worse at most" if margin < 0 else ""
    return f"{gate.metric} as good as the champion's{worse or f' or {better}'}"


def _improvement_text(gain: float, margin: float, *, passed: bool) -> str:
    if math.isnan(gain):
        return "a figure isn't a number; check the model's predictions"
    side = "better than" if gain >= 0 else "worse than"
    text = f"{number(abs(gain))} {side} the champion on the same data"
    return text if passed else f"{text}, but {number(margin)} better is asked for"


def _bound_text(gate: Gate, figure: float | None, threshold: float, *, passed: bool) -> str:
    if figure is None:
        where = f" on {gate.dataset!r}" if gate.dataset else ""
        return (
            f"not measured{where}; measure it: store.models.evaluate(NAME, VERSION, data, label=..., metrics=[{gate.metric!r}])"
        )
    if math.isnan(figure):
        return "the figure isn't a number; check the model's predictions"
    return f"{number(figure)} is within the bound" if passed else f"{number(figure)} misses the bound {number(threshold)}"


def _row(condition: Condition) -> tuple[str, ...]:
    mark = "ok" if condition.passed else "FAILED"
    figures = (number(condition.figure), number(condition.threshold), number(condition.champion))
    return (mark, condition.rule, *figures, condition.dataset or "-")
