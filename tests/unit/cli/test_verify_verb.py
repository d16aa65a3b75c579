"""`headrace verify` over a real project."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from headrace.online.state import GroupState


def serve(cli, project, monkeypatch):
    monkeypatch.setenv("HEADRACE_SAMPLE", "1")
    row = {"customer_id": 7, "amount": 19.5, "bought_at": (datetime.now(UTC) - timedelta(hours=1)).isoformat()}
    (project / "rows.jsonl").write_text(json.dumps(row) + "\n")
    cli("push", "purchases", "rows.jsonl")
    cli("features", "get", "fraud", "customer_id=7,8", "amount=120")


def test_equal_values_are_told_and_the_exit_code_is_0(cli, ready, monkeypatch):
    serve(cli, ready, monkeypatch)
    assert "2 served rows computed again, every value is the same to the bit" in cli("verify", "fraud").out
    found = cli("verify", "fraud", "--since", "1d", "--limit", "1", "--json").json
    assert (found["ok"], found["rows"], found["view"]) == (True, 1, "fraud:1")
    assert cli("verify", "fraud", "--as-known", "--json").json["lag_s"] == 0


def test_differing_values_are_shown_and_the_exit_code_is_1(cli, ready, monkeypatch):
    read = GroupState.read

    def skewed(self, states, t, names=None):
        reading = read(self, states, t, names)
        name = next(name for name, column in reading.values.items() if isinstance(column[0], float))
        reading.values[name][0] += 1.0
        return reading

    monkeypatch.setattr(GroupState, "read", skewed)
    serve(cli, ready, monkeypatch)
    found = cli("verify", "fraud", "--json", code=1).json
    differing = {name: item for name, item in found["features"].items() if item["differing"] and not item["inherited"]}
    assert len(differing) == 1
    example = next(iter(differing.values()))["examples"][0]
    assert example["keys"] == {"customer_id": 7}
    assert example["served"] == example["recomputed"] + 1
    assert "RECOMPUTED" in cli("verify", "fraud", code=1).out


def test_without_a_sample_it_says_how_to_keep_one(cli, ready):
    assert 'sample = "0.01"' in cli("verify", "fraud").out


def test_a_share_that_is_none_is_refused(cli, ready, monkeypatch):
    monkeypatch.setenv("HEADRACE_SAMPLE", "1%")
    assert "a share of keys from 0 to 1" in cli("verify", "fraud", code=2).err
