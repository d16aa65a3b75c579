"""Whatever a model does, or becomes of its files, its view, its alias or the online store: the service goes on and says so."""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pandas as pd
import pytest

import headrace as hr
from servers.headrace import HeadraceServer
from servers.models import CHAMPION, Client, constant, definitions, fill, register, service
from waiting import PATIENCE, until

FOLDER = str(Path(__file__).resolve().parent)
QUICK = ("--predict-seconds", "1.5", "--load-seconds", "30", "--memory-mb", "3000")


class Exploding:
    """Runs code where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def predict(self, data):
        return [1.0] * len(data)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A project with a model that predicts 1, the champion."""
    folder = tmp_path_factory.mktemp("faults")
    with hr.connect(folder) as store:
        store.apply(definitions())
        fill(store)
        register(store, constant(1.0))
        store.models.promote("ranker", 1)
    return folder


@pytest.fixture
def project(base, tmp_path):
    folder = tmp_path / "project"
    shutil.copytree(base, folder)
    return folder


@pytest.fixture(scope="module")
def obedient(base, tmp_path_factory):
    """A client of a service whose model does what it is told."""
    folder = tmp_path_factory.mktemp("obedient") / "project"
    shutil.copytree(base, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        patch.setenv("PYTHONPATH", os.pathsep.join([FOLDER, os.environ.get("PYTHONPATH", "")]))
        import faulty_models

        with hr.connect(folder) as store:
            register(store, faulty_models.obeys, example=pd.DataFrame({"likes": [7, 8], "stars_avg": [1.0, 2.0]}))
            store.models.promote("ranker", 2)
        with service(folder, CHAMPION, *QUICK, "--max-body-mb", "1") as client:
            yield client


def told(client, order):
    return client.ask("/invocations", {"dataframe_records": [{"likes": order, "stars_avg": 1.0}]})


def trouble(client):
    return client.ask("/api/v1/serving")[1]["serving"]["main"]["trouble"] or ""


@pytest.mark.parametrize(
    ("order", "status", "words"),
    [
        (1, 502, "told to"),
        (2, 504, "1.5 s"),
        (3, 502, "memory"),
        (4, 502, "ended while it predicted"),
        (5, 502, "SystemExit"),
    ],
    ids=["raises", "hangs", "eats memory", "crashes", "exits"],
)
def test_a_model_that_fails_is_told_and_answers_the_next_request(obedient, order, status, words):
    assert until(lambda: told(obedient, 7)[0] == 200)
    found, answer, _ = told(obedient, order)
    assert (found, words in answer["message"]) == (status, True), answer
    assert told(obedient, 8)[1] == {"predictions": [8.0]}


def test_one_request_s_crash_fails_nobody_else_s(obedient):
    answers = {}

    def ask(order):
        client = Client(obedient.server.url)
        answers[order] = told(client, order)
        client.close()

    threads = [threading.Thread(target=ask, args=(order,)) for order in [4, *range(10, 40)]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers[4][0] == 502
    assert {order: answers[order][0] for order in range(10, 40)} == dict.fromkeys(range(10, 40), 200)


def test_versions_that_can_t_be_loaded_leave_the_old_one(project, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([FOLDER, os.environ.get("PYTHONPATH", "")]))
    import faulty_models

    bomb = tmp_path / "bomb"

    def register_faulty(store, name):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(getattr(faulty_models, name), "predict", lambda frame: [0.0] * len(frame))
            register(store, getattr(faulty_models, name))

    def register_spoilt(store, spoil):
        path = largest_file(project, register(store, constant(9.0 + len(store.models.versions("ranker")))))
        spoilt = spoil(path.read_bytes())
        path.unlink()
        if spoilt is not None:
            path.write_bytes(spoilt)

    faults = {
        "dies": (lambda store: register_faulty(store, "dies"), "process ended"),
        "raises": (lambda store: register_faulty(store, "raises"), "from the start"),
        "eats memory": (lambda store: register_faulty(store, "devours"), "more memory"),
        "hangs": (lambda store: register_faulty(store, "hangs"), "10 s"),
        "missing": (lambda store: register_spoilt(store, lambda _: None), "is gone"),
        "cut": (lambda store: register_spoilt(store, lambda whole: whole[:-9]), "hash to"),
        "tampered with": (lambda store: register_spoilt(store, lambda whole: whole[:-1] + b"!"), "hash to"),
        "a pickle": (lambda store: register(store, Exploding(str(bomb)), serializer="pickle"), "allow_pickle"),
    }
    with service(project, CHAMPION, *QUICK, "--load-seconds", "10") as client, hr.connect(project) as store:
        for version, (fault, (make, words)) in enumerate(faults.items(), 2):
            make(store)
            before = trouble(client)
            crown(store, version)
            said = until(lambda before=before: trouble(client) not in ("", before) and trouble(client))
            assert words in said, fault
            status, answer, headers = told(client, 3)
            assert (status, answer, headers["x-headrace-model"]) == (200, {"predictions": [1.0]}, "models:/ranker/1")
    assert not bomb.exists()


def largest_file(project, version):
    digest = max(version.files, key=lambda file: file.size).digest
    return project / ".headrace" / "artifacts" / digest[:2] / digest


def crown(store, version):
    """Make a version the champion although its files are damaged: promote itself refuses that."""
    from unittest import mock

    with mock.patch.object(type(store.models._promotions), "require_files"):
        store.models.promote("ranker", version)


def test_an_alias_that_goes_leaves_the_version_serving(project):
    with hr.connect(project) as store:
        store.models.set_alias("ranker", "blue", 1)
        with service(project, "models:/ranker@blue", *QUICK) as client:
            store.models.delete_alias("ranker", "blue")
            assert "blue" in until(lambda: trouble(client))
            assert told(client, 3)[0] == 200
            register(store, constant(2.0))
            store.models.set_alias("ranker", "blue", 2)
            until(lambda: told(client, 3)[2]["x-headrace-model"] == "models:/ranker/2")
            assert trouble(client) == ""


def test_what_can_t_be_served_is_told_in_a_line(project):
    server = HeadraceServer(project, "models:/ranker@blue", verb="serve")
    with pytest.raises(RuntimeError, match="no alias of 'ranker' named 'blue'"), server:
        pass
    assert "Traceback" not in server.said


def test_the_answer_says_what_was_served_while_the_online_store_was_down(tmp_path, redis_url):
    from servers.redis import redis_server

    with redis_server() as url, ExitStack() as services:
        (tmp_path / "headrace.toml").write_text(f'online = "{url}"\n')
        with hr.connect(tmp_path) as store:
            store.apply(definitions())
            fill(store)
            register(store, constant(1.0))
            store.models.promote("ranker", 1)
        policies = ("fail", "defaults", "last-good")
        clients = {each: services.enter_context(service(tmp_path, CHAMPION, "--online-down", each)) for each in policies}
        for client in clients.values():
            assert client.ask("/api/v1/predict", {"entities": {"user_id": 1}})[1]["features"] == "online"
        stop_redis(url)
        answers = {each: client.ask("/api/v1/predict", {"entities": {"user_id": [1, 2]}}) for each, client in clients.items()}
        answers["rows"] = clients["last-good"].ask("/invocations", {"dataframe_records": [{"user_id": 1}]})
        late = services.enter_context(service(tmp_path, CHAMPION, "--online-down", "defaults"))
        answers["begun while it was down"] = late.ask("/api/v1/predict", {"entities": {"user_id": [1, 2]}})
    assert answers["fail"][0] == 503
    assert "can't be reached" in answers["fail"][1]["detail"]
    for policy, source in {"defaults": "defaults", "last-good": "last_good", "begun while it was down": "defaults"}.items():
        status, answer, headers = answers[policy]
        assert (status, answer["predictions"], answer["features"]) == (200, [1.0, 1.0], source)
        assert headers["x-headrace-features"] == source
    assert answers["defaults"][1]["age_s"] is None
    assert answers["last-good"][1]["age_s"] > 0
    assert answers["rows"][2]["x-headrace-features"] == "last_good"
    with hr.connect(tmp_path) as store:
        kept = store.predictions.read("ranker")
    known = kept.set_index(["source", "user_id"])["likes"].groupby(level=[0, 1]).first()
    assert known["last_good", 1] == known["online", 1]
    assert pd.isna(known["defaults", 1])


def stop_redis(url):
    import redis

    with suppress(redis.exceptions.ConnectionError):
        redis.Redis.from_url(url).shutdown(nosave=True)


def test_a_body_that_is_too_large_or_too_wide_is_refused(obedient):
    assert obedient.ask("/invocations", {"instances": [[7, 2]] * 200_000})[0] == 413
    assert obedient.ask("/invocations", {"instances": [[7, 2]] * 50_000})[0] == 200
    deep = b'{"instances": ' + b"[" * 5000 + b"]" * 5000 + b"}"
    assert obedient.ask("/invocations", deep)[0] == 400
    frame = pd.DataFrame({f"c{place}": [1] for place in range(5000)})
    assert obedient.ask("/invocations", {"dataframe_split": frame.to_dict(orient="split")})[0] == 400


def test_a_service_that_is_killed_leaves_no_process_behind(project):
    import psutil

    with HeadraceServer(project, CHAMPION, verb="serve") as server:
        children = psutil.Process(server.process.pid).children(recursive=True)
        assert len(children) >= 2
        server.kill()
        _, alive = psutil.wait_procs(children, timeout=PATIENCE)
        assert alive == []


def test_a_service_behind_a_server_asks_it_nothing_for_a_request_that_brings_its_rows(project):
    rows = {"dataframe_records": [{"likes": 3, "stars_avg": 1.0}]}
    with (
        HeadraceServer(project) as server,
        HeadraceServer(server.url, CHAMPION, "--allow-pickle", "--log-share", "0", verb="serve") as serving,
        closing(Client(serving.url)) as client,
    ):
        for _ in range(20):
            assert client.ask("/invocations", rows)[:2] == (200, {"predictions": [1.0]})
        server.kill()
        assert server.said.count("/taken_in") == 0
        for _ in range(5):
            assert client.ask("/invocations", rows)[:2] == (200, {"predictions": [1.0]})
        assert client.ask("/api/v1/predict", {"entities": {"user_id": 1}})[0] == 503
    assert "Exception in ASGI application" not in serving.said
