"""A fingerprint depends on names, types and values, and on nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.features.fingerprint import fingerprint

TABLE = pa.table(
    {
        "i": pa.array([1, None, 3], pa.int64()),
        "f": pa.array([0.5, float("nan"), None]),
        "b": [True, None, False],
        "s": ["a", None, "é"],
        "y": pa.array([b"\0", b"", None], pa.binary()),
        "t": pa.array([datetime(2026, 1, 1, tzinfo=UTC), None, None], pa.timestamp("us", "UTC")),
        "d": pa.array([1, None, 2], pa.int32()).cast(pa.date32()),
        "l": [[1, None], None, []],
    }
)


def test_storage_and_chunks_change_nothing(tmp_path):
    pq.write_table(TABLE, tmp_path / "table.parquet", row_group_size=2)
    again = pq.read_table(tmp_path / "table.parquet")
    chunked = pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)])
    assert (
        fingerprint(again) == fingerprint(chunked) == fingerprint(TABLE) == fingerprint(pa.concat_tables([TABLE, TABLE]).slice(3))
    )


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("i", pa.array([1, 0, 3], pa.int64())),
        ("i", pa.array([1, None, 3], pa.int32())),
        ("f", pa.array([0.5, None, None], pa.float64())),
        ("s", pa.array(["a", "", "é"])),
        ("y", pa.array([b"\0", None, None], pa.binary())),
        ("l", pa.array([[1, None], [], []])),
        ("l", pa.array([[1], [None], []])),
    ],
)
def test_any_value_type_or_null_changes_it(name, values):
    place = TABLE.column_names.index(name)
    assert fingerprint(TABLE.set_column(place, name, values)) != fingerprint(TABLE)


def test_names_and_order_count():
    assert fingerprint(TABLE.rename_columns([*TABLE.column_names[:-1], "z"])) != fingerprint(TABLE)
    assert fingerprint(TABLE.take([0, 2, 1])) != fingerprint(TABLE)
    assert fingerprint(pa.table({"a": ["bc", "d"]})) != fingerprint(pa.table({"a": ["b", "cd"]}))
