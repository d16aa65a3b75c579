"""The logging client's promises: what a training loop logs is there once, whatever happens to it, the disk and the server."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

import headrace as hr
from headrace.cli.runs import run_data
from headrace.ids import new_id
from headrace.tracking.client import delivery, origin
from headrace.tracking.client.delivery import START_SECONDS
from headrace.tracking.client.guard import TrackingWarning
from headrace.tracking.client.spool import Spool, held_spools
from servers.forked import ForkedServer
from servers.headrace import HeadraceServer
from servers.inside import served
from servers.ports import free_port
from servers.proxy import Proxy
from waiting import PATIENCE, until

RANKS = 8


@contextmanager
def frozen_server():
    """An address where connections are taken and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A project that the client stands in; its spool is there."""
    folder = tmp_path / "client"
    folder.mkdir()
    (folder / "headrace.toml").write_text("")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "headrace.toml").write_text("")
    return folder


def spooled(here):
    return held_spools(here / ".headrace" / "spool")


def test_a_frozen_server_holds_up_nobody_and_all_of_it_arrives_later(here, project, monkeypatch):
    monkeypatch.setattr(delivery, "STOP_SECONDS", 0.1)
    with frozen_server() as url, hr.connect(url) as store:
        began = time.monotonic()
        run = store.start_run(capture=False)
        for step in range(1000):
            run.log_metric("m", step, step=step)
        assert time.monotonic() - began < START_SECONDS  # nothing was waited for: a wait for the server is as long
        run.log_params({"lr": 0.1})
        run.log_text("note.txt", "kept")
        assert not run.flush(0.5)
        with pytest.warns(TrackingWarning, match="headrace sync"):
            run._close("FINISHED", 0.2)
        run.ended = True
    (left,) = spooled(here)
    with served(project) as url, hr.connect(url) as store:
        about = json.loads((left / "about.json").read_text())
        (left / "about.json").write_text(json.dumps({**about, "server": url}))
        until(lambda: store.runs.sync(left).entries, "the spool")
        found = store.runs.get(run.id)
        assert (found.status, found.params) == ("FINISHED", {"lr": "0.1"})
        assert [point.step for point in store.runs.metric_history(run.id, "m")] == list(range(1000))
        assert store.runs.read_artifact(run.id, "note.txt") == b"kept"
    assert spooled(here) == []


def test_what_a_server_refuses_of_a_start_is_told_later_and_at_once_if_strict(here, project):
    with served(project) as url, hr.connect(url) as store:
        store.runs.create_experiment("gone")
        store.runs.delete_experiment("gone")
        run = store.start_run(capture=False, experiment="gone")
        with pytest.warns(TrackingWarning, match="experiment 'gone' is deleted"):
            run.flush()
        with pytest.warns(TrackingWarning, match="can't be kept"):
            run.log_metric("m", 1.0)
            run.end()
        with pytest.raises(hr.ConflictError, match="gone"):
            store.start_run(capture=False, experiment="gone", strict=True)
        with store.start_run(capture=False, strict=True, experiment="there") as run:
            assert store.runs.get(run.id).experiment == "there"
    assert spooled(here) == []


def test_points_in_memory_are_nothing_to_the_garbage_collector(here):
    with hr.connect(here) as store, store.start_run(capture=False) as run:
        for step in range(100):
            run.log_metric("m", float(step), step=step)
            assert not any(gc.is_tracked(point) for point in run._writer.points.copy())
        assert [point.value for point in store.runs.metric_history(run.id, "m")] == list(range(100))


def test_a_server_that_is_killed_again_and_again_loses_and_doubles_nothing(here, project):
    port = free_port()
    store = hr.connect(f"http://127.0.0.1:{port}")
    done = threading.Event()
    with HeadraceServer(project, "--port", str(port)):
        run = store.start_run(capture=False)
        assert run.flush()

    def log():
        step = 0
        while not done.is_set():
            run.log_metric("m", step, step=step)
            step += 1
            time.sleep(0.001)
        run.log_metric("last", step)

    logging = threading.Thread(target=log, daemon=True)
    logging.start()
    for _ in range(10):
        server, reached = ForkedServer(project, port), run._writer.spool.settled
        until(lambda reached=reached: run._writer.spool.settled > reached, "a batch")
        server.kill()
    done.set()
    logging.join()
    with HeadraceServer(project, "--port", str(port)):
        until(lambda: run.flush(1.0), "the rest")
        run.end()
        last = int(store.runs.get(run.id).metrics["last"])
        assert [point.step for point in store.runs.metric_history(run.id, "m")] == list(range(last))
        store.close()
    with hr.connect(project) as direct:
        assert direct.runs.stores.metrics.summaries(run.id)["m"].count == last
        assert direct.runs.get(run.id).status == "FINISHED"


LOOP = """
import os, signal, sys
import headrace as hr
store = hr.connect(sys.argv[1])
run = store.start_run(capture=False, offline="offline" in sys.argv)
print(run.id, flush=True)
for step in range(200):
    run.log_metric("m", step, step=step)
