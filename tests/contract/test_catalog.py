"""The catalog store's contract, and the catalog over it under concurrency."""

from __future__ import annotations

import multiprocessing
import threading
import time

import pytest

from contract.catalog_workers import apply_rounds
from headrace.catalog.service import Catalog
from headrace.catalog.store import CatalogState
from headrace.definitions.entity import Entity
from headrace.definitions.version import DefinitionVersion
from headrace.errors import ConflictError
from headrace.sql.database import Database
from headrace.sql.definitions import SqlCatalogStore
from headrace.sql.postgresql import STAMP_SECONDS


@pytest.fixture
def url(catalog_url):
    return catalog_url


@pytest.fixture
def database(url):
    database = Database(url)
    yield database
    database.close()


@pytest.fixture
def store(database):
    return SqlCatalogStore(database)


def definition(name="user", version=1, kind="entity", **spec):
    return DefinitionVersion(
        kind, name, version, f"hash{version}", {"refs": {}, **spec}, 1, "ada", f"computation{version}", version
    )


def test_a_new_catalog_is_empty(store):
    assert store.state() == CatalogState(0, {}, {})
    assert store.revision() == 0
    assert store.version("entity", "user", 1) is None
    assert store.versions("entity", "user") == []


def test_versions_are_read_back_as_written(store):
    first = definition(keys=[["user_id", "int64"]], description="é ☕ \x00", tags={"a": "b"})
    second = definition(version=2)
    store.commit(0, [first], [])
    store.commit(1, [second], [])
    assert store.versions("entity", "user") == [first, second]
    assert store.version("entity", "user", 1) == first
    assert store.state() == CatalogState(2, {("entity", "user"): second}, {})


def test_kinds_have_names_of_their_own(store):
    store.commit(0, [definition(kind="entity"), definition(kind="view")], [])
    assert set(store.state().heads) == {("entity", "user"), ("view", "user")}


def test_a_removed_name_keeps_its_versions_and_can_come_back(store):
    store.commit(0, [definition()], [])
    store.commit(1, [], [("entity", "user")])
    assert store.state() == CatalogState(2, {}, {("entity", "user"): definition()})
    assert store.versions("entity", "user") == [definition()]
    store.commit(2, [definition(version=2)], [])
    assert store.state() == CatalogState(3, {("entity", "user"): definition(version=2)}, {})


def test_a_commit_on_an_old_revision_changes_nothing(store):
    store.commit(0, [definition()], [])
    with pytest.raises(ConflictError, match="revision 0"):
        store.commit(0, [definition("video")], [("entity", "user")])
    assert store.state() == CatalogState(1, {("entity", "user"): definition()}, {})


def test_a_commit_is_all_or_nothing(store):
    store.commit(0, [definition()], [])
    with pytest.raises(Exception, match=r"(?i)unique"):
        store.commit(1, [definition("video"), definition("user", 1)], [])
    assert store.state() == CatalogState(1, {("entity", "user"): definition()}, {})


def test_the_stamp_differs_after_a_commit_by_anyone(store, url):
    other = SqlCatalogStore(Database(url))
    stamps = [(store.stamp(), other.stamp())]
    for revision, writer in enumerate((store, other)):
        writer.commit(revision, [definition(version=revision + 1)], [])
        time.sleep(0 if url.startswith("sqlite") else STAMP_SECONDS + 0.1)
        stamps.append((store.stamp(), other.stamp()))
    assert len({first for first, _ in stamps}) == len({second for _, second in stamps}) == 3
    other._database.close()


def test_many_threads_look_up_and_apply_at_once(store):
    catalog = Catalog(store, lambda: 0)
    catalog.apply([Entity("first", {"id": "int64"})])
    failures = []

    def work(number):
        try:
            for step in range(3):
                catalog.apply([Entity(f"e{number}_{step}", {"id": "int64"})])
                assert catalog.entity("first").keys == {"id": "int64"}
                assert catalog.entity(f"e{number}_{step}").name == f"e{number}_{step}"
        except BaseException as error:  # noqa: BLE001 - carried to the test
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(catalog.entities()) == 19


def test_two_processes_that_apply_at_once_lose_nothing(url):
    """From an empty folder on, so that they race for the migration too."""
    rounds, context = 8, multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    workers = [context.Process(target=apply_rounds, args=(url, name, rounds, barrier)) for name in ("ada", "bob")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(100)
    assert [worker.exitcode for worker in workers] == [0, 0]
    database = Database(url)
    catalog = Catalog(SqlCatalogStore(database), lambda: 0)
    names = {entity.name for entity in catalog.entities()}
    assert names == {"shared", *(f"{name}_{number}" for name in ("ada", "bob") for number in range(rounds))}
    history = catalog.history("entity", "shared")
    assert [item.version for item in history] == list(range(1, 2 * rounds + 1))
    assert {item.spec["description"] for item in history} == {
        f"{name} {number}" for name in ("ada", "bob") for number in range(rounds)
    }
    database.close()
