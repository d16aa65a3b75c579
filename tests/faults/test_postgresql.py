"""The catalog in PostgreSQL: a server that dies and comes back, connections that are cut, texts that it can't hold."""

from __future__ import annotations

import time

import httpx
import pandas as pd
import pytest

import headrace as hr
from headrace.sql.database import Database
from servers.headrace import HeadraceServer
from servers.postgresql import PostgresServer
from waiting import PATIENCE, until

thing = hr.Entity("thing", keys={"k": "int64"})
events = hr.EventSource("events", "at", {"k": "int64", "at": "timestamp"}, stream="events")
view = hr.FeatureView("view", [hr.FeatureGroup("group", thing, events, {"n": hr.count()})])
AT = pd.Timestamp("2026-03-01 12:00", tz="UTC")


def rows(*keys):
    return pd.DataFrame({"k": keys, "at": [AT] * len(keys)})


def test_a_project_lives_on_when_its_catalog_is_killed_and_comes_back(tmp_path, monkeypatch):
    with PostgresServer(durable=False) as server:
        monkeypatch.setenv("HEADRACE_CATALOG", server.new_database())
        with hr.connect(tmp_path) as store:
            store.apply([view])
            store.push("events", rows(1, 1))
            with store.start_run(experiment="e") as run:
                run.log_metric("auc", 0.5)
            server.kill()
            with pytest.raises(hr.StorageError, match="start the server, or point 'catalog'"):
                store.runs.get(run.id)
            with pytest.raises(hr.StorageError, match=r"the catalog postgresql://headrace@127\.0\.0\.1"):
                store.apply([hr.Entity("other", keys={"o": "int64"})])
            server.start()
            assert store.runs.get(run.id).metrics["auc"] == 0.5
            store.push("events", rows(1))
            assert store.online_features("view", {"k": 1}, at=AT + pd.Timedelta("1h")).values["n"] == [3]
            with hr.connect(tmp_path) as other:
                assert [entity.name for entity in other.catalog.entities()] == ["thing"]


def test_a_lock_whose_server_dies_is_told_as_any_other_failure_of_the_catalog():
    with PostgresServer(durable=False) as server:
        database = Database(server.new_database())
        with pytest.raises(hr.StorageError, match="the catalog postgresql://"), database.lock("l"):
            server.kill()
        with pytest.raises(hr.StorageError, match="start the server"), database.lock("l"):
            pytest.fail("nobody holds it")
        server.start()
        with database.lock("l"):
            pass
        database.close()


def test_a_server_whose_catalog_dies_says_so_once_and_ends_what_it_tells_live(tmp_path, monkeypatch):
    with PostgresServer(durable=False) as postgres:
        monkeypatch.setenv("HEADRACE_CATALOG", postgres.new_database())
        with HeadraceServer(tmp_path, "--no-access-log") as server:
            with httpx.stream("GET", f"{server.url}/api/v1/live", timeout=PATIENCE) as told:
                lines = told.iter_lines()
                assert next(lines)
                postgres.kill()
                for _ in lines:  # it ends as an answer does that is whole: a browser asks again
                    pass
            time.sleep(5)  # webhooks were looked for several times meanwhile
            postgres.start()
            until(lambda: httpx.get(f"{server.url}/ready", timeout=PATIENCE).status_code == 200, "the catalog")
    assert server.said.count("webhooks can't be sent now") == 1
    assert "Exception in ASGI application" not in server.said


def test_a_password_is_never_shown(postgres):
    url = postgres.new_database().replace("headrace@", "headrace:s3cret@").replace(str(postgres.port), "1")
    with pytest.raises(hr.StorageError) as told:
        Database(url)
    assert "s3cret" not in str(told.value)


def test_a_nul_that_it_cannot_hold_is_replaced_and_one_past_the_rules_is_refused(postgres, tmp_path, monkeypatch):
    monkeypatch.setenv("HEADRACE_CATALOG", postgres.new_database())
    with hr.connect(tmp_path) as store, store.start_run(experiment="e") as run:
        store.runs.set_tag(run.id, "note", "a\x00b")
        with pytest.raises(hr.InvalidInputError, match="nothing was changed"):
            store.runs.stores.runs.log(run.id, tags={"other": "a\x00b"})
        assert store.runs.get(run.id).tags["note"] == "a?b"
        assert "other" not in store.runs.get(run.id).tags


def test_a_database_of_something_else_is_refused(postgres):
    import psycopg

    url = postgres.new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE customers (id int)")
    with pytest.raises(hr.StorageError, match="database of something else"):
        Database(url)


def test_a_lock_holds_across_connections_and_is_free_when_its_holder_is_gone(postgres):
    from concurrent.futures import ThreadPoolExecutor, wait

    url = postgres.new_database()
    one, other = Database(url), Database(url)
    with ThreadPoolExecutor() as pool:
        with one.lock("write-events"):
            waiting = pool.submit(lambda: other.lock("write-events").__enter__())
            assert not wait([waiting], timeout=0.3).done
        assert wait([waiting], timeout=PATIENCE).done
    one.close()
    other.close()
