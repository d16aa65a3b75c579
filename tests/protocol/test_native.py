"""The native API gives what the store gives, in the forms of JSON, and says what was wrong with a request."""

from __future__ import annotations

import datetime as dt
import threading

import httpx
import pandas as pd
import pyarrow as pa
import pytest

import headrace as hr
from headrace.definitions.plain import plain

ARROW = "application/vnd.apache.arrow.stream"
T = "2026-01-01T01:00:00Z"


def online(url, view, entities, **options):
    return httpx.post(f"{url}/api/v1/features/online", json={"view": view, "entities": entities, **options}, timeout=60)


def stream(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def post_arrow(url, path, table, **query):
    return httpx.post(f"{url}{path}", params=query, content=stream(table), headers={"content-type": ARROW}, timeout=60)


def test_every_type_has_a_form_in_json(url):
    found = online(url, "everything", {"driver_id": [1, 2, 3, 99, None]}).json()
    assert found["view"] == "everything:1"
    assert found["rows"] == 5
    assert found["keys"] == {"driver_id": [1, 2, 3, 99, None]}
    assert {name: column[:3] for name, column in found["values"].items()} == {
        "conv": [2.5, None, "NaN"],
        "trips": [2**53 + 1, 7, -(2**63)],
        "ok": [True, False, None],
        "name": ["a", 'ü"', ""],
        "blob": ["AP8=", "eA==", ""],
        "seen": [T, T, T],
        "born": ["2026-01-01", None, "2026-01-01"],
        "f32": [0.5, None, "-Infinity"],
        "emb": [[0.5, -1.0], None, [0.0, 2.0]],
        "fares": [[1.5, "Infinity"], None, None],
        "shops": [["x", "x"], None, None],
        "first_at": [T, None, None],
        "rides": [2, 0, 0],
        "rides_1m": [0, 0, 0],
    }
    assert found["statuses"]["conv"] == ["PRESENT", "NULL_VALUE", "PRESENT", "NOT_FOUND", "NOT_FOUND"]
    age = dt.datetime.fromisoformat(found["at"]) - dt.datetime(2026, 1, 1, 1, tzinfo=dt.UTC)
    assert found["ages"]["trips"][:2] == [age.total_seconds(), age.total_seconds() - 1]
    assert found["ages"]["trips"][3:] == [None, None]


@pytest.mark.parametrize("at", [None, "2026-01-01T01:00:00.5Z", "2026-01-01T02:00:30+01:00", "2025-01-01T00:00:00"])
def test_the_server_answers_what_the_store_answers(project, url, at):
    asked = {"driver_id": [1, 2, 1], "shop": "x", "at_shop": ["x", "y", "nowhere"]}
    found = online(url, "made", asked, at=at).json()
    with hr.connect(project) as store:
        moment = dt.datetime.fromisoformat(found["at"])
        expected = store.online_features("made:1", asked, at=moment)
    assert found["values"] == plain(expected.values)
    assert found["statuses"] == plain(expected.statuses)
    assert found["ages"] == plain(expected.ages)
    assert found["keys"] == plain(expected.keys)
    if at is None:
        assert found["statuses"]["old_size"] == ["OUTSIDE_MAX_AGE"] * 3
        assert found["values"]["d_trips"] == [2**53 + 1, 7, 2**53 + 1]


def test_on_demand_features_take_inputs_from_the_request(url):
    found = online(url, "rewards", {"driver_id": [2, 2], "bonus": [0.5, 2.0]}).json()
    assert found["values"]["reward"] == [3.5, 14.0]
    assert found["keys"]["bonus"] == [0.5, 2.0]


def test_statuses_and_ages_can_be_left_out(url):
    assert set(online(url, "svc", {"driver_id": 1, "shop": "x"}, statuses=False, ages=False).json()) == {
        "view",
        "at",
        "rows",
        "keys",
        "values",
    }


def test_keys_are_read_by_their_types(url):
    assert online(url, "by_day", {"day": ["2026-01-01", "2026-01-02", None]}).json()["values"] == {"day_rides": [2, 0, 0]}
    assert online(url, "svc", {"driver_id": [], "shop": []}).json()["rows"] == 0


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 400, "empty"),
        (b"{", 400, "isn't JSON"),
        (b"\xff\xfe", 400, "isn't JSON"),
        (b"[]", 400, "JSON object"),
        (b"{}", 400, "'view' is missing; 'entities' is missing"),
        (b'{"view": 3, "entities": {}}', 400, "'view' must be string"),
        (b'{"view": "svc", "entities": []}', 400, "'entities' must be object"),
        (b'{"view": "svc", "entities": {}, "statuses": 1}', 400, "'statuses' must be boolean"),
        (b'{"view": "svc", "entitys": {}}', 400, "did you mean 'entities'"),
        (b'{"view": "scv", "entities": {}}', 404, "did you mean 'svc'"),
        (b'{"view": "svc:9", "entities": {}}', 404, "svc"),
        (b'{"view": "svc", "entities": {"driver_id": 1}}', 422, "needs 'shop'"),
        (b'{"view": "svc", "entities": {"driver_id": "1", "shop": "x"}}', 422, "join key 'driver_id' is int64"),
        (b'{"view": "svc", "entities": {"driver_id": {"a": 1}, "shop": "x"}}', 422, "join key 'driver_id' is int64"),
        (b'{"view": "svc", "entities": {"driver_id": [[1]], "shop": "x"}}', 422, "join key 'driver_id' is int64"),
        (b'{"view": "svc", "entities": {"driver_id": 9223372036854775808, "shop": "x"}}', 422, "driver_id"),
        (b'{"view": "svc", "entities": {"driver_id": [1, 2], "shop": ["x"]}}', 422, "one length"),
        (b'{"view": "by_day", "entities": {"day": "yesterday"}}', 422, "isn't a date"),
        (b'{"view": "svc", "entities": {"driver_id": 1, "shop": "x"}, "at": "now"}', 422, "RFC 3339"),
        (b'{"view": "svc", "entities": {"driver_id": 1, "shop": "x"}, "at": 5}', 400, "'at' must be string"),
        (b'{"view": "svc", "entities": {"driver_id": 1, "shop": "x"}, "max_staleness_s": -1}', 422, "max_staleness"),
        (b'{"view": "rewards", "entities": {"driver_id": 1, "bonus": "much"}}', 422, "reward"),
        (b'{"view": "rewards", "entities": {"driver_id": [1, 2], "bonus": [1, "much"]}}', 422, "bonus"),
        (b'{"view": "../../etc/passwd", "entities": {}}', 404, "view"),
        (b'{"view": "svc", "entities": ' + b'{"a":' * 2000 + b"1" + b"}" * 2000 + b"}", 400, "JSON"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(url, body, status, says):
    for _ in range(2):  # the second time the view's plan is known
        answer = httpx.post(f"{url}/api/v1/features/online", content=body)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
        assert says in answer.json()["detail"]
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_history_is_the_stores(project, url):
    frame = pd.DataFrame(
        {"driver_id": [1, 2, 1, 5] * 30_000, "shop": ["x"] * 120_000, "ts": pd.to_datetime([T] * 120_000, format="ISO8601")}
    )
    answer = post_arrow(url, "/api/v1/features/historical", pa.Table.from_pandas(frame), view="svc", timestamp="ts")
    assert (answer.status_code, answer.headers["content-type"]) == (200, ARROW)
    found = pa.ipc.open_stream(answer.content).read_all()
    with hr.connect(project) as store:
        expected = store.historical_features("svc", pa.Table.from_pandas(frame, preserve_index=False), timestamp="ts")
    assert (
        found.equals(expected.select(["conv", "trips", "size"]).combine_chunks())
        or found.to_pydict() == expected.select(["conv", "trips", "size"]).to_pydict()
    )


@pytest.mark.parametrize(
    ("query", "content", "media_type", "status", "says"),
    [
        ({"view": "svc"}, b"", ARROW, 400, "isn't an Arrow IPC stream"),
        ({"view": "svc"}, b"garbage" * 50, ARROW, 400, "isn't an Arrow IPC stream"),
        ({"view": "svc"}, b"{}", "application/json", 415, ARROW),
        ({}, b"", ARROW, 400, "'view' is missing"),
        ({"view": "svc", "time": "t"}, b"", ARROW, 400, "did you mean 'timestamp'"),
        ({"view": "svc", "as_known": "maybe"}, b"", ARROW, 400, "'as_known' must be boolean"),
        ({"view": "svc"}, stream(pa.table({"shop": ["x"]})), ARROW, 422, "driver_id"),
    ],
)
def test_a_bad_read_of_the_past_is_told_what_is_wrong(url, query, content, media_type, status, says):
    headers = {"content-type": media_type}
    answer = httpx.post(f"{url}/api/v1/features/historical", params=query, content=content, headers=headers, timeout=60)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert says in answer.json()["detail"]


def test_pushed_rows_are_online_at_once_in_every_form(own_url):
    def push(**body):
        return httpx.post(f"{own_url}/api/v1/push", json=body, timeout=60)

    rides = {"driver_id": 9, "shop": "x", "day": "2026-01-01", "fare": "NaN", "rode_at": "2026-01-01T01:00:00.000001+00:00"}
    assert push(source="rides", rows=[{"ride": "n1", **rides}, {"ride": "n1", **rides}]).json() == {
        "source": "rides",
        "rows": 1,
        "repeats": 1,
        "quarantined": 0,
    }
    columns = {name: [value, value] for name, value in rides.items()}
    assert push(source="rides", columns={**columns, "ride": ["n2", "n3"]}).json()["rows"] == 2
    at = pa.array([1_767_229_200_000_001], pa.timestamp("us", "UTC"))
    row = {"ride": ["n4"], "driver_id": [9], "shop": ["x"], "day": pa.array([20454], pa.date32()), "fare": [2.0], "rode_at": at}
    assert post_arrow(own_url, "/api/v1/push", pa.table(row), source="rides").json()["rows"] == 1
    found = online(own_url, "everything", {"driver_id": 9}).json()
    assert found["values"]["rides"] == [4]
    assert 'headrace_rows_pushed_total{source="rides"} 4.0' in httpx.get(f"{own_url}/metrics", timeout=60).text


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"source": "rides"}, 400, "either 'rows'"),
        ({"source": "rides", "rows": [], "columns": {}}, 400, "either 'rows'"),
        ({"source": "rides", "rows": "/etc/passwd"}, 400, "'rows' must be array"),
        ({"source": "rides", "rows": ["/etc/passwd"]}, 400, "row 0"),
        ({"source": "rides", "columns": {"ride": "r"}}, 400, "must be a list"),
        ({"source": "ride", "rows": []}, 404, "did you mean 'rides'"),
        ({"source": "rides", "rows": [{"ride": "r"}]}, 422, "'rode_at' (timestamp) is missing"),
        ({"source": "rides", "rows": [{"rode_at": 5}]}, 422, "row 0, 'rode_at': 5 isn't a time"),
        ({"source": "shops", "rows": [{"shop": "x", "conv": "wide", "size": 1, "event_timestamp": T}]}, 422, "conv"),
        ({"source": "shops", "columns": {"shop": ["x"], "conv": [], "size": [1], "event_timestamp": [T]}}, 422, "length"),
    ],
)
def test_a_bad_push_changes_nothing_and_is_told_what_is_wrong(url, body, status, says):
    answer = httpx.post(f"{url}/api/v1/push", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert says in answer.json()["detail"]


def test_no_rows_are_a_push_too(url):
    assert httpx.post(f"{url}/api/v1/push", json={"source": "rides", "rows": []}).json()["rows"] == 0


def test_the_catalog_tells_everything_that_is_defined(project, url):
    found = httpx.get(f"{url}/api/v1/catalog").json()
    assert [item["id"] for item in found["entity"]] == ["day:1", "driver:1", "shop:1", "stay:1"]
    assert [item["name"] for item in found["view"]] == ["by_day", "everything", "made", "rewards", "svc"]
    one = httpx.get(f"{url}/api/v1/catalog/view/svc:1").json()
    with hr.connect(project) as store:
        version = store.catalog.history("view", "svc")[0]
    assert (one["hash"], one["spec"]) == (version.hash, plain(version.spec))
    assert [item["version"] for item in one["versions"]] == [1]
    for path, says in ("view/svs", "did you mean 'svc'"), ("views/svc", "did you mean 'view'"), ("view/svc:7", "1 to 1"):
        answer = httpx.get(f"{url}/api/v1/catalog/{path}")
        assert (answer.status_code, says in answer.json()["detail"]) == (404, True)


def test_freshness_is_told_for_each_group(url):
    found = httpx.get(f"{url}/api/v1/freshness", timeout=60).json()["groups"]["shop_stats:1"]
    assert found["newest"] == T
    assert found["keys"] == 2
    assert found["stale"] is False


def test_a_caller_may_allow_old_answers(own_url):
    def size(**options):
        return online(own_url, "svc", {"driver_id": 1, "shop": "x"}, **options).json()["values"]["size"]

    assert size(max_staleness_s=3600) == [3]
    row = {"shop": "x", "conv": 9.0, "size": 30, "event_timestamp": "2026-01-02T00:00:00Z"}
    assert httpx.post(f"{own_url}/api/v1/push", json={"source": "shops", "rows": [row]}).status_code == 200
    assert size(max_staleness_s=3600) == [3]
    assert size() == [30]


def test_many_clients_at_once_get_right_answers(url):
    wrong = []

    def ask(number):
        with httpx.Client() as client:
            for _ in range(30):
                answer = client.post(
                    f"{url}/api/v1/features/online",
                    json={"view": "svc", "entities": {"driver_id": [number], "shop": "x"}},
                    headers={"x-request-id": f"t-{number}"},
                    timeout=60,
                )
                expected = {1: 2**53 + 1, 2: 7, 3: -(2**63)}[number]
                if answer.json()["values"]["trips"] != [expected] or answer.headers["x-request-id"] != f"t-{number}":
                    wrong.append(answer.text)

    threads = [threading.Thread(target=ask, args=(1 + place % 3,)) for place in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_online_values_are_told_beside_the_offline_ones(url):
    asked = {"driver_id": [1, 3, 99], "bonus": 2.0}
    found = httpx.post(f"{url}/api/v1/features/parity", json={"view": "rewards", "entities": asked}, timeout=60).json()
    assert (found["view"], found["rows"], found["equal"]) == ("rewards:1", 3, True)
    assert found["keys"] == {"driver_id": [1, 3, 99], "bonus": [2.0] * 3}
    trips = found["features"]["trips"]
    assert trips["online"] == trips["offline"] == [2**53 + 1, -(2**63), None]
    assert (trips["verdicts"], trips["statuses"]) == (["equal"] * 3, ["PRESENT", "PRESENT", "NOT_FOUND"])
    every = httpx.post(
        f"{url}/api/v1/features/parity", json={"view": "everything", "entities": {"driver_id": 1}}, timeout=60
    ).json()
    assert every["equal"]
    assert every["features"]["blob"]["offline"] == ["AP8="]
    assert every["features"]["fares"]["offline"] == [[1.5, "Infinity"]]
    assert every["features"]["seen"]["online"] == every["features"]["seen"]["offline"] == [T]
    wrong = httpx.post(
        f"{url}/api/v1/features/parity", json={"view": "rewards", "entities": {"driver_id": [1] * 1001, "bonus": 1}}
    )
    assert (wrong.status_code, "at most 1,000" in wrong.json()["detail"]) == (422, True)


def test_what_would_change_is_told_of_a_column(url):
    found = httpx.get(f"{url}/api/v1/impact/source:drivers.conv", timeout=60).json()
    touched = {node["urn"]: node["features"] for node in found["nodes"] if node["kind"] == "view"}
    assert touched == {"view:svc:1": ["conv"], "view:everything:1": ["conv"]}
    assert {edge["source"] for edge in found["edges"]} >= {"source:drivers.conv", "feature:driver_stats:1.conv"}
    assert found["services"] == []
    assert httpx.get(f"{url}/api/v1/impact/source:drivers.nothing").status_code == 404
