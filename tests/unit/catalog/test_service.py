"""The catalog: apply, look-ups, history and code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import headrace.definitions.aggregation as hr
from headrace.catalog import functions
from headrace.catalog.service import Catalog
from headrace.definitions.on_demand import on_demand
from headrace.definitions.view import FeatureView
from headrace.errors import ConflictError, DefinitionError, IntegrityError, NotFoundError
from unit.catalog import samples
from unit.catalog.samples import FACTS, RANKING, RATINGS, TASTE, USER, VIDEO

LONGER = replace(TASTE, ttl="500d")


@pytest.fixture
def fresh(monkeypatch):
    """As in another process: nothing was applied here."""
    monkeypatch.setattr(functions, "_APPLIED", {})


def test_what_was_applied_is_read_back_equal(catalog):
    catalog.apply([RANKING])
    view = catalog.view("ranking")
    assert (view.id, view.view) == ("ranking:1", RANKING)
    assert catalog.group("user_taste").group == TASTE
    assert [feature.dtype for feature in catalog.group("user_taste").group.resolved] == [
        "int64",
        "float64",
        "int64",
        "list<int64>",
    ]
    assert (catalog.entity("user"), catalog.source("ratings")) == (USER, RATINGS)
    assert [entity.name for entity in catalog.entities()] == ["user", "video"]
    assert [source.name for source in catalog.sources()] == ["ratings", "videos"]
    assert [group.id for group in catalog.groups()] == ["user_taste:1", "video_facts:1"]
    assert [view.id for view in catalog.views()] == ["ranking:1"]


def test_a_fault_anywhere_leaves_the_catalog_as_it_was(catalog, store):
    catalog.apply([USER])
    with pytest.raises(DefinitionError, match="starz"):
        catalog.apply([FACTS, replace(TASTE, features={"bad": hr.mean("starz")}), VIDEO])
    assert list(store.state().heads) == [("entity", "user")]
    assert store.revision() == 1


def test_applying_what_is_there_writes_nothing(catalog, store):
    catalog.apply([RANKING])
    catalog.apply([RANKING])
    assert store.revision() == 1


def test_old_versions_keep_what_they_read(catalog):
    catalog.apply([RANKING])
    catalog.apply([LONGER])
    assert catalog.view("ranking").groups["user_taste"].id == "user_taste:2"
    old = catalog.view("ranking:1")
    assert (old.id, old.groups["user_taste"].id, old.groups["user_taste"].group.ttl) == ("ranking:1", "user_taste:1", TASTE.ttl)
    assert old.view.selections[0].group.ttl == TASTE.ttl


def test_missing_names_and_versions_say_what_there_is(catalog):
    catalog.apply([RANKING])
    with pytest.raises(NotFoundError, match="no view named 'rankin'; did you mean 'ranking'"):
        catalog.view("rankin")
    with pytest.raises(NotFoundError, match="view 'ranking' has no version 7; there is: 1"):
        catalog.view("ranking:7")
    with pytest.raises(NotFoundError, match="no group named 'tast'"):
        catalog.group("tast")
    with pytest.raises(NotFoundError, match="did you mean 'ratings'"):
        catalog.groups_of("rating")
    with pytest.raises(NotFoundError, match="did you mean 'ranking'"):
        catalog.history("view", "rankings")


def test_history_tells_who_when_and_what(catalog):
    catalog.apply([TASTE])
    catalog.apply([LONGER])
    first, second = catalog.history("group", "user_taste")
    assert (first.version, second.version, second.author, second.created) == (1, 2, "ada", 1_000_000)
    assert (first.spec["ttl"], second.spec["ttl"]) == ("365d", "500d")
    assert second.spec["refs"] == {"entity:user": 1, "source:ratings": 1}


def test_the_groups_of_a_source(catalog):
    catalog.apply([RANKING])
    assert [group.id for group in catalog.groups_of("ratings")] == ["user_taste:1"]
    catalog.apply([LONGER])
    assert [group.id for group in catalog.groups_of("ratings")] == ["user_taste:2"]
    assert [group.id for group in catalog.groups_of("videos")] == ["video_facts:1"]


def test_names_out_of_the_list_are_kept_unless_pruned(catalog):
    catalog.apply([RANKING])
    plan = catalog.apply([FACTS])
    assert not plan
    assert catalog.view("ranking").id == "ranking:1"
    pruned = catalog.apply([FACTS], prune=True)
    assert [(item.kind, item.name, item.pruned) for item in pruned.removed] == [
        ("entity", "user", True),
        ("group", "user_taste", True),
        ("source", "ratings", True),
        ("view", "ranking", True),
    ]
    assert [group.id for group in catalog.groups()] == ["video_facts:1"]
    with pytest.raises(NotFoundError):
        catalog.view("ranking")


def test_what_a_listed_definition_reads_is_never_pruned(catalog):
    catalog.apply([RANKING])
    assert not catalog.apply([RANKING], prune=True)
    assert len(catalog.groups()) == 2


def test_a_removed_name_keeps_its_versions_and_goes_on_counting(catalog):
    catalog.apply([RANKING])
    catalog.apply([VIDEO], prune=True)
    assert catalog.view("ranking:1").groups["user_taste"].id == "user_taste:1"
    plan = catalog.apply([RANKING])
    assert {entry.name: entry.version for entry in plan.added}["ranking"] == 2
    assert (catalog.view("ranking").id, catalog.group("user_taste").id) == ("ranking:2", "user_taste:2")


def test_another_service_sees_an_apply_at_its_next_look_up(catalog, store):
    other = Catalog(store, lambda: 0)
    catalog.apply([RANKING])
    assert other.view("ranking").version == 1
    catalog.apply([LONGER])
    assert other.view("ranking").version == 2


def test_what_somebody_has_seen_is_seen_though_the_stamp_does_not_tell(catalog, store, monkeypatch):
    catalog.apply([USER])
    other = Catalog(store, lambda: 0)
    assert [entity.name for entity in other.entities()] == ["user"]
    monkeypatch.setattr(type(store), "stamp", lambda _: 7)
    other.entities()
    catalog.apply([VIDEO])
    assert [entity.name for entity in other.entities()] == ["user"]
    other.reach(store.revision())
    assert [entity.name for entity in other.entities()] == ["user", "video"]


def test_look_ups_are_kept_while_nothing_changes(catalog):
    catalog.apply([RANKING])
    assert catalog.view("ranking") is catalog.view("ranking")


def test_endless_conflicts_end_in_an_error(catalog, store, monkeypatch):
    def refuse(*_arguments):
        raise ConflictError

    monkeypatch.setattr(store, "commit", refuse)
    monkeypatch.setattr("headrace.catalog.service.PAUSE_SECONDS", 0)
    monkeypatch.setattr("headrace.catalog.service.ATTEMPTS", 3)
    with pytest.raises(ConflictError, match="3 times"):
        catalog.apply([USER])


def test_functions_applied_here_run_here_wherever_they_were_written(catalog, store):
    @on_demand(inputs=["stars_avg_7d"], returns="float64")
    def tripled(average):
        return average * 3

    catalog.apply([FeatureView("v", [TASTE, tripled])])
    for service in (catalog, Catalog(store, lambda: 0)):
        assert service.view("v").view.on_demand[0](np.array([2.0])) == [6.0]


@pytest.mark.usefixtures("fresh")
def test_functions_of_listed_modules_are_imported(catalog, store):
    catalog.apply([RANKING])
    functions._APPLIED.clear()
    assert Catalog(store, lambda: 0, modules=["unit.catalog.samples"]).view("ranking").view.on_demand[0](np.array([2.0])) == [4.0]


@pytest.mark.usefixtures("fresh")
def test_a_function_that_cannot_be_loaded_says_so_when_it_is_called(catalog, store, monkeypatch):
    catalog.apply([RANKING])
    functions._APPLIED.clear()
    feature = Catalog(store, lambda: 0).view("ranking").view.on_demand[0]
    with pytest.raises(DefinitionError, match=r"'modules' in headrace\.toml doesn't list"):
        feature(np.array([2.0]))
    monkeypatch.setattr(samples, "doubled", replace(samples.doubled, source_hash="0" * 64))
    feature = catalog.view("ranking").view.on_demand[0]
    with pytest.raises(IntegrityError, match="has changed since it was applied"):
        feature(np.array([2.0]))


@pytest.mark.usefixtures("fresh")
def test_a_module_that_fails_on_import_is_named(catalog, store, tmp_path, monkeypatch):
    (tmp_path / "broken_features.py").write_text("raise RuntimeError('no network')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    moved = replace(samples.doubled, path="broken_features:doubled")
    catalog.apply([replace(RANKING, features=[TASTE, moved])])
    functions._APPLIED.clear()
    feature = Catalog(store, lambda: 0, modules=["broken_features"]).view("ranking").view.on_demand[0]
    with pytest.raises(DefinitionError, match="can't be imported: RuntimeError: no network"):
        feature(np.array([2.0]))
