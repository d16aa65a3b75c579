"""Trains a classifier, registers it, and measures it and the champion on the same rows; gives the version to the next step."""

from __future__ import annotations

import os
from pathlib import Path

from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import headrace as hr

NAME = "tumours"
GATES = [
    hr.Gate("auc", at_least=0.9),
    hr.Gate("log_loss", min_improvement=-0.05),
    hr.Gate.latency(p99_ms=250),
    hr.Gate.size(at_most_mb=10),
]


def main() -> None:
    """Train, register, measure."""
    store = hr.connect()
    frame = load_breast_cancer(as_frame=True).frame
    train, test = train_test_split(frame, test_size=0.3, random_state=1, stratify=frame["target"])
    strength = float(os.environ.get("STRENGTH", "1.0"))
    with store.start_run(experiment=NAME, params={"strength": strength}) as run:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
        inputs = train.drop(columns="target")
        model.fit(inputs, train["target"])
        logged = run.log_model(model, NAME, example=inputs[:3])
    version = store.models.register(logged, NAME)
    if version.version == 1:
        store.models.set_gates(NAME, GATES)
    measured = [version.version]
    if store.models.model(NAME).champion is not None:
        measured.append(store.models.model(NAME).champion)
    for number in measured:
        store.models.evaluate(NAME, number, test, label="target", dataset_name="holdout")
    store.close()
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as output:
        output.write(f"version={version.version}\n")


if __name__ == "__main__":
    main()
