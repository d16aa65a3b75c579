"""Gates and their reports."""

from __future__ import annotations

import json
import math

import pytest

from headrace.errors import InvalidInputError
from headrace.models.conditions import Interval, judge
from headrace.models.gates import Evaluation, Gate, GateReport


def measured(version: int, data: str = "holdout", label: str = "liked", **figures: float) -> Evaluation:
    return Evaluation(
        name="ranker", version=version, dataset=f"set {data}", fingerprint=data, label=label, rows=10, figures=figures
    )


def decide(gate: Gate, mine=(), theirs=(), logged=None):
    return judge([gate], mine, theirs, logged or {})


def test_a_better_figure_on_the_same_data_passes():
    (condition,) = decide(Gate("auc", min_improvement=0.01), [measured(2, auc=0.83)], [measured(1, auc=0.81)])
    assert condition.passed
    assert (condition.figure, condition.champion, condition.dataset) == (0.83, 0.81, "set holdout")


def test_a_figure_short_of_the_margin_fails_and_says_by_how_much():
    (condition,) = decide(Gate("auc", min_improvement=0.03), [measured(2, auc=0.83)], [measured(1, auc=0.81)])
    assert not condition.passed
    assert "0.02 better than the champion" in condition.explanation


def test_exactly_the_margin_passes_whatever_binary_fractions_say():
    assert 0.81 + 0.01 > 0.82
    (condition,) = decide(Gate("auc", min_improvement=0.01), [measured(2, auc=0.82)], [measured(1, auc=0.81)])
    assert condition.passed


def test_as_good_as_the_champion_passes_without_a_margin():
    assert decide(Gate("auc"), [measured(2, auc=0.81)], [measured(1, auc=0.81)])[0].passed


@pytest.mark.parametrize("metric", ["rmse", "log_loss", "brier", "mae"])
def test_of_an_error_less_is_better(metric):
    better, worse = {metric: 0.1}, {metric: 0.2}
    assert decide(Gate(metric), [measured(2, **better)], [measured(1, **worse)])[0].passed
    assert not decide(Gate(metric), [measured(2, **worse)], [measured(1, **better)])[0].passed


def test_of_an_error_the_margin_is_how_much_less_it_is():
    gate = Gate("rmse", min_improvement=0.1)
    for figure, passed in ((0.4, True), (0.45, False), (0.55, False)):
        (condition,) = decide(gate, [measured(2, rmse=figure)], [measured(1, rmse=0.5)])
        assert (condition.passed, condition.threshold) == (passed, 0.4)


@pytest.mark.parametrize(
    ("figure", "interval", "passed"),
    [
        (0.9, Interval(0.05, 0.15), True),
        (0.9, Interval(0.0, 0.2), False),
        (0.82, Interval(0.05, 0.15), False),  # sure is not enough: the figures themselves decide too
        (0.9, "the rows aren't kept", False),
        (0.9, None, False),
    ],
)
def test_with_a_confidence_both_the_figure_and_its_certainty_must_do(figure, interval, passed):
    paired = None if interval is None else lambda *_: interval
    gate = Gate("auc", min_improvement=0.05, confidence=0.95)
    (condition,) = judge([gate], [measured(2, auc=figure)], [measured(1, auc=0.8)], {}, None, paired)
    assert condition.passed is passed


def test_the_word_higher_is_better_decides_over_the_name():
    assert decide(Gate("rmse", higher_is_better=True), [measured(2, rmse=2.0)], [measured(1, rmse=1.0)])[0].passed
    assert not decide(Gate("delay", higher_is_better=False), [measured(2, delay=2.0)], [measured(1, delay=1.0)])[0].passed


@pytest.mark.parametrize("theirs", [measured(1, "other", auc=0.1), measured(1, label="bought", auc=0.1), measured(1, f1=0.1)])
def test_figures_on_other_data_are_not_compared(theirs):
    (condition,) = decide(Gate("auc"), [measured(2, auc=0.9)], [theirs])
    assert not condition.passed
    assert condition.explanation.startswith("not comparable")
    assert "store.models.evaluate" in condition.explanation


