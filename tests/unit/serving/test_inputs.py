"""What a model is given in the service is what it was given in training: the same values of the same types."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import InvalidInputError
from headrace.features.frames import to_model_frame
from headrace.features.values import to_arrow
from headrace.serving.inputs import FEATURE, make_frame, typed
from headrace.serving.messages import pack, unpack
from headrace.serving.shadow import Comparison, compare
from headrace.serving.worker import _cut, _text

VALUES = {
    "float64": st.floats(width=64),
    "float32": st.floats(width=32),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "bool": st.booleans(),
    "string": st.text(max_size=5),
    "timestamp": st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
}


@pytest.mark.parametrize("kind", VALUES)
@given(data=st.data(), nulls=st.booleans())
def test_features_arrive_as_a_training_set_has_them(kind, data, nulls):
    one = VALUES[kind] | st.none() if nulls else VALUES[kind]
    column = data.draw(st.lists(one, min_size=1, max_size=5))
    sent = unpack(pack({"a": column, "b": column}))
    found = make_frame(sent, typed({"a": kind, "b": kind}, {}))
    expected = to_model_frame({name: to_arrow(column, kind) for name in ("a", "b")})
    if kind in ("float64", "float32"):  # a float is null or NaN: to a model both are NaN
        expected = expected.astype(kind)
    pd.testing.assert_frame_equal(found, expected, check_column_type=False)


def test_columns_of_a_request_take_the_types_of_the_signature():
    kinds = typed({}, {"f": "float64", "i": "int64", "t": "timestamp", "s": "string"})
    found = make_frame({"f": [1, None], "i": [1, 2], "t": ["2026-01-01", "2026-01-02"], "s": ["a", None], "more": [1, 2]}, kinds)
    assert [str(kind) for kind in found.dtypes][:2] == ["float64", "int64"]
    assert str(found["t"].dtype).startswith("datetime64")
    assert found["s"].tolist() == ["a", None]
    with pytest.raises(InvalidInputError, match="types that the model takes"):
        make_frame({"f": ["many"]}, kinds)


def test_a_value_without_a_form_of_its_own_travels_as_text():
    assert unpack(pack([date(2026, 1, 2), np.float64(1.5), np.array([1, 2])])) == ["2026-01-02", 1.5, [1, 2]]
    assert typed({"a": "int64"}, {"a": "float64"})["a"] == (FEATURE, "int64")


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (np.array([1.5, np.nan]), b"[1.5,null]"),
        (np.array([[1, 2], [3, 4]]), b"[[1,2],[3,4]]"),
        (np.array(["a", "b"]), b'["a","b"]'),
        (pd.Series([1, 2]), b"[1,2]"),
        (pd.DataFrame({"a": [1], "b": [2.5]}), b'[{"a":1,"b":2.5}]'),
        ([np.int64(3), None], b"[3,null]"),
    ],
)
def test_whatever_a_model_gives_becomes_a_list_with_a_member_a_row(found, text):
    assert _text(found) == text


def test_predictions_of_several_requests_are_cut_where_their_rows_end():
    assert _cut(np.arange(5), [2, 0, 3]) == [b"[0,1]", b"[]", b"[2,3,4]"]
    assert _cut(pd.DataFrame({"a": [1, 2]}), [1, 1]) == [b'[{"a":1}]', b'[{"a":2}]']


@pytest.mark.parametrize(
    ("given", "shadowed", "wanted"),
    [
        (b"[1.0,2.0]", b"[1.0,2.5]", (2, 1, [0.5])),
        (b"[1.0]", b"[1.0000000000001]", (1, 1, [])),
        (b"[[0.1,0.9]]", b"[[0.4,0.6]]", (1, 0, [pytest.approx(0.3)])),
        (b'["a","b"]', b'["a","c"]', (2, 1, [])),
        (b"[null]", b"[null]", (1, 1, [])),
        (b"[1]", b"[1,2]", (1, 0, [])),
    ],
)
def test_answers_are_compared_row_by_row(given, shadowed, wanted):
    assert compare(given, shadowed) == wanted


def test_a_comparison_adds_up():
    found = Comparison()
    found.add(b"[1,2]", b"[1,4]")
    found.add(b"[1]", b"[2]")
    assert found.to_dict()["share_equal"] == pytest.approx(1 / 3)
    assert (found.largest, found.total) == (2, 3)