run._writer.spill()
os.kill(os.getpid(), signal.SIGKILL)
"""


def die(place, here, *words):
    command = [sys.executable, "-c", LOOP, str(place), *words]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return done.stdout.split()[0]


@pytest.mark.parametrize("place", ["embedded", "remote"])
def test_what_a_killed_client_left_goes_along_with_the_next_run(here, project, place):
    with served(project) as url:
        target = here if place == "embedded" else url
        dead = die(target, here, "offline")
        with hr.connect(target) as store:
            with pytest.raises(hr.NotFoundError):
                store.runs.get(dead)
            with store.start_run(capture=False):
                until(lambda: not [path for path in spooled(here) if dead in str(path)], "the spool of the dead")
            assert [point.step for point in store.runs.metric_history(dead, "m")] == list(range(200))
            assert store.runs.get(dead).status == "RUNNING"


def test_a_run_that_is_silent_is_lost_and_heals_when_data_comes(here):
    now = [1_000_000_000]
    with hr.connect(here, clock=lambda: now[0]) as store:
        run = store.start_run(capture=False)
        assert store.runs.get(run.id).state(now[0]) == "RUNNING"
        now[0] += 61_000_000
        assert store.runs.get(run.id).state(now[0]) == "LOST"
        assert run_data(store.runs.get(run.id))["state"] == "LOST"  # by the clock of the machine: years of silence
        run.log_metric("m", 1.0)
        assert store.runs.get(run.id).state(now[0]) == "RUNNING"
        run.end()
        now[0] += 61_000_000
        assert store.runs.get(run.id).state(now[0]) == "FINISHED"


WRITERS = """
import os, sys
import headrace as hr

def write(target, run_id, rank):
    os.environ["RANK"] = str(rank)
    with hr.connect(target) as store, store.start_run(run_id=run_id, capture=False) as run:
        for step in range(100):
            run.log_metric("loss", step + rank / 10, step=step)
        run.set_tag(f"rank{rank}", "done")

with hr.connect(sys.argv[1]) as store:
    store.runs.search()  # imports what each of them needs
ranks = []
for rank in range(int(sys.argv[3])):
    pid = os.fork()  # nothing is open here: each is a process of its own
    if pid == 0:
        write(sys.argv[1], sys.argv[2], rank)
        sys.exit()
    ranks.append(pid)
sys.exit(any(os.waitpid(pid, 0)[1] for pid in ranks))
"""


def write_from(ranks, target, run_id, here):
    command = [sys.executable, "-c", WRITERS, str(target), run_id, str(ranks)]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("place", ["embedded", "remote"])
def test_several_processes_write_one_run(here, project, place):
    with served(project) as url:
        target = str(here if place == "embedded" else url)
        with hr.connect(target) as store, store.start_run(capture=False) as run:
            write_from(RANKS, target, run.id, here)
            found = store.runs.get(run.id)
            assert (found.status, len(store.runs.metric_history(run.id, "loss"))) == ("RUNNING", 100 * RANKS)
            assert {found.tags[f"rank{rank}"] for rank in range(RANKS)} == {"done"}


def test_a_forked_child_is_a_writer_of_its_own(here):
    with hr.connect(here) as store, store.start_run(capture=False) as run:
        run.log_metric("m", 1.0, step=0)
        pid = os.fork()
        if pid == 0:
            try:
                for step in range(1, 101):
                    run.log_metric("m", float(step), step=step)
                os._exit(0 if run.flush() else 3)
            finally:
                os._exit(4)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        run.log_metric("m", 101.0, step=101)
        assert [point.step for point in store.runs.metric_history(run.id, "m")] == list(range(102))
    assert store.runs.get(run.id).status == "FINISHED"


CHILDREN = """
import multiprocessing, os, sys, threading, time
import headrace as hr

class Slowly:
    def find_spec(self, name, path=None, target=None):
        if name == "httpx" and threading.current_thread() is not threading.main_thread():
            importing.set()
            time.sleep(0.3)

importing = threading.Event()
sys.meta_path.insert(0, Slowly())

