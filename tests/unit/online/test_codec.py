"""Keys are the same bytes for equal keys, different for different ones, and None if a part is null."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import InvalidInputError
from headrace.online.codec import KeyCodec

PARTS = {
    "bool": st.booleans(),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "string": st.text(max_size=5),
    "bytes": st.binary(max_size=5),
    "timestamp": st.integers(-(2**60), 2**60),
    "date": st.integers(-(10**5), 10**5),
}


@given(st.data(), st.lists(st.sampled_from(sorted(PARTS)), min_size=1, max_size=3))
def test_different_keys_have_different_bytes(data, kinds):
    codec = KeyCodec([(str(place), kind) for place, kind in enumerate(kinds)])
    row = st.tuples(*(PARTS[kind] for kind in kinds))
    rows = data.draw(st.lists(row, max_size=6))
    keys = codec.keys([[row[place] for row in rows] for place in range(len(kinds))])
    assert len(set(keys)) == len(set(rows))
    assert keys == [codec.key(row) for row in rows]


def test_a_null_part_makes_no_key():
    codec = KeyCodec([("a", "int64"), ("b", "string")])
    assert codec.keys([[1, None, 2, math.nan], ["x", "y", None, "z"]]) == [codec.key([1, "x"]), None, None, None]
    single = KeyCodec([("a", "int64")])
    assert single.keys([[1, None, pd.NA, pd.NaT]]) == [single.key([1]), None, None, None]


def test_the_bytes_never_change():
    codec = KeyCodec([("a", "int64"), ("b", "string"), ("c", "bool")])
    assert codec.key([-2, "ü", True]) == b"\xff\xff\xff\xff\xff\xff\xff\xfe\0\0\0\2\xc3\xbc\1"


def test_equal_values_of_other_types_are_equal_keys():
    assert KeyCodec([("a", "int64")]).key([np.int32(7)]) == KeyCodec([("a", "int64")]).key([7])
    assert KeyCodec([("a", "string")]).key([np.str_("a")]) == KeyCodec([("a", "string")]).key(["a"])
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    codec = KeyCodec([("a", "timestamp")])
    assert codec.key([moment]) == codec.key([int(moment.timestamp() * 1e6)]) == codec.key([pd.Timestamp(moment)])
    codec = KeyCodec([("a", "date")])
    assert codec.key([date(1970, 1, 2)]) == codec.key([1]) == codec.key([datetime(1970, 1, 2, 5, tzinfo=UTC)])


@pytest.mark.parametrize(
    ("kind", "value"),
    [("int64", "7"), ("int64", 7.0), ("int64", 2**63), ("string", 7), ("bytes", "a"), ("timestamp", "today"), ("bool", 2)],
)
def test_a_value_of_another_type_is_an_error_that_names_the_key(kind, value):
    with pytest.raises(InvalidInputError, match="key 'user_id'"):
        KeyCodec([("user_id", kind)]).key([value])
