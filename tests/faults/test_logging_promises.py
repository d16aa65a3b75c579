"""The logging client's promises that want a process of their own: no waiting, bounded memory, the truth of what is lost."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
import threading

import pytest

import headrace as hr
from headrace.tracking.client import delivery, writer
from headrace.tracking.client.guard import TrackingWarning
from headrace.tracking.client.spool import Spool, held_spools
from servers.inside import served
from servers.ports import free_port
from waiting import PATIENCE, until

SOON = 0.2
"""What a kill may lose, in seconds, by the design."""


@pytest.fixture
def here(tmp_path, monkeypatch):
    folder = tmp_path / "client"
    folder.mkdir()
    (folder / "headrace.toml").write_text("")
    monkeypatch.chdir(folder)
    return folder


def in_a_process(program, here, *words):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *map(str, words)],
        cwd=here,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


WATCHED = """
import json, os, socket, sys, threading
import headrace as hr

loop, watching, seen = threading.get_ident(), False, []
def hook(event, arguments):
    if watching and threading.get_ident() == loop:
        seen.append(event)
sys.addaudithook(hook)
with socket.create_server(("127.0.0.1", 0)) as frozen:
    store = hr.connect(f"http://127.0.0.1:{frozen.getsockname()[1]}")
    run = store.start_run()
    run.log_metric("m", 0.0)
    watching = True
    for step in range(300_000):
        run.log_metric("m", 0.5, step=step)
        if step % 1000 == 0:
            run.log_metrics({"a": step, f"k{step}": 2.0}, step=step)
    quiet, seen = seen, []
    run.log_text("note.txt", "a file is staged at once")
    watching = False
    print(json.dumps([quiet, seen]), flush=True)
    os._exit(0)
"""


def test_a_log_call_opens_no_file_and_speaks_to_nobody(here):
    quiet, staged = in_a_process(WATCHED, here)
    assert quiet == []
    assert "open" in staged  # the hook sees what there is to see


def test_names_that_never_resolve_and_a_disk_that_hangs_hold_up_nobody(here, monkeypatch):
    released, real = threading.Event(), os.pwrite

    def hangs(*_arguments, **_named):
        released.wait(PATIENCE)
        raise socket.gaierror(-2, "Name or service not known")

    def hanging_write(*arguments):
        released.wait(PATIENCE)
        return real(*arguments)

    most = 20_000
    monkeypatch.setattr("headrace.tracking.client.run.MOST_POINTS", most)
    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    with hr.connect("http://a-name-that-never-resolves.invalid:5000") as store:
        run = store.start_run(capture=False)
        monkeypatch.setattr(os, "pwrite", hanging_write)
        fullest = [0]

        def log():
            for step in range(10 * most):
                run.log_metric("m", 0.5, step=step)
                fullest[0] = max(fullest[0], len(run._writer.points))

        logging = threading.Thread(target=log, daemon=True)
        logging.start()
        logging.join(PATIENCE)
        assert not logging.is_alive()
        assert fullest[0] <= most + 1
        released.set()
        with pytest.warns(TrackingWarning, match="were given up|headrace sync"):
            run._close("FINISHED", 0.2)
        run.ended = True
    (left,) = held_spools(here / ".headrace" / "spool")
    kept, thinned = points_in(left)
    assert thinned > 0
    assert kept + thinned == 10 * most


def points_in(folder):
    """How many points wait in a spool, and how many it says were given up."""
    spool = Spool.left(folder)
    kept = thinned = 0
    while batch := spool.batch():
        kept += sum(len(series[4]) // 8 for _, kind, body in batch.entries if kind == "metrics" for series in body)
        tags = [body for _, kind, body in batch.entries if kind == "tags"]
        thinned = max([thinned, *(int(body.get("headrace.thinned_points", 0)) for body in tags)])
        spool.acknowledge(batch)
    spool.close()
    return kept, thinned


ENDLESS = """
import json, os, sys, time
import psutil
import headrace as hr

store = hr.connect(sys.argv[1])
run = store.start_run(capture=False)
for step in range(10_000):
    run.log_metric("m", 0.5, step=step)
time.sleep(1)
process = psutil.Process()
before, most = process.memory_info().rss, 0
for step in range(1_500_000):
    run.log_metric("m", 0.5, step=step)
    if step % 50_000 == 0:
        most = max(most, process.memory_info().rss)
