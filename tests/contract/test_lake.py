"""What every lake keeps: each row once, in the order of arrival, at every version, whoever dies on the way."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from contract.lake_rows import SCHEMA, STREAM, TIME, offsets, rows
from headrace.errors import ConflictError, IntegrityError, InvalidInputError, NotFoundError, SettingsError, StorageError
from headrace.lake.delta import DeltaLake
from headrace.lake.table import BATCH

TESTS = str(Path(__file__).parents[1])


@pytest.fixture
def root(tmp_path):
    return tmp_path / "lake"


@pytest.fixture(params=[DeltaLake], ids=["delta"])
def lake(request, root):
    return request.param(root)


@pytest.fixture
def table(lake):
    return lake.table("ratings", SCHEMA)


def test_a_table_that_was_never_written_is_empty_and_has_its_columns(table, root):
    snapshot = table.snapshot()
    assert (snapshot.version, snapshot.count(), snapshot.committed(STREAM), list(snapshot.files())) == (-1, 0, -1, [])
    found = pa.Table.from_batches(snapshot.scan(["title", "event_time", "_offset"]))
    assert found.schema == pa.schema([("title", pa.string()), ("event_time", TIME), ("_offset", pa.int64())])
    assert not table.holds_batch("b")
    assert not root.exists()


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


def test_lanes_may_lie_far_apart_and_each_is_told_with_its_end(table, root):
    far = 2**30 + 12_345
    assert table.snapshot().lanes() == {}
    for lane, last in ((far, 4), (0, 14), (BATCH, 9), (far, 9)):
        table.append(rows(last - 4, 5), partition=lane)
    expected = {BATCH: 9, 0: 14, far: 9}
    assert table.snapshot().lanes() == expected
    DeltaTable(root / "tables" / "ratings").optimize.compact()  # files of several lanes
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


def test_a_table_from_before_sequences_gets_the_column(table, root):
    table.append(rows(0, 2), partition=STREAM)
    older = root / "tables" / "older"
    shutil.copytree(root / "tables" / "ratings", older)
    for file in older.rglob("*.parquet"):
        pq.write_table(pq.read_table(file, partitioning=None).drop_columns(["_sequence"]), file)
    for commit in (older / "_delta_log").glob("*.json"):
        action = [json.loads(line) for line in commit.read_text().splitlines()]
        for metadata in (line["metaData"] for line in action if "metaData" in line):
            schema = json.loads(metadata["schemaString"])
            schema["fields"] = [field for field in schema["fields"] if field["name"] != "_sequence"]
            metadata["schemaString"] = json.dumps(schema)
        commit.write_text("\n".join(map(json.dumps, action)))
    table = DeltaLake(root).table("older", SCHEMA)
    assert [batch.column("_sequence").null_count for batch in table.snapshot().scan(["_sequence"])] == [2]
    table.append(rows(2, 1).append_column("_sequence", pa.array([7], pa.int64())), partition=STREAM)
    assert offsets(table.snapshot()) == [0, 1, 2]


def test_a_scan_takes_the_rows_between_two_offsets(table):
    for first in range(0, 50, 10):
        table.append(rows(first, 10), partition=STREAM)
    assert offsets(table.snapshot(), partition=STREAM, after=7, through=23) == list(range(8, 24))
    assert offsets(table.snapshot(), after=49) == []


def test_a_scan_skips_files_that_cannot_match(table):
    for first in range(0, 30, 10):
        table.append(rows(first, 10), partition=STREAM)
    snapshot = table.snapshot()
    for file in snapshot.files()[:2]:
        Path(file).unlink()
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


def test_files_are_readable_by_duckdb_and_the_table_by_any_delta_reader(table, root):
    table.append(rows(0, 5), partition=STREAM, batch_id="b")
    table.append(rows(0, 5), partition=BATCH)
    files = list(table.snapshot().files())
    found = duckdb.sql(
        "SELECT count(*), sum(_offset), min(_partition) FROM read_parquet($files)", params={"files": files}
    ).fetchall()
    assert found == [(10, 20, -1)]
    outside = DeltaTable(root / "tables" / "ratings")
    assert outside.to_pyarrow_dataset().count_rows() == 10
    assert (outside.transaction_version("offset/0"), outside.transaction_version("batch/b")) == (4, 1)


def test_a_backfill_of_decades_is_one_file_in_the_day_it_arrived(root):
    day = int(datetime(2026, 1, 31, 23, 59, tzinfo=UTC).timestamp() * 1_000_000)
    table = DeltaLake(root, clock=lambda: day).table("ratings", SCHEMA)
    spread = rows(0, 100).set_column(2, "event_time", pa.array([n * 10**13 for n in range(100)], pa.int64()).cast(TIME))
    table.append(spread, partition=BATCH)
    (file,) = table.snapshot().files()
    assert "/_day=2026-01-31/" in file


def test_many_commits_are_checkpointed_and_lose_nothing(table, root):
    for first in range(230):
        table.append(rows(first, 1), partition=STREAM, batch_id=f"b{first}")
    assert (root / "tables" / "ratings" / "_delta_log" / "_last_checkpoint").exists()
    for reader in (table, DeltaLake(root).table("ratings", SCHEMA)):
        assert offsets(reader.snapshot()) == list(range(230))
        assert reader.snapshot().committed(STREAM) == 229
        assert reader.holds_batch("b0")
    assert offsets(table.snapshot(3)) == [0, 1, 2]
    assert table.snapshot(3).committed(STREAM) == 2


def test_an_append_whose_checkpoint_fails_has_landed(table, root):
    table.append(rows(0, 1), partition=STREAM)
    every = int(DeltaTable(root / "tables" / "ratings").metadata().configuration["delta.checkpointInterval"])
    for version in range(every, every + 3):
        (root / "tables" / "ratings" / "_delta_log" / f"{version:020}.checkpoint.parquet").mkdir()
    for first in range(1, every + 3):
        table.append(rows(first, 1), partition=STREAM)
    assert offsets(table.snapshot()) == list(range(every + 3))


def test_rows_of_many_chunks_keep_their_order_in_the_files(table):
    table.append(pa.concat_tables([rows(first, 7) for first in range(0, 70_000, 7)]), partition=STREAM)
    (file,) = table.snapshot().files()
    assert pq.read_table(file, columns=["_offset"], partitioning=None).column("_offset").to_pylist() == list(range(70_000))


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


def test_versions_that_another_tool_has_cut_off_are_said_to_be_gone(table, root):
    for first in range(3):
        table.append(rows(first, 1), partition=STREAM)
    log = root / "tables" / "ratings" / "_delta_log"
    DeltaTable(log.parent).create_checkpoint()
    for version in range(3):
        (log / f"{version:020}.json").unlink()
    reopened = DeltaLake(root).table("ratings", SCHEMA)
    assert offsets(reopened.snapshot()) == [0, 1, 2]
    with pytest.raises(NotFoundError, match="no version 1"):
        reopened.snapshot(1)


def test_another_process_of_the_same_lake_is_seen(table, root):
    other = DeltaLake(root).table("ratings", SCHEMA)
    table.append(rows(0, 1), partition=STREAM)
    assert other.snapshot().count() == 1
    other.append(rows(1, 1), partition=STREAM)
    assert table.append(rows(0, 3), partition=STREAM).rows == 1
    assert offsets(other.snapshot()) == [0, 1, 2]


def test_a_foreign_rewrite_of_the_files_is_followed(table, root):
    for first in range(4):
        table.append(rows(first, 1), partition=STREAM)
    DeltaTable(root / "tables" / "ratings").optimize.compact()
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


def test_rows_without_a_column_are_refused_and_nothing_is_written(table, root):
    with pytest.raises(InvalidInputError, match="'title'"):
        table.append(rows(0, 2).drop_columns(["title"]), partition=STREAM)
    assert not root.exists()


def test_a_missing_file_is_named(table):
    table.append(rows(0, 2), partition=STREAM)
    snapshot = table.snapshot()
    Path(snapshot.files()[0]).unlink()
    with pytest.raises(IntegrityError, match=r"ratings.*Restore"):
        offsets(snapshot)


def test_a_damaged_file_is_found(table):
    table.append(rows(0, 2), partition=STREAM)
    with Path(table.snapshot().files()[0]).open("r+b") as file:
        file.truncate(40)
    with pytest.raises(IntegrityError, match="ratings"):
        offsets(table.snapshot())


def test_a_damaged_log_is_found(table, root):
    table.append(rows(0, 2), partition=STREAM)
    before = table.snapshot()
    commit = root / "tables" / "ratings" / "_delta_log" / f"{1:020}.json"
    commit.write_text("{bad")
    for reader in (DeltaLake(root).table("ratings", SCHEMA), table):
        with pytest.raises(IntegrityError, match=r"log.*ratings"):
            reader.holds_batch("b")
    with pytest.raises(IntegrityError, match=r"log.*ratings"):
        DeltaLake(root).table("ratings", SCHEMA).snapshot()
    assert (before.count(), before.committed(STREAM), offsets(before)) == (2, 1, [0, 1])


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="file"):
        DeltaLake(tmp_path / "file").table("ratings", SCHEMA).append(rows(0, 1), partition=STREAM)
    with pytest.raises(StorageError, match="file"):
        DeltaLake(tmp_path / "file").write_frame("f", rows(0, 1))


READ_ONLY = """
import os, sys, tempfile
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from contract.lake_rows import SCHEMA, rows
from headrace.errors import StorageError
from headrace.lake.delta import DeltaLake
with tempfile.TemporaryDirectory() as folder:
    root = Path(folder) / "lake"
    DeltaLake(root).table("ratings", SCHEMA).append(rows(0, 5), partition=0)
    folders = [Path(folder), *(path for path in Path(folder).rglob("*") if path.is_dir())]
    for path in folders:
        path.chmod(0o555)
    me = os.geteuid()
    os.seteuid(65534 if me == 0 else me)
    table = DeltaLake(root).table("ratings", SCHEMA)
    print(table.snapshot().count())
    try:
        table.append(rows(5, 5), partition=0)
    except StorageError as error:
        print(error)
    os.seteuid(me)
    for path in folders:
        path.chmod(0o755)
