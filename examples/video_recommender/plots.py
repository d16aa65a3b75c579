"""The pictures: who ranks better, and whether a probability means what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_auc_score, roc_curve

mpl.use("Agg")

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Curves", "calibration", "roc"]

Curves = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""What to call a model, to (truth, its probabilities)."""

COLORS = ("#8a94a6", "#1f6feb", "#d97706")
INK, GRID = "#1b2430", "#e6e9ef"


def roc(curves: Curves, title: str) -> Figure:
    """True positives against false positives, one line a model, with the area under it."""
    figure, axes = _axes(title, "share of disliked films ranked above the threshold", "share of liked films above it")
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=(0, (3, 3)))
    for color, (name, (truth, score)) in zip(COLORS, curves.items(), strict=False):
        wrong, right, _ = roc_curve(truth, score)
        axes.plot(wrong, right, color=color, linewidth=2, label=f"{name}  AUC {roc_auc_score(truth, score):.3f}")
    axes.legend(loc="lower right", frameon=False)
    return figure


def calibration(curves: Curves, title: str) -> Figure:
    """What share was liked among films given a probability, in ten groups of equal size, one line a model."""
    figure, axes = _axes(title, "predicted probability of a like", "share that was liked")
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=(0, (3, 3)))
    for color, (name, (truth, score)) in zip(COLORS, curves.items(), strict=False):
        liked, predicted = calibration_curve(truth, score, n_bins=10, strategy="quantile")
        axes.plot(predicted, liked, color=color, linewidth=2, marker="o", markersize=5, label=name)
    axes.legend(loc="upper left", frameon=False)
    return figure


def _axes(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 5), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_title(title, fontsize=11, color=INK, loc="left")
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
