"""Judges every condition of the gates by what was measured and what is known. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from headrace.models.gates import APPROVALS, FACTS, Condition, Evaluation, Gate
from headrace.models.text import number

__all__ = ["Fact", "Interval", "Paired", "judge", "rules"]

SMALLEST_SLICE = 20
"""A slice of fewer rows says nothing."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure of a version that isn't measured on data, and a text about it."""

    figure: float
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class Interval:
    """The bounds that an improvement lies within, each with the confidence that was asked for."""

    low: float
    high: float


Paired = Callable[[Evaluation, Evaluation, Gate], Interval | str]
"""The interval of the first evaluation's improvement over the second; a text if it can't be told, saying why."""


def judge(
    gates: Iterable[Gate],
    candidate: Sequence[Evaluation],
    champion: Sequence[Evaluation] | None,
    logged: Mapping[str, float],
    facts: Callable[[Gate], Fact] | None = None,
    paired: Paired | None = None,
) -> tuple[Condition, ...]:
    """Judge every condition of the gates.

    Args:
        gates: the gates of the model.
        candidate: the candidate's evaluations, oldest first.
        champion: the champion's, oldest first; None if there is no champion.
        logged: metrics of the candidate's run. It isn't known on which data they were measured, so they count for bounds alone.
        facts: what is known of the candidate, for a gate on one of FACTS.
        paired: how sure an improvement is, for a gate with a confidence.
    """
    return tuple(condition for gate in gates for condition in _conditions(gate, candidate, champion, logged, facts, paired))


def rules(gate: Gate) -> list[str]:
    """What a gate asks, in words: one text for each of its conditions."""
    if gate.metric in FACTS:
        return [_fact_rule(gate, bound, least=least) for bound, least in _bounds(gate)]
    told = [_improvement_rule(gate)] * (gate.min_improvement is not None) + [_slice_rule(gate)] * (
        gate.slice_tolerance is not None
    )
    return told + [_bound_rule(gate, bound, least=least) for bound, least in _bounds(gate)]


def _bounds(gate: Gate) -> list[tuple[float, bool]]:
    return [(bound, least) for bound, least in ((gate.at_least, True), (gate.at_most, False)) if bound is not None]


def _bound_rule(gate: Gate, threshold: float, *, least: bool) -> str:
    return f"{gate.metric} {'at least' if least else 'at most'} {number(threshold)}"


def _conditions(
    gate: Gate,
    candidate: Sequence[Evaluation],
    champion: Sequence[Evaluation] | None,
    logged: Mapping[str, float],
    facts: Callable[[Gate], Fact] | None,
    paired: Paired | None,
) -> Iterable[Condition]:
    if gate.metric in FACTS:
        yield from _of_fact(gate, facts(gate) if facts else None)
        return
    mine = [evaluation for evaluation in candidate if _measures(evaluation, gate)]
    if gate.min_improvement is not None:
        yield _first(gate, mine) if champion is None else _improvement(gate, mine, champion, paired)
    if gate.slice_tolerance is not None:
        yield _first(gate, mine, slices=True) if champion is None else _slices(gate, mine, champion)
    if gate.at_least is not None:
        yield _bound(gate, mine, logged, gate.at_least, least=True)
    if gate.at_most is not None:
        yield _bound(gate, mine, logged, gate.at_most, least=False)


def _of_fact(gate: Gate, fact: Fact | None) -> Iterable[Condition]:
    for threshold, least in _bounds(gate):
        passed = fact is not None and _reaches(fact.figure, threshold, least=least)
        said = fact.explanation if fact else "it isn't known here; ask where the project is"
        yield Condition(
            metric=gate.metric,
            rule=_fact_rule(gate, threshold, least=least),
            figure=fact.figure if fact else None,
            threshold=threshold,
            champion=None,
            dataset="",
            passed=passed,
            explanation=said or _bound_text(gate, fact.figure if fact else None, threshold, passed=passed),
        )


def _fact_rule(gate: Gate, threshold: float, *, least: bool) -> str:
    if gate.metric == APPROVALS and least:
        return f"approved by {number(threshold)}{'' if gate.by_requester else ' other than who asked'}"
    known = {"schema": "the pinned view gives what the model takes", "reproducible": "code and data can be had again"}
    return known.get(gate.metric) or _bound_rule(gate, threshold, least=least)


def _first(gate: Gate, mine: Sequence[Evaluation], *, slices: bool = False) -> Condition:
    newest = mine[-1] if mine else None
    return Condition(
        metric=gate.metric,
        rule=_slice_rule(gate) if slices else _improvement_rule(gate),
        figure=newest.figures[gate.metric] if newest else None,
        threshold=None,
        champion=None,
        dataset=newest.dataset if newest else "",
        passed=True,
        explanation="passes because there is no champion to compare with: this is the first version in Production",
    )


