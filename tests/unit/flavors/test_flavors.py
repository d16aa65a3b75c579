"""Models are saved and loaded safely."""

from __future__ import annotations

import io
import pickle
import sys
import zipfile

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from headrace.errors import InvalidInputError, MissingExtraError, NotFoundError, UnsafeModelError
from headrace.flavors.saving import infer_signature, load_model, save_model
from headrace.flavors.signature import Signature
from headrace.flavors.sklearn import is_allowed_type

pytest.importorskip("skops")
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FRAME = pd.DataFrame({"a": [1.0, 2, 3, 4] * 5, "b": [0, 1, 0, 1] * 5})
LABELS = np.array([0, 0, 1, 1] * 5)


class Constant:
    """A model that isn't of scikit-learn."""

    def predict(self, data):
        return [1] * len(data)


class Custom(BaseEstimator):
    """An estimator of the user's own."""

    def predict(self, data):
        return np.ones(len(data))


class Evil:
    """Runs code when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")

    def predict(self, data):
        return data


def reload(folder, saved, signature=None, **options):
    return load_model(
        folder, flavor=saved.flavor, serializer=saved.serializer, details=saved.details, signature=signature, **options
    )


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        RandomForestClassifier(3),
        HistGradientBoostingClassifier(max_iter=3),
        make_pipeline(StandardScaler(), KNeighborsClassifier()),
    ],
    ids=lambda model: type(model).__name__,
)
def test_estimators_come_back_through_skops(model, tmp_path):
    model.fit(FRAME, LABELS)
    saved = save_model(model, tmp_path)
    assert (saved.flavor, saved.serializer) == ("sklearn", "skops")
    loaded = reload(tmp_path, saved, infer_signature(model, FRAME[:3]))
    assert np.array_equal(loaded.predict(FRAME), model.predict(FRAME))
    assert np.array_equal(loaded.predict_proba(FRAME), model.predict_proba(FRAME))


def test_types_of_the_user_are_refused_when_saving(tmp_path):
    with pytest.raises(UnsafeModelError, match=r"Custom.*serializer=\"pickle\""):
        save_model(Custom(), tmp_path)
    with pytest.raises(UnsafeModelError, match="no safe format"):
        save_model(Constant(), tmp_path)


def test_a_type_that_was_not_recorded_is_refused_when_loading(tmp_path):
    saved = save_model(RandomForestClassifier(2).fit(FRAME, LABELS), tmp_path)
    assert saved.details["types"] == ["sklearn.tree._tree.Tree"]
    with pytest.raises(UnsafeModelError, match=r"sklearn\.tree\._tree\.Tree"):
        load_model(tmp_path, flavor="sklearn", serializer="skops", details={"types": []})


def test_a_forged_record_does_not_allow_a_type(tmp_path):
    import skops.io

    skops.io.dump(Custom(), tmp_path / "model.skops")
    types = skops.io.get_untrusted_types(file=tmp_path / "model.skops")
    with pytest.raises(UnsafeModelError, match="Custom"):
        load_model(tmp_path, flavor="sklearn", serializer="skops", details={"types": types})


def test_only_classes_of_known_packages_are_allowed():
    assert is_allowed_type("sklearn.tree._tree.Tree")
    for name in (
        "os.system",
        "builtins.eval",
        "sklearn.utils.shuffle",
        "sklearn.nope.X",
        "numpy.f2py.compile",
        "sklearn.datasets.load_iris",
        "sklearnx.A",
    ):
        assert not is_allowed_type(name)


def test_a_damaged_file_is_an_error_that_says_so(tmp_path):
    (tmp_path / "model.skops").write_bytes(b"not a zip")
    with pytest.raises(InvalidInputError, match="can't be read"):
        load_model(tmp_path, flavor="sklearn", serializer="skops", details={})
    with zipfile.ZipFile(tmp_path / "model.skops", "w") as archive:
        archive.writestr("schema.json", "{}")
    with pytest.raises(InvalidInputError, match="can't be read"):
        load_model(tmp_path, flavor="sklearn", serializer="skops", details={})


def test_pickle_needs_a_word_when_saving_and_a_word_when_loading(tmp_path):
    saved = save_model(Constant(), tmp_path, serializer="pickle")
    assert saved.details["unsafe"] is True
    with pytest.raises(UnsafeModelError, match="allow_pickle=True"):
        reload(tmp_path, saved)
    assert reload(tmp_path, saved, allow_pickle=True).predict([1, 2]) == [1, 1]


def test_a_malicious_pickle_is_not_run(tmp_path):
    trace = tmp_path / "trace"
    saved = save_model(Constant(), tmp_path, serializer="pickle")
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Evil(str(trace))))
    with pytest.raises(UnsafeModelError):
        reload(tmp_path, saved)
    (tmp_path / "model.skops").write_bytes((tmp_path / "model.pkl").read_bytes())
    with pytest.raises(InvalidInputError, match="can't be read"):
        load_model(tmp_path, flavor="sklearn", serializer="skops", details={})
    assert not trace.exists()


def test_what_cant_be_saved_says_why(tmp_path):
    model = Constant()
    model.lock = io.StringIO
    model.function = lambda: 1
    with pytest.raises(InvalidInputError, match="can't be pickled"):
        save_model(model, tmp_path, serializer="pickle")
    with pytest.raises(InvalidInputError, match="no predict method"):
        save_model(object(), tmp_path, serializer="pickle")
    with pytest.raises(
        InvalidInputError, match=r"a function isn't a model: it has no predict method; decorate it with hr.predictor"
    ):
        infer_signature(lambda frame: frame["a"], FRAME)
    with pytest.raises(InvalidInputError, match="doesn't hold a Constant"):
        save_model(Constant(), tmp_path, serializer="skops")
    with pytest.raises(NotFoundError, match="did you mean 'pickle'"):
        save_model(Constant(), tmp_path, serializer="pickl")
    with pytest.raises(NotFoundError, match="flavor"):
        load_model(tmp_path, flavor="keras", serializer="h5", details={})


def test_a_missing_package_names_its_extra(tmp_path, monkeypatch):
    saved = save_model(LogisticRegression().fit(FRAME, LABELS), tmp_path)
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(MissingExtraError, match=r"headrace\[sklearn\]"):
        reload(tmp_path, saved)


@pytest.fixture
def loaded(tmp_path):
    model = LogisticRegression().fit(FRAME, LABELS)
    return reload(tmp_path, save_model(model, tmp_path), infer_signature(model, FRAME))


def test_columns_are_found_by_name_whatever_holds_them(loaded):
    expected = list(loaded.predict(FRAME))
    shuffled = FRAME[["b", "a"]].assign(extra="x")
    for data in (shuffled, pa.Table.from_pandas(shuffled), pl.from_pandas(shuffled), shuffled.to_dict("list"), FRAME.to_numpy()):
        assert list(loaded.predict(data)) == expected
    assert list(loaded.predict({"b": 0, "a": 4.0})) == [1]


def test_numbers_in_object_and_nullable_columns_are_numbers(tmp_path):
    model = HistGradientBoostingClassifier(max_iter=3).fit(FRAME, LABELS)
    found = reload(tmp_path, save_model(model, tmp_path), infer_signature(model, FRAME))
    odd = pd.DataFrame({"a": pd.Series([4.0, None], dtype="object"), "b": pd.array([1, None], dtype="Int64")})
    assert list(found.predict(odd)) == list(model.predict(odd.astype("float64")))
    with pytest.raises(InvalidInputError, match="refuses these values"):
        found.predict(odd.assign(a=pd.Timestamp("2026-01-01")))


def test_missing_columns_are_named(loaded):
    with pytest.raises(InvalidInputError, match=r"lacks 'a'.*did you mean 'aa'|lacks 'a'"):
        loaded.predict(FRAME.rename(columns={"a": "aa"}))
    with pytest.raises(InvalidInputError, match="takes 2 columns"):
        loaded.predict(np.zeros((2, 3)))
    with pytest.raises(InvalidInputError, match="refuses these values"):
        loaded.predict(FRAME.assign(a="x"))
    with pytest.raises(InvalidInputError, match="expected a pandas"):
        loaded.predict(5)


def test_a_model_fitted_on_an_array_is_given_arrays(tmp_path):
    model = LogisticRegression().fit(FRAME.to_numpy(), LABELS)
    for example in (FRAME.to_numpy()[:2], FRAME[:2]):
        signature = infer_signature(model, example)
        found = reload(tmp_path, save_model(model, tmp_path), signature)
        assert list(found.predict(FRAME)) == list(model.predict(FRAME.to_numpy()))


def test_a_method_the_model_lacks_is_named(tmp_path):
    saved = save_model(Constant(), tmp_path, serializer="pickle")
    with pytest.raises(InvalidInputError, match="no predict_proba"):
        reload(tmp_path, saved, allow_pickle=True).predict_proba([1])


def test_a_signature_survives_its_spec():
    signature = infer_signature(Custom(), FRAME.assign(s="x", t=pd.Timestamp("2026-01-01", tz="UTC"), o=[[1]] * 20))
    assert Signature.from_spec(signature.to_spec()) == signature
    assert [column.type for column in signature.inputs] == ["float64", "int64", "string", "timestamp", "object"]
    assert [(column.name, column.type) for column in signature.outputs] == [("prediction", "float64")]
