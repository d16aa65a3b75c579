"""Values travel exactly."""

from __future__ import annotations

import math
import struct
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import InvalidInputError
from headrace.wire.values import pack, unpack

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=())),
    st.binary(),
    st.dates(),
    st.datetimes().map(lambda moment: moment.replace(fold=0)),
    st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(fold=0)),
)


@given(st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20))
def test_what_is_packed_is_unpacked_equal_and_of_its_type(value):
    found = unpack(pack(value))
    assert found == value
    assert repr(found) == repr(value)


def test_floats_keep_every_bit():
    quiet = struct.unpack(">d", bytes.fromhex("7ff8000000000123"))[0]
    for value in (0.1, -0.0, math.inf, 5e-324, quiet):
        assert struct.pack(">d", unpack(pack(value))) == struct.pack(">d", value)


def test_what_pandas_and_numpy_hold_is_the_python_value():
    given = [pd.NaT, pd.NA, np.int64(3), np.float32(0.1), np.bool_(True), np.str_("x"), np.datetime64("NaT")]
    assert unpack(pack(given)) == [None, None, 3, float(np.float32(0.1)), True, "x", None]
    moment = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
    assert unpack(pack([pd.Timestamp(moment), np.datetime64("2026-01-01T12:00:00.123456789")])) == [
        moment,
        moment.replace(tzinfo=None),
    ]


def test_a_zone_becomes_utc():
    east = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=9)))
    assert unpack(pack(east)).isoformat() == "2026-01-01T03:00:00+00:00"


def test_what_has_no_place_in_a_column_can_still_be_told():
    found = unpack(pack([Decimal("1.5"), date]))
    assert [(repr(item), type(item).__name__) for item in found] == [("Decimal('1.5')", "Decimal"), (repr(date), "type")]


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x92\x01", b"\xc7\x01\x09x", b"\xc7\x01\x01x", b"\x91" * 3000])
def test_nonsense_is_refused(data):
    with pytest.raises(InvalidInputError, match="msgpack"):
        unpack(data)
