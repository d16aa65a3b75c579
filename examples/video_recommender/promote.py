"""From a logged model to Production: judge both on the same data, ask the gate, promote, roll back and forward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

import headrace as hr

if TYPE_CHECKING:
    from headrace.features.training import TrainingSet
    from headrace.models.gates import Evaluation, GateReport
    from headrace.tracking.run import LoggedModel

__all__ = ["MODEL", "Challenge", "challenge", "first_version", "scores"]

MODEL = "video-ranker"
METRICS = ["auc", "log_loss", "brier"]
GATE = hr.Gate("auc", min_improvement=0.01)


@dataclass(frozen=True)
class Challenge:
    """How the challenger came to Production.

    Attributes:
        version: its number.
        champion, challenger: what both scored on the same data.
        report: what the gate decided, and on which figures.
        reigns: who was champion after promotion, after rollback, after going forward again.
    """

    version: int
    champion: Evaluation
    challenger: Evaluation
    report: GateReport
    reigns: tuple[int, ...]


def first_version(store: hr.Store, model: LoggedModel) -> int:
    """Register the baseline and promote it; from then on a gate stands in front of Production."""
    version = store.models.register(model, MODEL, description="what everybody likes").version
    store.models.promote(MODEL, version, to="Production", reason="the first ranker: better than none")
    store.models.set_gates(MODEL, [GATE])
    return version


def challenge(store: hr.Store, model: LoggedModel, holdout: TrainingSet) -> Challenge:
    """Measure champion and challenger on the same rows; promote if the gate lets it; roll back and forward once."""
    version = store.models.register(model, MODEL, description="what you like right now").version
    store.models.promote(MODEL, version, to="Staging", reason="measured next")
    champion, challenger = (store.models.evaluate(MODEL, who, holdout, metrics=METRICS) for who in ("@champion", "@challenger"))
    report = store.models.promote(MODEL, version, to="Production", reason="knows the user's last minutes")
    reigns = [store.models.get(MODEL, "@champion").version]
    reigns.append(store.models.rollback(MODEL, reason="drill: can we go back?").version)
    reigns.append(store.models.rollback(MODEL, to=version, reason="drill over").version)
    return Challenge(version, champion, challenger, report, tuple(reigns))


def scores(store: hr.Store, version: int, frame: pd.DataFrame) -> pd.Series:
    """The probability of a like that a version gives to each row."""
    return pd.Series(store.models.load(f"models:/{MODEL}/{version}").predict_proba(frame)[:, 1], frame.index)