print(json.dumps((most - before) / 1e6), flush=True)
os._exit(0)
"""


def test_memory_is_bounded_while_there_is_no_server(here):
    assert in_a_process(ENDLESS, here, f"http://127.0.0.1:{free_port()}") < 64


FULL = """
import json, resource, signal, sys
import headrace as hr
from headrace.tracking.client import spool

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit then fails as on a full disk
spool.MEMORY_BYTES = 200_000
store = hr.connect(sys.argv[1])
run = store.start_run(capture=False)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
for part in range(20):
    for step in range(2_500):
        run.log_metric("m", 0.5, step=2_500 * part + step)
    run._writer.spill()
run.set_tag("last", "1")
fault, thinned = run._writer.spool.fault, run._writer.spool.thinned
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(json.dumps({"run": run.id, "fault": fault and fault.errno, "thinned": thinned}), flush=True)
sys.stdin.readline()
run.flush(60)
run.end()
store.close()
"""


def test_a_full_disk_thins_the_oldest_points_and_the_run_says_how_many(here, tmp_path):
    folder = tmp_path / "server"
    folder.mkdir()
    with served(folder) as url:
        command = [sys.executable, "-W", "ignore", "-c", FULL, url]
        with subprocess.Popen(command, cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            said = json.loads(child.stdout.readline())
            child.communicate("\n", timeout=PATIENCE)
        assert child.returncode == 0
        with hr.connect(url) as store:
            run = store.runs.get(said["run"])
            kept = store.runs.summaries(run.id)["m"].count
    assert said["fault"] == errno.EFBIG
    assert run.tags["last"] == "1"
    assert int(run.tags["headrace.thinned_points"]) >= said["thinned"] > 0
    assert int(run.tags["headrace.thinned_points"]) + kept == 50_000


DYING = """
import os, signal, sys, time
import headrace as hr

store = hr.connect(".")
run = store.start_run(capture=False, offline=True)
for step in range(200):
    run.log_metric("m", step, step=step)
while run._writer.points:  # the thread behind takes them
    time.sleep(0.01)
with run._writer._lock:  # and has let go
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_the_thread_behind_has_taken_outlives_a_kill(here):
    assert delivery.SPILL_SECONDS <= SOON
    done = subprocess.run([sys.executable, "-c", DYING], cwd=here, timeout=PATIENCE, check=False)
    assert done.returncode == -9
    (left,) = held_spools(here / ".headrace" / "spool")
    assert points_in(left)[0] == 200


def test_a_rank_that_comes_before_its_run_waits_for_nobody_and_loses_nothing(here, tmp_path):
    folder = tmp_path / "server"
    folder.mkdir()
    with served(folder) as url, hr.connect(url) as store:
        owner = store.start_run(capture=False, offline=True, experiment="team")
        rank = store.start_run(run_id=owner.id, nested=True, capture=False)
        rank.log_metric("rank", 1.0)
        with store.start_run(nested=True, capture=False, name="other") as other:  # one that isn't there holds up no other
            other.log_metric("m", 1.0)
            assert other.flush()
        assert not rank.flush(0.3)
        owner.end()
        left = next(path for path in held_spools(here / ".headrace" / "spool") if owner._writer.name == path.name)
        assert store.runs.sync(left).entries
        until(lambda: rank.flush(1.0), "the rest of the rank")
        child = store.start_run(nested=True, capture=False)
        child.end()
        rank.end()
        assert store.runs.get(owner.id).metrics == {"rank": 1.0}
        assert (store.runs.get(child.id).experiment, store.runs.get(child.id).parent) == ("team", owner.id)
        with pytest.raises(hr.NotFoundError):
            store.start_run(run_id="0" * 32, strict=True)


def test_a_run_is_joined_while_its_server_is_away(here):
    with hr.connect(f"http://127.0.0.1:{free_port()}") as store:
        run = store.start_run(run_id="0" * 32)
        run.log_metric("m", 1.0)
        with pytest.warns(TrackingWarning, match="headrace sync"):
            run._close("FINISHED", 0.2)
        run.ended = True
    (left,) = held_spools(here / ".headrace" / "spool")
    assert points_in(left)[0] == 1


def test_points_wait_in_memory_as_bytes_of_one_size():
    assert writer.POINT.size * writer.MOST_POINTS < 64e6
