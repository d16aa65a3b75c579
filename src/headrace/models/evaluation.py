"""Measures a model on data, by built-in metrics (scikit-learn's) and by functions of the user."""

from __future__ import annotations

import contextlib
import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from headrace.errors import InvalidInputError, MissingExtraError, NotFoundError
from headrace.flavors.loaded import LoadedModel
from headrace.models.bootstrap import Rows
from headrace.models.gates import LATENCIES

__all__ = ["BUILT_IN", "MEASURED", "Data", "Evaluated", "Measured", "Metric", "figures", "measure", "take"]

Metric = Callable[[Any, Any], float]
"""A function of (truth, prediction), named by its `__name__`."""

PROBABILISTIC = ("auc", "log_loss", "brier")
CLASSES = ("accuracy", "f1", "precision", "recall")
ERRORS = ("rmse", "mae", "r2")
BUILT_IN = (*PROBABILISTIC, *CLASSES, *ERRORS)
MEASURED = (*BUILT_IN, *LATENCIES)
"""What can be asked for by name."""
LATENCY_CALLS, LATENCY_SECONDS = 200, 2.0
MOST_SLICES = 50
"""So many of a column's commonest values are slices."""


class TrainingSet(Protocol):
    """A training set, as evaluation needs it."""

    @property
    def fingerprint(self) -> str:
        """Hash of its values."""
        ...

    @property
    def label(self) -> str:
        """The column with the truth."""
        ...

    def to_pandas(self) -> pd.DataFrame:
        """Its rows."""
        ...


Data = TrainingSet | pd.DataFrame


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of measuring a model on data.

    Attributes:
        figures: metric to value.
        rows: the truth of each row, and the model's prediction.
        slices: `column=value` to its figures, and its `rows`.
    """

    figures: dict[str, float]
    rows: Rows
    slices: dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Data to measure on.

    Attributes:
        name: its name.
        fingerprint: its hash.
        label: the column that held the truth.
        inputs: the other columns.
        truth: the values of the label, none missing.
    """

    name: str
    fingerprint: str
    label: str
    inputs: pd.DataFrame
    truth: np.ndarray[Any, Any]


def take(data: Any, *, label: str | None, name: str = "", fingerprint: str = "") -> Evaluated:
    """The data with its label apart.

    Raises:
        InvalidInputError: no rows, no such label, or a label without value in some row.
    """
    frame = data if isinstance(data, pd.DataFrame) else _rows(data)
    label = label or getattr(data, "label", "") or ""
    if label not in frame.columns:
        what = f"no column {label!r}" if label else "no label was named"
        msg = f"{what} in the data to evaluate on; give label=, one of: {', '.join(map(str, frame.columns))}"
        raise InvalidInputError(msg)
    missing = int(frame[label].isna().sum())
    if missing or frame.empty:
        what = f"{missing} of {len(frame)} rows have no {label!r}; drop them first" if missing else "it has no rows"
        msg = f"the data to evaluate on can't be used: {what}"
        raise InvalidInputError(msg)
    digest = fingerprint or getattr(data, "fingerprint", "") or frame_fingerprint(frame)
    called = name or getattr(data, "urn", "") or f"frame of {len(frame)} rows ({digest[:8]})"
    return Evaluated(called, digest, label, frame.drop(columns=[label]), _truth(frame[label]))


def frame_fingerprint(frame: pd.DataFrame) -> str:
    """SHA-256 over the names, types and values of a frame's columns, in order; the index doesn't count."""
    digest = hashlib.sha256()
    for name in frame.columns:
        column = frame[name]
        digest.update(f"{name}\0{column.dtype}\0".encode())
        digest.update(_hashes(column).tobytes())
    return digest.hexdigest()


def measure(model: LoadedModel, data: Evaluated, metrics: Sequence[str | Metric], slices: Sequence[str] = ()) -> Measured:
    """The figures of a model on the data.

    Args:
        slices: columns of the inputs; the figures are also computed for the rows of each of their values.

    Raises:
        InvalidInputError: a metric isn't known, or can't be computed from the model's predictions; a slice isn't a column.
        MissingExtraError: a built-in metric without scikit-learn.
    """
    _check(metrics, slices, data)
    inputs = data.inputs
    if model.signature is not None and slices:
        unused = [column for column in slices if column not in model.signature.names]
        inputs = inputs.drop(columns=unused)  # there for the slices alone
    predicted = np.asarray(model.predict(inputs))
    wants_scores = any(isinstance(metric, str) and metric in PROBABILISTIC for metric in metrics)
    has_scores = hasattr(model.model, "predict_proba")
    scores = np.asarray(model.predict_proba(inputs)) if wants_scores and has_scores else predicted
    asked = [metric for metric in metrics if metric not in LATENCIES]
    found = {_name(metric): _figure(metric, data.truth, predicted, scores) for metric in asked}
    if len(asked) < len(metrics):
        found |= {name: value for name, value in _latencies(model, inputs).items() if name in metrics}
    cut: dict[str, dict[str, float]] = {}
    for column in slices:
        cut |= _sliced(column, data, asked, predicted, scores)
    return Measured(found, Rows(data.truth, predicted, scores), cut)


def figures(truth: Any, predicted: Any, metrics: Sequence[str]) -> dict[str, float]:
    """Built-in metrics of predictions that exist already. Raises as `measure` does."""
    for metric in metrics:
        if metric not in BUILT_IN:
            error = NotFoundError.of("built-in metric", metric, BUILT_IN)
            raise InvalidInputError(str(error))
    return {metric: _figure(metric, truth, predicted, predicted) for metric in metrics}