def log(run):
    for step in range(100):
        run.log_metric("loss", step, step=step)

def forked(run):
    log(run)
    if way == "ends the run":
        run.end()
        os._exit(0)
    if way == "imports":
        import httpx
        run.end()
        os._exit(0)
    sys.exit()

way = sys.argv[2]
with hr.connect(sys.argv[1]) as store, store.start_run(name="parent", capture=False) as run:
    assert importing.wait(30)
    if way == "multiprocessing":
        children = [multiprocessing.get_context("fork").Process(target=log, args=(run,)) for _ in range(2)]
        for child in children:
            child.start()
        for child in children:
            child.join()
    else:
        pids = [os.fork() or forked(run) for _ in range(2)]
        assert not any(os.waitpid(pid, 0)[1] for pid in pids)
"""


@pytest.mark.parametrize("way", ["exits", "ends the run", "imports", "multiprocessing"])
def test_a_child_forked_while_the_client_still_comes_up_leaves_nothing_behind(here, project, way):
    with served(project) as url:
        command = [sys.executable, "-c", CHILDREN, url, way]
        done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stderr
        with hr.connect(url) as store:
            (run,) = store.runs.search()
            assert run.status == "FINISHED"
            assert len(store.runs.metric_history(run.id, "loss")) == 200


def test_a_folder_that_takes_no_files_costs_no_data_while_the_catalog_does(here, monkeypatch):
    with hr.connect(here) as store:
        (here / ".headrace" / "spool").write_text("a file where the folder should be")
        with pytest.warns(TrackingWarning, match="can't be used"), store.start_run(capture=False) as run:
            run.log_metric("m", 1.0)
        assert store.runs.get(run.id).metrics == {"m": 1.0}


def test_a_torn_segment_gives_all_that_is_whole(tmp_path):
    spool = Spool(tmp_path / "w", "r", "w")
    for number in range(10):
        spool.add("tags", {"n": str(number)})
    (segment,) = (tmp_path / "w").glob("*.seg")
    spool.abandon()
    data = segment.read_bytes()
    for cut in range(len(data), 0, -7):
        segment.write_bytes(data[:cut])
        found = Spool.left(tmp_path / "w")
        batch = found.batch()
        numbers = [entry[0] for entry in batch.entries] if batch else []
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= 10 * cut // len(data) - 1
        found.abandon()


def test_a_disk_that_is_full_thins_the_oldest_points_and_says_how_many(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    columns = [b"\0" * 8 * 1000] * 3
    spool = Spool(tmp_path / "w", "r", "w")
    spool.add("tags", {"first": "1"})
    with pytest.raises(UnicodeEncodeError):  # nobody waits for an entry that there isn't
        spool.add("tags", {"half": "\udce9"})
    assert spool.last == 1
    monkeypatch.setattr(os, "pwrite", full)
    monkeypatch.setattr("headrace.tracking.client.spool.MEMORY_BYTES", 1 << 20)
    for _ in range(100):
        spool.add("metrics", [["m", "", "", "", *columns]])
    spool.add("tags", {"last": "1"})
    assert spool.fault.errno == 28
    assert spool.thinned > 0
    monkeypatch.undo()
    entries, points = [], 0
    while batch := spool.batch():
        entries += [entry[2] for entry in batch.entries if entry[1] == "tags"]
        points += sum(len(series[4]) // 8 for entry in batch.entries if entry[1] == "metrics" for series in entry[2])
        spool.acknowledge(batch)
    assert entries == [{"first": "1"}, {"last": "1"}]
    assert points + spool.thinned == 100_000
    spool.close()
    assert not (tmp_path / "w").exists()


def test_what_comes_twice_or_is_refused_changes_nothing_else(here):
    with hr.connect(here) as store, store.start_run(capture=False, params={"p": 1}) as run:
        run.flush()
        point = [["m", "", "", "", b"\1" + b"\0" * 7, b"\0" * 8, b"\0" * 8]]
        entries = [
            (1, "metrics", point),
            (2, "params", {"p": "2", "q": "1"}),
            (3, "nonsense", {}),
            (4, "metrics", [["m", "", "", "", b"1", b"", b""]]),
            (5, "files", [{"path": "../x", "digest": "0", "size": 1}]),
            (6, "tags", {"k": "v"}),
        ]
        for _ in range(2):
            receipt = store.runs.sink.append(run.id, "w", entries)
            assert receipt.seq == 6
        assert [seq for seq, _ in store.runs.sink.append(run.id, "other", entries[1:5]).refused] == [2, 3, 4, 5]
        found = store.runs.get(run.id)
        assert (found.params, found.metrics, found.tags["k"]) == ({"p": "1"}, {"m": 0.0}, "v")
        with pytest.raises(hr.NotFoundError):
            store.runs.sink.append(new_id(), "w", entries)


def test_a_network_that_loses_cuts_delays_and_repeats_costs_and_doubles_nothing(here, project):
    mishaps = ("lose", "repeat", "cut", "halve", "html", "delay", "cut", "repeat")
    with served(project) as server, Proxy(server) as proxy, hr.connect(proxy.url) as store:
        run = store.start_run(capture=False)
        assert run.flush()
        for number, mishap in enumerate(mishaps):
            proxy.plan("/append", mishap)
            for step in range(100):
                run.log_metric("m", float(step), step=100 * number + step)
            run.log_text(f"{number}.txt", mishap)
            assert run.flush(), mishap
        run.end()
        assert not proxy.mishaps
        with hr.connect(server) as straight:
            history = straight.runs.metric_history(run.id, "m")
            assert [point.step for point in history] == list(range(100 * len(mishaps)))
            assert [straight.runs.read_artifact(run.id, f"{n}.txt").decode() for n in range(len(mishaps))] == list(mishaps)
            assert straight.runs.get(run.id).status == "FINISHED"


def test_processes_write_one_run_in_postgresql_and_a_killed_server_of_it_loses_nothing(here, project, postgres):
    (project / "headrace.toml").write_text(f'catalog = "{postgres.new_database()}"')
    with served(project) as url, hr.connect(url) as store:
        with store.start_run(capture=False) as run:
            assert run.flush()
            for step in range(1000):
                run.log_metric("m", float(step), step=step)
            postgres.kill()
            postgres.start()
            until(lambda: run.flush(1.0), "the rest")
            write_from(2, url, run.id, here)
            until(lambda: len(store.runs.metric_history(run.id, "loss")) == 200, "what the ranks logged")
            assert [point.step for point in store.runs.metric_history(run.id, "m")] == list(range(1000))
        assert store.runs.get(run.id).status == "FINISHED"


SECRETS = """
import os, subprocess, sys
import headrace as hr
print("password = 'planted-1-output'")
print("https://me:planted-2-url@example.com/x")
with hr.connect(sys.argv[1]) as store, store.start_run() as run:
    print("API_TOKEN=" + os.environ["MY_TOKEN"])
    print("said")
    print(run.id, file=open("id", "w"))
