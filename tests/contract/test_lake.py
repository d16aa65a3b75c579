"""What every lake keeps, in a folder and in a bucket: each row once, in the order of arrival, at every version."""

from __future__ import annotations

import pickle
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pytest

from contract.lake_rows import SCHEMA, STREAM, TIME, foreign, offsets, place_of, rows
from headrace.errors import ConflictError, IntegrityError, InvalidInputError, NotFoundError, SettingsError
from headrace.lake.delta import DeltaLake
from headrace.lake.table import BATCH


def test_a_table_that_was_never_written_is_empty_and_has_its_columns(table, lake):
    snapshot = table.snapshot()
    assert (snapshot.version, snapshot.count(), snapshot.committed(STREAM), list(snapshot.files())) == (-1, 0, -1, [])
    found = pa.Table.from_batches(snapshot.scan(["title", "event_time", "_offset"]))
    assert found.schema == pa.schema([("title", pa.string()), ("event_time", TIME), ("_offset", pa.int64())])
    assert not table.holds_batch("b")
    assert not list(lake.place.list())


def test_appended_rows_come_back_with_their_order_of_arrival(table):
    done = table.append(rows(0, 5), partition=STREAM)
    assert (done.rows, done.replayed) == (5, False)
    found = pa.Table.from_batches(table.snapshot().scan(["user_id", "title", "event_time", "_partition", "_offset"]))
    assert found.drop_columns(["_partition"]) == rows(0, 5).select(["user_id", "title", "event_time", "_offset"])
    assert found.column("_partition").to_pylist() == [STREAM] * 5


def test_a_repeat_changes_nothing(table):
    table.append(rows(0, 5), partition=STREAM)
    again = table.append(rows(0, 5), partition=STREAM)
    assert (again.rows, again.replayed) == (0, True)
    assert table.append(rows(3, 5), partition=STREAM).rows == 3
    assert offsets(table.snapshot()) == list(range(8))


def test_a_batch_id_lands_once(table):
    assert table.append(rows(0, 2), partition=BATCH, batch_id="monday").rows == 2
    assert table.append(rows(2, 2), partition=BATCH, batch_id="monday").replayed
    assert table.holds_batch("monday")
    assert not table.holds_batch("tuesday")
    assert offsets(table.snapshot()) == [0, 1]


def test_an_empty_batch_lands_too(table):
    assert not table.append(rows(0, 0), partition=BATCH, batch_id="nothing").replayed
    assert table.holds_batch("nothing")
    assert table.append(rows(0, 0), partition=BATCH) == table.append(rows(0, 0), partition=STREAM)


def test_lanes_have_their_own_offsets(table):
    table.append(rows(10, 5), partition=STREAM)
    assert table.append(rows(0, 5), partition=BATCH).rows == 5
    snapshot = table.snapshot()
    assert (snapshot.committed(STREAM), snapshot.committed(BATCH), snapshot.committed(7)) == (14, 4, -1)
    assert offsets(snapshot, partition=BATCH) == [0, 1, 2, 3, 4]


def test_lanes_may_lie_far_apart_and_each_is_told_with_its_end(table, lake, root):
    far = 2**30 + 12_345
    assert table.snapshot().lanes() == {}
    for lane, last in ((far, 4), (0, 14), (BATCH, 9), (far, 9)):
        table.append(rows(last - 4, 5), partition=lane)
    expected = {BATCH: 9, 0: 14, far: 9}
    assert table.snapshot().lanes() == expected
    foreign(lake).optimize.compact()  # files of several lanes
    assert table.snapshot().lanes() == DeltaLake(root).table("ratings", SCHEMA).snapshot().lanes() == expected
    assert table.snapshot().committed(far) == 9


def test_offsets_beyond_the_exact_floats_stay_exact(table):
    first = (1_800_000_000_123 << 20) + 1
    for offset in (first, first + 1, first + 2):
        table.append(rows(0, 1).set_column(4, "_offset", pa.array([offset], pa.int64())), partition=BATCH)
    assert table.snapshot().lanes() == {BATCH: first + 2}
    assert offsets(table.snapshot(), partition=BATCH, after=first) == [first + 1, first + 2]


def test_rows_keep_their_sequence_and_those_without_one_have_null(table):
    table.append(rows(0, 2).append_column("_sequence", pa.array([70, 80], pa.int64())), partition=STREAM)
    table.append(rows(2, 2), partition=STREAM)
    found = [value for batch in table.snapshot().scan(["_sequence"]) for value in batch.column("_sequence").to_pylist()]
    assert found == [70, 80, None, None]


