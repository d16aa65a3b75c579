"""Models of other libraries come back predicting the same, from formats that hold no code."""

from __future__ import annotations

import sys

import lightgbm
import numpy as np
import onnx
import pandas as pd
import pytest
import xgboost
from onnx import TensorProto, helper

import headrace as hr
from headrace.errors import IntegrityError, InvalidInputError, NotFoundError, UnsafeModelError
from headrace.flavors.saving import infer_signature, load_model, save_model
from unit.flavors import rules

RNG = np.random.default_rng(4)
FRAME = pd.DataFrame({"a": RNG.normal(size=200), "b": RNG.normal(size=200)})
BINARY = (FRAME["a"] > 0).astype(int).to_numpy()
NAMED = np.array(["low", "high"])[BINARY]
THREE = RNG.integers(0, 3, 200)
NUMBER = 3 * FRAME["a"].to_numpy() + FRAME["b"].to_numpy()
QUICK = {"n_estimators": 4, "max_depth": 3}


def back(folder, model, example=FRAME[:3], **options):
    """The model after a round through files."""
    saved = save_model(model, folder)
    return saved, load_model(
        folder,
        flavor=saved.flavor,
        serializer=saved.serializer,
        details=saved.details,
        signature=infer_signature(model, example),
        **options,
    )


@pytest.mark.parametrize("labels", [BINARY, NAMED, THREE], ids=["two", "named", "three"])
def test_lightgbm_classifiers_give_the_same_classes_and_probabilities(tmp_path, labels):
    model = lightgbm.LGBMClassifier(**QUICK, verbose=-1).fit(FRAME, labels)
    saved, loaded = back(tmp_path, model)
    assert (saved.flavor, saved.serializer) == ("lightgbm", "lightgbm")
    assert loaded.predict(FRAME).tolist() == model.predict(FRAME).tolist()
    assert np.array_equal(loaded.predict_proba(FRAME), model.predict_proba(FRAME))


def test_lightgbm_regressors_and_boosters_give_the_same_numbers(tmp_path):
    model = lightgbm.LGBMRegressor(**QUICK, verbose=-1).fit(FRAME, NUMBER)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert np.array_equal(back(tmp_path / "a", model)[1].predict(FRAME), model.predict(FRAME))
    assert np.array_equal(back(tmp_path / "b", model.booster_)[1].predict(FRAME), model.predict(FRAME))


@pytest.mark.parametrize("kind", ["classifier", "three", "regressor", "booster"])
def test_xgboost_models_give_the_same(tmp_path, kind):
    labels = {"classifier": BINARY, "three": THREE}.get(kind, NUMBER)
    make = xgboost.XGBClassifier if kind in ("classifier", "three") else xgboost.XGBRegressor
    model = make(**QUICK).fit(FRAME, labels)
    saved, loaded = back(tmp_path, model.get_booster() if kind == "booster" else model)
    assert saved.flavor == "xgboost"
    assert np.array_equal(loaded.predict(FRAME), model.predict(FRAME))
    if make is xgboost.XGBClassifier:
        assert np.array_equal(loaded.predict_proba(FRAME), model.predict_proba(FRAME))


def graph(weights=((2.0,), (3.0,))):
    """An ONNX graph of one multiplication."""
    matrix = helper.make_tensor("w", TensorProto.FLOAT, [2, 1], np.array(weights).ravel().tolist())
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])]
    made = helper.make_graph([node], "g", inputs, outputs, [matrix])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_onnx_graphs_take_frames(tmp_path):
    saved, loaded = back(tmp_path, graph())
    assert (saved.flavor, saved.serializer) == ("onnx", "onnx")
    expected = (FRAME.to_numpy(np.float32) @ np.array([[2], [3]], np.float32))[:, 0]
    assert np.allclose(loaded.predict(FRAME), expected)


def test_an_onnx_graph_whose_weights_are_elsewhere_is_refused(tmp_path):
    made = graph()
    weights = made.graph.initializer[0]
    weights.raw_data = np.array([2, 3], np.float32).tobytes()
    weights.ClearField("float_data")
    onnx.external_data_helper.set_external_data(weights, "/etc/hostname")
    weights.ClearField("raw_data")
    with pytest.raises(InvalidInputError, match="can't be loaded"):
        save_model(made, tmp_path)


