"""Whatever a network does to requests of a remote store, nothing is lost, doubled or misread."""

from __future__ import annotations

import gc
import os
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pandas as pd
import pytest

import headrace as hr
from headrace.remote import transport
from headrace.shapes import plain
from headrace.tracking.run import Run
from headrace.wire import frames
from headrace.wire.values import KEY_HEADER, MSGPACK, pack, unpack
from servers.headrace import HeadraceServer
from servers.inside import served
from servers.ports import free_port
from servers.proxy import Proxy

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = AT + timedelta(days=1)
user = hr.Entity("user", keys={"user_id": "int64"})
ratings = hr.EventSource(
    "ratings", timestamp="at", stream="ratings", schema={"user_id": "int64", "stars": "float64", "at": "timestamp"}
)
taste = hr.FeatureGroup("taste", entity=user, source=ratings, features={"n": hr.count(), "total": hr.sum("stars")})
view = hr.FeatureView("ranking", features=[taste])
ROWS = pd.DataFrame({"user_id": [1, 2], "stars": [1.5, 2.5], "at": [AT, AT]})
MISHAPS = ["lose", "cut", "halve", "repeat", "delay", "html"]


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template")
    (folder / "headrace.toml").touch()
    with hr.connect(folder) as store:
        store.apply([view])
    return folder


@pytest.fixture
def project(template, tmp_path):
    return shutil.copytree(template, tmp_path / "project")


@pytest.fixture
def proxy(project):
    with served(project) as url, Proxy(url) as proxy:
        yield proxy


@pytest.fixture
def store(proxy):
    with hr.connect(proxy.url) as store:
        store.catalog.store._transport._silent_seconds = 1.0
        yield store


def counted(store):
    store.materialize()
    online = store.online_features("ranking", {"user_id": [1, 2]}, at=LATER).values["n"]
    asked = pd.DataFrame({"user_id": [1, 2], "t": [LATER] * 2})
    assert store.historical_features("ranking", asked, timestamp="t")["n"].tolist() == online
    return online


@pytest.mark.parametrize("mishap", MISHAPS)
def test_a_push_counts_once(store, proxy, mishap):
    proxy.plan("/push", mishap, mishap)
    assert store.push("ratings", ROWS).rows == 2
    assert len(proxy.mishaps) < 2
    assert counted(store) == [1, 1]


@pytest.mark.parametrize("mishap", MISHAPS)
def test_a_write_counts_once_and_says_what_it_wrote(store, proxy, mishap):
    proxy.plan("/write", mishap, mishap)
    assert store.write("ratings", ROWS) == store.write("ratings", ROWS)
    assert counted(store) == [2, 2]


@pytest.mark.parametrize("mishap", MISHAPS)
def test_definitions_are_applied_once_and_the_plan_tells_it(store, proxy, mishap):
    proxy.plan("/commit", mishap, mishap)
    plan = store.apply([hr.FeatureView("other", features=[taste["n"]])])
    assert [entry.name for entry in plan.added] == ["other"]
    assert [found.version for found in store.catalog.history("view", "other")] == [1]
    assert "group:taste:1" in store.lineage.upstream("view:other:1")


@pytest.mark.parametrize("mishap", MISHAPS)
def test_a_run_is_created_once_under_the_id_that_its_client_gave_it(store, proxy, mishap):
    proxy.plan("/runs/create", mishap, mishap)
    made = store.runs.recorder.start("ranker", params={"depth": 6})
    assert [run.id for run in store.runs.search(experiment="ranker")] == [made.id]
    assert store.runs.get(made.id).params == {"depth": "6"}


@pytest.mark.parametrize("mishap", MISHAPS)
def test_reads_answer_as_if_nothing_had_happened(store, proxy, mishap):
    store.push("ratings", ROWS)
    for path in ("/online", "/history", "/keep", "/rows"):
        proxy.plan(path, mishap)
        assert store.online_features("ranking", {"user_id": 1}, at=LATER).values == {"n": [1], "total": [1.5]}
        labels = pd.DataFrame({"user_id": [1, 2], "t": [LATER] * 2})
        made = store.training_set("ranking", labels, timestamp="t", name="set")
        assert (made.version, made.to_pandas()["total"].tolist()) == (1, [1.5, 2.5])


def test_an_error_is_told_once_it_is_certain_and_nothing_was_changed(store, proxy):
    proxy.plan("/push", "cut", "repeat")
    with pytest.raises(hr.InvalidInputError, match="'stars'"):
        store.push("ratings", ROWS.assign(stars="x"))
    with pytest.raises(hr.NotFoundError, match="'ratings'"):
        store.push("rating", ROWS)
    assert counted(store) == [0, 0]


