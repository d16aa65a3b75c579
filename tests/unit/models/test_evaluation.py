"""Measuring a model on data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from headrace.errors import InvalidInputError
from headrace.flavors.loaded import LoadedModel
from headrace.models.evaluation import BUILT_IN, frame_fingerprint, measure, take
from unit.models.world import COLUMNS, Always, classifier, people, regressor


def loaded(model):
    return LoadedModel(model, None, "sklearn")


class TrainingSet:
    """What is read of a training set."""

    fingerprint, label, urn = "f1", "liked", "training_set:autumn:1"

    def to_pandas(self):
        return people()


def test_built_in_metrics_are_those_of_scikit_learn():
    frame, model = people(seed=5), classifier()
    data = take(frame, label="liked")
    truth, proba, predicted = frame["liked"], model.predict_proba(frame[COLUMNS])[:, 1], model.predict(frame[COLUMNS])
    expected = {
        "auc": sk.roc_auc_score(truth, proba),
        "log_loss": sk.log_loss(truth, proba),
        "brier": sk.brier_score_loss(truth, proba),
        "accuracy": sk.accuracy_score(truth, predicted),
        "f1": sk.f1_score(truth, predicted),
        "precision": sk.precision_score(truth, predicted),
        "recall": sk.recall_score(truth, predicted),
        "rmse": sk.root_mean_squared_error(truth, predicted),
        "mae": sk.mean_absolute_error(truth, predicted),
        "r2": sk.r2_score(truth, predicted),
    }
    assert set(expected) == set(BUILT_IN)
    assert measure(loaded(model), data, list(BUILT_IN)).figures == pytest.approx(expected)


def test_an_auc_takes_any_score_of_a_model_without_probabilities():
    frame, model = people(seed=5), regressor()
    figures = measure(loaded(model), take(frame, label="liked"), ["auc"]).figures
    assert figures["auc"] == sk.roc_auc_score(frame["liked"], model.predict(frame[COLUMNS]))


def test_a_metric_of_ones_own_is_named_after_its_function():
    def share_of_likes(truth, predicted):
        return float(np.mean(predicted))

    assert measure(loaded(Always(1)), take(people(), label="liked"), [share_of_likes]).figures == {"share_of_likes": 1.0}


def test_labels_may_be_text():
    frame = people()
    frame["liked"] = frame["liked"].map({0: "no", 1: "yes"})
    model = classifier()
    model.classes_ = np.array(["no", "yes"])
    figures = measure(loaded(model), take(frame, label="liked"), ["auc", "f1", "brier"]).figures
    assert figures["f1"] > 0.7


@pytest.mark.parametrize("kind", [object, "boolean", "Int64", int])
def test_labels_may_be_held_as_objects_or_nullable(kind):
    frame = people(seed=5)
    expected = measure(loaded(classifier()), take(frame, label="liked"), BUILT_IN[:5]).figures
    assert measure(loaded(classifier()), take(frame.astype({"liked": kind}), label="liked"), BUILT_IN[:5]).figures == expected


def test_three_classes_are_measured_one_against_the_rest():
    frame = people(300)
    frame["liked"] = np.digitize(frame["a"], [-0.5, 0.5])
    model = classifier().fit(frame[COLUMNS], frame["liked"])
    figures = measure(loaded(model), take(frame, label="liked"), ["auc", "f1", "log_loss", "accuracy"]).figures
    assert figures["auc"] == sk.roc_auc_score(frame["liked"], model.predict_proba(frame[COLUMNS]), multi_class="ovr")


@pytest.mark.parametrize(
    ("make", "metrics", "message"),
    [
        (lambda: (Always(1), people()), ["auk"], "did you mean 'auc'"),
        (lambda: (Always(1), people()), [], "no metric to measure"),
        (lambda: (regressor(), people()), ["log_loss"], "needs probabilities between 0 and 1"),
        (lambda: (classifier(), people().assign(liked=1)), ["auc"], r"one class alone \(1\)"),
        (lambda: (Always(1), people()), [lambda truth, predicted: float("nan")], "isn't defined"),
        (lambda: (Always("yes"), people()), ["rmse"], "can't be computed"),
    ],
)
def test_what_can_not_be_measured_says_why(make, metrics, message):
    model, frame = make()
    with pytest.raises(InvalidInputError, match=message):
        measure(loaded(model), take(frame, label="liked"), metrics)


@pytest.mark.parametrize(
    ("frame", "label", "message"),
    [
        (people(), "likd", "no column 'likd'"),
        (people(), None, "no label was named"),
        (people()[:0], "liked", "no rows"),
        (people().assign(liked=None), "liked", "200 of 200 rows have no 'liked'"),
        ([1, 2], "liked", "expected a training set or a frame"),
    ],
)
def test_data_without_truth_is_refused(frame, label, message):
    with pytest.raises(InvalidInputError, match=message):
        take(frame, label=label)


def test_a_training_set_brings_its_own_label_fingerprint_and_name():
    data = take(TrainingSet(), label=None)
    assert (data.label, data.fingerprint, data.name) == ("liked", "f1", "training_set:autumn:1")
    assert list(data.inputs.columns) == COLUMNS


def test_equal_frames_have_equal_fingerprints_and_others_have_others():
    frame = people().assign(tags=[["a"]] * 200, name="x")
    others = [
        frame.iloc[::-1],
        frame.iloc[1:],
        frame.rename(columns={"a": "c"}),
        frame.assign(a=frame["a"] + 1),
        frame.assign(liked=frame["liked"].astype("float64")),
        frame.assign(tags=[["b"]] * 200),
    ]
    assert frame_fingerprint(frame) == frame_fingerprint(frame.copy().set_index(np.arange(200) + 7))
    assert frame_fingerprint(frame) not in {frame_fingerprint(other) for other in others}
    assert frame_fingerprint(pd.DataFrame({"a": pd.Categorical(["x", "y"])})) != frame_fingerprint(
        pd.DataFrame({"a": ["x", "y"]})
    )