def test_a_scan_takes_the_rows_between_two_offsets(table):
    for first in range(0, 50, 10):
        table.append(rows(first, 10), partition=STREAM)
    assert offsets(table.snapshot(), partition=STREAM, after=7, through=23) == list(range(8, 24))
    assert offsets(table.snapshot(), after=49) == []


def test_a_scan_skips_files_that_cannot_match(table, lake):
    for first in range(0, 30, 10):
        table.append(rows(first, 10), partition=STREAM)
    snapshot = table.snapshot()
    place = place_of(lake)
    place.delete([file.removeprefix(f"{place.url}/") for file in snapshot.files()[:2]])
    assert offsets(snapshot, after=19) == list(range(20, 30))


def test_a_snapshot_stays_as_it_was(table, lake, root):
    table.append(rows(0, 5), partition=STREAM)
    before = table.snapshot()
    table.append(rows(5, 5), partition=STREAM)
    assert (offsets(before), before.count(), before.committed(STREAM)) == (list(range(5)), 5, 4)
    reopened = DeltaLake(root).table("ratings", SCHEMA)
    assert offsets(reopened.snapshot(before.version)) == list(range(5))
    assert offsets(reopened.snapshot()) == list(range(10))
    assert reopened.snapshot(before.version).committed(STREAM) == 4
    assert table.snapshot(-1).count() == 0


def test_a_version_that_is_not_there_is_said_so(table):
    table.append(rows(0, 1), partition=STREAM)
    with pytest.raises(NotFoundError, match="no version 99"):
        table.snapshot(99)


def test_files_are_readable_by_duckdb_and_the_table_by_any_delta_reader(table, lake):
    table.append(rows(0, 5), partition=STREAM, batch_id="b")
    table.append(rows(0, 5), partition=BATCH)
    snapshot = table.snapshot()
    files = list(pickle.loads(pickle.dumps(snapshot.fetch))(snapshot.files()))  # as a cluster's workers read them
    found = duckdb.sql(
        "SELECT count(*), sum(_offset), min(_partition) FROM read_parquet($files)", params={"files": files}
    ).fetchall()
    assert found == [(10, 20, -1)]
    outside = foreign(lake)
    assert outside.to_pyarrow_dataset().count_rows() == 10
    assert (outside.transaction_version("offset/0"), outside.transaction_version("batch/b")) == (4, 1)


def test_a_backfill_of_decades_is_one_file_in_the_day_it_arrived(root):
    day = int(datetime(2026, 1, 31, 23, 59, tzinfo=UTC).timestamp() * 1_000_000)
    table = DeltaLake(root, clock=lambda: day).table("ratings", SCHEMA)
    spread = rows(0, 100).set_column(2, "event_time", pa.array([n * 10**13 for n in range(100)], pa.int64()).cast(TIME))
    table.append(spread, partition=BATCH)
    (file,) = table.snapshot().files()
    assert "/_day=2026-01-31/" in file


def test_many_commits_are_checkpointed_and_lose_nothing(table, lake, root):
    for first in range(60):
        table.append(rows(first, 1), partition=STREAM, batch_id=f"b{first}")
    assert "_delta_log/_last_checkpoint" in {found.path for found in place_of(lake).list("_delta_log")}
    for reader in (table, DeltaLake(root).table("ratings", SCHEMA)):
        assert offsets(reader.snapshot()) == list(range(60))
        assert reader.snapshot().committed(STREAM) == 59
        assert reader.holds_batch("b0")
    assert offsets(table.snapshot(3)) == [0, 1, 2]
    assert table.snapshot(3).committed(STREAM) == 2


def test_a_narrower_writer_goes_on_after_a_wider_one(lake, root):
    wider = pa.schema([*SCHEMA, ("stars", pa.float64())])
    lake.table("ratings", wider).append(rows(0, 2, wider), partition=STREAM)
    assert DeltaLake(root).table("ratings", SCHEMA).append(rows(2, 2), partition=STREAM).rows == 2
    assert [stars for batch in lake.table("ratings", wider).snapshot().scan(["stars"]) for stars in batch.column("stars")] == (
        [pa.scalar(None, pa.float64())] * 4
    )


