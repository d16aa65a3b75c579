"""Feast's protocol: what its server answers ours answers, its own client reads from us unchanged, and nothing is ever a 500."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import httpx
import pytest

from protocol.feast.questions import QUESTIONS, G
from servers.headrace import headrace_server

from .conftest import make_project

HERE = Path(__file__).parent / "feast"
GOLDEN = json.loads((HERE / "golden.json").read_text(encoding="utf-8"))
ROOT = Path(__file__).parents[2]
FEAST = Path(os.environ.get("HEADRACE_FEAST_PYTHON") or ROOT / ".venv-feast" / "bin" / "python")
EPOCH = "1970-01-01T00:00:00Z"


def ask(url, path, body):
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return httpx.post(f"{url}{path}", content=content, headers={"content-type": "application/json"}, timeout=60)


def columns(body):
    """An answer's columns by name: Feast puts them in any order. A null of Feast is PRESENT, one of ours says that it is null."""
    found = dict(zip(body["metadata"]["feature_names"], body["results"], strict=True))
    for column in found.values():
        pairs = zip(column["values"], column["statuses"], strict=True)
        column["statuses"] = ["PRESENT" if value is None and status == "NULL_VALUE" else status for value, status in pairs]
    return found


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """Our answers to the questions, in order."""
    with headrace_server(make_project(tmp_path_factory.mktemp("asked"))) as url:
        return {name: ask(url, path, body) for name, (path, body) in QUESTIONS.items()}


@pytest.mark.parametrize("name", [name for name, answer in GOLDEN.items() if answer["status"] == 200])
def test_an_answer_is_what_feast_answers(asked, name):
    theirs, ours = GOLDEN[name]["body"], asked[name]
    assert (ours.status_code, ours.headers["content-type"]) == (200, "application/json")
    body = ours.json()
    if theirs is None:
        assert body is None
        return
    assert columns(body) == columns(theirs)
    given = QUESTIONS[name][1]["entities"]
    assert body["metadata"]["feature_names"][: len(given)] == theirs["metadata"]["feature_names"][: len(given)] or "junk" in given
    assert body["metadata"].get("feature_view_metadata") == theirs["metadata"].get("feature_view_metadata")


@pytest.mark.parametrize("name", [name for name, answer in GOLDEN.items() if 400 <= answer["status"] < 500])
def test_a_refusal_is_what_feast_refuses_with(asked, name):
    theirs, ours = GOLDEN[name], asked[name]
    assert ours.status_code == theirs["status"]
    if isinstance(theirs["body"], str):
        assert json.loads(ours.json())["class"] == json.loads(theirs["body"])["class"]
    else:
        (fault,), (expected,) = ours.json()["detail"], theirs["body"]["detail"]
        assert (fault["type"], fault["loc"][:2]) == (expected["type"], expected["loc"][:2]) or fault["type"] == "json_invalid"


@pytest.mark.parametrize("name", [name for name, answer in GOLDEN.items() if answer["status"] == 500])
def test_what_breaks_feasts_server_is_the_callers_mistake_here(asked, name):
    ours = asked[name]
    assert ours.status_code in (404, 422)
    told = json.loads(ours.json())
    assert told["module"] == "feast.errors"
    assert told["message"]


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What Feast's own client saw."""
    if not FEAST.exists():
        pytest.skip("Feast isn't installed beside: make .venv-feast, or HEADRACE_FEAST_PYTHON=…")
    with headrace_server(make_project(tmp_path_factory.mktemp("seen"))) as url:
        done = subprocess.run([FEAST, HERE / "client.py", url], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_feasts_client_reads_every_type(seen):
    assert seen["every type"] == {
        "driver_id": [1, 2, 3, 99],
        "conv": [2.5, None, "NaN", None],  # its client takes the JSON text of a NaN for a text; so it does from its own server
        "trips": [2**53 + 1, 7, -(2**63), None],
        "ok": [True, False, None, None],
        "name": ["a", 'ü"', "", None],
        "blob": ["AP8=", "eA==", "", None],
        "seen": [1767229200, 1767229200, 1767229200, None],
        "f32": [0.5, None, "-Infinity", None],
    }
    assert seen["as a frame"] == [7]
    present, null, not_found = 1, 2, 3
    assert seen["statuses"][1] == [present, null, present, not_found]


def test_feasts_client_reads_lists_several_keys_and_what_is_computed_on_demand(seen):
    assert seen["lists"] == {"driver_id": [1], "shops": [["x", "x"]], "rides": [2]}
    assert seen["full names"] == {"driver_id": [1], "shop": ["x"], "driver_stats__conv": [2.5], "shop_stats__conv": [9.0]}
    assert seen["two keys"]["stays"] == [2, 0]
    assert seen["on demand"]["reward"] == [3.5]


def test_a_value_beyond_its_ttl_is_null_for_feasts_client(seen):
    assert seen["too old"] == {"shop": ["x"], "old_size": [None]}


def test_feasts_client_raises_its_own_errors(seen):
    assert [error[0] for error in seen["errors"]] == [
        "FeatureViewNotFoundException",
        "FeastObjectNotFoundException",
        "FeastError",
        "RequestDataNotFoundInEntityRowsException",
    ]
    assert "did you mean" in seen["errors"][1][1] or "there is" in seen["errors"][1][1]


def test_feasts_client_writes_and_materializes_through_us(seen):
    assert seen["written"] == {"shop": ["z"], "conv": [1.5], "size": [5]}
    assert seen["afterwards"] == {"shop": ["z", "x"], "conv": [1.5, 9.0], "size": [5, 3]}


WRONG_SIZE = {"shop": ["x"], "conv": [1.0], "size": ["many"], "event_timestamp": [5]}


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/push", {"push_source_name": "shops", "df": {"shop": "x"}}, "valid list"),
        ("/push", {"push_source_name": "shops", "df": {"shop": ["x"]}}, "missing"),
        ("/push", {"push_source_name": "shops", "df": WRONG_SIZE}, "size"),
        ("/push", {"push_source_name": "shops", "df": {"shop": ["x"], "event_timestamp": [10**30]}}, "event_timestamp"),
        ("/write-to-online-store", {"feature_view_name": "ride_stats", "df": {"driver_id": [1]}}, "push rows to its source"),
        (G, {"features": ["driver_stats@v9:conv"], "entities": {"driver_id": [1]}}, "driver_stats:9"),
        (G, {"features": ["driver_stats@x:conv"], "entities": {"driver_id": [1]}}, "Invalid feature reference"),
        (G, {"features": [["a"]], "entities": {"driver_id": [1]}}, "valid string"),
        (G, {"features": ["driver_stats:conv"], "entities": {"driver_id": [{"a": 1}]}}, "driver_id"),
        (G, {"features": ["driver_stats:conv"], "entities": {"driver_id": [2**63]}}, "driver_id"),
        (G, {"features": ["driver_stats:conv"], "entities": {"driver_id": [True]}}, "driver_id"),
        (G, {"features": ["rewards:reward"], "entities": {"driver_id": [1]}}, "bonus"),
        (G, {"feature_service": "rewards", "entities": {"driver_id": [1], "bonus": ["x"]}}, "reward"),
    ],
)
def test_a_bad_request_is_told_in_feasts_shape(url, path, body, says):
    for _ in range(2):
        answer = ask(url, path, body)
        assert answer.status_code in (404, 422)
        assert says in answer.text


