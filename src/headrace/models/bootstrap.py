"""How sure an improvement is: a paired bootstrap over the rows that two versions were evaluated on.

The same rows are drawn for both, so rows that are hard for both cancel out. A draw is a row of counts, and each metric is
computed from the counts of many draws at once. The draws are seeded by the fingerprint of the data: judging again gives the
same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["DRAWS", "Rows", "paired_gains"]

DRAWS = 1000
_AT_ONCE = 4_000_000
"""So many counts are held at one time: 32 MB."""

Array = np.ndarray[Any, Any]
FromCounts = Callable[[Array], Array]
"""Counts of rows (draws x rows) to the metric of each draw."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The truth of each row, and a model's prediction for it.

    Attributes:
        predicted: one value a row.
        scores: probabilities: one a row, or one a row and class (rows x classes); the predictions where there are none.
    """

    truth: Array
    predicted: Array
    scores: Array


def paired_gains(metric: str, mine: Rows, theirs: Rows, seed: int, draws: int = DRAWS) -> Array | None:
    """The metric of `mine` minus that of `theirs` for each draw; None for a metric that can't be computed from counts."""
    first, second = _of_counts(metric, mine), _of_counts(metric, theirs)
    if first is None or second is None:
        return None
    gains = [first(counts) - second(counts) for counts in _draws(len(mine.truth), draws, seed)]
    found = np.concatenate(gains)
    return np.asarray(found[np.isfinite(found)])


def _draws(rows: int, draws: int, seed: int) -> Iterator[Array]:
    random = np.random.default_rng(seed)
    step = max(1, _AT_ONCE // max(rows, 1))
    for start in range(0, draws, step):
        many = min(step, draws - start)
        drawn = random.integers(0, rows, size=(many, rows), dtype=np.int32)
        yield np.stack([np.bincount(row, minlength=rows) for row in drawn]).astype("float64")


def _of_counts(metric: str, rows: Rows) -> FromCounts | None:
    if metric in ("f1", "precision", "recall"):
        return _classified(metric, rows)
    if metric == "auc":
        return _auc(rows)
    if metric == "r2":
        return _r2(rows)
    each = _losses(metric, rows)
    if each is None:
        return None
    mean: FromCounts = lambda counts: counts @ each / counts.sum(axis=1)  # noqa: E731 - one of two
    return (lambda counts: np.sqrt(mean(counts))) if metric == "rmse" else mean


def _losses(metric: str, rows: Rows) -> Array | None:
    """The metric as a mean over rows: what each row adds."""
    if metric == "accuracy":
        return np.asarray(rows.predicted == rows.truth, dtype="float64")
    if metric in ("rmse", "mse", "mae"):
        error = np.asarray(rows.predicted, dtype="float64") - np.asarray(rows.truth, dtype="float64")
        return np.asarray(np.abs(error) if metric == "mae" else error**2)
    if metric in ("log_loss", "brier"):
        classes = np.unique(rows.truth)
        scores = np.asarray(rows.scores, dtype="float64")
        if metric == "brier":
            chance = _chance(scores)
            return None if chance is None else np.asarray((chance - (rows.truth == classes[-1])) ** 2)
        return _log_losses(rows.truth, scores, classes)
    return None


def _log_losses(truth: Array, scores: Array, classes: Array) -> Array | None:
    tiny = np.finfo("float64").eps
    chance = _chance(scores)
    if chance is not None and len(classes) == 2:
        of_truth = np.where(truth == classes[-1], chance, 1 - chance)
    elif scores.ndim == 2 and scores.shape[1] == len(classes):
        of_truth = scores[np.arange(len(truth)), np.searchsorted(classes, truth)] / scores.sum(axis=1)
    else:
        return None
    return np.asarray(-np.log(np.clip(of_truth, tiny, 1 - tiny)))


def _chance(scores: Array) -> Array | None:
    """The probability of the last class, where there are two."""
    if scores.ndim == 1:
        return scores
    return scores[:, 1] if scores.shape[1] == 2 else None


def _auc(rows: Rows) -> FromCounts | None:
    classes, scores = np.unique(rows.truth), _chance(np.asarray(rows.scores, dtype="float64"))
    if scores is None or len(classes) != 2:
        return None
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    positive = (rows.truth == classes[-1])[order].astype("float64")

    def of_counts(counts: Array) -> Array:
        held = counts[:, order]
        good = np.add.reduceat(held * positive, starts, axis=1)
        bad = np.add.reduceat(held * (1 - positive), starts, axis=1)
        below = np.cumsum(bad, axis=1) - bad
        pairs = good.sum(axis=1) * bad.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):  # a draw of one class alone has no auc; it is left out
            return np.asarray((good * (below + bad / 2)).sum(axis=1) / pairs)

    return of_counts


def _r2(rows: Rows) -> FromCounts:
    truth = np.asarray(rows.truth, dtype="float64")
    error = (np.asarray(rows.predicted, dtype="float64") - truth) ** 2
    centred = truth - truth.mean()  # so that the sums of squares don't cancel

    def of_counts(counts: Array) -> Array:
        total = counts @ centred**2 - (counts @ centred) ** 2 / counts.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(1 - (counts @ error) / total)

    return of_counts


def _classified(metric: str, rows: Rows) -> FromCounts:
    classes = np.union1d(np.unique(rows.truth), np.unique(rows.predicted))
    asked = classes if len(classes) > 2 else np.unique(rows.truth)[-1:]
    right = [(rows.truth == each) & (rows.predicted == each) for each in asked]
    told = [rows.predicted == each for each in asked]
    real = [rows.truth == each for each in asked]

    def of_counts(counts: Array) -> Array:
        found, named, there = (np.stack([counts @ mask for mask in masks]) for masks in (right, told, real))
        below = {"precision": named, "recall": there, "f1": (named + there) / 2}[metric]
        return np.asarray(np.divide(found, below, out=np.zeros_like(found), where=below > 0).mean(axis=0))

    return of_counts
