"""The verbs about quality, over a real project: the one that `headrace init` writes, which expects something of its rows."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

NOW = datetime.now(UTC).replace(microsecond=0)


def purchases(path, *amounts):
    times = [NOW - timedelta(hours=2)] * len(amounts)
    customers = [number % 3 for number in range(len(amounts))]
    pq.write_table(pa.table({"customer_id": customers, "amount": list(amounts), "bought_at": times}), path)
    return path


@pytest.fixture
def expecting(cli, ready):
    """The project, whose purchases are between 0 and 1000 or are set aside, and whose customers spend little."""
    text = (ready / "definitions.py").read_text()
    text = text.replace(
        '"bought_at": "timestamp"},\n',
        '"bought_at": "timestamp"},\n    expect=[hr.expect.between("amount", 0, 1000, on_fail="quarantine")],\n',
    )
    text = text.replace(
        "    source=purchases,\n",
        '    source=purchases,\n    freshness="1h",\n    expect=[hr.expect.between("spent_30d", 0, 500)],\n',
    )
    (ready / "definitions.py").write_text(text)
    assert "expectation between(amount, 0, 1000) added" in cli("apply").out
    assert cli("features", "show", "purchases", "--json").json["expects"] == ["between(amount, 0, 1000): quarantine"]
    assert cli("features", "show", "spending", "--json").json["expects"] == ["between(spent_30d, 0, 500)"]
    return ready


def test_what_was_set_aside_is_told_shown_and_exported(cli, expecting):
    assert cli("features", "quarantine", "purchases").out == "no row of purchases was set aside\n"
    said = cli("write", "purchases", purchases(expecting / "p.parquet", 10.0, -1.0, 5000.0)).out
    assert "wrote 1 rows to purchases; set aside 2, see: headrace features quarantine purchases" in said
    line = json.dumps({"customer_id": 7, "amount": -5.0, "bought_at": NOW.isoformat()})
    (expecting / "e.jsonl").write_text(line + "\n")
    assert "set aside 1" in cli("push", "purchases", expecting / "e.jsonl").out
    shown = cli("features", "quarantine", "purchases").out
    assert "between(amount, 0, 1000)" in shown
    assert "3 rows set aside" in shown
    newest = cli("features", "quarantine", "purchases", "--limit", 1, "--json").json
    assert (newest["rows"], newest["newest"][0]["amount"], newest["newest"][0]["_origin"]) == (3, -5.0, "push")
    assert "wrote 3 rows" in cli("features", "quarantine", "purchases", "--export", expecting / "bad.parquet").out
    assert pq.read_table(expecting / "bad.parquet").column("amount").to_pylist() == [-1.0, 5000.0, -5.0]
    assert "no source named 'purchase'; did you mean 'purchases'" in cli("features", "quarantine", "purchase", code=2).err


def test_statistics_are_shown_for_sources_and_groups_and_one_column_in_full(cli, expecting):
    assert "no statistics of source:purchases yet" in cli("features", "stats", "purchases", code=2).err
    cli("write", "purchases", purchases(expecting / "p.parquet", 10.0, 20.0, 30.0))
    cli("materialize")
    found = cli("features", "stats", "purchases", "--json").json
    assert (found["subject"], found["kind"], found["rows"]) == ("source:purchases", "write", 3)
    assert found["columns"]["amount"]["mean"] == 20.0
    assert "spent_30d" in cli("features", "stats", "spending").out
    cli("write", "purchases", purchases(expecting / "p.parquet", 40.0))
    one = cli("features", "stats", "purchases", "--column", "amount", "--json").json
    assert [point["max"] for point in one["history"]] == [40.0, 30.0]
    assert "histogram" in cli("features", "stats", "purchases", "--column", "amount").out
    assert "did you mean 'amount'" in cli("features", "stats", "purchases", "--column", "amont", code=2).err


def test_quality_fails_where_values_online_break_an_expectation(cli, expecting):
    assert "not looked at" in cli("features", "quality", "--fail").out
    cli("write", "purchases", purchases(expecting / "p.parquet", 900.0, 10.0))
    cli("materialize")
    found = {item["expectation"]: item for item in cli("features", "quality", "--fail", "--json", code=1).json}
    assert (found["between(spent_30d, 0, 500)"]["state"], found["between(spent_30d, 0, 500)"]["broken"]) == ("fail", 1)
    assert found["between(amount, 0, 1000)"]["state"] == "ok"


def test_a_profile_is_taken_when_asked_and_drift_is_measured_against_a_training_set(cli, expecting):
    cli("write", "purchases", purchases(expecting / "p.parquet", *[float(number) for number in range(300)]))
    cli("materialize")
    assert cli("features", "profile", "spending", "--json").json["kind"] == "online"
    labels = pa.table({"customer_id": [0, 1, 2] * 100, "timestamp": [NOW] * 300, "amount": [1.0] * 300})
    pq.write_table(labels, expecting / "labels.parquet")
    cli("features", "training-set", "fraud", expecting / "labels.parquet", "--name", "now")
    report = cli("features", "drift", "fraud", "now", "--fail", "--json").json
    assert report["strong"] == []
    assert report["levels"]["spent_30d"] == "none"
    assert report["report"]["left_out"] == ["times_usual"]
    pq.write_table(labels.set_column(1, "timestamp", [[NOW - timedelta(days=9)] * 300]), expecting / "labels.parquet")
    cli("features", "training-set", "fraud", expecting / "labels.parquet", "--name", "before")
    said = cli("features", "drift", "fraud", "before", "--fail", code=1).out
    assert "strong" in said
    assert "not compared: times_usual" in said


def test_freshness_fails_when_a_group_is_stale_and_materializations_are_listed(cli, expecting):
    cli("features", "freshness")
    cli("features", "freshness", "--fail", code=1)
    assert "hasn't been materialized yet" in cli("features", "materializations", "spending").out
    cli("write", "purchases", purchases(expecting / "p.parquet", 1.0))
    cli("materialize")
    (done,) = cli("features", "materializations", "spending", "--json").json
    assert (done["rows"], done["keys"], done["rebuilt"]) == (1, 1, False)
    (fresh,) = cli("features", "freshness", "--fail", "--json", code=1).json
    assert (fresh["state"], fresh["rows"]) == ("stale", 1)
    assert fresh["materialized"] == done["started"]
    line = json.dumps({"customer_id": 7, "amount": 5.0, "bought_at": (datetime.now(UTC) - timedelta(minutes=1)).isoformat()})
    (expecting / "e.jsonl").write_text(line + "\n")
    cli("push", "purchases", expecting / "e.jsonl")
    cli("features", "freshness", "--fail")