def test_tables_made_and_widened_by_many_at_once_hold_every_row(root):
    schemas = [pa.schema([*SCHEMA, (f"extra{lane % 2}", pa.float64())]) for lane in range(6)]
    tables = [DeltaLake(root).table("ratings", schema) for schema in schemas]

    def append(lane):
        for first in (0, 5):
            tables[lane].append(rows(first, 5, schemas[lane]), partition=lane)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(append, range(6)))
    snapshot = tables[0].snapshot()
    assert [offsets(snapshot, partition=lane) for lane in range(6)] == [list(range(10))] * 6
    assert [snapshot.committed(lane) for lane in range(6)] == [9] * 6


def test_another_process_of_the_same_lake_is_seen(table, root):
    other = DeltaLake(root).table("ratings", SCHEMA)
    table.append(rows(0, 1), partition=STREAM)
    assert other.snapshot().count() == 1
    other.append(rows(1, 1), partition=STREAM)
    assert table.append(rows(0, 3), partition=STREAM).rows == 1
    assert offsets(other.snapshot()) == [0, 1, 2]


def test_a_foreign_rewrite_of_the_files_is_followed(table, lake):
    for first in range(4):
        table.append(rows(first, 1), partition=STREAM)
    foreign(lake).optimize.compact()
    assert table.append(rows(4, 1), partition=STREAM).rows == 1
    assert offsets(table.snapshot(), partition=STREAM, after=1) == [2, 3, 4]
    assert len(table.snapshot().files()) == 2


def test_a_new_column_is_null_in_older_rows(table, lake):
    table.append(rows(0, 2), partition=STREAM)
    wider = pa.schema([*SCHEMA, ("stars", pa.float64())])
    table = lake.table("ratings", wider)
    assert [b.column("stars").null_count for b in table.snapshot().scan(["stars"])] == [2]
    table.append(rows(2, 2, wider), partition=STREAM)
    assert sum(batch.num_rows for batch in table.snapshot().scan(["stars", "_offset"])) == 4


def test_a_column_that_changed_its_type_is_refused(table, lake):
    table.append(rows(0, 2), partition=STREAM)
    with pytest.raises(ConflictError, match=r"'title'.*another name"):
        lake.table("ratings", pa.schema([("user_id", pa.int64()), ("title", pa.int64())])).append(
            rows(2, 1).set_column(1, "title", pa.array([1])), partition=STREAM
        )


def test_rows_without_a_column_are_refused_and_nothing_is_written(table, lake):
    with pytest.raises(InvalidInputError, match="'title'"):
        table.append(rows(0, 2).drop_columns(["title"]), partition=STREAM)
    assert not list(lake.place.list())


def test_a_missing_file_is_named(table, lake):
    table.append(rows(0, 2), partition=STREAM)
    place = place_of(lake)
    place.delete([found.path for found in place.list() if found.path.startswith("_day=")])
    with pytest.raises(IntegrityError, match=r"ratings.*Restore"):
        offsets(table.snapshot())


def test_a_kept_frame_comes_back_and_can_be_replaced(lake):
    lake.write_frame("ranking:1/x", rows(0, 3))
    assert lake.read_frame("ranking:1/x") == rows(0, 3)
    lake.write_frame("ranking:1/x", rows(0, 0))
    assert lake.read_frame("ranking:1/x") == rows(0, 0)
    with pytest.raises(NotFoundError, match="did you mean 'ranking:1/x'"):
        lake.read_frame("ranking:1/y")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://host/lake", "begins with file://, s3://"),
        ("s3:///lake", "names no bucket"),
        ("s3://bucket/lake?colour=red", "colour"),
        ("s3://bucket/lake?max_retries=many", "whole number"),
    ],
)
def test_a_url_that_names_no_lake_is_refused(url, said):
    with pytest.raises(SettingsError, match=said):
        DeltaLake(url)


def test_a_large_append_arrives_whole(table, root):
    large = pa.array([secrets.token_hex(60) for _ in range(150_000)])  # more than one part of an upload
    table.append(rows(0, 150_000).set_column(1, "title", large), partition=STREAM)
    found = DeltaLake(root).table("ratings", SCHEMA).snapshot()
    assert found.size() > 8_000_000
    assert pa.Table.from_batches(found.scan(["title"])).column("title").combine_chunks().equals(large)


@pytest.mark.parametrize("url", ["s3://bucket/a/b?region=eu-west-1", "gs://bucket/a", "az://container/a?account_name=me"])
def test_every_kind_of_object_store_is_taken(url):
    assert DeltaLake(url).place.url == url.partition("?")[0]


def test_a_file_url_is_a_folder(tmp_path):
    assert DeltaLake((tmp_path / "a b").as_uri()).place.url == str(tmp_path / "a b")
