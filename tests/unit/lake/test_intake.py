"""What users hand over becomes exactly the source's columns, or one error that says how to mend it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.errors import InvalidInputError
from headrace.lake.intake import read_frame

SCHEMA = {"user_id": "int64", "stars": "float64", "title": "string", "ok": "bool", "ts": "timestamp"}
MOMENT = datetime(2026, 1, 31, 12, tzinfo=UTC)
ROW = {"user_id": 7, "stars": 4.5, "title": "Zoë", "ok": True, "ts": MOMENT}


def read(data, schema=SCHEMA, **options):
    return read_frame(data, schema, "ts", where="store.write('ratings')", **options)


def read_one(values, kind):
    """One column of the kind beside a timestamp, from pandas."""
    frame = pd.DataFrame({"x": values, "ts": pd.Series([MOMENT] * len(values), dtype="datetime64[us, UTC]")})
    return read(frame, {"x": kind, "ts": "timestamp"}).column("x").to_pylist()


def refusal(data, schema=SCHEMA, **options):
    with pytest.raises(InvalidInputError) as caught:
        read(data, schema, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda row: pd.DataFrame([row]),
        lambda row: pd.DataFrame([row]).convert_dtypes(),
        lambda row: pd.DataFrame([row]).convert_dtypes(dtype_backend="pyarrow"),
        lambda row: pl.DataFrame([row]),
        lambda row: pa.Table.from_pylist([row]),
        lambda row: pa.RecordBatch.from_pylist([row]),
        lambda row: [row],
        lambda row: row,
        lambda row: {name: [value] for name, value in row.items()},
        lambda row: {name: np.array([value]) for name, value in row.items() if name != "ts"} | {"ts": pd.Series([row["ts"]])},
    ],
    ids=["pandas", "pandas-nullable", "pandas-arrow", "polars", "arrow", "batch", "rows", "one row", "columns", "numpy"],
)
def test_every_kind_of_frame_gives_the_same_table(make):
    found = read(make(ROW))
    assert found.to_pylist() == [ROW]
    assert found.schema.field("ts").type == pa.timestamp("us", tz="UTC")
    assert found.column_names == list(SCHEMA)


def test_a_parquet_file_and_a_folder_of_them_are_read(tmp_path):
    table = pa.Table.from_pylist([ROW])
    pq.write_table(table, tmp_path / "a.parquet")
    pq.write_table(table, tmp_path / "b.parquet")
    assert read(tmp_path / "a.parquet").num_rows == 1
    assert read(str(tmp_path)).num_rows == 2


def test_a_missing_or_broken_file_is_named(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"not parquet")
    assert "x.parquet" in refusal(tmp_path / "x.parquet")
    assert "no file or folder" in refusal(tmp_path / "none.parquet")


def test_the_schemas_order_wins():
    assert read(pd.DataFrame([dict(reversed(ROW.items()))])).column_names == list(SCHEMA)


def test_every_fault_is_reported_at_once():
    text = refusal(pd.DataFrame({"user": [1], "stars": ["x"], "title": ["a"], "ok": [True], "ts": ["2026-01-31"]}))
    assert text.startswith("store.write('ratings'): 4 faults; nothing was changed:")
    assert "'user' isn't in the source" in text
    assert "did you mean 'user_id'?" in text
    assert "column 'user_id' (int64) is missing" in text
    assert "column 'stars' holds string ('x' at row 0), but float64 is expected" in text
    assert "frame['ts'] = pd.to_datetime(frame['ts'], utc=True)" in text


def test_numbers_are_not_timestamps():
    assert "pd.to_datetime(frame['ts'], unit='s', utc=True)" in refusal([{**ROW, "ts": 1_700_000_000}])


def test_a_null_timestamp_or_key_is_named_with_its_first_row():
    frame = pd.DataFrame([ROW] * 4)
    frame.loc[2, "ts"] = pd.NaT
    frame["user_id"] = [1, None, 3, None]
    text = refusal(frame, keys=[["user_id"]])
    assert "column 'ts' is null in 1 row, first at row 2" in text
    assert "column 'user_id' is null in 2 rows, first at row 1" in text


def test_a_row_may_lack_the_keys_of_some_groups_but_not_of_all():
    """One group counts by user, the other by title and stars: what nobody counts is refused."""
    keys = [["user_id"], ["title", "stars"]]
    frame = pd.DataFrame([ROW] * 3)
    frame["user_id"] = pd.array([1, None, 3], "Int64")
    frame["stars"] = [1.0, 2.0, None]
    assert read(frame, keys=keys).column("user_id").to_pylist() == [1, None, 3]
    frame.loc[1, "title"] = None
    assert "row 1 has the key of no group; give a value in one of 'user_id', 'title', 'stars'" in refusal(frame, keys=keys)
    assert read(frame, keys=keys, nullable={"user_id"}).num_rows == 3  # its expectation looks after it


def test_naive_times_are_utc_and_aware_ones_are_converted():
    paris = timezone(timedelta(hours=1))
    for value in (datetime(2026, 1, 31, 12), datetime(2026, 1, 31, 13, tzinfo=paris)):
        assert read([{**ROW, "ts": value}]).column("ts").to_pylist() == [MOMENT]
        assert read(pd.DataFrame([{**ROW, "ts": value}])).column("ts").to_pylist() == [MOMENT]
        assert read(pl.DataFrame([{**ROW, "ts": value}])).column("ts").to_pylist() == [MOMENT]


def test_mixed_time_zones_are_converted_one_by_one():
    values = pd.Series(
        [datetime(2026, 1, 31, 13, tzinfo=timezone(timedelta(hours=1))), MOMENT, datetime(2026, 1, 31, 12)], dtype="object"
    )
    frame = pd.DataFrame([ROW] * 3).assign(ts=values)
    assert read(frame).column("ts").to_pylist() == [MOMENT] * 3


@pytest.mark.parametrize(("nanos", "micros"), [(1_001, 1), (1_999, 1), (-1, -1), (-1_000, -1), (-1_001, -2), (0, 0)])
def test_nanoseconds_are_floored_before_1970_too(nanos, micros):
    for ts in (pd.Series(pd.to_datetime([nanos], unit="ns")), pa.array([nanos], pa.timestamp("ns"))):
        table = read({**{name: [value] for name, value in ROW.items()}, "ts": ts})
        assert table.column("ts").cast(pa.int64()).to_pylist() == [micros]


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_a_time_outside_the_calendar_is_refused(unit):
    columns = {**{name: [value] for name, value in ROW.items()}, "ts": pa.array([2**60], pa.timestamp(unit))}
    assert "outside the years 1 to 9999" in refusal(columns)


def test_the_year_1677_and_the_year_9999_are_kept():
    for value in (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)):
        assert read([{**ROW, "ts": value}]).column("ts").to_pylist() == [value]


def test_nan_of_pandas_is_null_and_nan_of_others_stays():
    assert read_one([1.0, float("nan")], "float64") == [1.0, None]
    found = read(pl.DataFrame([{**ROW, "stars": float("nan")}])).column("stars").to_pylist()
    assert np.isnan(found[0])


def test_infinities_are_kept():
    assert read_one([float("inf"), float("-inf")], "float64") == [float("inf"), float("-inf")]


def test_whole_numbers_with_gaps_are_whole_again():
    assert read_one([1.0, None, 3.0], "int64") == [1, None, 3]


def test_whole_numbers_held_as_floats_are_whole_however_they_come(tmp_path):
    """A frame with a gap can be handed over in parts: those without the gap hold floats as well, and so do its files."""
    frame = pd.DataFrame([ROW] * 3).assign(user_id=[7.0, None, 8.0])
    frame.to_parquet(tmp_path / "frame.parquet")
    assert read(frame).column("user_id").to_pylist() == [7, None, 8]
    assert read(tmp_path / "frame.parquet").column("user_id").to_pylist() == [7, None, 8]
    assert read(frame[:1]).column("user_id").to_pylist() == [7]
    assert read([{**ROW, "user_id": 7.0}]).column("user_id").to_pylist() == [7]


def test_a_float_that_is_no_whole_number_is_no_integer():
    text = refusal(pd.DataFrame([ROW, {**ROW, "user_id": 7.5}]))
    assert "column 'user_id' holds float64: 7.5 at row 1 can't be int64 without loss" in text
    assert "nan at row 0 can't be int64" in refusal(pl.DataFrame([{**ROW, "user_id": float("nan")}]))


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63), 2**53 + 1])
def test_int64_edges_are_kept(value):
    assert read_one([value], "int64") == [value]
    assert read_one(pd.Series([value, None], dtype="Int64"), "int64") == [value, None]


@pytest.mark.parametrize(
    ("values", "kind", "row"),
    [
        ([1, 2**53 + 1], "float64", 1),
        ([2**63 - 1], "float64", 0),
        ([1, 2**31], "int32", 1),
        (np.array([1, 2**63], "uint64"), "int64", 1),
        ([0.5, 0.1], "float32", 1),
        ([1.0, None, 1.5], "int64", 2),
        ([2.0**60, None], "int64", 0),
    ],
)
def test_a_lossy_cast_is_refused_at_its_first_row(values, kind, row):
    with pytest.raises(InvalidInputError, match=f"at row {row} can't be {kind}"):
        read_one(values, kind)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array([1, 2], "int32"), "int64"),
        (np.array([1, 2], "uint8"), "int32"),
        ([1, 2], "float64"),
        (np.array([0.5], "float32"), "float64"),
    ],
)
def test_lossless_casts_are_made(values, kind):
    assert read_one(values, kind) == list(values)


def test_an_empty_frame_keeps_the_schema():
    for data in (pd.DataFrame(columns=list(SCHEMA)), pd.DataFrame([ROW]).iloc[:0], [], pl.DataFrame([ROW]).clear()):
        found = read(data)
        assert found.num_rows == 0
        assert found.schema.field("user_id").type == pa.int64()


def test_a_column_without_any_value_fits_every_type():
    assert read_one([None, None], "string") == [None, None]
    assert read_one([np.nan, np.nan], "bool") == [None, None]


def test_columns_that_are_there_twice_are_refused():
    frame = pd.DataFrame([ROW])
    assert "column 'stars' is there 2 times" in refusal(pd.concat([frame, frame[["stars"]]], axis=1))


def test_categories_and_views_become_plain_text():
    assert read_one(pd.Series(["a", None, "a"], dtype="category"), "string") == ["a", None, "a"]
    assert read_one(pa.array(["a"], pa.string_view()).to_pandas(), "string") == ["a"]
    columns = {**{name: [value] for name, value in ROW.items()}, "title": pa.array(["a"], pa.string_view())}
    assert read(columns).column("title").type == pa.string()


def test_categories_of_polars_become_plain_text():
    frame = pl.DataFrame([ROW, {**ROW, "title": None}]).with_columns(pl.col("title").cast(pl.Categorical))
    assert read(frame).column("title").to_pylist() == ["Zoë", None]
    assert read(frame.with_columns(pl.lit(None, pl.Categorical).alias("title"))).column("title").to_pylist() == [None, None]


def test_long_and_foreign_text_is_kept():
    long = "é" * 1_000_000
    assert read_one([long, "日本", ""], "string") == [long, "日本", ""]


def test_mixed_types_are_shown_with_their_rows():
    frame = pd.DataFrame([ROW] * 3).assign(user_id=[1, "two", 3])
    assert "column 'user_id' mixes types: int (first at row 0), str (first at row 1)" in refusal(frame)


def test_bytes_dates_and_bools_are_kept():
    assert read_one([b"\x00\xff"], "bytes") == [b"\x00\xff"]
    assert read_one([date(2026, 1, 31)], "date") == [date(2026, 1, 31)]
    assert read_one(pd.Series([True, None], dtype="boolean"), "bool") == [True, None]


def test_a_bool_is_not_a_number_and_a_number_is_not_a_bool():
    for values, kind in (([True], "int64"), ([1], "bool")):
        with pytest.raises(InvalidInputError, match="is expected"):
            read_one(values, kind)


def test_a_key_that_no_row_has_is_missing_and_a_gap_is_null():
    rows = [ROW, {name: value for name, value in ROW.items() if name != "stars"}]
    assert read(rows).column("stars").to_pylist() == [4.5, None]


def test_something_else_is_refused_with_what_can_be_read():
    assert "give a pandas or polars DataFrame" in refusal(42)
    assert "call .collect() first" in refusal(pl.LazyFrame([ROW]))
    assert "differ in length" in refusal({"user_id": [1, 2], "stars": [1.0]})
    assert "not a column" in refusal({"user_id": 1, "stars": [1.0, 2.0]})