def test_a_request_that_comes_twice_at_once_is_done_once(store, proxy):
    body = b"".join([frames.part(frames.ARGUMENTS, pack({"source": "ratings"})), *frames.table_parts(arrow(ROWS))])
    headers = {"content-type": frames.FRAMES, KEY_HEADER: "push-the-same"}

    def send(_):
        return httpx.post(f"http://{proxy.upstream}/api/v1/store/features/push", content=body, headers=headers).content

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(send, range(8)))
    assert len(answers) == 1
    assert counted(store) == [1, 1]


def arrow(frame):
    import pyarrow as pa

    return pa.Table.from_pandas(frame, preserve_index=False)


def test_a_change_without_a_name_is_refused(proxy):
    answer = httpx.post(
        f"http://{proxy.upstream}/api/v1/store/definitions/commit",
        content=pack({"revision": 1, "added": [], "removed": []}),
        headers={"content-type": "application/msgpack"},
    )
    assert (answer.status_code, "idempotency-key" in answer.json()["detail"]) == (400, True)


def test_a_server_that_restarts_is_waited_for(project):
    port = str(free_port())
    with HeadraceServer(project, "--port", port) as server, hr.connect(server.url) as store:
        store.push("ratings", ROWS)
        server.kill()
        with HeadraceServer(project, "--port", port):
            store.push("ratings", ROWS)
            assert counted(store) == [2, 2]


def test_workers_of_a_server_know_a_repeat_that_another_one_did(project):
    with HeadraceServer(project, "--workers", "2") as server, Proxy(server.url) as proxy, hr.connect(proxy.url) as store:
        for _ in range(8):
            proxy.plan("/push", "repeat")
            store.push("ratings", ROWS)
        assert counted(store) == [8, 8]


def test_a_run_whose_server_died_in_the_middle_of_creating_it_is_created_by_its_successor(project):
    def send(url):
        return httpx.post(
            f"{url}/api/v1/store/tracking/runs/create",
            content=pack({"run": plain(run)}),
            headers={"content-type": MSGPACK, KEY_HEADER: "one"},
        )

    run = Run(id="a" * 32, name="r", experiment_id="0", experiment="Default", status="RUNNING", start=5)
    with served(project) as url:
        assert send(url).status_code == 200
    (outcome,) = (item for item in (project / ".headrace" / "requests").iterdir() if not item.suffix)
    outcome.write_bytes(b"")  # as it is while a request is under way
    with served(project) as url:
        assert send(url).status_code == 200
        with hr.connect(url) as store:
            assert [found.id for found in store.runs.search()] == [run.id]


def test_a_forked_child_has_connections_of_its_own(project):
    with HeadraceServer(project) as server, hr.connect(server.url) as store:
        store.push("ratings", ROWS)
        asked = lambda: [store.online_features("ranking", {"user_id": 1}, at=LATER).values["n"] for _ in range(50)]
        asked()
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # a thread of the test's listens to the server; the child needs none
            gc.freeze()  # what earlier tests left has threads that aren't in the child: there it must not be collected
            child = os.fork()
        if child == 0:
            os._exit(0 if asked() == [[1]] * 50 else 1)
        gc.unfreeze()
        assert asked() == [[1]] * 50
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_server_that_is_not_there_is_named():
    port = free_port()
    with pytest.raises(hr.StorageError, match=rf"127\.0\.0\.1:{port} can't be reached.*headrace server"):
        hr.connect(f"http://name:secret@127.0.0.1:{port}").freshness()


def test_a_password_is_never_told():
    port = free_port()
    with hr.connect(f"http://name:secret@127.0.0.1:{port}") as store, pytest.raises(hr.StorageError) as caught:
        store.freshness()
    assert "secret" not in str(caught.value)
    assert "secret" not in str(store.settings)


@pytest.mark.parametrize(("theirs", "said"), [(0, "upgrade the server"), (2, "upgrade headrace here")])
def test_a_server_of_another_release_is_told(proxy, monkeypatch, theirs, said):
    monkeypatch.setattr("headrace.server.native.definitions.WIRE", theirs)
    with hr.connect(proxy.url) as store, pytest.raises(hr.StorageError, match=said):
        store.catalog.views()


