"""A model's process gives an array where the model says the same of it as of a frame, and a frame where it doesn't."""

from __future__ import annotations

import warnings

import numpy as np
import orjson
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder, StandardScaler

from headrace.flavors.lightgbm import LightGBMFlavor
from headrace.flavors.loaded import LoadedModel
from headrace.flavors.signature import Signature, infer_columns
from headrace.flavors.sklearn import SklearnFlavor
from headrace.serving.inputs import typed
from headrace.serving.worker import _Worker

pytestmark = pytest.mark.filterwarnings("ignore:X does not have valid feature names")
RNG = np.random.default_rng(5)
FRAME = pd.DataFrame({"a": RNG.normal(size=60), "b": RNG.integers(-3, 4, 60), "c": RNG.normal(size=60) * 1e9})
LABELS = (FRAME["a"] > 0).astype(int)


def worker_of(model, flavor=None, example=FRAME[:5]):
    """A worker that has tried an example with a model, as loading does."""
    flavor = flavor or SklearnFlavor()
    signature = Signature(infer_columns(example)[0])
    worker = _Worker()
    worker._model = LoadedModel(model, signature, flavor.name, by_position=flavor.by_position(model))
    worker._kinds = typed({}, {column.name: column.type for column in signature.inputs})
    columns = {name: example[name].tolist() for name in example}
    with warnings.catch_warnings():
        worker._try_array(worker._model, columns, example)
    return worker


@pytest.mark.parametrize(
    ("model", "arrays"),
    [
        (make_pipeline(StandardScaler(), LogisticRegression()), True),
        (GradientBoostingClassifier(n_estimators=3), True),
        (LinearRegression(), True),
        (make_pipeline(ColumnTransformer([("by name", StandardScaler(), ["c", "a"])]), LogisticRegression()), False),
        (make_pipeline(FunctionTransformer(lambda rows: rows[["c", "a"]]), LogisticRegression()), False),
        (make_pipeline(OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), LogisticRegression()), False),
        (make_pipeline(StandardScaler().set_output(transform="pandas"), LogisticRegression()), False),
    ],
    ids=["a pipeline", "trees", "a regression", "columns by name", "a function", "an encoder", "a transformer that makes frames"],
)
def test_an_array_stands_for_a_frame_where_the_model_takes_columns_by_their_order(model, arrays):
    worker = worker_of(model.fit(FRAME, LABELS))
    assert bool(worker._array) is arrays
    rows = FRAME[7:]
    (good, text), *_ = worker.predict([("predict", {name: rows[name].tolist() for name in rows})])
    assert good
    assert orjson.loads(text) == model.predict(rows).tolist()


def test_trees_of_lightgbm_take_gaps_in_arrays():
    import lightgbm

    model = lightgbm.LGBMRegressor(n_estimators=4, min_child_samples=2, verbose=-1).fit(FRAME, FRAME["a"])
    worker = worker_of(model, LightGBMFlavor())
    assert worker._array == "float64"
    (good, text), *_ = worker.predict([("predict", {"a": [None, 0.5], "b": [None, 2], "c": [1.5, None]})])
    assert good
    wanted = model.predict(pd.DataFrame({"a": [np.nan, 0.5], "b": [np.nan, 2], "c": [1.5, np.nan]}))
    assert orjson.loads(text) == wanted.tolist()


class Moody:
    """Says one thing of a frame and another of an array."""

    def predict(self, data):
        return np.ones(len(data)) if isinstance(data, pd.DataFrame) else np.zeros(len(data))


class Careless(SklearnFlavor):
    def by_position(self, model):
        return True


def test_a_model_that_says_something_else_of_an_array_gets_frames():
    worker = worker_of(Moody(), Careless())
    assert worker._array == ""
    assert worker.predict([("predict", {"a": [1.0], "b": [2], "c": [3.0]})]) == [(True, b"[1.0]")]


@pytest.mark.parametrize("example", [FRAME[["b"]][:3], FRAME.assign(d="x")[:3]], ids=["whole numbers alone", "text"])
def test_columns_that_no_array_holds_as_they_are_stay_a_frame(example):
    assert worker_of(Moody(), Careless(), example)._array == ""


def test_what_isn_t_a_number_is_told_in_the_request_that_brought_it():
    worker = worker_of(LinearRegression().fit(FRAME, LABELS))
    good = {"a": [1.0], "b": [2], "c": [3.0]}
    first, second = worker.predict([("predict", good), ("predict", {**good, "b": ["many"]})])
    assert first[0]
    assert second[0] is False
    assert "many" in second[1][1]