"""


def test_a_read_only_lake_is_read_and_not_written():
    output = subprocess.run([sys.executable, "-c", READ_ONLY, TESTS], capture_output=True, text=True, check=True).stdout
    assert output.startswith("5\n")
    assert "read-only for this user" in output


def test_only_local_folders_are_taken(tmp_path):
    with pytest.raises(SettingsError, match="s3://bucket"):
        DeltaLake("s3://bucket/lake")
    assert DeltaLake((tmp_path / "a b").as_uri()).root == tmp_path / "a b"


def test_a_kept_frame_comes_back_and_can_be_replaced(lake):
    lake.write_frame("ranking:1/x", rows(0, 3))
    assert lake.read_frame("ranking:1/x") == rows(0, 3)
    lake.write_frame("ranking:1/x", rows(0, 0))
    assert lake.read_frame("ranking:1/x") == rows(0, 0)
    with pytest.raises(NotFoundError, match="did you mean 'ranking:1/x'"):
        lake.read_frame("ranking:1/y")


def test_a_changed_frame_is_found(lake, root):
    lake.write_frame("f", rows(0, 3))
    (path,) = (root / "frames").rglob("*.parquet")
    pq.write_table(rows(0, 4), path)
    with pytest.raises(IntegrityError, match="SHA-256"):
        lake.read_frame("f")


WRITER = """
import sys, json
import pyarrow as pa
sys.path.insert(0, sys.argv[2])
from contract.lake_rows import SCHEMA, rows
from headrace.lake.delta import DeltaLake
table = DeltaLake(sys.argv[1]).table("ratings", SCHEMA)
lane, step, start = int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
print("ready", flush=True)
sys.stdin.readline()
for first in range(start, 10_000, step):
    table.append(rows(first, step), partition=lane)
    print(first + step - 1, flush=True)
    if first + step >= int(sys.argv[6]):
        break
