"""`headrace serve`: keys or rows in, predictions out, each with the version that made it; the alias is followed."""

from __future__ import annotations

import threading

import pytest

import headrace as hr
from servers.models import CHAMPION, Client, constant, definitions, fill, register, service
from waiting import until


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project whose champion predicts 1, whose version 2 predicts 2 and so on."""
    folder = tmp_path_factory.mktemp("serving")
    with hr.connect(folder) as store:
        store.apply(definitions())
        fill(store)
        for value in (1.0, 2.0, 3.0):
            register(store, constant(value))
        store.models.promote("ranker", 1)
    return folder


@pytest.fixture(scope="module")
def client(project):
    with service(project) as client:
        yield client


@pytest.fixture(scope="module")
def store(project):
    with hr.connect(project) as store:
        yield store


def version_of(client):
    return client.ask("/api/v1/predict", {"entities": {"user_id": 1}})[2].get("x-headrace-model")


def test_keys_give_predictions_by_their_features_now(client, store):
    status, answer, headers = client.ask("/api/v1/predict", {"entities": {"user_id": [1, 2, 987654]}})
    assert status == 200
    assert answer["predictions"] == [1.0, 1.0, 1.0]
    assert (answer["model"], answer["view"], answer["features"]) == ("models:/ranker/1", "ranking:1", "online")
    assert answer["request_id"] == headers["x-request-id"]


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": ["stars_avg", "likes"], "data": [[1.5, 2], [None, 3]]}},
        {"dataframe_records": [{"likes": 2, "stars_avg": 1.5, "more": "x"}, {"likes": 3}]},
        {"instances": [[2, 1.5], [3, 2.5]]},
        {"instances": [{"likes": 2, "stars_avg": 1.5}, {"likes": 3, "stars_avg": 2.5}]},
        {"inputs": {"likes": [2, 3], "stars_avg": [1.5, 2.5]}},
        {"inputs": [[2, 1.5], [3, 2.5]]},
        {"dataframe_records": [{"user_id": 1}, {"user_id": 2}]},
    ],
)
def test_rows_come_in_each_form_of_mlflow_s_protocol(client, body):
    status, answer, headers = client.ask("/invocations", body)
    assert (status, answer) == (200, {"predictions": [1.0, 1.0]})
    assert headers["x-headrace-model"] == "models:/ranker/1"


def test_rows_come_as_csv(client):
    assert client.ask("/invocations", b"likes,stars_avg\n1,2.5\n2,\n", "text/csv")[1] == {"predictions": [1.0, 1.0]}


@pytest.mark.parametrize(
    ("body", "media_type", "status", "words"),
    [
        (b"{", "application/json", 400, "isn't JSON"),
        (b"", "application/json", 400, "empty"),
        (b"[1, 2]", "application/json", 400, "exactly one of"),
        (b'{"instances": [[1, 2]], "inputs": []}', "application/json", 400, "exactly one of"),
        (b'{"dataframe_split": {"columns": ["likes"], "data": [[1, 2]]}}', "application/json", 400, "1 values"),
        (b'{"instances": [[1, 2], [1]]}', "application/json", 400, "2 values"),
        (b'{"inputs": {"likes": [1], "stars_avg": [1, 2]}}', "application/json", 400, "one length"),
        (b'{"dataframe_records": [{"likes": 1}]}', "application/json", 400, "'stars_avg'"),
        (b'{"inputs": {"likes": ["many"], "stars_avg": [1]}}', "application/json", 400, "'many'"),
        (b'{"dataframe_records": [{"user_id": "seven"}]}', "application/json", 400, "'seven'"),
        (b"likes,stars_avg\n1\n", "text/csv", 400, "line 2"),
        (b"\xff\xfe", "text/csv", 400, "UTF-8"),
        (b"likes", "text/html", 415, "text/html"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong_with_it(client, body, media_type, status, words):
    found, answer, _ = client.ask("/invocations", body, media_type)
    assert found == status
    assert words in answer["message"]
    assert answer["error_code"] == "BAD_REQUEST"


def test_only_a_model_s_predictions_may_be_asked_for(client):
    status, answer, _ = client.ask("/api/v1/predict", {"entities": {"user_id": 1}, "method": "__reduce__"})
    assert (status, "predict_proba" in answer["detail"]) == (422, True)


def test_health_and_version_answer(client):
    assert client.ask("/ping")[:2] == (200, b"\n") or client.ask("/ping")[0] == 200
    assert client.ask("/health")[0] == 200
    assert client.ask("/version")[1].decode().count(".") == 2
    assert client.ask("/api/v1/serving")[1]["serving"]["main"]["follows"] == CHAMPION


def test_no_request_fails_while_versions_come_and_go(client, store):
    failed, answered, stop = [], [0], threading.Event()

    def ask():
        own = Client(client.server.url)
        while not stop.is_set():
            status, answer, headers = own.ask("/api/v1/predict", {"entities": {"user_id": [1, 2]}})
            wanted = [float(headers["x-headrace-model"].rpartition("/")[2])] * 2 if status == 200 else None
            if status != 200 or answer["predictions"] != wanted:
                failed.append((status, answer))
            answered[0] += 1
        own.close()

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for version in (2, 3):
            store.models.promote("ranker", version)
            until(lambda version=version: version_of(client) == f"models:/ranker/{version}")
        for version in (2, 1, 3, 1):
            store.models.rollback("ranker", version)
            until(lambda version=version: version_of(client) == f"models:/ranker/{version}")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failed == []
    assert answered[0] > 50