def test_a_logged_model_is_loaded_from_the_registry(tmp_path):
    """What is written beside a model's own files doesn't take their names."""
    models = {
        "lightgbm": lightgbm.LGBMClassifier(**QUICK, verbose=-1).fit(FRAME, BINARY),
        "xgboost": xgboost.XGBClassifier(**QUICK).fit(FRAME, BINARY),
        "onnx": graph(),
        "function": rules.adds_up,
    }
    with hr.connect(tmp_path) as store, store.start_run(capture=False) as run:
        for name, model in models.items():
            version = store.models.register(run.log_model(model, name, example=FRAME[:3]), name)
            store.models.set_alias(name, "best", version.version)
            found = store.models.load(f"models:/{name}@best").predict(FRAME)
            assert np.allclose(found, model.predict(FRAME) if name != "onnx" else FRAME.to_numpy() @ [2, 3], atol=1e-5)


def test_functions_come_back_by_their_name(tmp_path):
    saved, loaded = back(tmp_path, rules.adds_up)
    assert saved.flavor == "function"
    assert np.array_equal(loaded.predict(FRAME), (FRAME["a"] + FRAME["b"]).to_numpy())
    assert rules.adds_up(FRAME[:2]).tolist() == loaded.predict(FRAME[:2]).tolist()


@pytest.mark.parametrize(
    ("details", "error", "words"),
    [
        ({"path": "unit.flavors.rules:plain"}, UnsafeModelError, "isn't a function decorated"),
        ({"path": "os:system", "source_hash": ""}, UnsafeModelError, "isn't a function decorated"),
        ({"path": "no_such_module_here:f"}, NotFoundError, "can't be imported"),
        ({"path": ""}, NotFoundError, "can't be imported"),
        ({"path": "unit.flavors.rules:adds_up", "source_hash": "0"}, IntegrityError, "has changed"),
    ],
)
def test_a_function_that_isn_t_a_model_or_changed_is_refused(tmp_path, details, error, words):
    with pytest.raises(error, match=words):
        load_model(tmp_path, flavor="function", serializer="function", details=details)


def test_a_function_typed_at_a_prompt_can_t_be_logged(tmp_path):
    with pytest.raises(InvalidInputError, match="top of a module"):
        save_model(hr.predictor(lambda frame: frame), tmp_path)
    with pytest.raises(InvalidInputError, match=r"hr\.predictor"):
        save_model(rules.plain, tmp_path)


@pytest.mark.parametrize("flavor", ["lightgbm", "xgboost", "onnx"])
@pytest.mark.parametrize("content", [b"", b"\x80\x04garbage", b'{"learner": {}}', b"tree\nversion=v4\n"])
def test_a_damaged_file_is_told_as_such(tmp_path, flavor, content):
    (tmp_path / "model").write_bytes(content)
    with pytest.raises(InvalidInputError):
        load_model(tmp_path, flavor=flavor, serializer=flavor, details={"file": "model"})


def test_a_class_that_xgboost_doesn_t_have_is_refused(tmp_path):
    with pytest.raises(UnsafeModelError, match="none of the models"):
        load_model(tmp_path, flavor="xgboost", serializer="xgboost", details={"class": "DMatrix"})


def test_mlflow_s_layout_is_read_without_mlflow_where_its_format_is_simple(tmp_path):
    model = lightgbm.LGBMRegressor(**QUICK, verbose=-1).fit(FRAME, NUMBER)
    model.booster_.save_model(str(tmp_path / "model.lgb"))
    said = {"mlflow": {"flavors": {"lightgbm": {"data": "model.lgb", "model_class": "lightgbm.basic.Booster"}}}}
    loaded = load_model(tmp_path, flavor="lightgbm", serializer="mlflow", details=said)
    assert np.array_equal(loaded.predict(FRAME), model.predict(FRAME))
    with pytest.raises(UnsafeModelError, match="allow_pickle"):
        load_model(
            tmp_path, flavor="python_function", serializer="mlflow", details={"mlflow": {"flavors": {"python_function": {}}}}
        )


def test_what_only_mlflow_reads_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setitem(sys.modules, "mlflow.pyfunc", None)
    with pytest.raises(hr.MissingExtraError, match=r"headrace\[mlflow\]"):
        load_model(tmp_path, flavor="prophet", serializer="mlflow", details={}, allow_pickle=True)
