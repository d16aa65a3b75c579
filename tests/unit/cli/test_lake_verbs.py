"""The lake's verbs over a real project."""

from __future__ import annotations


def test_an_empty_lake_says_how_to_fill_it(cli, ready):
    assert "headrace write" in cli("lake", "list").out
    assert cli("lake", "optimize", "--json").json == []


def test_tables_are_shown_merged_and_cleaned(cli, ready):
    for number in range(3):
        path = ready / f"{number}.csv"
        path.write_text(f"customer_id,amount,bought_at\n{number},1.5,2026-03-01T12:00:00Z\n")
        cli("write", "purchases", path)
    (table,) = cli("lake", "list", "--json").json
    assert (table["table"], table["rows"], table["files"], list(table["lanes"])) == ("purchases", 3, 3, ["-1"])
    assert cli("lake", "optimize").out.splitlines()[1].split()[:3] == ["purchases", "3", "1"]
    assert cli("lake", "list").out.splitlines()[1].split()[:3] == ["purchases", "3", "1"]
    assert cli("lake", "vacuum", "--dry-run", "--json").json == [{"table": "purchases", "files": 0, "bytes": 0}]
    assert "at least '1h'" in cli("lake", "vacuum", "--older-than", "1s", code=2).err
    assert "did you mean 'purchases'" in cli("lake", "optimize", "purchase", code=2).err
