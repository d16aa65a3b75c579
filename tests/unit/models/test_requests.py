"""Requests to move versions: who may decide, and what becomes of them."""

from __future__ import annotations

import pytest

from headrace.accounts.account import Account
from headrace.errors import AccessError, ConflictError, GateError, NotFoundError
from headrace.models.gates import Gate

EDITOR, BOB, CAROL, ADMIN = (
    Account("ada", "editor"),
    Account("bob", "approver"),
    Account("carol", "approver"),
    Account("root", "admin"),
)


@pytest.fixture
def registry(world):
    world.register(3)
    return world.models


def in_name_of(registry, account):
    return registry.by(account.name, account)


def test_an_editor_asks_and_an_approver_moves_the_version(registry):
    request = in_name_of(registry, EDITOR).requests.open("ranker", 2, reason="better")
    with pytest.raises(AccessError, match="models:approve"):
        in_name_of(registry, EDITOR).requests.approve(request.id)
    done = in_name_of(registry, BOB).requests.approve(request.id[:6], "looked at it")
    assert (done.status, done.approved_by) == ("done", ["bob"])
    assert registry.get("ranker", "@champion").version == 2
    trail = [(entry.action, entry.user, entry.version) for entry in registry.history("ranker")][3:]
    assert trail == [("request", "ada", 2), ("approve", "bob", 2), ("promote", "bob", 2)]
    assert registry.verify_history("ranker") == 6


def test_an_editor_may_not_move_a_version_into_or_out_of_production(registry):
    editor = in_name_of(registry, EDITOR)
    assert editor.transition("ranker", 1, "Staging").stage == "Staging"
    registry.promote("ranker", 2)
    for step in (
        lambda: editor.promote("ranker", 1),
        lambda: editor.transition("ranker", 2, "Archived"),
        lambda: editor.rollback("ranker", 2),
        lambda: editor.set_gates("ranker", []),
        lambda: editor.rename("ranker", "sorter"),  # whoever loads models:/ranker@champion would find nothing
    ):
        with pytest.raises(AccessError, match="may not do this"):
            step()
    with pytest.raises(AccessError, match="models:force"):
        in_name_of(registry, BOB).promote("ranker", 1, force=True, reason="now")
    assert registry.get("ranker", "@champion").version == 2


def test_where_approvals_are_a_gate_the_requester_is_not_one_of_them(registry):
    registry.set_gates("ranker", [Gate.approvals(2)])
    request = in_name_of(registry, BOB).requests.open("ranker", 1)
    with pytest.raises(AccessError, match="somebody else must approve"):
        in_name_of(registry, BOB).requests.approve(request.id)
    with pytest.raises(GateError, match="nobody has approved"):
        registry.promote("ranker", 1)
    first = in_name_of(registry, CAROL).requests.approve(request.id)
    assert first.status == "open"
    with pytest.raises(ConflictError, match="carol approved"):
        in_name_of(registry, CAROL).requests.approve(request.id)
    assert in_name_of(registry, ADMIN).requests.approve(request.id).status == "done"
    assert registry.get("ranker", 1).stage == "Production"
    (entry,) = [entry for entry in registry.history("ranker") if entry.action == "promote"]
    assert entry.report["conditions"][0]["explanation"] == "approved by carol, root"


def test_what_a_requester_approved_does_not_count_once_the_gate_wants_others(registry):
    registry.set_gates("ranker", [Gate.approvals(2, by_requester=True)])
    request = in_name_of(registry, BOB).requests.open("ranker", 1)
    assert in_name_of(registry, BOB).requests.approve(request.id).status == "open"
    assert registry.check_gates("ranker", 1).conditions[0].figure == 1
    registry.set_gates("ranker", [Gate.approvals(2)])
    assert registry.check_gates("ranker", 1).conditions[0].figure == 0
    assert in_name_of(registry, CAROL).requests.approve(request.id).status == "open"
    assert in_name_of(registry, ADMIN).requests.approve(request.id).status == "done"


def test_who_asks_for_staging_has_not_asked_for_production(registry):
    registry.set_gates("ranker", [Gate.approvals()])
    in_name_of(registry, EDITOR).requests.open("ranker", 1, "Staging")
    (condition,) = registry.check_gates("ranker", 1).conditions
    assert "nobody has asked" in condition.explanation