def _check(metrics: Sequence[str | Metric], slices: Sequence[str], data: Evaluated) -> None:
    if not metrics:
        msg = f"no metric to measure; give metrics=[...]: {', '.join(BUILT_IN)}, or functions of (truth, prediction)"
        raise InvalidInputError(msg)
    for metric in metrics:
        if isinstance(metric, str) and metric not in MEASURED:
            error = NotFoundError.of("built-in metric", metric, MEASURED)
            raise InvalidInputError(str(error))
    for column in slices:
        if column not in data.inputs.columns:
            error = NotFoundError.of("column to slice by", str(column), map(str, data.inputs.columns))
            raise InvalidInputError(str(error))


def _latencies(model: LoadedModel, inputs: pd.DataFrame) -> dict[str, float]:
    """How long the model takes for one row, in milliseconds, after a first call that warms it up."""
    taken: list[float] = []
    model.predict(inputs.iloc[:1])
    until = time.perf_counter() + LATENCY_SECONDS
    for index in range(LATENCY_CALLS):
        row = inputs.iloc[index % len(inputs) : index % len(inputs) + 1]
        began = time.perf_counter()
        model.predict(row)
        taken.append(1000 * (time.perf_counter() - began))
        if time.perf_counter() > until:
            break
    return dict(zip(LATENCIES, map(float, np.quantile(taken, [0.5, 0.99])), strict=True))


def _sliced(
    column: str, data: Evaluated, metrics: Sequence[str | Metric], predicted: Any, scores: Any
) -> dict[str, dict[str, float]]:
    values = data.inputs[column]
    common = values.value_counts(dropna=False).index[:MOST_SLICES]
    found: dict[str, dict[str, float]] = {}
    for value in common:
        mask = np.asarray(values.isna() if pd.isna(value) else values == value)
        cut = {"rows": float(mask.sum())}
        for metric in metrics:
            with contextlib.suppress(InvalidInputError):  # an auc needs both classes, and a slice may lack one
                cut[_name(metric)] = _figure(metric, data.truth[mask], predicted[mask], scores[mask])
        found[f"{column}={value}"] = cut
    return found


def _figure(metric: str | Metric, truth: Any, predicted: Any, scores: Any) -> float:
    name = _name(metric)
    if len(predicted) != len(truth):
        msg = f"the model gave {len(predicted)} predictions for {len(truth)} rows; {name} can't be computed"
        raise InvalidInputError(msg)
    try:
        value = float(_built_in(metric, truth, predicted, scores) if isinstance(metric, str) else metric(truth, predicted))
    except (ValueError, TypeError) as error:
        msg = f"{name} can't be computed from the model's predictions: {error}"
        raise InvalidInputError(msg) from error
    if math.isnan(value):
        msg = f"{name} isn't defined on this data (it came out as NaN); an auc, for example, needs rows of both classes"
        raise InvalidInputError(msg)
    return value


def _built_in(metric: str, truth: Any, predicted: Any, scores: Any) -> Any:
    try:
        from sklearn import metrics as sk
    except ImportError as error:
        raise MissingExtraError.of("scikit-learn", "sklearn") from error
    if metric in ERRORS:
        functions = {"rmse": sk.root_mean_squared_error, "mae": sk.mean_absolute_error, "r2": sk.r2_score}
        return functions[metric](truth, predicted)
    classes = np.unique(truth)
    if metric in PROBABILISTIC:
        return _probabilistic(sk, metric, truth, scores, classes)
    if metric == "accuracy":
        return sk.accuracy_score(truth, predicted)
    functions = {"f1": sk.f1_score, "precision": sk.precision_score, "recall": sk.recall_score}
    many = len(np.union1d(classes, np.unique(predicted))) > 2
    how = {"average": "macro"} if many else {"average": "binary", "pos_label": classes[-1]}
    return functions[metric](truth, predicted, zero_division=0, **how)


def _probabilistic(sk: Any, metric: str, truth: Any, scores: Any, classes: Any) -> Any:
    if scores.ndim == 2 and scores.shape[1] == 2:
        scores = scores[:, 1]
    if len(classes) < 2:
        msg = f"the data has rows of one class alone ({classes[0]})"
        raise ValueError(msg)
    if metric == "auc":
        return sk.roc_auc_score(truth, scores, **({"multi_class": "ovr"} if scores.ndim == 2 else {}))
    if np.any((scores < 0) | (scores > 1)):
        msg = "it needs probabilities between 0 and 1; the model gives other numbers and has no predict_proba"
        raise ValueError(msg)
    if metric == "log_loss":
        return sk.log_loss(truth, scores)
    return sk.brier_score_loss(truth, scores, pos_label=classes[-1])


def _truth(column: pd.Series[Any]) -> np.ndarray[Any, Any]:
    # A column that had a null once may hold its booleans or numbers as objects, which scikit-learn doesn't take.
    return np.asarray(column.infer_objects().to_numpy())


def _rows(data: Any) -> pd.DataFrame:
    if hasattr(data, "to_pandas"):
        return pd.DataFrame(data.to_pandas())
    msg = f"expected a training set or a frame to evaluate on, not {type(data).__name__}"
    raise InvalidInputError(msg)


def _hashes(column: pd.Series[Any]) -> np.ndarray[Any, Any]:
    # Lists and other values that pandas can't hash count by their text.
    try:
        return np.asarray(pd.util.hash_pandas_object(column, index=False, categorize=True))
    except TypeError:
        return np.asarray(pd.util.hash_pandas_object(column.map(repr), index=False))


def _name(metric: str | Metric) -> str:
    return metric if isinstance(metric, str) else str(getattr(metric, "__name__", type(metric).__name__))
