"""Models of Keras come back predicting the same, and nothing but Keras's own layers is made. CI doesn't install it."""

from __future__ import annotations

import importlib.util
import json
import os

import numpy as np
import pytest

from headrace.errors import InvalidInputError, UnsafeModelError
from headrace.flavors.saving import infer_signature, load_model, save_model

BACKENDS = [name for name in ("jax", "torch", "tensorflow") if importlib.util.find_spec(name)]
if BACKENDS:
    os.environ.setdefault("KERAS_BACKEND", BACKENDS[0])
elif importlib.util.find_spec("keras"):
    pytest.skip("keras has no backend here; `pip install jax` gives it one", allow_module_level=True)
keras = pytest.importorskip("keras", reason="`pip install keras jax` runs these tests")
from keras import layers  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")  # these libraries warn of each other
ROWS = np.random.default_rng(4).normal(size=(20, 6)).astype("float32")


def sequence():
    return keras.Sequential([layers.Input((6,)), layers.Dense(4, activation="relu"), layers.Dense(3, activation="softmax")])


def graph():
    inputs = layers.Input((6,))
    left = layers.Dense(4, kernel_regularizer="l2", kernel_constraint=keras.constraints.MaxNorm(3))(inputs)
    right = layers.Dense(4, activation=keras.activations.gelu)(inputs)
    both = layers.BatchNormalization()(layers.Add()([left, right])) * 2 + keras.ops.sin(left)
    return keras.Model(inputs, layers.Dense(1)(layers.Dropout(0.3)(both)))


def normalized():
    first = layers.Normalization()
    first.adapt(ROWS)
    return keras.Sequential([layers.Input((6,)), first, sequence()])


def recurrent():
    return keras.Sequential([layers.Input((6,)), layers.Reshape((6, 1)), layers.Bidirectional(layers.LSTM(3)), layers.Dense(1)])


def trained():
    model = sequence()
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(ROWS, np.zeros((20, 3)), verbose=0)
    return model


def built_by_its_first_rows():
    model = keras.Sequential([layers.Dense(4), layers.Dense(3)])
    model(ROWS)
    return model


def of_half_precision():
    return keras.Sequential([layers.Input((6,)), layers.Dense(3, dtype="bfloat16")])


@pytest.mark.parametrize("make", [sequence, graph, normalized, recurrent, trained, built_by_its_first_rows, of_half_precision])
def test_models_give_the_same(tmp_path, make):
    model = make()
    signature = infer_signature(model, ROWS[:3])
    saved = save_model(model, tmp_path)
    assert (saved.flavor, saved.serializer) == ("keras", "keras")
    loaded = load_model(tmp_path, flavor="keras", serializer="keras", details=saved.details, signature=signature)
    expected = np.asarray(model.predict(ROWS, verbose=0)).astype("float32")
    found = loaded.predict(ROWS)
    assert (found.shape[0], found.dtype) == (20, np.float32)
    assert np.array_equal(found, expected.reshape(found.shape))


class Own(layers.Layer):
    """A layer of the user's."""

    def call(self, x):
        return x + 1


@pytest.mark.parametrize("layer", [Own, lambda: layers.Lambda(lambda x: x)])
def test_what_isn_t_keras_s_own_needs_the_word_for_pickle(tmp_path, layer):
    with pytest.raises(UnsafeModelError, match="serializer='pickle'"):
        save_model(keras.Sequential([layers.Input((6,)), layer()]), tmp_path)


def test_a_pickled_model_predicts(tmp_path):
    model = sequence()
    saved = save_model(model, tmp_path, "pickle")
    told = {"flavor": "pickle", "serializer": "pickle", "details": saved.details}
    found = load_model(tmp_path, **told, allow_pickle=True).predict(ROWS)
    assert np.array_equal(found, model.predict(ROWS, verbose=0))


@pytest.mark.parametrize(
    "forged",
    [
        {"module": "os", "class_name": "system", "config": "true"},
        {"module": "keras.layers", "class_name": "Lambda", "config": {"function": "relu"}},
        {"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "function"},
        {"module": "keras.layers", "class_name": "Dense", "config": {"units": {"class_name": "__lambda__", "config": {}}}},
        {"module": "keras.layers", "class_name": "Dense", "registered_name": "mine>Own", "config": {"units": 1}},
        {"module": "keras.utils", "class_name": "get_file", "config": {}},
        {"module": "keras.no_such_part", "class_name": "Dense", "config": {"units": 1}},
        {"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "/etc/hostname"}},
        {"module": None, "class_name": "Dense", "config": {"units": 1}},
        {"module": "keras.layers", "class_name": ["Dense"], "config": {"units": 1}},
    ],
)
def test_a_forged_configuration_is_refused_before_anything_is_made(tmp_path, monkeypatch, forged):
    config = {"module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": [forged]}}
    (tmp_path / "keras.json").write_text(json.dumps(config))
    monkeypatch.setattr(keras.saving, "deserialize_keras_object", lambda *_, **__: pytest.fail("it was made"))
    with pytest.raises(UnsafeModelError, match="a layer of Keras's own"):
        load_model(tmp_path, flavor="keras", serializer="keras", details={})


def test_damaged_files_are_told_as_such(tmp_path):
    saved = save_model(sequence(), tmp_path)
    options = {"flavor": "keras", "serializer": "keras", "details": saved.details}
    for name, content in (("weights.npz", b"PK nothing"), ("keras.json", b"[" * 100_000), ("keras.json", b"\xff")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InvalidInputError, match=r"saved parts|can't be read"):
            load_model(tmp_path, **options)