def test_another_program_at_the_address_is_told(proxy, store):
    proxy.plan("/revision", *["html"] * transport.ATTEMPTS)
    with pytest.raises(hr.StorageError, match=r"status 502 and text/html.*It said: <html><h1>Bad gateway"):
        store.catalog.views()
    with hr.connect(f"{proxy.url}/elsewhere") as other, pytest.raises(hr.StorageError, match="no Headrace server"):
        other.catalog.views()


@pytest.mark.parametrize("url", ["ftp://host", "http://", "http://host:port", "http://host:5000/?x=1", "http://host:99999"])
def test_what_is_no_address_of_a_server_is_refused(url):
    with pytest.raises(hr.SettingsError, match="isn't a server's address"):
        hr.connect(url)


@pytest.mark.parametrize(
    ("path", "kind", "body"),
    [
        ("features/online", "application/msgpack", b"\xc1"),
        ("features/online", "application/msgpack", pack([])),
        ("features/online", "application/msgpack", pack({"view": "ranking"})),
        ("features/online", "application/json", b"{}"),
        ("features/push", frames.FRAMES, b"nonsense that is long enough"),
        ("features/push", frames.FRAMES, frames.part(frames.ARGUMENTS, pack({"source": "ratings"}))),
        ("features/push", frames.FRAMES, frames.part(frames.ARGUMENTS, pack({"source": "ratings"})) + b"T"),
        ("features/push", frames.FRAMES, frames.part(frames.ARGUMENTS, pack({"source": 7})) + frames.part(frames.TABLE, b"x")),
        ("features/push", frames.FRAMES, frames.part(frames.ARGUMENTS, pack({"source": "ratings"})) + frames.part(b"T", b"x")),
        ("definitions/commit", "application/msgpack", pack({"revision": 1, "added": [{}], "removed": []})),
        ("definitions/commit", "application/msgpack", pack({"revision": 1, "added": [], "removed": [7]})),
    ],
)
def test_nonsense_is_refused_and_never_a_fault_of_the_server(proxy, path, kind, body):
    headers = {"content-type": kind, KEY_HEADER: f"nonsense-{path}-{body!r}"}
    answer = httpx.post(f"http://{proxy.upstream}/api/v1/store/{path}", content=body, headers=headers)
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"


def test_definitions_that_another_release_planned_or_somebody_forged_are_refused(store, proxy):
    known = store.catalog.store.state()
    forged = {**as_values(known.heads["group", "taste"]), "version": 2, "hash": "0" * 64}
    sent = {"revision": known.revision, "added": [forged], "removed": []}
    with pytest.raises(hr.InvalidInputError, match="of one release"):
        store.catalog.store._transport.call("definitions/commit", sent, changes=True)
    spec = dict(forged["spec"])
    spec["features"] = [{**spec["features"][0], "where": "read_text('/etc/passwd') = 'x'"}]
    with pytest.raises(hr.DefinitionError, match="read_text"):
        store.catalog.store._transport.call("definitions/commit", {**sent, "added": [{**forged, "spec": spec}]}, changes=True)
    assert store.catalog.store.revision() == known.revision


def as_values(version):
    from headrace.wire.definitions import version_to

    return unpack(pack(version_to(version)))


def test_whichever_worker_answers_has_seen_what_the_client_applied(tmp_path, postgres):
    """On PostgreSQL a worker learns of another's commits only now and then."""
    (tmp_path / "headrace.toml").write_text(f'catalog = "{postgres.new_database()}"\n')
    with HeadraceServer(tmp_path, "--workers", "2") as server, hr.connect(server.url) as store:
        for number in range(8):
            source = hr.EventSource(f"s{number}", timestamp="at", stream="s", schema=dict(ratings.schema))
            group = hr.FeatureGroup(f"g{number}", entity=user, source=source, features={"n": hr.count()})
            store.apply([hr.FeatureView(f"v{number}", features=[group])])
            assert store.push(source.name, ROWS).rows == 2
            with hr.connect(server.url) as other:  # over a connection of its own, perhaps to the other worker
                other.catalog.store._transport.revision = store.catalog.store.revision()
                assert other.online_features(f"v{number}", {"user_id": 1}, at=LATER).values["n"] == [1]


def test_a_frame_larger_than_the_server_takes_is_told(project):
    large = pd.DataFrame({"user_id": range(400_000), "stars": 1.0, "at": [AT] * 400_000})
    with HeadraceServer(project, "--max-body-mb", "1") as server, hr.connect(server.url) as store:
        for verb in (store.write, store.push):
            with pytest.raises(hr.InvalidInputError, match="larger than 1,048,576 bytes; send less at once"):
                verb("ratings", large)
        assert store.push("ratings", ROWS).rows == 2
        assert counted(store) == [1, 1]
