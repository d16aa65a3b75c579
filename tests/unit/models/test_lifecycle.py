"""The stages of a model's versions."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import ConflictError, InvalidInputError, NotFoundError
from headrace.models.lifecycle import (
    STAGES,
    TRANSITIONS,
    Lifecycle,
    add,
    drop_alias,
    forget,
    move,
    parse_stage,
    point_alias,
    rollback,
)


def of(count: int) -> Lifecycle:
    state = Lifecycle()
    for version in range(1, count + 1):
        state = add(state, version)
    return state


def production(*versions: int) -> Lifecycle:
    """Versions that were promoted one after the other."""
    state = of(max(versions))
    for version in versions:
        state = move(state, version, "Production")
    return state


VERSIONS = st.integers(1, 5)
STEPS = st.one_of(
    st.tuples(st.just("move"), VERSIONS, st.sampled_from(STAGES)),
    st.tuples(st.just("rollback"), st.none() | VERSIONS),
    st.tuples(st.just("point"), st.sampled_from(["blue", "champion", "challenger", "Champion"]), VERSIONS),
    st.tuples(st.just("drop"), st.sampled_from(["blue", "champion", "challenger"])),
)
FUNCTIONS = {"move": move, "rollback": rollback, "point": point_alias, "drop": drop_alias}


@given(st.lists(STEPS, max_size=40))
def test_whatever_is_tried_both_views_stay_in_step(steps):
    state = of(5)
    staged: list[int] = []
    for name, *arguments in steps:
        before = state
        with suppress(ConflictError):
            state = FUNCTIONS[name](state, *arguments)
        staged = [v for v in staged if state.stage_of(v) == "Staging"]
        staged += [v for v in state.versions if state.stage_of(v) == "Staging" and before.stage_of(v) != "Staging"]
        stages = {version: state.stage_of(version) for version in state.versions}
        champions = [version for version, stage in stages.items() if stage == "Production"]
        assert list(stages) == [1, 2, 3, 4, 5]
        assert len(champions) <= 1
        assert state.aliases.get("champion") == (champions[0] if champions else None)
        assert state.aliases.get("challenger") == (staged[-1] if staged else None)
        assert set(champions) <= state.reigned
        assert state.production not in state.predecessors
        assert set(state.predecessors) <= state.reigned
        assert len(set(state.predecessors)) == len(state.predecessors)
        assert state.revision >= before.revision
        assert (state == before) == (state.revision == before.revision)


@given(st.lists(STEPS, max_size=30))
def test_a_version_changes_stage_only_by_a_named_transition(steps):
    state = of(5)
    for name, *arguments in steps:
        before = state
        with suppress(ConflictError):
            state = FUNCTIONS[name](state, *arguments)
        moved = {(before.stage_of(v), state.stage_of(v)) for v in state.versions if before.stage_of(v) != state.stage_of(v)}
        assert moved <= set(TRANSITIONS)


def test_the_old_champion_is_archived_in_the_step_that_crowns_the_new_one():
    state = move(add(production(1), 2), 2, "Production")
    assert (state.stage_of(1), state.stage_of(2), state.aliases) == ("Archived", "Production", {"champion": 2})


def test_the_challenger_is_the_version_that_came_to_staging_last_not_the_highest():
    state = move(move(of(2), 2, "Staging"), 1, "Staging")
    assert state.challenger == 1


def test_when_the_challenger_leaves_staging_the_one_before_it_is_challenger_again():
    state = move(move(of(2), 1, "Staging"), 2, "Staging")
    assert move(state, 2, "Production").aliases == {"champion": 2, "challenger": 1}


def test_a_version_goes_straight_from_none_to_production():
    assert TRANSITIONS["None", "Production"] == "promote"


def test_an_archived_version_that_never_was_in_production_does_not_get_there():
    state = move(of(1), 1, "Archived")
    with pytest.raises(ConflictError, match="never in Production"):
        move(state, 1, "Production")


def test_an_archived_version_is_restored_to_staging():
    assert move(move(of(1), 1, "Archived"), 1, "Staging").challenger == 1


def test_a_move_that_no_transition_names_says_which_there_are():
    with pytest.raises(ConflictError, match=r"Staging \(demote\), Archived \(retire\)"):
        move(production(1), 1, "None")


def test_a_second_rollback_goes_one_further_back():
    state = rollback(production(1, 2, 3))
    assert state.champion == 2
    assert rollback(state).champion == 1


def test_rolled_back_and_forward_again():
    state = rollback(rollback(production(1, 2)), 2)
    assert state.champion == 2
    assert rollback(state).champion == 1


def test_a_rollback_puts_a_retired_champion_back():
    assert rollback(move(production(1), 1, "Archived")).champion == 1


def test_a_rollback_with_nothing_before_says_so():
    with pytest.raises(ConflictError, match="promote a version instead"):
        rollback(production(1))


def test_a_rollback_past_the_first_names_where_it_can_go():
    with pytest.raises(ConflictError, match="name one that was in Production: 2"):
        rollback(rollback(production(1, 2)))


def test_a_rollback_to_a_version_that_never_was_in_production_is_refused():
    with pytest.raises(ConflictError, match="never in Production"):
        rollback(production(1, 3), 2)


def test_a_rollback_to_the_champion_is_refused():
    with pytest.raises(ConflictError, match="in Production already"):
        rollback(production(1, 2), 2)


@pytest.mark.parametrize("alias", ["champion", "challenger", "Champion"])
def test_protected_aliases_are_not_set_by_hand(alias):
    with pytest.raises(ConflictError, match="moves only with it"):
        point_alias(of(1), alias, 1)
    with pytest.raises(ConflictError, match="moves only with it"):
        drop_alias(of(1), alias)


def test_an_alias_of_ones_own_moves_freely():
    state = point_alias(point_alias(of(2), "blue", 1), "blue", 2)
    assert state.aliases == {"blue": 2}
    assert drop_alias(state, "blue").aliases == {}


def test_a_version_that_is_deleted_leaves_nothing_that_names_it():
    left = forget(point_alias(production(1, 2), "blue", 1), 1)
    assert (left.versions, left.aliases, left.predecessors, left.reigned) == ([2], {"champion": 2}, (), {2})


def test_the_champion_is_not_deleted():
    with pytest.raises(ConflictError, match="version 2 is in Production"):
        forget(production(1, 2), 2)


def test_an_unknown_version_is_an_error_that_lists_those_there_are():
    with pytest.raises(NotFoundError, match="1, 2"):
        move(of(2), 9, "Staging")


def test_a_stage_is_read_in_any_case():
    assert parse_stage("production") == "Production"
    with pytest.raises(InvalidInputError, match="None, Staging, Production, Archived"):
        parse_stage("Prod")
