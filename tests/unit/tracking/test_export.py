"""Runs and their points leave as files that other tools read."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from pyarrow import csv, parquet

import headrace as hr
from headrace.errors import InvalidInputError, StorageError
from headrace.tracking.run import Metric, write_table


@pytest.fixture
def store(tmp_path):
    with hr.connect(tmp_path / "project") as opened:
        for number in range(3):
            run = opened.runs.recorder.start("ranker", f"r{number}", params={"depth": number})
            opened.runs.recorder.log(
                run.id, metrics=[Metric("loss", math.nan if number == 2 else number / 3, 5, step) for step in range(2)]
            )
        yield opened


@pytest.fixture(autouse=True)
def _project(tmp_path):
    (tmp_path / "project").mkdir()


def test_a_list_of_runs_is_a_parquet_file_with_types(store, tmp_path):
    where = store.runs.search(order_by="run_name").write(tmp_path / "runs.parquet")
    table = parquet.read_table(where)
    assert table.column("params.depth").to_pylist() == ["0", "1", "2"]
    assert table.column("metrics.loss").to_pylist()[:2] == [0.0, 1 / 3]
    assert math.isnan(table.column("metrics.loss")[2].as_py())
    assert table.schema.field("start").type == pa.timestamp("us", "UTC")
    assert table.column("end").null_count == 3


def test_a_list_of_runs_is_a_csv_file_with_every_digit(store, tmp_path):
    where = store.runs.search(order_by="run_name").write(tmp_path / "runs.csv")
    assert csv.read_csv(where).column("metrics.loss").to_pylist()[1] == 1 / 3


def test_points_of_many_runs_are_one_table(store):
    ids = [run.id for run in store.runs.search(order_by="run_name")]
    table = store.runs.points(ids, ["loss", "none"])
    assert table.column("run_id").to_pylist() == [ids[0], ids[0], ids[1], ids[1], ids[2], ids[2]]
    assert table.column("step").to_pylist() == [0, 1] * 3
    assert store.runs.points(ids, ["none"]).schema == table.schema


def test_another_ending_is_refused_and_a_file_that_cannot_be_written_leaves_nothing(store, tmp_path):
    with pytest.raises(InvalidInputError, match=r"end in \.csv or \.parquet"):
        store.runs.search().write(tmp_path / "runs.xlsx")
    with pytest.raises(StorageError, match="can't be written"):
        write_table(pa.table({"a": [1]}), tmp_path / "none" / "runs.csv")


def test_nothing_found_is_a_file_with_the_facts_columns(store, tmp_path):
    where = store.runs.search("run_name = 'none'").write(tmp_path / "runs.parquet")
    assert parquet.read_table(where).column_names[:2] == ["run_id", "name"]
