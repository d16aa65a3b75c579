"""Doctor finds what is wrong and says what to do."""

from __future__ import annotations

import resource
import shutil
import sqlite3
from contextlib import closing

from headrace.sql.database import Database
from headrace.sql.migrations import downgrade


def levels(result):
    return {check["name"]: check["level"] for check in result.json["checks"]}


def found(result, name):
    return next(check for check in result.json["checks"] if check["name"] == name)


EVENT = '{"customer_id": 1, "amount": 2.0, "bought_at": "2026-01-31T12:00:00Z"}\n'


def test_a_new_project_is_well(cli, ready):
    result = cli("doctor", "--json")
    assert set(levels(result).values()) == {"ok"}
    assert "all is well" in cli("doctor").out


def test_each_setting_says_where_it_came_from(cli, ready, monkeypatch):
    monkeypatch.setenv("HEADRACE_MEMORY_LIMIT", "2GB")
    result = cli("doctor", "--json")
    assert found(result, "setting memory_limit")["found"] == "2GB (HEADRACE_MEMORY_LIMIT)"
    assert found(result, "setting modules")["found"] == "definitions (headrace.toml)"
    assert found(result, "setting engine")["found"] == "duckdb (default)"


def test_changed_on_demand_code_is_found(cli, ready):
    text = (ready / "definitions.py").read_text()
    (ready / "definitions.py").write_text(text.replace("amount / usual_amount", "usual_amount / amount"))
    result = cli("doctor", "--json", code=1)
    assert "has changed since it was applied" in found(result, "on-demand fraud.times_usual")["found"]


def test_a_module_that_raises_is_named(cli, ready):
    (ready / "definitions.py").write_text("1 / 0\n")
    said = found(cli("doctor", "--json", code=1), "on-demand fraud.times_usual")["found"]
    assert said == "definitions:times_usual can't be imported: ZeroDivisionError: division by zero"


def test_a_damaged_event_log_is_found(cli, ready):
    (ready / "events.jsonl").write_text(EVENT * 3)
    cli("push", "purchases", "events.jsonl", "--batch", 1)
    assert "3 rows" in found(cli("doctor", "--json"), "event log purchases")["found"]
    segment = next((ready / ".headrace" / "events").glob("*/*.segment"))
    content = bytearray(segment.read_bytes())
    content[60] ^= 0xFF
    segment.write_bytes(content)
    assert found(cli("doctor", "--json", code=1), "event log purchases")["level"] == "fail"


def test_a_damaged_catalog_is_found_and_the_other_checks_go_on(cli, ready):
    for path in (ready / ".headrace").glob("catalog.db*"):
        path.write_bytes(b"not a database" * 100)
    result = cli("doctor", "--json", code=1)
    assert "put back a backup" in found(result, "catalog")["advice"]
    assert found(result, "disk space")["level"] == "ok"


def test_a_catalog_of_a_newer_headrace_is_found(cli, ready):
    with sqlite3.connect(ready / ".headrace" / "catalog.db") as database:
        database.execute("update alembic_version set version_num = '9999'")
    database.close()
    assert found(cli("doctor", "--json", code=1), "catalog schema")["level"] == "fail"


def test_writes_of_runs_that_were_set_aside_are_found_with_the_reason_of_the_first(cli, ready):
    assert found(cli("doctor", "--json"), "catalog writes")["level"] == "ok"
    with closing(sqlite3.connect(ready / ".headrace" / "catalog.db")) as database:
        database.execute("insert into briefs (brief) values (?)", (b"garbage",))
        database.execute("insert into briefs (brief) values (?)", (b"",))
        database.commit()
    cli("runs", "list")  # sets them aside, as any command does
    told = found(cli("doctor", "--json", code=1), "catalog writes")
    assert (told["level"], told["found"].split(";")[0].split()[0]) == ("fail", "2")
    assert "the first: ValidationError: " in told["found"]
    statement = told["advice"].split('"')[1]
    with closing(sqlite3.connect(ready / ".headrace" / "catalog.db")) as database:
        database.execute(statement)
        assert database.execute("select count(*) from briefs where refused is null").fetchone() == (2,)


