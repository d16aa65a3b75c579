"""A read gives back the frame that it was given, of its own kind, with columns appended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from headrace.errors import InvalidInputError
from headrace.features.frames import queries_of, to_pandas_column

MOMENT = datetime(2026, 1, 31, 12, tzinfo=UTC)
NEW = pa.table({"n": pa.array([1, 2, 3], pa.int64()), "s": ["a", None, "c"]})


def test_pandas_keeps_rows_index_columns_types_and_the_frame_itself():
    frame = pd.DataFrame({"b": [1, 2, 3], "a": pd.Categorical(["x", None, "x"]), "c": [1.5, np.nan, 2.5]}, index=[5, 5, 1])
    before = frame.copy(deep=True)
    _, restore = queries_of(frame)
    found = restore(NEW)
    pd.testing.assert_frame_equal(found[["b", "a", "c"]], before)
    pd.testing.assert_frame_equal(frame, before)
    assert list(found.columns) == ["b", "a", "c", "n", "s"]
    assert found["n"].tolist() == [1, 2, 3]
    assert found.index.tolist() == [5, 5, 1]


def test_a_pandas_multi_index_and_an_empty_frame_are_kept():
    frame = pd.DataFrame({"k": [1, 2, 3]}, index=pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["x", "y"]))
    assert queries_of(frame)[1](NEW).index.equals(frame.index)
    found = queries_of(frame.iloc[:0])[1](NEW.slice(0, 0))
    assert (len(found), list(found.columns), str(found["n"].dtype)) == (0, ["k", "n", "s"], "int64")


def test_polars_and_arrow_come_back_as_what_they_were():
    frame = pl.DataFrame({"k": [1, 2, 3], "c": pl.Series(["x", "y", "x"], dtype=pl.Categorical)})
    found = queries_of(frame)[1](NEW)
    assert found.columns == ["k", "c", "n", "s"]
    assert found.schema["c"] == frame.schema["c"]
    table = pa.table({"k": pa.array([1, 2, 3], pa.int32())})
    assert queries_of(table)[1](NEW).schema.types == [pa.int32(), pa.int64(), pa.string()]
    batch = queries_of(table.to_batches()[0])[1](NEW)
    assert isinstance(batch, pa.RecordBatch)
    assert batch.num_rows == 3
    empty = queries_of(pa.record_batch({"k": pa.array([], pa.int32())}))[1](NEW.slice(0, 0))
    assert (empty.num_rows, empty.schema.names) == (0, ["k", "n", "s"])


def test_queries_have_plain_text_and_utc_times():
    paris = timezone(timedelta(hours=1))
    times = pd.Series([MOMENT, datetime(2026, 1, 31, 13, tzinfo=paris), None], dtype="object")
    frame = pd.DataFrame({"s": pd.Categorical(["x", None, "x"]), "ts": times, "k": [1.0, np.nan, 3.0]})
    queries, _ = queries_of(frame)
    assert queries.schema.types == [pa.string(), pa.timestamp("us", tz="UTC"), pa.float64()]
    assert queries.to_pydict() == {"s": ["x", None, "x"], "ts": [MOMENT, MOMENT, None], "k": [1.0, None, 3.0]}


@pytest.mark.parametrize(
    ("values", "kind", "dtype"),
    [
        ([1, 2], pa.int64(), "int64"),
        ([1, None], pa.int64(), "Int64"),
        ([2**63 - 1, None], pa.int64(), "Int64"),
        ([1, None], pa.int32(), "Int32"),
        ([1.5, None], pa.float64(), "float64"),
        ([True, False], pa.bool_(), "bool"),
        ([True, None], pa.bool_(), "boolean"),
        ([MOMENT, None], pa.timestamp("us", tz="UTC"), "datetime64[us, UTC]"),
        ([[1, 2], None], pa.list_(pa.int64()), "object"),
    ],
)
def test_features_have_the_pandas_types_that_lose_nothing(values, kind, dtype):
    column = to_pandas_column(pa.chunked_array([pa.array(values, kind)]))
    assert str(column.dtype) == dtype
    assert column[0] == values[0]
    if values[1] is None:
        assert column.isna()[1]


def test_text_has_the_type_that_pandas_gives_text():
    column = to_pandas_column(pa.chunked_array([["a", None]]))
    assert column.dtype == pd.Series(["a", None]).dtype


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (pd.DataFrame([[1, 2]], columns=["k", "k"]), "'k' is there 2 times"),
        (pd.DataFrame({"k": [1, "a"]}), "'k' mixes types"),
        ([{"k": 1}], "list can't be read as a frame"),
        (pl.LazyFrame({"k": [1]}), "LazyFrame can't be read as a frame"),
    ],
)
def test_what_is_no_frame_is_refused(frame, said):
    with pytest.raises(InvalidInputError, match=said):
        queries_of(frame)


def test_a_column_that_nobody_needs_may_hold_anything():
    frame = pd.DataFrame({"k": [1, 2, 3], "notes": [{"a": 1}, "b", object()]})
    queries, restore = queries_of(frame, {"k"})
    assert queries.column_names == ["k"]
    assert restore(NEW)["notes"].tolist() == frame["notes"].tolist()
    with pytest.raises(InvalidInputError, match="notes"):
        queries_of(frame)
