"""kill -9, full disks and damage, at the log and the embedded online store: what was acknowledged is there, once."""

from __future__ import annotations

import random
import subprocess
import sys
import time

import lmdb
import pyarrow as pa
import pytest

from headrace.errors import IntegrityError, StorageError
from headrace.events.embedded import EmbeddedEventLog
from headrace.online.embedded import EmbeddedOnlineStore
from headrace.online.store import Delta

APPENDER = """
import sys
from pathlib import Path
import pyarrow as pa
from headrace.events.embedded import EmbeddedEventLog
log = EmbeddedEventLog(Path(sys.argv[1]), fsync=False, segment_size=20_000)
worker, count = int(sys.argv[2]), int(sys.argv[3])
pa.table({"warm": ["up"]})
print("ready", flush=True)
for step in range(count):
    [batch] = log.append("t", pa.table({"worker": [worker] * 5, "step": [step] * 5, "fill": ["x" * (step % 700)] * 5}))
    print(step, batch.first, flush=True)
"""

APPLIER = """
import sys
from pathlib import Path
from headrace.online.embedded import EmbeddedOnlineStore
from headrace.online.store import Delta
store = EmbeddedOnlineStore(Path(sys.argv[1]), map_size=1 << 20)
add = lambda stored, change: (int.from_bytes(stored or b"", "big") + int.from_bytes(change, "big")).to_bytes(8, "big")
one = (1).to_bytes(8, "big")
print("ready", flush=True)
start = store.status("g:1").applied.get(0, -1) + 1
for step in range(start, start + 100_000):
    changes = {b"all": one, **{f"{step}-{i}".encode(): one for i in range(30)}}
    store.apply([Delta(group, 0, step, step, changes, step, add) for group in ("g:1", "h:1")])
    print(step, flush=True)
"""

LIMITED = """
import resource, sys
from pathlib import Path
import pyarrow as pa
from headrace.errors import StorageError
from headrace.events.embedded import EmbeddedEventLog
from headrace.online.embedded import EmbeddedOnlineStore
from headrace.online.store import Delta
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder = Path(sys.argv[1])
log = EmbeddedEventLog(folder / "log")
store = EmbeddedOnlineStore(folder / "online")
rows = pa.table({"v": ["x" * 1000] * 100})
keep = lambda stored, change: change
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
written = applied = 0
try:
    while True:
        log.append("t", rows)
        written += 100
except StorageError as error:
    assert "nothing was appended" in str(error), error
size = (folder / "log/topic-t/00000000000000000000.segment").stat().st_size
try:
    for step in range(1000):
        store.apply([Delta("g:1", 0, step, step, {f"{step}-{i}".encode(): b"v" * 1000 for i in range(50)}, step, keep)])
        applied = step
except StorageError as error:
    pass
assert store.status("g:1").applied == {0: applied}
assert sum(batch.rows.num_rows for batch in log.read("t", 0, -1)) == written == log.end("t", 0) + 1
print(written, size, applied)
"""


def launch(code, *arguments):
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def start(code, *arguments):
    child = launch(code, *arguments)
    assert child.stdout.readline() == "ready\n"
    return child


def kill_after(child, lines, seconds):
    """Kill the child some time after it acknowledged so many steps; returns all that it acknowledged."""
    head = [child.stdout.readline() for _ in range(lines)]
    time.sleep(seconds)
    child.kill()
    rest, _ = child.communicate()
    return [*head, *[line for line in rest.splitlines(keepends=True) if line.endswith("\n")]]


def test_acknowledged_rows_survive_a_kill_once(tmp_path):
    chance = random.Random(7)
    acknowledged = {}
    for worker in range(6):
        for line in kill_after(start(APPENDER, tmp_path, worker, 100_000), chance.randrange(40), chance.uniform(0, 0.02)):
            step, first = map(int, line.split())
            acknowledged[(worker, step)] = first
    log = EmbeddedEventLog(tmp_path)
    found = {}
    expected = 0
    for batch in log.read("t", 0, -1):
        assert batch.first == expected
        expected = batch.last + 1
        (worker,), (step,) = set(batch.rows["worker"].to_pylist()), set(batch.rows["step"].to_pylist())
        assert batch.rows.num_rows == 5
        assert (worker, step) not in found
        found[(worker, step)] = batch.first
    assert acknowledged.items() <= found.items()
    assert len(found) - len(acknowledged) <= 6
    assert log.append("t", pa.table({"v": [1]}))[0].first == expected