def test_a_catalog_that_is_older_than_what_is_set_aside_is_looked_at(cli, ready):
    with closing(Database(f"sqlite:///{ready / '.headrace' / 'catalog.db'}")) as database:
        downgrade(database, "0019")
    result = cli("doctor", "--json")
    assert found(result, "catalog schema")["level"] == "warn"
    assert "catalog writes" not in levels(result)


def test_a_file_in_the_place_of_the_lake_is_found(cli, ready):
    (ready / ".headrace" / "lake").write_text("")
    assert "is a file" in found(cli("doctor", "--json", code=1), "lake")["found"]


def test_a_lake_that_is_gone_is_found(cli, ready):
    (ready / "rows.csv").write_text("customer_id,amount,bought_at\n1,2.0,2026-01-31T12:00:00Z\n")
    cli("write", "purchases", "rows.csv")
    cli("materialize")
    assert set(levels(cli("doctor", "--json")).values()) == {"ok"}
    shutil.rmtree(ready / ".headrace" / "lake")
    told = found(cli("doctor", "--json", code=1), "group spending:1")
    assert told["found"] == "the lake holds no row of its source, though rows were written"
    assert told["advice"] == "check the setting 'lake', or restore its folder"


def test_a_full_disk_is_no_reason_to_put_back_a_backup(cli, ready):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # nothing more can be written, as on a full disk
    try:
        told = found(cli("doctor", "--json", code=1), "catalog")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert told["advice"] == "check the disk, the space on it, and the file's permissions"
    assert found(cli("doctor", "--json"), "catalog")["level"] == "ok"


def test_events_from_the_future_are_a_reason_to_look_at_the_clock(cli, ready):
    (ready / "rows.csv").write_text("customer_id,amount,bought_at\n1,2.0,2199-01-31T12:00:00Z\n")
    cli("write", "purchases", "rows.csv")
    cli("materialize")
    told = found(cli("doctor", "--json"), "group spending:1")
    assert (told["level"], told["found"].endswith("ahead")) == ("warn", True)
    assert "clock" in told["advice"]


def test_what_stands_in_the_way_of_every_check_is_told_once(cli, ready):
    (ready / "headrace.toml").write_bytes(b"catalog = \xff")
    told = [check for check in cli("doctor", "--json", code=1).json["checks"] if check["level"] == "fail"]
    assert [check["name"] for check in told] == ["settings"]
    assert "isn't valid TOML" in told[0]["found"]


def test_rows_that_wait_for_materialize_are_a_warning(cli, ready):
    (ready / "p.csv").write_text("customer_id,amount,bought_at\n7,1.5,2026-01-31\n")
    cli("write", "purchases", "p.csv")
    assert found(cli("doctor", "--json"), "group spending:1")["advice"] == "headrace materialize spending:1"


def test_batch_scoring_is_told_that_it_needs_no_online_store(cli, ready):
    text = (ready / "definitions.py").read_text()
    (ready / "definitions.py").write_text(text.replace('stream="purchases",', ""))
    cli("apply")
    assert "you need no online store" in found(cli("doctor", "--json"), "online store")["found"]


def test_passwords_are_not_shown(cli, ready, monkeypatch):
    monkeypatch.setenv("HEADRACE_ONLINE", "redid://me:hunter2@cache:6379/0?password=hunter2")
    result = cli("doctor", "--json", code=1)
    assert found(result, "setting online")["found"] == "redid://cache:6379/0?password=[redacted] (HEADRACE_ONLINE)"
    assert "redid:// isn't a place for it" in found(result, "groups")["found"]
    assert "hunter2" not in result.out + result.err


def test_a_lake_in_a_bucket_is_asked(cli, ready, bucket, monkeypatch):
    monkeypatch.setenv("HEADRACE_LAKE", f"{bucket}/lake?max_retries=1")
    assert f"{bucket}/lake can be read: 0 tables" in found(cli("doctor", "--json"), "lake")["found"]
    monkeypatch.setenv("HEADRACE_LAKE", "s3://nowhere/lake")
    assert "no such bucket" in found(cli("doctor", "--json", code=1), "lake")["found"]
