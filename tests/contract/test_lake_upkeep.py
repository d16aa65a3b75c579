"""What compaction and vacuum keep, in a folder and in a bucket: every row, every pinned version, whoever works meanwhile."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contract.lake_rows import SCHEMA, STREAM, TESTS, foreign, offsets, place_of, rows
from headrace.errors import IntegrityError
from headrace.lake.delta import DeltaLake
from headrace.lake.table import BATCH

DAY = 86_400_000_000
COLUMNS = ["user_id", "title", "event_time", "available_time", "_partition", "_offset", "_sequence"]


def silent(_done, _total): ...


def now():
    return time.time_ns() // 1000


def contents(snapshot):
    return pa.Table.from_batches(snapshot.scan(COLUMNS)).sort_by([("_partition", "ascending"), ("_offset", "ascending")])


def files_of(lake):
    return {found.path for found in place_of(lake).list() if found.path.startswith("_day=")}


def fill(table, commits=6, lane=STREAM, first=0):
    for start in range(first, first + commits * 5, 5):
        table.append(rows(start, 5).append_column("_sequence", pa.array(range(start, start + 5), pa.int64())), partition=lane)


def test_small_files_become_one_for_each_lane_and_hold_the_same_rows(table, lake, root):
    fill(table)
    fill(table, 4, BATCH)
    before, steps = contents(table.snapshot()), []
    done = lake.optimize("ratings", lambda *step: steps.append(step))
    assert (done.merged, done.made, done.saved > 0) == (10, 2, True)
    assert steps == [(6, 10), (10, 10)] or steps == [(4, 10), (10, 10)]
    for reader in (table, DeltaLake(root).table("ratings", SCHEMA)):
        snapshot = reader.snapshot()
        assert snapshot.version == done.version
        assert contents(snapshot).equals(before)
        assert (len(snapshot.files()), snapshot.count(), snapshot.lanes()) == (2, 50, {BATCH: 19, STREAM: 29})
        assert offsets(snapshot, partition=STREAM, after=7, through=21) == list(range(8, 22))
    assert foreign(lake).to_pyarrow_dataset().count_rows() == 50


def test_what_is_compact_already_stays_as_it_is(table, lake):
    assert lake.optimize("ratings", silent).version == -1
    fill(table)
    done = lake.optimize("ratings", silent)
    assert lake.optimize("ratings", silent) == type(done)("ratings", done.version, 0, 0, 0)


def test_appends_go_on_and_repeats_change_nothing_after_a_compaction(table, lake):
    fill(table)
    table.append(rows(0, 1), partition=BATCH, batch_id="monday")
    lake.optimize("ratings", silent)
    assert table.append(rows(20, 20), partition=STREAM).rows == 10
    assert table.append(rows(1, 5), partition=BATCH, batch_id="monday").replayed
    assert offsets(table.snapshot(), partition=STREAM) == list(range(40))
    lake.optimize("ratings", silent)
    assert offsets(table.snapshot(), partition=STREAM) == list(range(40))


def test_files_of_different_days_are_not_mixed_and_offsets_stay_in_order(lake, root):
    today = [int(datetime(2026, 1, 30, tzinfo=UTC).timestamp() * 1_000_000)]
    table = DeltaLake(root, clock=lambda: today[0]).table("ratings", SCHEMA)
    for day, first in ((0, 0), (0, 5), (1, 10), (0, 15), (0, 20), (1, 25), (1, 30)):  # one writer's clock is behind at midnight
        today[0] = int(datetime(2026, 1, 30 + day, tzinfo=UTC).timestamp() * 1_000_000)
        table.append(rows(first, 5), partition=STREAM)
    assert (lake.optimize("ratings", silent).merged, len(table.snapshot().files())) == (6, 4)
    assert offsets(table.snapshot(), partition=STREAM) == list(range(35))


def test_a_compacted_table_keeps_columns_that_the_source_no_longer_has(lake, root):
    wider = pa.schema([*SCHEMA, ("stars", pa.float64())])
    table = lake.table("ratings", wider)
    for first in (0, 1):
        table.append(rows(first, 1, wider).set_column(5, "stars", pa.array([4.5])), partition=STREAM)
    lake.table("ratings", SCHEMA).append(rows(2, 1), partition=STREAM)
    lake.optimize("ratings", silent)
    found = [value for batch in DeltaLake(root).table("ratings", wider).snapshot().scan(["stars"]) for value in batch["stars"]]
    assert pa.array(found).to_pylist() == [4.5, 4.5, None]


def test_versions_from_before_stay_readable_until_a_vacuum_and_pinned_ones_after_it(table, lake, root):
    fill(table, 3)
    pinned = table.snapshot()
    fill(table, 3, first=15)
    unpinned, before = table.snapshot(), files_of(lake)
    lake.optimize("ratings", silent)
    assert offsets(table.snapshot(unpinned.version)) == list(range(30))
    kept = lake.vacuum("ratings", [pinned.version], now() - DAY)
    assert (kept.files, files_of(lake) >= before) == (0, True)
    removed = lake.vacuum("ratings", [pinned.version], now() + DAY, dry_run=True)
    assert (removed.files, files_of(lake) >= before) == (3, True)
    assert lake.vacuum("ratings", [pinned.version], now() + DAY) == removed
    reopened = DeltaLake(root).table("ratings", SCHEMA)
    assert offsets(reopened.snapshot(pinned.version)) == list(range(15))
    assert offsets(reopened.snapshot()) == list(range(30))
    assert lake.vacuum("ratings", [], now() + DAY).files == 3
    assert offsets(DeltaLake(root).table("ratings", SCHEMA).snapshot()) == list(range(30))
    with pytest.raises(IntegrityError, match="ratings"):
        offsets(_without_copies(lake).snapshot(pinned.version))


def test_versions_that_were_current_since_the_moment_stay(table, lake):
    fill(table, 3)
    time.sleep(1.1)  # object stores tell seconds
    moment = now()
    time.sleep(1.1)
    fill(table, 3, first=15)
    version = table.snapshot().version
    lake.optimize("ratings", silent)
    lake.vacuum("ratings", [], moment)
    assert len(files_of(lake)) == 7
    assert offsets(table.snapshot(version)) == list(range(30))
    assert offsets(table.snapshot(version - 3)) == list(range(15))


def test_what_failed_appends_have_left_goes_when_it_is_old(table, lake, tmp_path):
    fill(table, 2)
    orphan = tmp_path / "orphan"
    pq.write_table(rows(0, 3), orphan)
    place_of(lake).publish(orphan, "_day=2026-01-01/0190a1b2c3d47e5f8a9b0c1d2e3f4a5b.parquet")
    assert lake.vacuum("ratings", [], now() - DAY).files == 0
    assert lake.vacuum("ratings", [], now() + DAY).files == 1
    assert offsets(table.snapshot()) == list(range(10))
    assert lake.vacuum("other", [], now()).files == 0


def test_two_compactions_at_once_double_nothing(table, lake, root):
    fill(table, 8)
    other = DeltaLake(root)
    done = []

    def meanwhile(_merged, _total):
        if not done:
            done.append(None)
            done.append(other.optimize("ratings", silent))

    late = lake.optimize("ratings", meanwhile)
    assert (done[1].merged, late.merged) == (8, 0)
    assert offsets(DeltaLake(root).table("ratings", SCHEMA).snapshot()) == list(range(40))


def test_a_compaction_by_another_tool_at_once_doubles_nothing(table, lake, root):
    fill(table, 8)
    late = lake.optimize("ratings", lambda *_: foreign(lake).optimize.compact())
    assert late.merged == 0
    assert sorted(offsets(DeltaLake(root).table("ratings", SCHEMA).snapshot())) == list(range(40))


def test_a_file_that_is_not_what_the_log_says_stops_the_compaction(table, lake, tmp_path):
    fill(table, 3)
    version = table.snapshot().version
    short = tmp_path / "short"
    pq.write_table(pa.Table.from_batches(table.snapshot().scan(COLUMNS)).slice(0, 2), short)
    place_of(lake).publish(short, min(files_of(lake)))
    with pytest.raises(IntegrityError, match="log says"):
        _without_copies(lake)
        lake.optimize("ratings", silent)
    assert table.snapshot().version == version


def _without_copies(lake):
    """The table, of whose files there are no copies in a cache."""
    cache = getattr(lake.place, "cache", None)
    if cache is not None:
        for copy in cache.folder.iterdir():
            copy.unlink()
    return lake.table("ratings", SCHEMA)


OPTIMIZER = """
import sys
sys.path.insert(0, sys.argv[2])
from contract.lake_rows import SCHEMA
from headrace.lake.delta import DeltaLake
lake = DeltaLake(sys.argv[1])
while True:
    done = lake.optimize("ratings", lambda *_: None)
    if done.merged:
        print(done.merged, flush=True)
"""


def test_appends_and_reads_are_not_disturbed_by_compactions_that_are_killed(table, lake, root):
    fill(table, 4)
    process, seen = None, 0
    try:
        for first in range(20, 140, 5):
            if process is None:
                command = [sys.executable, "-c", OPTIMIZER, str(root), TESTS]
                process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            table.append(rows(first, 5), partition=STREAM)
            assert offsets(table.snapshot(), partition=STREAM) == list(range(first + 5))
            if first % 40 == 0:
                seen += bool(process.stdout.readline())
                process.kill()
                process.communicate()
                process = None
    finally:
        if process is not None:
            process.kill()
            process.communicate()
    assert seen == 3
    lake.optimize("ratings", silent)
    assert offsets(DeltaLake(root).table("ratings", SCHEMA).snapshot(), partition=STREAM) == list(range(140))
