"""What the web app reads and changes of runs, over HTTP."""

from __future__ import annotations

import io
import json
import math
import sqlite3
import struct
from contextlib import closing
from dataclasses import replace

import httpx
import numpy as np
import pyarrow as pa
import pytest

import headrace as hr
from headrace.tracking.overview import parse_column
from headrace.tracking.search import parse_filter, parse_order
from headrace.tracking.store import RunQuery
from servers.inside import served


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project of twelve runs: curves, params, tags, files, a child, a deleted one."""
    folder = tmp_path_factory.mktemp("runs")
    with hr.connect(folder) as store:
        for number in range(12):
            with store.start_run(
                experiment="ranker", name=f"run-{number:02}", params={"depth": number % 3, "model.lr": 0.1}, capture=number == 11
            ) as run:
                for step in range(5):
                    run.log_metrics({"loss": 1 / (1 + step) + number, "auc": step / 10}, step=step)
                if number == 11:
                    run.log_metrics({"odd": math.nan}, step=0)
                    run.set_tags({"team": "search"})
                    with store.start_run(experiment="ranker", name="child", nested=True, capture=False):
                        pass
        gone = store.runs.search("run_name = 'run-00'")[0]
        store.runs.delete(gone.id)
    return folder


@pytest.fixture(scope="module")
def url(project):
    with served(project) as address:
        yield address


@pytest.fixture(scope="module")
def ranker(url):
    found = httpx.get(f"{url}/api/v1/experiments").json()["experiments"]
    return next(item["id"] for item in found if item["name"] == "ranker")


def search(url, status=200, **asked):
    answer = httpx.post(f"{url}/api/v1/runs/search", json=asked)
    assert answer.status_code == status, answer.text
    return answer.json()


def run_named(url, name):
    return search(url, filter=f"run_name = '{name}'")["runs"][0]["id"]


def test_a_page_has_the_columns_that_are_asked_for(url, ranker):
    found = search(
        url,
        filter="params.depth = '2'",
        experiments=[ranker],
        order_by=["metrics.loss asc"],
        columns=["metrics.loss", "metrics.loss:high", "metrics.loss:last", "params.depth", "tags.team", "metrics.odd"],
        limit=3,
    )
    assert [run["name"] for run in found["runs"]] == ["run-02", "run-05", "run-08"]
    assert found["columns"]["metrics.loss"] == found["columns"]["metrics.loss:last"] == [2.2, 5.2, 8.2]
    assert found["columns"]["metrics.loss:high"] == [3.0, 6.0, 9.0]
    assert (found["columns"]["params.depth"], found["columns"]["tags.team"]) == (["2"] * 3, [None] * 3)
    assert found["total"] == 4
    assert found["runs"][0]["experiment"] == "ranker"


def test_a_value_that_is_not_finite_is_a_text(url, ranker):
    found = search(url, filter="run_name = 'run-11'", columns=["metrics.odd"])
    assert found["columns"]["metrics.odd"] == ["NaN"]


def test_pages_follow_each_other_while_runs_start(url, ranker, project):
    first = search(url, experiments=[ranker], limit=5)
    with hr.connect(project) as store, store.start_run(experiment="ranker", name="late", capture=False) as late:
        pass
    names, cursor = [run["name"] for run in first["runs"]], first["next"]
    while cursor:
        page = search(url, experiments=[ranker], limit=5, cursor=cursor)
        assert page["total"] == first["total"] == 12
        names, cursor = names + [run["name"] for run in page["runs"]], page["next"]
    assert names == ["child", *(f"run-{number:02}" for number in range(11, 0, -1))]
    httpx.post(f"{url}/api/v1/runs/update", json={"runs": [late.id], "stage": "deleted"})


def test_a_run_from_a_clock_that_is_ahead_is_there_and_pages_stay_whole(url, ranker, project):
    with hr.connect(project) as store:
        ahead = store.runs.recorder.start_in(ranker, "ahead", tags={}, start=store.runs.recorder.clock() + 600_000_000).id
    names, cursor = [], None
    while cursor or not names:
        page = search(url, experiments=[ranker], limit=5, cursor=cursor)
        names, cursor = names + [run["name"] for run in page["runs"]], page["next"]
    assert names == ["ahead", "child", *(f"run-{number:02}" for number in range(11, 0, -1))]
    assert page["total"] == 13
    httpx.post(f"{url}/api/v1/runs/update", json={"runs": [ahead], "stage": "deleted"})


def test_who_does_not_ask_how_many_match_is_not_told(url, ranker):
    first = search(url, experiments=[ranker], limit=5, count=False)
    second = search(url, experiments=[ranker], limit=5, count=False, cursor=first["next"])
    assert (first["total"], second["total"], len(second["runs"])) == (None, None, 5)


@pytest.mark.parametrize("cursor", ["x", "W10=", "WzEsMiwtM10=", "é"])
def test_a_made_up_cursor_is_refused(url, cursor):
    assert "cursor" in search(url, 422, cursor=cursor)["detail"]


def test_a_fault_in_a_query_is_told_with_its_place_and_what_may_be_meant(url):
    problem = search(url, 422, filter="params.depth = '2' and auc > 0.5")
    assert problem["type"] == "urn:headrace:error:QueryError"
    assert problem["query"] == {
        "reason": problem["query"]["reason"],
        "text": "params.depth = '2' and auc > 0.5",
        "start": 23,
        "length": 3,
        "suggestion": "metrics.auc",
    }
    assert search(url, 422, filter="metricz.auc > 1")["query"]["suggestion"] == "metrics.auc"
    assert search(url, 422, order_by=["metrics.auc upwards"])["query"]["start"] == 12


@pytest.mark.parametrize(
    "asked",
    [
        {"limit": 0},
        {"limit": 10_001},
        {"view": "x"},
        {"experiments": ["x"]},
        {"columns": ["auc"]},
        {"archived": "x"},
        {"columns": [1]},
        {"tree": True, "filter": "params.depth = '2'"},
        {"tree": True, "archived": "hide"},
        {"tree": True, "opened": [1]},
        {"tree": True, "opened": ["x"] * 1001},
    ],
)
def test_what_cannot_be_searched_for_is_refused(url, asked):
    search(url, 422, **asked)


def test_nested_runs_stand_below_their_parent_where_a_tree_is_asked_for(url, ranker):
    parent = run_named(url, "run-11")
    names, depths, cursor = [], [], None
    while cursor or not names:
        page = search(url, experiments=[ranker], columns=["params.depth"], tree=True, limit=5, cursor=cursor)
        assert (page["tree"]["rows"], page["total"], page["tree"]["opened"]) == (12, 12, [parent])
        names, depths = names + [run["name"] for run in page["runs"]], depths + page["tree"]["depths"]
        cursor = page["next"]
    assert names == ["run-11", "child", *(f"run-{number:02}" for number in range(10, 0, -1))]
    assert depths == [0, 1] + [0] * 10
    closed = search(url, experiments=[ranker], columns=["params.depth"], tree=True, opened=[], limit=5)
    assert closed["tree"] == {"rows": 11, "depths": [0] * 5, "children": [1, 0, 0, 0, 0], "opened": []}
    assert (closed["total"], closed["columns"]["params.depth"]) == (12, ["2", "1", "0", "2", "1"])
    assert search(url, experiments=[ranker])["tree"] is None


def test_lines_of_a_log_are_found_and_what_comes_later_is_looked_through_alone(url, project):
    with hr.connect(project) as store, store.start_run(experiment="logs", capture=False, strict=True) as run:
        run.log_text("logs/a b.log", "Loss 1\nfine\nloss 2\nno lo")

        def ask(status=200, **asked):
            answer = httpx.get(f"{url}/api/v1/runs/{run.id}/lines/logs/a b.log", params=asked)
            assert answer.status_code == status, answer.text
            return answer.json()

        first = ask(find="LOSS")
        assert [(line["start"], line["number"], line["text"]) for line in first["lines"]] == [(0, 1, "Loss 1"), (12, 3, "loss 2")]
        assert (first["found"], first["count"], first["end"], first["size"], first["last"]) == (2, 3, 19, 24, None)
        assert ask(find="lo", start=19)["last"] == {"start": 19, "number": 1, "text": "no lo"}
        run.log_text("logs/a b.log", "Loss 1\nfine\nloss 2\nno loss\n")
        later = ask(find="loss", start=first["end"], limit=0)
        assert (later["lines"], later["found"], later["count"], later["end"]) == ([], 1, 1, 27)
        ask(400)
        for wrong in ({"find": ""}, {"find": "a\nb"}, {"find": "a", "start": -1}, {"find": "a", "start": 28}):
            ask(422, **wrong)
        ask(422, find="a", limit=5001)


def test_any_page_is_reached_without_those_before(url, ranker):
    names = [run["name"] for run in search(url, experiments=[ranker], limit=3, offset=4)["runs"]]
    assert names == [run["name"] for run in search(url, experiments=[ranker], limit=7)["runs"]][4:]
    cursor = search(url, experiments=[ranker], limit=3)["next"]
    for asked in ({"offset": -1}, {"offset": 1, "cursor": cursor}):
        assert "offset" in search(url, 422, **asked)["detail"]


def test_a_run_that_nothing_is_heard_of_is_lost_everywhere(url, project):
    with hr.connect(project) as store:
        with store.start_run(experiment="silent", capture=False) as run:
            pass
        with closing(sqlite3.connect(project / ".headrace" / "catalog.db")) as catalog, catalog:
            catalog.execute("UPDATE runs SET status = 'RUNNING', end_time = NULL, seen = 1 WHERE run_id = ?", (run.id,))
        found = store.runs.search("status = 'LOST'")
        assert [(item.id, item.state()) for item in found] == [(run.id, "LOST")]
        assert found.to_arrow()["status"].to_pylist() == ["LOST"]
    heads = search(url, filter="status = 'LOST'")["runs"]
    assert [(head["id"], head["status"], head["state"]) for head in heads] == [(run.id, "RUNNING", "LOST")]
    assert not search(url, filter=f"status = 'RUNNING' and run_id = '{run.id}'")["runs"]
    assert httpx.get(f"{url}/api/v1/runs/{run.id}").json()["state"] == "LOST"
    experiments = httpx.get(f"{url}/api/v1/experiments").json()["experiments"]
    assert next(item["running"] for item in experiments if item["name"] == "silent") == 0
    assert 'headrace_runs{status="LOST"} 1.0' in httpx.get(f"{url}/metrics").text


def test_a_store_through_the_server_has_all_that_one_here_has(url, project, ranker):
    with hr.connect(project) as here, hr.connect(url) as there:
        assert public(there) == public(here)
        for name in ("runs", "overview", "curves", "changes"):
            assert public(getattr(there, name)) == public(getattr(here, name)), name
        run, odd = (here.runs.search(f"run_name = '{name}'")[0].id for name in ("run-03", "run-11"))
        columns = [parse_column(name) for name in ("metrics.loss:low", "params.depth", "tags.team")]
        texts = ("metrics.loss > 1", "ranker", "metrics.loss desc")
        query = RunQuery(parse_filter(texts[0]), parse_order(texts[2]), [ranker], limit=4, offset=1)
        for ask in (
            lambda store: store.overview.experiments(),
            lambda store: store.overview.keys([ranker]),
            lambda store: store.overview.keys([ranker], exact=False),
            lambda store: store.overview.table(query, columns),
            lambda store: store.overview.tree(replace(query, filters=()), columns, opened=[odd]),
            lambda store: store.overview.tree(replace(query, filters=()), columns, opened=None),
            lambda store: list(store.runs.search(*texts, limit=4, offset=1)),
            lambda store: store.overview.values("param", "depth", "", 10),
            lambda store: store.overview.extremes(run),
            lambda store: store.overview.children(odd),
            lambda store: (store.overview.running(), store.overview.statuses()),
            lambda store: store.changes.since((0, 0), 5),
            lambda store: store.changes.end(),
        ):
            assert ask(there) == ask(here)
        for axis in ("step", "relative", "metric:auc"):
            ours, theirs = (store.curves.read([run, odd], ["loss"], width=3, axis=axis) for store in (here, there))
            assert len(ours) == len(theirs) == 2
            for one, other in zip(ours, theirs, strict=True):
                assert (one.run_id, one.key, one.count) == (other.run_id, other.key, other.count)
                np.testing.assert_array_equal(
                    [one.start, one.low, one.high, one.last], [other.start, other.low, other.high, other.last]
                )


def public(value):
    return {name for name in dir(value) if not name.startswith("_")}


def test_keys_are_counted_and_found_by_text(url, ranker):
    def keys(experiment=ranker, status=200, **query):
        answer = httpx.get(f"{url}/api/v1/experiments/{experiment}/keys", params=query)
        assert answer.status_code == status, answer.text
        return answer.json()

    assert keys(search="LOSS") == {"metrics": {"loss": 11}, "params": {}, "tags": {}, "exact": True}
    found = keys(limit=1)
    assert (list(found["params"]), list(keys()["params"])) == (["depth"], ["depth", "model.lr"])
    assert (keys("0", limit=0)["metrics"], keys(f"0,{ranker}", search="loss")["metrics"]["loss"]) == ({}, 11)
    assert keys(exact=False) == keys()  # so few are counted at once
    keys(status=422, limit=-1)
    keys(status=400, exact="x")


def test_a_query_is_completed(url, ranker):
    def completed(text, **more):
        answer = httpx.post(f"{url}/api/v1/runs/complete", json={"text": text, "experiments": [ranker], **more})
        return [option["text"] for option in answer.json()["options"]]

    assert completed("lo")[0] == "metrics.loss"
    assert completed("params.depth = '") == ["'0'", "'1'", "'2'"]
    assert completed("metrics.loss ", field="order") == ["ASC", "DESC"]
    assert httpx.post(f"{url}/api/v1/runs/complete", json={"text": "", "field": "x"}).status_code == 422


def test_a_run_tells_everything_that_its_page_shows(url):
    run = httpx.get(f"{url}/api/v1/runs/{run_named(url, 'run-11')}").json()
    assert run["config"] == {"depth": "2", "model": {"lr": "0.1"}}
    loss = run["metrics"]["loss"]
    assert (loss["low"], loss["low_step"], loss["high"], loss["high_step"], loss["goal"], loss["count"]) == (
        11.2,
        4,
        12,
        0,
        "min",
        5,
    )
    assert run["metrics"]["auc"]["goal"] == "max"
    assert (run["metrics"]["odd"]["value"], run["metrics"]["odd"]["low_step"]) == ("NaN", None)
    assert run["environment"]["python"].startswith("3.")
    assert "numpy" in run["packages"]
    assert run["children"] == 1
    assert run["files"]["count"] >= 2
    assert run["duration"] > 0


def test_a_run_is_renamed_noted_tagged_put_away_and_all_of_it_undone(url, ranker):
    ids = [run_named(url, "run-03"), run_named(url, "run-04")]

    def update(status=200, **change):
        answer = httpx.post(f"{url}/api/v1/runs/update", json={"runs": ids, **change})
        assert answer.status_code == status, answer.text

    update(note="**good**", set={"team": "ads"}, archived=True)
    first = httpx.get(f"{url}/api/v1/runs/{ids[0]}").json()
    assert (first["note"], first["tags"]["team"], first["archived"]) == ("**good**", "ads", True)
    assert search(url, experiments=[ranker], archived="only")["total"] == 2
    assert search(url, experiments=[ranker], archived="hide")["total"] == 10
    update(stage="deleted")
    update(409, note="x")
    update(stage="active", note="", remove=["team", "none"], archived=False)
    first = httpx.get(f"{url}/api/v1/runs/{ids[0]}").json()
    assert (first["note"], first["archived"], first["lifecycle_stage"]) == ("", False, "active")
    assert "team" not in first["tags"]
    update(422, stage="gone")
    update(422, set={"": "x"})


def test_an_experiment_is_made_changed_deleted_and_restored(url):
    made = httpx.post(f"{url}/api/v1/experiments", json={"name": "fresh", "note": "why", "tags": {"a": "1"}})
    assert (made.status_code, made.json()["note"], made.json()["runs"]) == (201, "why", 0)
    where = f"{url}/api/v1/experiments/{made.json()['id']}"
    assert httpx.post(f"{url}/api/v1/experiments", json={"name": "fresh"}).status_code == 409
    changed = httpx.patch(where, json={"name": "older", "note": "", "set": {"b": "2"}, "remove": ["a"]}).json()
    assert (changed["name"], changed["note"], changed["tags"]) == ("older", "", {"b": "2"})
    assert httpx.patch(where, json={"stage": "deleted"}).json()["lifecycle_stage"] == "deleted"
    assert httpx.patch(where, json={"stage": "deleted"}).status_code == 200
    assert httpx.patch(where, json={"stage": "active"}).json()["lifecycle_stage"] == "active"
    assert httpx.get(where).json()["name"] == "older"
    assert httpx.get(f"{url}/api/v1/experiments/999").status_code == 404
    assert httpx.get(f"{url}/api/v1/experiments/x").status_code == 422


def read_series(body):
    (length,) = struct.unpack_from("<I", body)
    header, place = json.loads(body[4 : 4 + length]), 4 + length
    assert place % 8 == 0
    found = []
    for curve in header["series"]:
        columns = {}
        for name in header["columns"]:
            columns[name] = np.frombuffer(body, "<f8", curve["buckets"], place)
            place += 8 * curve["buckets"]
        found.append((curve, columns))
    assert place == len(body)
    return found


def test_series_of_many_runs_come_in_one_answer(url):
    runs = [run_named(url, "run-01"), run_named(url, "run-11")]
    asked = {"runs": runs, "keys": ["loss", "odd", "none"], "width": 100}
    answer = httpx.post(f"{url}/api/v1/metrics/series", json=asked)
    assert answer.headers["content-type"] == "application/vnd.headrace.series"
    first, second, odd = read_series(answer.content)
    assert (first[0]["run"], first[0]["key"], first[0]["count"]) == (runs[0], "loss", 5)
    assert first[1]["start"].tolist() == [0, 1, 2, 3, 4]
    assert first[1]["last"].tolist() == [2.0, 1.5, 1 / 3 + 1, 1.25, 1.2]
    assert second[1]["last"][-1] == 11.2
    assert odd[1]["marks"].tolist() == [1]
    relative = read_series(httpx.post(f"{url}/api/v1/metrics/series", json={**asked, "axis": "relative"}).content)
    assert 0 <= relative[0][1]["start"][0] < 60
    zoomed = read_series(httpx.post(f"{url}/api/v1/metrics/series", json={**asked, "start": 1, "end": 2}).content)
    assert zoomed[0][1]["start"].tolist() == [1, 2]


@pytest.mark.parametrize(
    "change", [{"width": 0}, {"width": 10_001}, {"axis": "x"}, {"runs": [1]}, {"keys": ["k"] * 1, "runs": ["r"] * 1, "axis": ""}]
)
def test_what_is_no_chart_is_refused(url, change):
    asked = {"runs": ["r"], "keys": ["k"], **change}
    assert httpx.post(f"{url}/api/v1/metrics/series", json=asked).status_code == 422


def test_every_point_comes_as_csv_or_arrow(url):
    where = f"{url}/api/v1/runs/{run_named(url, 'run-01')}/points"
    lines = httpx.get(where, params={"key": "loss"}).text.splitlines()
    assert lines[0] == '"step","time","value","dataset"'
    assert len(lines) == 6
    table = pa.ipc.open_stream(io.BytesIO(httpx.get(where, params={"key": "auc", "format": "arrow"}).content)).read_all()
    assert table.column("value").to_pylist() == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert httpx.get(where, params={"key": "none"}).status_code == 404
    assert httpx.get(where, params={"key": "auc", "format": "x"}).status_code == 422


def test_runs_are_compared_side_by_side_and_where_one_metric_was_best(url):
    runs = [run_named(url, "run-01"), run_named(url, "run-02")]
    found = httpx.post(f"{url}/api/v1/runs/compare", json={"runs": runs, "best_of": "loss"}).json()
    rows = {(row["section"], row["key"]): row for row in found["rows"]}
    assert (found["runs"], found["names"]) == (runs, ["run-01", "run-02"])
    assert rows["params", "depth"] == {"section": "params", "key": "depth", "values": ["1", "2"], "differs": True}
    assert rows["params", "model.lr"]["differs"] is False
    assert rows["metrics", "auc (at best loss)"]["values"] == ["0.4", "0.4"]
    other = httpx.post(f"{url}/api/v1/runs/compare", json={"runs": runs, "best_of": "loss:max"}).json()
    assert ["0", "0"] in [row["values"] for row in other["rows"] if row["key"] == "auc (at best loss)"]
    for asked in ({"runs": runs[:1]}, {"runs": [1, 2]}):
        assert httpx.post(f"{url}/api/v1/runs/compare", json=asked).status_code == 422
    assert httpx.post(f"{url}/api/v1/runs/compare", json={"runs": runs, "best_of": "acc"}).status_code == 404


def test_runs_and_points_are_counted_for_prometheus(url):
    def value(name):
        lines = httpx.get(f"{url}/metrics").text.splitlines()
        return float(next(line for line in lines if line.startswith(name)).split()[-1])

    before, run = value("headrace_points_logged_total"), run_named(url, "run-05")
    now = {"run_id": run, "key": "late", "value": 1.0, "timestamp": 1, "step": 1}
    assert httpx.post(f"{url}/api/2.0/mlflow/runs/log-metric", json=now).status_code == 200
    assert value("headrace_points_logged_total") == before + 1
    assert value('headrace_runs{status="FINISHED"}') >= 11


def test_what_was_deleted_long_ago_goes_for_good_when_one_says_so(tmp_path):
    with hr.connect(tmp_path) as store:
        with store.start_run(experiment="gone", capture=False) as run:
            run.log_text("notes.txt", "old")
        gone = store.runs.experiment("gone")
        store.runs.stores.experiments.set_stage(gone.id, "deleted", 1)
    with served(tmp_path) as address:

        def retain(status=200, **asked):
            answer = httpx.post(f"{address}/api/v1/retention", json=asked)
            assert answer.status_code == status, answer.text
            return answer.json()

        for days, status in (0, 422), (-1, 422), (1e9, 422), ("x", 400), (None, 400):
            retain(status, days=days)
        told = retain(days=30)
        assert (told["runs"], told["experiments"], told["kept"], told["files"]) == (1, 1, 0, 0)
        assert httpx.get(f"{address}/api/v1/runs/{run.id}").status_code == 200, "it was a dry run"
        assert retain(days=30, dry_run=False) == told
        assert httpx.get(f"{address}/api/v1/runs/{run.id}").status_code == 404
        assert retain(days=30)["runs"] == 0