def test_processes_append_at_once(tmp_path):
    children = [launch(APPENDER, tmp_path, worker, 300) for worker in range(2)]
    outputs = [child.communicate()[0] for child in children]
    assert [len(output.splitlines()) for output in outputs] == [301, 301]
    seen = [tuple(row.values())[:2] for batch in EmbeddedEventLog(tmp_path).read("t", 0, -1) for row in batch.rows.to_pylist()]
    assert sorted(seen) == sorted((worker, step) for worker in range(2) for step in range(300) for _ in range(5))


def test_acknowledged_steps_of_the_online_store_survive_a_kill_once(tmp_path):
    chance = random.Random(8)
    for _ in range(6):
        lines = kill_after(start(APPLIER, tmp_path), chance.randrange(1, 30), chance.uniform(0, 0.02))
        store = EmbeddedOnlineStore(tmp_path)
        applied = store.status("g:1").applied[0]
        acknowledged = int(lines[-1])
        assert acknowledged <= applied <= acknowledged + 1
        for group in ("g:1", "h:1"):
            assert store.status(group).applied == {0: applied}
            ((total, one),) = store.read([(group, [b"all", f"{applied}-3".encode()])])
            assert int.from_bytes(total, "big") == applied + 1
            assert one is not None
            assert store.status(group).count == 30 * (applied + 1) + 1
        store.close()


def test_a_full_disk_is_a_storage_error_and_leaves_nothing_half_written(tmp_path):
    """A limit on the size of files stands for the full disk."""
    done = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    written, size, applied = map(int, done.stdout.split())
    assert 100 <= written <= 1000
    assert size < 1_000_000
    log = EmbeddedEventLog(tmp_path / "log")
    assert log.append("t", pa.table({"v": ["y"]}))[0].first == written
    store = EmbeddedOnlineStore(tmp_path / "online")
    assert store.status("g:1").applied == {0: applied}
    assert store.apply([Delta("g:1", 0, applied + 1, applied + 1, {b"k": b"v"}, 0, lambda _stored, change: change)]) == [
        "applied"
    ]
    store.close()


def filled(folder):
    store = EmbeddedOnlineStore(folder)
    store.apply([Delta("g:1", 0, 0, 0, {f"{i}".encode(): b"v" * 500 for i in range(1000)}, 0, lambda _stored, change: change)])
    store.close()


@pytest.mark.parametrize("length", [1, 100, 4096, 8192, 100_000])
def test_a_cut_online_store_is_an_integrity_error_with_the_way_out(tmp_path, length):
    filled(tmp_path)
    with (tmp_path / "data.mdb").open("r+b") as stream:
        stream.truncate(length)
    with pytest.raises((IntegrityError, StorageError), match="delete the folder and run `headrace materialize`"):
        EmbeddedOnlineStore(tmp_path).read([("g:1", [b"1"])])


def test_garbage_in_place_of_an_online_store_is_an_integrity_error(tmp_path):
    (tmp_path / "data.mdb").write_bytes(b"garbage!" * 10_000)
    with pytest.raises(IntegrityError, match="delete the folder and run `headrace materialize`"):
        EmbeddedOnlineStore(tmp_path)


def test_an_online_store_rebuilds_after_its_folder_was_deleted(tmp_path):
    filled(tmp_path / "online")
    for file in (tmp_path / "online").iterdir():
        file.unlink()
    (tmp_path / "online").rmdir()
    store = EmbeddedOnlineStore(tmp_path / "online")
    assert store.groups() == []
    store.close()


def test_a_file_in_the_online_folders_place_is_a_storage_error(tmp_path):
    (tmp_path / "online").write_text("a file")
    with pytest.raises(StorageError, match="check that it exists and may be written"):
        EmbeddedOnlineStore(tmp_path / "online")


def test_lmdb_errors_never_come_through(tmp_path):
    store = EmbeddedOnlineStore(tmp_path)

    def fail(_stored, _change):
        reason = "mdb_put: No space left on device"
        raise lmdb.DiskError(reason)

    with pytest.raises(StorageError, match="no space left on the disk"):
        store.apply([Delta("g:1", 0, 0, 0, {b"k": b"v"}, 0, fail)])
    store.close()
