"""Stages and aliases of another registry fit ours, and what doesn't fit is told."""

from __future__ import annotations

from headrace.importers.lifecycles import current, following, wanted
from headrace.importers.source import SourceModel, SourceVersion
from headrace.models.lifecycle import Lifecycle


def model(stages, aliases=None):
    versions = [
        SourceVersion(
            version=number, stage=stage, run_id="", source="", model_id="", user="", description="", created=0, updated=0, tags={}
        )
        for number, stage in stages.items()
    ]
    return SourceModel(name="m", description="", tags={}, aliases=aliases or {}, versions=tuple(versions))


def place(stages, aliases=None):
    target, left = wanted(model(stages, aliases), {number: number for number in stages})
    return following(Lifecycle(idle=frozenset(stages)), target), dict(left)


def test_stages_are_kept():
    state, left = place({1: "None", 2: "Archived", 3: "Production", 4: "Staging"})
    assert [state.stage_of(number) for number in (1, 2, 3, 4)] == ["None", "Archived", "Production", "Staging"]
    assert not left


def test_of_several_in_production_the_newest_stays():
    state, left = place({1: "Production", 2: "Production"})
    assert (state.champion, state.stage_of(1)) == (2, "Archived")
    assert set(left) == {"/1"}


def test_the_alias_champion_decides_between_several():
    state, _ = place({1: "Production", 2: "Production"}, {"champion": 1})
    assert (state.champion, state.stage_of(2)) == (1, "Archived")


def test_an_alias_makes_the_champion_where_stages_were_never_used():
    state, left = place({1: "None", 2: "None", 3: "None"}, {"champion": 2, "challenger": 3, "blue": 1})
    assert state.aliases == {"champion": 2, "challenger": 3, "blue": 1}
    assert set(left) == {"/2", "/3"}


def test_a_challenger_in_production_is_told():
    state, left = place({1: "Production"}, {"challenger": 1})
    assert state.aliases == {"champion": 1}
    assert set(left) == {"@challenger"}


def test_the_challenger_is_the_last_in_staging():
    state, _ = place({1: "Staging", 2: "Staging"}, {"challenger": 1})
    assert state.challenger == 1


def test_an_alias_that_cant_be_one_is_told():
    state, left = place({1: "None"}, {"Champion": 1, "v3": 1, "ok": 1})
    assert state.aliases == {"ok": 1}
    assert set(left) == {"@Champion", "@v3"}


def test_an_unknown_stage_is_told():
    state, left = place({1: "Shadow"})
    assert state.stage_of(1) == "None"
    assert set(left) == {"/1"}


def test_a_new_version_alone_doesnt_change_what_is_compared():
    state, _ = place({1: "Production"}, {"blue": 1})
    more = Lifecycle(production=1, reigned=state.reigned, pointers={"blue": 1}, idle=frozenset({2}))
    assert current(more) == current(state)


def test_who_followed_a_champion_knows_the_way_back():
    first, _ = place({1: "Production", 2: "None"})
    target, _ = wanted(model({1: "Archived", 2: "Production"}), {1: 1, 2: 2})
    second = following(first, target)
    assert (second.champion, second.predecessors) == (2, (1,))
