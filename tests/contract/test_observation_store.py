"""What every store of observations does: keeps the newest, forgets in time, counts once."""

from __future__ import annotations

import pytest

from headrace.features.records import CheckRecord, MaterializationRecord, StatisticsRecord
from headrace.sql.database import Database
from headrace.sql.observations import DAY, KEPT, SqlObservationStore


@pytest.fixture
def store(catalog_url):
    database = Database(catalog_url)
    yield SqlObservationStore(database)
    database.close()


def record(at, subject="source:a", kind="write", **columns):
    return StatisticsRecord(subject, 1, kind, at, 10, columns or {"x": {"count": at, "top": [["😀", 1]]}})


def test_statistics_come_back_as_they_were_newest_first(store):
    for at in (1, 3, 2):
        store.add_statistics(record(at))
    store.add_statistics(record(9, subject="source:b"))
    assert store.statistics("source:a") == [record(3), record(2), record(1)]
    assert store.statistics("source:a", limit=1) == [record(3)]
    assert store.statistics("source:c") == []


def test_statistics_can_be_asked_for_by_kind(store):
    store.add_statistics(record(1, kind="write"))
    store.add_statistics(record(2, kind="stream"))
    assert [item.kind for item in store.statistics("source:a", ("write",))] == ["write"]
    assert [item.kind for item in store.statistics("source:a", ("write", "stream"))] == ["stream", "write"]


def test_of_each_kind_the_newest_stay_and_of_older_ones_the_last_of_each_day(store):
    times = [day * DAY + hour * 3_600_000_000 for day in range(3) for hour in range(20)]
    for at in times:
        store.add_statistics(record(at))
    store.add_statistics(record(0, kind="stream"))
    kept = [item.at for item in store.statistics("source:a", ("write",))]
    assert kept == sorted({*times[-KEPT:], times[19]}, reverse=True), (
        "the first day keeps its last, the others are among the newest"
    )
    assert len(store.statistics("source:a", ("stream",))) == 1


def test_materializations_come_back_newest_first_and_the_oldest_go(store, monkeypatch):
    monkeypatch.setattr("headrace.sql.observations.MATERIALIZATIONS", 5)
    for number in range(8):
        store.add_materialization(MaterializationRecord("g:1", number, 0.5, number, 7, "ada", rebuilt=number % 2 == 1))
    store.add_materialization(MaterializationRecord("g:2", 0, 1.0, 1, 1))
    found = store.materializations("g:1")
    assert len(found) == 5
    assert found[0] == MaterializationRecord("g:1", 7, 0.5, 7, 7, "ada", rebuilt=True)
    assert [item.group for item in store.materializations("g:2", limit=5)] == ["g:2"]


def test_broken_rows_add_up_per_expectation_and_outcome(store):
    store.count_broken([CheckRecord("source:a", "not_null(x)", "rejected", 2, 0, 5)])
    store.count_broken(
        [CheckRecord("source:a", "not_null(x)", "rejected", 3, 0, 6), CheckRecord("source:a", "y", "rejected", 1, 0, 6)]
    )
    store.count_broken([CheckRecord("source:a", "not_null(x)", "quarantined", 1, 0, 7)])
    assert store.checks() == [
        CheckRecord("source:a", "not_null(x)", "quarantined", 1, 0, 7),
        CheckRecord("source:a", "not_null(x)", "rejected", 5, 0, 6),
        CheckRecord("source:a", "y", "rejected", 1, 0, 6),
    ]


def test_a_groups_checks_are_those_of_the_newest_sample(store):
    store.count_broken([CheckRecord("source:a", "x", "rejected", 1, 0, 1)])
    store.replace_checks(
        "group:g", [CheckRecord("group:g", "old", "feature", 1, 10, 1), CheckRecord("group:g", "b", "feature", 4, 10, 1)]
    )
    store.replace_checks("group:g", [CheckRecord("group:g", "b", "feature", 0, 20, 2, {"example": "7.0"})])
    assert store.checks() == [
        CheckRecord("group:g", "b", "feature", 0, 20, 2, {"example": "7.0"}),
        CheckRecord("source:a", "x", "rejected", 1, 0, 1),
    ]
