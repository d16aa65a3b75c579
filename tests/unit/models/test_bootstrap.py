"""The paired bootstrap gives what scikit-learn gives on the rows that are drawn, and gates decide by it."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as sk

from headrace.errors import GateError, InvalidInputError
from headrace.models import bootstrap
from headrace.models.bootstrap import Rows, paired_gains
from headrace.models.examples import keep_examples, read_examples
from headrace.models.gates import Gate
from unit.models.world import COLUMNS, World, classifier, people

RNG = np.random.default_rng(7)
TRUTH = RNG.integers(0, 2, 60)
SCORES = np.round(np.clip(0.4 * TRUTH + 0.6 * RNG.random(60), 0, 1), 1)  # with ties
BINARY = Rows(TRUTH, (SCORES > 0.5).astype(int), np.stack([1 - SCORES, SCORES], axis=1))
NUMBERS = Rows(RNG.normal(size=60), RNG.normal(size=60), np.zeros(60))
MANY = Rows(RNG.integers(0, 3, 60), RNG.integers(0, 3, 60), RNG.dirichlet([1, 1, 1], 60))


def by_scikit_learn(metric, rows, drawn):
    truth, predicted, scores = rows.truth[drawn], rows.predicted[drawn], rows.scores[drawn]
    many = len(np.union1d(rows.truth, rows.predicted)) > 2
    how = {"average": "macro", "labels": [0, 1, 2]} if many else {}
    chance = scores[:, 1] if scores.ndim == 2 and scores.shape[1] == 2 else scores
    functions = {
        "auc": lambda: sk.roc_auc_score(truth, chance),
        "log_loss": lambda: sk.log_loss(truth, scores, labels=np.unique(rows.truth)),
        "brier": lambda: sk.brier_score_loss(truth, chance, pos_label=1),
        "accuracy": lambda: sk.accuracy_score(truth, predicted),
        "f1": lambda: sk.f1_score(truth, predicted, zero_division=0, **how),
        "precision": lambda: sk.precision_score(truth, predicted, zero_division=0, **how),
        "recall": lambda: sk.recall_score(truth, predicted, zero_division=0, **how),
        "rmse": lambda: sk.root_mean_squared_error(truth, predicted),
        "mae": lambda: sk.mean_absolute_error(truth, predicted),
        "r2": lambda: sk.r2_score(truth, predicted),
    }
    return functions[metric]()


@pytest.mark.parametrize(
    ("metric", "rows"),
    [(metric, BINARY) for metric in ("auc", "log_loss", "brier", "accuracy", "f1", "precision", "recall")]
    + [(metric, NUMBERS) for metric in ("rmse", "mae", "r2")]
    + [(metric, MANY) for metric in ("log_loss", "accuracy", "f1", "precision", "recall")],
)
def test_each_draw_has_the_metric_that_scikit_learn_gives_for_its_rows(metric, rows):
    of_counts = bootstrap._of_counts(metric, rows)
    draws = [RNG.integers(0, 60, 60) for _ in range(20)]
    counts = np.stack([np.bincount(draw, minlength=60) for draw in draws]).astype(float)
    assert of_counts(counts) == pytest.approx([by_scikit_learn(metric, rows, draw) for draw in draws], abs=1e-12)


def test_a_draw_of_one_class_is_left_out_and_says_nothing_aloud():
    rows = Rows(np.array([0, 1]), np.array([0, 1]), np.array([0.2, 0.8]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gains = paired_gains("auc", rows, rows, seed=1, draws=100)
    assert 0 < len(gains) < 100
    assert set(gains) == {0.0}


def test_what_has_no_bootstrap_is_none():
    assert paired_gains("share_of_likes", BINARY, BINARY, seed=1) is None
    assert paired_gains("auc", MANY, MANY, seed=1) is None


def test_the_same_data_gives_the_same_draws():
    worse = replace(BINARY, scores=np.stack([SCORES, 1 - SCORES], axis=1))
    first, second = (paired_gains("auc", BINARY, worse, seed=5, draws=50) for _ in range(2))
    assert list(first) == list(second)


# --- gates ---


@pytest.fixture
def measured(world):
    """Version 1 is champion and knows one column, version 2 knows both, version 3 is as version 1 with other noise."""
    frame = people(rows=400, seed=9)
    frame["region"] = np.where(frame["a"] > 0, "north", "south")
    fitted = [classifier(("a",)), classifier(), classifier(("a",), seed=3)]
    for number, model in enumerate(fitted, start=1):
        logged = world.log(model, example=people()[COLUMNS], view="")
        world.models.register(logged, "ranker")
        world.models.evaluate(
            "ranker", number, frame, label="liked", metrics=["auc", "log_loss", "latency_p99_ms"], slices="region"
        )
    world.models.promote("ranker", 1)
    return world.models


def test_a_sure_improvement_passes_and_a_lucky_one_does_not(measured):
    measured.set_gates("ranker", [Gate("auc", confidence=0.95), Gate("log_loss", confidence=0.95)])
    sure = measured.check_gates("ranker", 2)
    assert sure.passed, str(sure)
    assert all(0 < condition.low < condition.high for condition in sure.conditions)
    unsure = measured.check_gates("ranker", 3)
    assert not unsure.passed
    assert "confidence" in unsure.conditions[0].explanation
    assert measured.check_gates("ranker", 3).conditions == unsure.conditions  # judged again, it comes out the same


def test_confidence_needs_the_rows(measured, world):
    measured.set_gates("ranker", Gate("auc", confidence=0.9))
    for number in (1, 2):
        (kept,) = measured.evaluations("ranker", number)
        world.store.add_evaluation(replace(kept, examples=""))
    (condition,) = measured.check_gates("ranker", 2).conditions
    assert (condition.passed, "aren't kept; evaluate both versions again" in condition.explanation) == (False, True)


def test_rows_in_another_order_are_not_paired(measured, world):
    measured.set_gates("ranker", Gate("auc", confidence=0.9))
    (kept,) = measured.evaluations("ranker", 2)
    rows = read_examples(world.artifacts, kept.examples)
    turned = Rows(rows.truth[::-1], rows.predicted[::-1], rows.scores[::-1])
    world.store.add_evaluation(replace(kept, examples=keep_examples(world.artifacts, turned, {})))
    (condition,) = measured.check_gates("ranker", 2).conditions
    assert (condition.passed, "rows in another order" in condition.explanation) == (False, True)


def test_a_slice_that_falls_behind_is_named(measured, world):
    measured.set_gates("ranker", Gate("auc", slice_tolerance=0.0))
    better, slices = measured.check_gates("ranker", 2).conditions
    assert (better.passed, slices.passed) == (True, True), slices.explanation
    (kept,) = measured.evaluations("ranker", 2)
    bad = {**kept.slices, "region=south": {**kept.slices["region=south"], "auc": 0.1}}
    world.store.add_evaluation(replace(kept, slices=bad))
    _, slices = measured.check_gates("ranker", 2).conditions
    assert not slices.passed
    assert "1 of 2 slices fall behind: region=south by" in slices.explanation


def test_latency_and_size(measured):
    measured.set_gates("ranker", [Gate.latency(p99_ms=10_000), Gate.size(at_most_mb=10)])
    assert measured.check_gates("ranker", 2).passed
    measured.set_gates("ranker", [Gate.latency(p99_ms=1e-6), Gate.size(at_most_mb=1e-6)])
    assert [condition.passed for condition in measured.check_gates("ranker", 2).conditions] == [False, False]


def test_gates_that_make_no_sense_are_refused():
    for wrong in (
        lambda: Gate("auc", confidence=1.5),
        lambda: Gate("auc", confidence=0.9, min_improvement=None, at_least=0.5),
        lambda: Gate("auc", slice_tolerance=float("nan")),
        Gate.latency,
    ):
        with pytest.raises(InvalidInputError):
            wrong()


# --- schema, reproducible, views ---


def known(types=None, fault="", files=None):
    def view_types(view):
        from headrace.errors import NotFoundError

        if types is None:
            raise NotFoundError.of("view", view, [])
        return types

    return {"view_types": view_types, "dataset_fault": lambda data: fault, "run_files": lambda run: files or {}}


@pytest.fixture
def make(tmp_path, empty_catalog):
    import shutil

    worlds = []

    def make(**facts):
        folder = tmp_path / str(len(worlds))
        folder.mkdir()
        shutil.copy(empty_catalog, folder / "catalog.db")
        worlds.append(World(folder, checks=known(**facts)))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


@pytest.mark.parametrize(
    ("types", "said"),
    [
        ({"a": "float64", "b": "float64", "c": "string"}, ""),
        ({"a": "float32", "b": "int32"}, ""),
        ({"a": "float64"}, "lacks b"),
        ({"a": "string", "b": "float64"}, "has other types: a (string, not float64)"),
        (None, "the view is gone"),
    ],
)
def test_the_pinned_view_must_give_what_the_model_takes(make, types, said):
    world = make(types=types)
    world.models.register(world.log(classifier(), example=people()[COLUMNS]), "ranker")
    world.models.set_gates("ranker", Gate.schema())
    (condition,) = world.models.check_gates("ranker", 1).conditions
    assert (condition.passed, said in condition.explanation) == (not said, True)


COMMIT, DIRTY = {"mlflow.source.git.commit": "ab" * 20}, {"headrace.git.dirty": "true"}


@pytest.mark.parametrize(
    ("tags", "fault", "files", "said"),
    [
        (COMMIT, "", {}, ""),
        ({}, "", {}, "commit isn't known"),
        ({**COMMIT, **DIRTY}, "", {}, "aren't kept"),
        ({**COMMIT, **DIRTY}, "", {"capture/code.diff": "ab"}, ""),
        ({**COMMIT, **DIRTY, "headrace.git.skipped": "[1]"}, "", {"capture/code.diff": "ab"}, "aren't kept whole"),
        (COMMIT, "it comes out different", {}, "it comes out different"),
    ],
)
def test_what_cannot_be_made_again_is_not_reproducible(make, tags, fault, files, said):
    world = make(types={}, fault=fault, files=files)
    world.models.register(world.log(classifier(), tags=tags), "ranker")
    world.models.set_gates("ranker", Gate.reproducible())
    (condition,) = world.models.check_gates("ranker", 1).conditions
    assert (condition.passed, said in condition.explanation) == (not said, True)


def test_a_version_whose_view_is_gone_is_not_rolled_back_to(make):
    world = make(types={"a": "float64"})
    logged = world.log(classifier())
    for _ in range(2):
        world.models.register(logged, "ranker")
    for number in (1, 2):
        world.models.promote("ranker", number)
    gone = World(world.folder, checks=known(types=None))
    with pytest.raises(Exception, match=r"can't be served: it reads the view 'ranking:3'"):
        gone.models.rollback("ranker")
    gone.close()
    assert world.models.rollback("ranker").version == 1


def test_a_forced_promotion_shows_in_the_report_and_the_timeline(measured):
    from headrace.models.timeline import reigns

    measured.set_gates("ranker", Gate("auc", at_least=0.999))
    with pytest.raises(GateError):
        measured.promote("ranker", 2)
    measured.promote("ranker", 2, force=True, reason="the old one is broken")
    first, second = reigns(measured.history("ranker"))
    assert (first.version, first.forced, first.ended) == (1, False, second.began)
    assert (second.version, second.forced, second.ended, second.reason) == (2, True, None, "the old one is broken")


def test_a_card_says_what_people_wrote_and_what_is_known(measured):
    measured.write_card("ranker", "Ranks *videos*.")
    measured.set_owner("ranker", "ada", 1)
    card = measured.card("ranker", 1)
    assert "Ranks *videos*." in card
    for fact in ("| stage | Production |", "| owner | ada |", "## Evaluations", "## Data", "autumn"):
        assert fact in card
    measured.write_card("ranker", "Only this one.", 1)
    assert "Only this one." in measured.card("ranker", 1)
