"""What holds while processes append to one table at once and die, in a folder and in a bucket."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from contract.lake_rows import STREAM, TESTS, offsets
from headrace.lake.table import BATCH

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
