"""What a lake in a folder keeps beside the contract: full and read-only disks, damaged files, the log as any reader sees it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from contract.lake_rows import SCHEMA, STREAM, TESTS, offsets, rows
from headrace.errors import IntegrityError, NotFoundError, StorageError
from headrace.lake.delta import DeltaLake


@pytest.fixture
def root(tmp_path):
    return tmp_path / "lake"


@pytest.fixture
def lake(root):
    return DeltaLake(root)


@pytest.fixture
def table(lake):
    return lake.table("ratings", SCHEMA)


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


def test_a_changed_frame_is_found(lake, root):
    lake.write_frame("f", rows(0, 3))
    (path,) = (root / "frames").rglob("*.parquet")
    pq.write_table(rows(0, 4), path)
    with pytest.raises(IntegrityError, match="SHA-256"):
        lake.read_frame("f")


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
