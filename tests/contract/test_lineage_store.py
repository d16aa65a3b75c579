"""The lineage store's contract."""

from __future__ import annotations

import pytest

from headrace.lineage.store import Edge
from headrace.sql.database import Database
from headrace.sql.lineage import SqlLineageStore


@pytest.fixture
def store(catalog_url):
    database = Database(catalog_url)
    yield SqlLineageStore(database)
    database.close()


def test_edges_are_found_from_both_ends(store):
    edge = Edge("group:taste:1", "view:ranking:1", "defines", 5)
    store.add([edge])
    assert store.into(["view:ranking:1"]) == [edge]
    assert store.out_of(["group:taste:1"]) == [edge]
    assert store.into(["group:taste:1"]) == store.out_of(["view:ranking:1"]) == []


def test_the_same_edge_is_kept_once_with_its_first_time(store):
    store.add([Edge("a:1", "b:1", "uses", 5), Edge("a:1", "b:1", "uses", 6)])
    store.add([Edge("a:1", "b:1", "uses", 7), Edge("a:1", "b:1", "reads", 7)])
    assert store.out_of(["a:1"]) == [Edge("a:1", "b:1", "uses", 5), Edge("a:1", "b:1", "reads", 7)]


def test_edges_are_added_all_or_none(store):
    with pytest.raises(Exception, match=r"(?i)not.null"):
        store.add([Edge("a:1", "b:1", "uses", 5), Edge("a:1", "c:1", "uses", None)])
    assert store.out_of(["a:1"]) == []


def test_many_ends_are_asked_at_once(store):
    store.add([Edge(f"run:{n}", "view:ranking:1", "uses", n) for n in range(1200)])
    assert len(store.out_of([f"run:{n}" for n in range(2000)])) == 1200
    assert store.out_of([]) == []


def test_urns_are_found_by_what_they_start_with_newest_first(store):
    store.add([Edge("view:a:1", "run:1", "uses", 1), Edge("view:a:2", "run:2", "uses", 3), Edge("view:A:1", "run:3", "uses", 4)])
    store.add([Edge("view:a_b:1", "run:4", "uses", 5), Edge("view:a%:1", "run:5", "uses", 6)])
    assert store.urns("view:a:") == ["view:a:2", "view:a:1"]
    assert len(store.urns("")) == 10


def test_edges_survive_a_new_connection(catalog_url):
    first = Database(catalog_url)
    SqlLineageStore(first).add([Edge("a:1", "b:1", "uses", 5)])
    first.close()
    second = Database(catalog_url)
    assert SqlLineageStore(second).into(["b:1"]) == [Edge("a:1", "b:1", "uses", 5)]
    second.close()