def test_an_approval_stays_where_another_gate_refuses(registry):
    registry.set_gates("ranker", [Gate.approvals(), Gate("auc", at_least=0.9)])
    request = in_name_of(registry, EDITOR).requests.open("ranker", 1)
    with pytest.raises(GateError, match="not measured"):
        in_name_of(registry, BOB).requests.approve(request.id)
    assert registry.requests.get(request.id).status == "open"
    assert registry.check_gates("ranker", 1).conditions[0].passed


def test_rejected_and_withdrawn_requests_are_over_but_can_be_talked_about(registry):
    rejected = in_name_of(registry, EDITOR).requests.open("ranker", 1)
    in_name_of(registry, BOB).requests.reject(rejected.id, "no")
    with pytest.raises(ConflictError, match="is rejected already"):
        in_name_of(registry, BOB).requests.approve(rejected.id)
    assert in_name_of(registry, EDITOR).requests.comment(rejected.id, "why?").status == "rejected"
    again = in_name_of(registry, EDITOR).requests.open("ranker", 1)
    with pytest.raises(AccessError, match="reject it instead"):
        in_name_of(registry, BOB).requests.withdraw(again.id)
    assert in_name_of(registry, EDITOR).requests.withdraw(again.id).status == "withdrawn"
    assert [request.status for request in registry.requests.list("ranker", status=None)] == ["withdrawn", "rejected"]
    assert registry.requests.list() == []
    assert registry.verify_history("ranker") == 8


def test_what_cannot_be_asked_for(registry):
    registry.promote("ranker", 1)
    registry.requests.open("ranker", 2)
    with pytest.raises(ConflictError, match="asked for version 2"):
        registry.requests.open("ranker", 2)
    with pytest.raises(ConflictError, match="in Production already"):
        registry.requests.open("ranker", 1)
    with pytest.raises(NotFoundError):
        registry.requests.open("ranker", 9)
    with pytest.raises(NotFoundError):
        registry.requests.open("rankr", 1)
    for unknown in ("nope", ""):
        with pytest.raises(NotFoundError, match=r"no request|several requests"):
            registry.requests.get(unknown)


def test_a_promotion_settles_the_request_for_it(registry):
    request = registry.requests.open("ranker", 2)
    registry.promote("ranker", 2)
    assert registry.requests.get(request.id).status == "done"


def test_an_accounts_registry_keeps_its_name_whatever_a_client_says(registry):
    assert in_name_of(registry, EDITOR).by("mallory").requests.open("ranker", 1).user == "ada"


def test_behind_a_server_it_is_the_same(world, models):
    world.register(2)
    world.models.set_gates("ranker", [Gate.approvals(by_requester=True)])
    request = models.requests.open("ranker", 2, reason="better")
    assert models.requests.comment(request.id, "why?").remarks[0].text == "why?"
    assert [each.id for each in models.requests.list("ranker")] == [request.id]
    with pytest.raises(ConflictError, match="asked for version 2"):
        models.requests.open("ranker", 2)
    assert models.requests.approve(request.id[:8]).status == "done"
    for decide, status in ((models.requests.reject, "rejected"), (models.requests.withdraw, "withdrawn")):
        assert decide(models.requests.open("ranker", 1).id).status == status
    assert models.requests.get(request.id).user == "ada"
    models.set_owner("ranker", "team")
    models.write_card("ranker", "Ranks.", 2)
    assert (models.model("ranker").owner, models.get("ranker", 2).card) == ("team", "Ranks.")
    assert "Ranks." in models.card("ranker", 2)


def test_requests_go_with_their_model_and_with_their_version(registry):
    kept, gone = (registry.requests.open("ranker", version) for version in (1, 2))
    registry.rename("ranker", "sorter")
    assert registry.requests.get(kept.id).name == "sorter"
    registry.delete_version("sorter", 2)
    with pytest.raises(NotFoundError):
        registry.requests.get(gone.id)
    registry.delete("sorter")
    assert registry.requests.list(status=None) == []