def test_a_metric_that_the_run_logged_is_not_compared_with_the_champion():
    (condition,) = decide(Gate("auc"), [], [measured(1, auc=0.1)], {"auc": 0.99})
    assert not condition.passed
    assert "the version has no auc" in condition.explanation


def test_the_newest_shared_data_decides():
    mine = [measured(2, "old", auc=0.9), measured(2, "new", auc=0.5), measured(2, "mine alone", auc=0.9)]
    theirs = [measured(1, "old", auc=0.8), measured(1, "new", auc=0.8)]
    (condition,) = decide(Gate("auc"), mine, theirs)
    assert (condition.passed, condition.dataset) == (False, "set new")


@pytest.mark.parametrize("asked", ["old", "set old"])
def test_a_gate_may_name_its_data_by_fingerprint_or_name(asked):
    mine = [measured(2, "old", auc=0.9), measured(2, "new", auc=0.5)]
    theirs = [measured(1, "old", auc=0.8), measured(1, "new", auc=0.8)]
    assert decide(Gate("auc", dataset=asked), mine, theirs)[0].passed


def test_a_later_measurement_replaces_an_earlier_one():
    theirs = [measured(1, auc=0.95), measured(1, auc=0.7)]
    assert decide(Gate("auc"), [measured(2, auc=0.8)], theirs)[0].passed


def test_without_a_champion_the_comparison_passes_and_says_why():
    (condition,) = judge([Gate("auc")], [], None, {})
    assert condition.passed
    assert "no champion" in condition.explanation


def test_bounds_hold_without_a_champion_too():
    at_least, at_most = judge([Gate("auc", min_improvement=None, at_least=0.7, at_most=0.9)], [measured(1, auc=0.6)], None, {})
    assert (at_least.passed, at_most.passed) == (False, True)


def test_a_bound_takes_what_the_run_logged_if_nothing_was_measured():
    (condition,) = decide(Gate("auc", min_improvement=None, at_least=0.7), logged={"auc": 0.8})
    assert condition.passed
    assert condition.dataset == "as its run logged it"


def test_a_bound_on_named_data_wants_a_figure_measured_there():
    (condition,) = decide(Gate("auc", min_improvement=None, at_least=0.7, dataset="holdout"), logged={"auc": 0.8})
    assert not condition.passed
    assert "not measured on 'holdout'" in condition.explanation


@pytest.mark.parametrize("gate", [Gate("auc"), Gate("auc", min_improvement=None, at_least=0.1)])
def test_not_a_number_never_passes(gate):
    (condition,) = decide(gate, [measured(2, auc=math.nan)], [measured(1, auc=0.5)])
    assert not condition.passed


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Gate(""),
        lambda: Gate("auc", min_improvement=None),
        lambda: Gate("auc", at_least=math.nan),
        lambda: Gate("auc", min_improvement="much"),
    ],
)
def test_a_gate_that_makes_no_sense_is_refused_when_it_is_written(wrong):
    with pytest.raises(InvalidInputError, match="gate"):
        wrong()


def test_a_gate_survives_json():
    gate = Gate("auc", min_improvement=0.01, at_least=0.7, dataset="holdout")
    assert Gate.from_dict(json.loads(json.dumps(gate.to_dict()))) == gate


def test_a_report_survives_json_and_reads_as_a_table():
    conditions = decide(Gate("auc", min_improvement=0.03, at_least=0.5), [measured(2, auc=0.83)], [measured(1, auc=0.81)])
    report = GateReport(name="ranker", version=2, champion=1, conditions=conditions, time=1)
    assert GateReport.from_dict(json.loads(json.dumps(report.to_dict()))) == report
    assert not report.passed
    assert str(report).splitlines() == [
        "ranker version 2 against its gates: refused (champion: version 1)",
        "          condition                               figure  needed  champion  data",
        "  FAILED  auc higher than the champion's by 0.03  0.83    0.84    0.81      set holdout",
        "  ok      auc at least 0.5                        0.83    0.5     -         set holdout",
        "  auc: 0.02 better than the champion on the same data, but 0.03 better is asked for",
        "  auc: 0.83 is within the bound",
    ]
