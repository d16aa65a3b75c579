"""The audit trail's chain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headrace.errors import IntegrityError
from headrace.ids import content_hash
from headrace.models.audit import AuditEntry, Author, difference, seal, verify, verify_state
from headrace.models.lifecycle import Lifecycle, add, move, rollback


def chained(*entries: AuditEntry) -> list[AuditEntry]:
    out: list[AuditEntry] = []
    for entry in entries:
        out.append(seal(entry, "ranker", out[-1] if out else None))
    return out


TRAIL = chained(*(AuditEntry(action="tag", after={"tags": {"n": str(n)}}, user="ada", time=n) for n in range(5)))


def test_an_untouched_trail_holds():
    verify(TRAIL)


@pytest.mark.parametrize(
    "field", [{"reason": "other"}, {"user": "eve"}, {"time": 99}, {"after": {}}, {"action": "promote"}, {"origin": "10.0.0.9"}]
)
def test_a_changed_entry_shows(field):
    with pytest.raises(IntegrityError, match="entry 3"):
        verify([*TRAIL[:2], replace(TRAIL[2], **field), *TRAIL[3:]])


def test_where_something_was_done_from_is_sealed_and_entries_from_before_it_was_kept_hold():
    facts = {"action": "tag", "version": None, "before": {}, "after": {}, "reason": "", "report": None, "user": "ada", "time": 7}
    old = content_hash({**facts, "subject": "ranker", "seq": 1, "previous": ""})  # as releases hashed it that kept no origin
    first = seal(AuditEntry(**facts), "ranker", None)
    assert first.hash == old
    second = seal(Author(lambda: 8, "ada", origin="10.0.0.7").entry("tag"), "ranker", first)
    verify([first, second])
    assert "ada from 10.0.0.7  tag" in str(second)
    for other in ("", "10.0.0.8"):
        with pytest.raises(IntegrityError, match="entry 2"):
            verify([first, replace(second, origin=other)])


def test_a_removed_entry_shows():
    with pytest.raises(IntegrityError, match="entry 2"):
        verify([TRAIL[0], *TRAIL[2:]])


def test_an_entry_slipped_in_with_a_hash_of_its_own_shows():
    forged = seal(AuditEntry(action="promote", user="eve"), "ranker", TRAIL[1])
    with pytest.raises(IntegrityError, match="entry 4"):
        verify([*TRAIL[:2], forged, *TRAIL[3:]])


def lived() -> tuple[list[AuditEntry], Lifecycle]:
    author = Author(lambda: 1, "ada")
    state, entries = Lifecycle(), []
    for version in (1, 2):
        state = add(state, version)
        entries.append(author.entry("register", version))
    for step in (lambda s: move(s, 1, "Production"), lambda s: move(s, 2, "Production"), rollback):
        before, state = state, step(state)
        old, new = difference(before, state)
        entries.append(author.entry("step", before=old, after=new))
    return chained(*entries), state


def test_the_trail_leads_to_the_state():
    verify_state(*lived())


def test_a_stage_changed_past_the_registry_shows():
    entries, state = lived()
    with pytest.raises(IntegrityError, match="past the registry"):
        verify_state(entries, replace(state, production=2, archived=frozenset({1})))


def test_a_trail_whose_end_was_cut_off_shows():
    entries, state = lived()
    with pytest.raises(IntegrityError, match="past the registry"):
        verify_state(entries[:-1], state)