def test_a_body_beyond_the_limit_is_refused_in_feasts_shape(project):
    with headrace_server(project, "--max-body-mb", "1") as url:
        answer = ask(url, "/push", "x" * (2 << 20))
    assert (answer.status_code, json.loads(answer.json())["class"]) == (413, "FeastError")


def test_a_version_of_a_view_can_be_asked_for(url):
    found = ask(url, "/get-online-features", {"features": ["driver_stats@v1:trips", "shop_stats:size"],
                                              "entities": {"driver_id": [1], "shop": ["x"]}}).json()  # fmt: skip
    assert {name: column["values"] for name, column in columns(found).items()} == {
        "driver_id": [1],
        "shop": ["x"],
        "trips": [2**53 + 1],
        "size": [3],
    }


def test_a_push_is_online_at_once_and_one_offline_after_materialization(own_url):
    def push(shop, **options):
        frame = {"shop": [shop], "conv": [1.0], "size": [6], "event_timestamp": ["2026-01-02T00:00:00"], "created": [None]}
        assert ask(own_url, "/push", {"push_source_name": "shops", "df": frame, **options}).content == b""

    def size(shop):
        found = ask(own_url, "/get-online-features", {"features": ["shop_stats:size"], "entities": {"shop": [shop]}}).json()
        return columns(found)["size"]["values"]

    push("p", to="online_and_offline")
    assert size("p") == [6]
    push("q", to="offline")
    assert size("q") == [None]
    accepted = ask(own_url, "/materialize-incremental?async=true", {"end_ts": "2026-01-03T00:00:00"})
    assert accepted.status_code in (202, 409)
    assert ask(own_url, "/materialize-incremental?force=true", {"end_ts": "2026-01-03T00:00:00"}).json() is None
    assert size("q") == [6]


def test_a_vector_is_a_list_of_numbers(url):
    found = ask(url, "/get-online-features", {"features": ["driver_stats:emb"], "entities": {"driver_id": [1, 2]}}).json()
    assert columns(found)["emb"]["values"] == [[0.5, -1.0], None]


def test_a_header_allows_old_answers(own_url):
    def size(**headers):
        body = {"features": ["shop_stats:size"], "entities": {"shop": ["x"]}}
        answer = httpx.post(f"{own_url}/get-online-features", json=body, headers=headers, timeout=60)
        return columns(answer.json())["size"]["values"] if answer.status_code == 200 else answer.status_code

    assert size(**{"x-max-staleness": "3600"}) == [3]
    frame = {"shop": ["x"], "conv": [1.0], "size": [6], "event_timestamp": ["2026-01-02T00:00:00"]}
    assert ask(own_url, "/push", {"push_source_name": "shops", "df": frame}).status_code == 200
    assert size(**{"x-max-staleness": "3600"}) == [3]
    assert size() == [6]
    assert size(**{"x-max-staleness": "long"}) == 422
