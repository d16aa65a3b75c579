"""A page that listens is told what changes, whoever changes it, and misses nothing when it comes back."""

from __future__ import annotations

import json
import signal
import time

import httpx
import pytest

import headrace as hr
from headrace.server.run import GRACE_SECONDS
from headrace.tracking.run import Metric
from servers.headrace import HeadraceServer
from servers.inside import served
from waiting import PATIENCE


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A project, its server, and another process's store of it, as another worker has."""
    folder = tmp_path_factory.mktemp("live")
    with served(folder) as url, hr.connect(folder) as store:
        yield url, store


class Listener:
    """The events of one stream."""

    def __init__(self, url, cursor=None, *, asked=""):
        headers = {} if cursor is None else {"last-event-id": cursor}
        self._request = httpx.stream("GET", f"{url}/api/v1/live{asked}", headers=headers, timeout=PATIENCE)

    def __enter__(self):
        self._lines = self._request.__enter__().iter_lines()
        return self

    def __exit__(self, *error):
        self._request.__exit__(*error)

    def event(self):
        """(kind, id, data) of the next event."""
        told = {}
        for line in self._lines:
            if not line:
                return told["event"], told["id"], json.loads(told["data"])
            name, _, value = line.partition(": ")
            told[name] = value
        return None


def begin(store):
    return store.runs.recorder.start("Default")


def test_points_of_a_run_are_told_once_in_a_while_by_their_keys(world):
    url, store = world
    with Listener(url) as listener:
        assert listener.event()[0] == "hello"
        run = begin(store)
        for step in range(50):
            store.runs.recorder.log(run.id, metrics=[Metric("loss", 1.0, step, step), Metric(f"m{step % 2}", 1.0, step, step)])
        store.runs.recorder.finish(run.id, "FINISHED")
        told = {"created": [], "ended": [], "keys": set()}
        events = 0
        while run.id not in told["ended"]:
            kind, _, data = listener.event()
            assert kind == "runs"
            events += 1
            told["created"] += data["created"]
            told["ended"] += data["ended"]
            told["keys"] |= set(data["points"].get(run.id, ()))
        assert told == {"created": [run.id], "ended": [run.id], "keys": {"loss", "m0", "m1"}}
        assert events < 20


def test_who_comes_back_is_told_what_came_meanwhile(world):
    url, store = world
    with Listener(url) as listener:
        cursor = listener.event()[1]
    run = begin(store)
    with Listener(url, asked=f"?after={cursor}") as listener:
        assert listener.event()[2]["missed"] is False
        assert listener.event()[0] == "runs"
    with Listener(url, cursor) as listener:
        kind, _, data = listener.event()
        assert (kind, data["missed"]) == ("hello", False)
        assert data["running"] >= 1
        assert run.id in listener.event()[2]["created"]


@pytest.mark.parametrize("cursor", ["x", "999999999999.1", "-1.0"])
def test_who_comes_back_too_late_or_with_nonsense_reads_everything_again(world, cursor):
    url, store = world
    begin(store)
    with Listener(url, cursor) as listener:
        assert listener.event()[2]["missed"] is True


def test_experiments_and_models_are_told_too(world):
    url, store = world
    with Listener(url) as listener:
        listener.event()
        made = store.runs.create_experiment("told")
        kind, _, data = listener.event()
        assert (kind, data["experiments"]) == ("catalog", [made.id])


def test_a_server_that_is_told_to_stop_does_not_wait_for_those_who_listen(tmp_path):
    hr.connect(tmp_path).close()
    with HeadraceServer(tmp_path, "--no-access-log") as server, Listener(server.url) as listener:
        listener.event()
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert listener.event() is None
        assert server.process.wait(PATIENCE) == 0
        assert time.monotonic() - began < GRACE_SECONDS