def _shared(gate: Gate, mine: Sequence[Evaluation], champion: Sequence[Evaluation]) -> tuple[Evaluation, Evaluation] | None:
    """The newest evaluations of both on the same data."""
    theirs = {evaluation.data: evaluation for evaluation in champion if _measures(evaluation, gate)}
    return next(((evaluation, theirs[evaluation.data]) for evaluation in reversed(mine) if evaluation.data in theirs), None)


def _improvement(gate: Gate, mine: Sequence[Evaluation], champion: Sequence[Evaluation], paired: Paired | None) -> Condition:
    shared = _shared(gate, mine, champion)
    if shared is None:
        return _not_comparable(gate, mine, champion)
    figure, against = (evaluation.figures[gate.metric] for evaluation in shared)
    margin = gate.min_improvement or 0.0
    threshold = against + margin if gate.rises else against - margin
    passed = _reaches(figure, threshold, least=gate.rises)
    gain = figure - against if gate.rises else against - figure
    condition = Condition(
        metric=gate.metric,
        rule=_improvement_rule(gate),
        figure=figure,
        threshold=threshold,
        champion=against,
        dataset=shared[0].dataset,
        passed=passed,
        explanation=_improvement_text(gain, margin, passed=passed),
    )
    return condition if gate.confidence is None else _surely(gate, condition, shared, paired)


def _surely(gate: Gate, condition: Condition, shared: tuple[Evaluation, Evaluation], paired: Paired | None) -> Condition:
    found = paired(*shared, gate) if paired else "the rows can't be read here"
    if isinstance(found, str):
        said = f"{condition.explanation}; how sure that is can't be told: {found}"
        return replace(condition, passed=False, explanation=said, confidence=gate.confidence)
    margin, percent = gate.min_improvement or 0.0, number(100 * (gate.confidence or 0))
    sure = _reaches(found.low, margin, least=True)
    what = "surely enough" if sure else f"not surely enough: {number(margin)} better is asked for, with {percent} % confidence"
    said = f"{condition.explanation}; {what} (with {percent} % confidence at least {number(found.low)} better)"
    return replace(
        condition,
        passed=condition.passed and sure,
        explanation=said,
        confidence=gate.confidence,
        low=found.low,
        high=found.high,
    )


def _slices(gate: Gate, mine: Sequence[Evaluation], champion: Sequence[Evaluation]) -> Condition:
    shared = _shared(gate, [e for e in mine if e.slices], [e for e in champion if e.slices])
    tolerance = gate.slice_tolerance or 0.0
    condition = Condition(
        metric=gate.metric,
        rule=_slice_rule(gate),
        figure=None,
        threshold=None,
        champion=None,
        dataset=shared[0].dataset if shared else "",
        passed=False,
        explanation=f"no {gate.metric} by slice on the same data for both; measure them, for the version and for '@champion': "
        f"store.models.evaluate(NAME, VERSION, data, metrics=[{gate.metric!r}], slices=[COLUMN])",
    )
    if shared is None:
        return condition
    losses = sorted(_slice_losses(gate, *shared), key=lambda loss: loss[1], reverse=True)
    if not losses:
        return replace(condition, explanation=f"no slice of {SMALLEST_SLICE} rows or more has {gate.metric} for both")
    name, loss, figure, against = losses[0]
    worse = [each for each in losses if not _reaches(each[1], tolerance, least=False)]
    side = f"{number(abs(loss))} {'worse' if loss > 0 else 'better'} than the champion"
    said = f"of {len(losses)} slices {name} fares worst: {side}"
    if worse:
        named = ", ".join(f"{each[0]} by {number(each[1])}" for each in worse[:5])
        said = f"{len(worse)} of {len(losses)} slices fall behind: {named}"
    return replace(
        condition,
        figure=figure,
        threshold=against - tolerance if gate.rises else against + tolerance,
        champion=against,
        passed=not worse,
        explanation=said,
    )


def _slice_losses(gate: Gate, mine: Evaluation, theirs: Evaluation) -> Iterable[tuple[str, float, float, float]]:
    for name, figures in mine.slices.items():
        other = theirs.slices.get(name, {})
        if figures.get("rows", 0) >= SMALLEST_SLICE and gate.metric in figures and gate.metric in other:
            figure, against = figures[gate.metric], other[gate.metric]
            yield name, against - figure if gate.rises else figure - against, figure, against


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
        rule=_bound_rule(gate, threshold, least=least),
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


def _improvement_rule(gate: Gate) -> str:
    margin = gate.min_improvement or 0.0
    better = "higher" if gate.rises else "lower"
    sure = "" if gate.confidence is None else f", with {number(100 * gate.confidence)} % confidence"
    if margin > 0:
        return f"{gate.metric} {better} than the champion's by {number(margin)}{sure}"
    worse = f", {number(-margin)} worse at most" if margin < 0 else ""
    return f"{gate.metric} as good as the champion's{worse or f' or {better}'}{sure}"


def _slice_rule(gate: Gate) -> str:
    return f"{gate.metric} in no slice more than {number(gate.slice_tolerance)} worse than the champion's"


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
