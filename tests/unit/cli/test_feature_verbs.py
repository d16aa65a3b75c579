"""The feature store's verbs over a real project: the one that `headrace init` writes."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.features import training
from servers.inside import served

NOW = datetime.now(UTC).replace(microsecond=0)
COLUMNS = ("customer_id", "amount", "bought_at")


def purchases(count, *, ago=timedelta(hours=2)):
    return [(number % 3, 10.0 + number, NOW - ago + timedelta(seconds=number)) for number in range(count)]


def parquet(path, rows, **more):
    columns = {name: [row[place] for row in rows] for place, name in enumerate(COLUMNS)}
    pq.write_table(pa.table({**columns, **more}), path)
    return path


def jsonl(path, rows):
    lines = [json.dumps({"customer_id": a, "amount": b, "bought_at": c.isoformat()}) for a, b, c in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(params=["a folder", "a server"])
def ready(request, ready, monkeypatch):
    """The project that `headrace init` writes, applied, to be in; or to be asked for at its server."""
    if request.param == "a folder":
        yield ready
        return
    with served(ready) as url:
        monkeypatch.setenv("HEADRACE_SERVER", url)
        yield ready


def test_init_writes_a_project_that_works_and_never_overwrites(cli, project):
    said = cli("init", "new").out
    assert "cd new" in said
    assert sorted(path.name for path in (project / "new").iterdir()) == [".gitignore", "definitions.py", "headrace.toml"]
    assert "already has headrace.toml, definitions.py" in cli("init", "new", code=2).err
    assert cli("-C", "new", "plan", "--json").json["added"]


def test_plan_changes_nothing_and_check_says_whether_something_would_change(cli, project):
    cli("init")
    assert "+ view fraud" in cli("plan").out
    cli("plan", "--check", code=1)
    assert "+ view fraud" in cli("apply").out
    assert cli("plan", "--check", "--json").json["changed"] == []


def test_prune_asks_and_is_refused_where_nobody_can_answer(cli, ready):
    (ready / "less.py").write_text('import headrace as hr\ncustomer = hr.Entity("customer", keys={"customer_id": "int64"})\n')
    assert "say --yes" in cli("apply", "less", "--prune", code=2).err
    removed = cli("apply", "less", "--prune", "--yes", "--json").json["removed"]
    assert {item["name"] for item in removed} == {"purchases", "spending", "fraud"}
    assert "nothing is defined" in cli("features", "list").out


class Keyboard(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("typed", "code", "left"), [("n\n", 130, 1), ("y\n", 0, 0)])
def test_prune_shows_what_goes_and_waits_for_the_answer(cli, ready, monkeypatch, typed, code, left):
    (ready / "less.py").write_text('import headrace as hr\ncustomer = hr.Entity("customer", keys={"customer_id": "int64"})\n')
    monkeypatch.setattr("sys.stdin", Keyboard(typed))
    assert "- source purchases" in cli("apply", "less", "--prune", code=code).err
    assert len(cli("features", "list", "--json").json["sources"]) == left


def test_write_takes_parquet_and_csv_and_a_batch_once(cli, ready):
    path = parquet(ready / "p.parquet", purchases(6))
    assert cli("write", "purchases", path, "--batch-id", "one", "--json").json == {
        "source": "purchases",
        "rows": 6,
        "repeats": 0,
        "replayed": False,
        "quarantined": 0,
    }
    assert "nothing was written" in cli("write", "purchases", path, "--batch-id", "one").out
    (ready / "p.csv").write_text(f"customer_id,amount,bought_at\n7,1.5,{NOW - timedelta(hours=1):%Y-%m-%d %H:%M:%S}\n")
    assert "wrote 1 rows" in cli("write", "purchases", "p.csv").out
    assert cli("materialize", "--json").json == [{"group": "spending:1", "rows": 7, "keys": 4}]


def test_push_is_visible_online_at_once(cli, ready):
    path = jsonl(ready / "events.jsonl", purchases(5, ago=timedelta(minutes=5)))
    assert cli("push", "purchases", path, "--batch", 2, "--json").json == {
        "source": "purchases",
        "rows": 5,
        "repeats": 0,
        "quarantined": 0,
        "batches": 3,
    }
    found = cli("features", "get", "fraud", "customer_id=0,9", "amount=23", "--json").json
    first, unknown = (row["features"] for row in found["rows"])
    assert first["purchases_1h"]["value"] == 2
    assert first["times_usual"]["value"] == 23 / 11.5
    assert first["usual_amount"]["status"] == "PRESENT"
    assert first["usual_amount"]["age_s"] > 0
    assert unknown["usual_amount"] == {"value": None, "status": "NOT_FOUND", "age_s": None}


def test_get_answers_for_another_moment(cli, ready):
    cli("push", "purchases", jsonl(ready / "events.jsonl", purchases(5)))
    before = (NOW - timedelta(hours=3)).isoformat()
    found = cli("features", "get", "fraud:1", "customer_id=0", "amount=1", "--at", before, "--json").json
    assert found["rows"][0]["features"]["purchases_1h"]["value"] == 0
    assert "NOT_FOUND" in cli("features", "get", "fraud", "customer_id=99", "amount=1").out


def test_a_bad_line_stops_a_push_and_says_what_was_taken_in(cli, ready):
    path = jsonl(ready / "events.jsonl", purchases(3))
    path.write_text(path.read_text() + '{"customer_id": 1, "amount": 2.0, "bought_at": "soon"}\n')
    said = cli("push", "purchases", path, "--batch", 2, code=2).err
    assert "pushed 2 rows" in said
    assert "line 4, 'bought_at': 'soon' isn't a time" in said


def test_list_and_show_tell_what_is_defined(cli, ready):
    found = cli("features", "list", "--json").json
    assert [group["id"] for group in found["groups"]] == ["spending:1"]
    assert found["views"][0]["keys"] == {"customer_id": "int64"}
    assert found["sources"][0]["columns"]["bought_at"] == "timestamp"
    assert cli("features", "show", "source:purchases", "--json").json["consumers"]
    assert cli("features", "show", "customer", "--json").json["keys"] == {"customer_id": "int64"}
    shown = cli("features", "show", "spending").out
    assert "count() over 30d by 12h where amount >= 100" in shown
    assert "view:fraud:1" in shown
    assert (
        cli("features", "show", "fraud:1", "--json").json["features"][-1]["computed"]
        == "definitions:times_usual(amount, usual_amount)"
    )


def test_freshness_tells_groups_that_lag(cli, ready):
    cli("write", "purchases", parquet(ready / "p.parquet", purchases(6)))
    assert cli("features", "freshness", "--json").json[0]["state"] == "behind"
    cli("materialize")
    assert cli("features", "freshness", "--json").json[0]["state"] == "fresh"


def test_history_keeps_the_rows_and_appends_the_features(cli, ready):
    cli("write", "purchases", parquet(ready / "p.parquet", purchases(6)))
    asked = parquet(ready / "asked.parquet", [(2, 1.0, NOW), (0, 1.0, NOW - timedelta(days=1)), (2, 1.0, NOW)])
    said = cli("features", "history", "fraud", asked, "-t", "bought_at", "-o", "out.parquet", "--json").json
    assert said["rows"] == 3
    found = pq.read_table(ready / "out.parquet")
    assert found.column("customer_id").to_pylist() == [2, 0, 2]
    assert found.column("large_30d").to_pylist() == [0, 0, 0]
    assert found.column("spent_30d").to_pylist() == [27.0, None, 27.0]


def test_questions_labels_and_answers_may_be_csv(cli, project):
    (project / "headrace.toml").touch()
    (project / "definitions.py").write_text(
        "import headrace as hr\n"
        "user = hr.Entity('user', keys={'user': 'string'})\n"
        "kinds = {'user': 'string', 'paid': 'float64', 'at': 'timestamp'}\n"
        "paid = hr.EventSource('paid', timestamp='at', schema=kinds)\n"
        "sums = hr.FeatureGroup('sums', entity=user, source=paid, features={'sum': hr.sum('paid')})\n"
        "last = hr.FeatureGroup('last', entity=user, source=paid, features={'paid_last': hr.last_n('paid', 2)})\n"
        "one, several = hr.FeatureView('one', features=[sums]), hr.FeatureView('several', features=[sums, last])\n"
    )
    cli("apply", "definitions.py")
    (project / "paid.csv").write_text("user,paid,at\n007,2.5,2026-01-01T00:00:00Z\n007,4,2026-01-02T01:00:00+01:00\n")
    cli("write", "paid", "paid.csv")
    (project / "asked.csv").write_text("user,at,label\n007,2026-01-02,1\n007,2026-01-03 12:00:00,0\n7,2026-01-03T00:00:00Z,0\n")
    cli("features", "history", "one", "asked.csv", "-t", "at", "-o", "out.csv")
    assert [line.split(",")[-1] for line in (project / "out.csv").read_text().splitlines()] == ['"sum"', "2.5", "6.5", ""]
    cli("features", "history", "one", "out.csv", "-t", "at", "-o", "again.csv", code=2)  # it has the column already
    made = cli("features", "training-set", "one", "asked.csv", "-t", "at", "--label", "label", "-o", "set.csv", "--json").json
    assert (made["rows"], made["label"]) == (3, "label")
    assert (project / "set.csv").read_text().splitlines()[2].startswith('"007",2026-01-03 12:00:00')
    refused = cli("features", "training-set", "several", "asked.csv", "-t", "at", "-o", "more.csv", code=2).err
    assert "'paid_last' of view 'several' holds several values" in refused
    assert [item["name"] for item in cli("features", "training-sets", "--json").json] == ["one"]


def test_training_sets_are_kept_listed_and_verified(cli, ready):
    cli("write", "purchases", parquet(ready / "p.parquet", purchases(9)))
    labels = parquet(ready / "labels.parquet", purchases(4, ago=timedelta(hours=1)), fraud=[0, 1, 0, 1])
    made = cli(
        "features", "training-set", "fraud", labels, "-t", "bought_at", "--label", "fraud", "--name", "first", "--json"
    ).json
    assert (made["name"], made["version"], made["rows"], made["label"]) == ("first", 1, 4, "fraud")
    assert [item["name"] for item in cli("features", "training-sets", "--json").json] == ["first"]
    assert cli("features", "verify", "first", "--json").json["ok"]
    assert "every value is the same" in cli("features", "verify", "first:1").out


def test_a_training_set_that_differs_exits_with_1(cli, ready, monkeypatch):
    cli("write", "purchases", parquet(ready / "p.parquet", purchases(9)))
    labels = parquet(ready / "labels.parquet", purchases(4, ago=timedelta(hours=1)))
    cli("features", "training-set", "fraud", labels, "-t", "bought_at", "--name", "first")
    other = training.Verification(ok=False, rows=4, differing={"spent_30d": 2})
    monkeypatch.setattr(training.TrainingSet, "verify", lambda _: other)
    assert "spent_30d" in cli("features", "verify", "first", code=1).out


def test_lineage_goes_both_ways(cli, ready):
    assert "source:purchases.amount" in cli("lineage", "view:fraud").out
    found = cli("lineage", "source:purchases.amount", "--downstream", "--json").json
    assert "view:fraud:1" in {node["urn"] for node in found["nodes"]}
    assert len(cli("lineage", "view:fraud:1", "--depth", 1, "--json").json["nodes"]) == 2


def test_a_superseded_version_is_retired_and_a_current_one_is_not(cli, ready):
    cli("push", "purchases", jsonl(ready / "events.jsonl", purchases(3)))
    text = (ready / "definitions.py").read_text()
    (ready / "more.py").write_text(text.replace('hr.last_n("amount", 3)', 'hr.last_n("amount", 2)').replace("times_usual]", "]"))
    assert "headrace materialize spending:2" in cli("apply", "more").err
    cli("features", "retire", "spending:2", code=2)
    assert "no online values" in cli("features", "retire", "spending:1").out


def test_a_server_is_named_by_an_option_too_and_a_folder_goes_before_the_environment(cli, project, applied, monkeypatch):
    with served(applied) as url:
        assert "fraud" in cli("--project", url, "features", "list").out
        monkeypatch.setenv("HEADRACE_SERVER", "http://127.0.0.1:9")
        assert "fraud" in cli("-C", url, "features", "list").out
        assert "no runs" in cli("-C", url, "runs", "list").out + cli("-C", url, "runs", "list").err
    assert "can't be reached" in cli("features", "list", code=2).err
    cli("init", "new")
    assert "fraud" not in cli("-C", "new", "features", "list").out


def test_what_works_on_files_says_that_it_needs_the_folder(cli, project, monkeypatch):
    monkeypatch.setenv("HEADRACE_SERVER", "http://127.0.0.1:9")
    for command in ("doctor", "server"):
        assert "name the folder with --project DIR" in cli(command, code=2).err