"""


def test_secrets_in_environment_arguments_changes_and_output_are_kept_nowhere(here):
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t"]
    (here / "train.py").write_text(SECRETS)
    (here / ".gitignore").write_text(".headrace\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], cwd=here, check=True)
    with (here / "train.py").open("a") as file:
        file.write("\n# changed\ndb_password = 'planted-4-diff'\n")
    (here / "settings.env").write_text("KEY=planted-5-file\n")
    (here / "id_rsa").write_text("-----BEGIN PRIVATE KEY-----\nplanted-6-key\n-----END PRIVATE KEY-----\n")
    subprocess.run(
        [sys.executable, "train.py", str(here), "--password", "planted-7-argument", "--api-key=planted-8-argument"],
        cwd=here,
        env={**os.environ, "DB_PASSWORD": "planted-9-variable", "MY_TOKEN": "planted-10-variable"},
        check=True,
        capture_output=True,
        timeout=PATIENCE,
    )
    with hr.connect(here) as store:
        run = (here / "id").read_text().strip()
        files = {entry.path: store.runs.read_artifact(run, entry.path) for entry in store.runs.artifacts(run)}
        assert b"said" in files["logs/output.txt"]
        assert b"# changed" in files["capture/code.diff"]
        kept = repr(store.runs.get(run)) + repr(files)
        assert [part[:12] for part in kept.split("planted-")[1:]] == []


def test_a_run_in_a_repository_of_many_files_starts_before_anybody_has_looked_at_it(here):
    (here / "many").mkdir()
    for number in range(5_000):
        os.mknod(here / "many" / f"{number}.py")
    subprocess.run(["git", "init", "-q"], cwd=here, check=True)
    gate = threading.Event()
    with hr.connect(here) as store, pytest.MonkeyPatch.context() as patch:
        real = origin.capture_git
        patch.setattr(origin, "capture_git", lambda *place: gate.wait(PATIENCE) and real(*place))
        with store.start_run() as run:  # it comes back though the code hasn't been looked at
            gate.set()
        tags = store.runs.get(run.id).tags
        assert tags["headrace.git.dirty"] == "true"