"""


@pytest.fixture
def writer(root):
    """Starts a process that appends `step` rows at a time to a lane, and prints the last offset acknowledged."""
    started = []

    def start(lane, step, first=0, end=200):
        command = [sys.executable, "-c", WRITER, str(root), TESTS, *map(str, (lane, step, first, end))]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        process.stdout.readline()
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def go(*processes):
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()


def test_two_processes_that_append_the_same_rows_double_nothing(writer, table):
    first, second = writer(STREAM, 4), writer(STREAM, 5)
    go(first, second)
    assert (first.wait(60), second.wait(60)) == (0, 0)
    assert sorted(offsets(table.snapshot())) == list(range(200))
    assert table.snapshot().count() == 200


def test_two_processes_on_two_lanes_both_land_and_a_reader_sees_whole_commits(writer, table):
    batch, stream = writer(BATCH, 4), writer(STREAM, 5)
    go(batch, stream)
    while stream.poll() is None or batch.poll() is None:
        snapshot = table.snapshot()
        found = offsets(snapshot, partition=STREAM)
        assert found == list(range(snapshot.committed(STREAM) + 1))
    for lane in (BATCH, STREAM):
        assert offsets(table.snapshot(), partition=lane) == list(range(200))


@pytest.mark.parametrize("delay", [0.0, 0.003, 0.011, 0.04, 0.1])
def test_a_killed_writer_loses_nothing_acknowledged_and_a_restart_doubles_nothing(writer, table, delay):
    process = writer(STREAM, 4, end=10_000)
    go(process)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    acknowledged = [int(line) for line in process.communicate()[0].split()]
    committed = table.snapshot().committed(STREAM)
    assert committed >= max(acknowledged, default=-1)
    assert offsets(table.snapshot()) == list(range(committed + 1))
    again = writer(STREAM, 4, end=committed + 9)
    go(again)
    assert again.wait(60) == 0
    assert offsets(table.snapshot()) == list(range(table.snapshot().committed(STREAM) + 1))


FULL = """
import resource, sys, pyarrow as pa
sys.path.insert(0, sys.argv[2])
from contract.lake_rows import SCHEMA, rows
from headrace.errors import StorageError
from headrace.lake.delta import DeltaLake
table = DeltaLake(sys.argv[1]).table("ratings", SCHEMA)
table.append(rows(0, 10), partition=0)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    table.append(rows(10, 100_000), partition=0)
except StorageError as error:
    print(error)
print(table.append(rows(10, 10), partition=0).rows)
"""


def test_a_full_disk_is_an_error_and_the_table_goes_on(root, table):
    command = [sys.executable, "-c", FULL, str(root), TESTS]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "free some space" in output
    assert offsets(table.snapshot()) == list(range(20))
    on_disk = [path for path in (root / "tables" / "ratings").rglob("*.parquet") if "_delta_log" not in path.parts]
    assert len(on_disk) == 2


def test_the_log_is_plain_delta(table, root):
    table.append(rows(0, 2), partition=STREAM, batch_id="b")
    commit = (root / "tables" / "ratings" / "_delta_log" / f"{1:020}.json").read_text()
    kinds = [next(iter(json.loads(line))) for line in commit.splitlines()]
    assert sorted(kinds) == ["add", "commitInfo", "txn", "txn"]
