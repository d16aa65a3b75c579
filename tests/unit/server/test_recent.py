"""A look-up is repeated once it is no longer recent, and a failed one always."""

from __future__ import annotations

import pytest

from headrace.server import recent
from headrace.server.recent import RECENT_SECONDS, Recent


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(recent.time, "monotonic", lambda: now[0])
    return now


def test_a_recent_look_up_is_not_repeated_and_an_old_one_is(clock):
    kept, asked = Recent(), []
    for wait, count in ((0, 1), (RECENT_SECONDS / 2, 1), (RECENT_SECONDS, 2)):
        clock[0] += wait
        kept.get("a", lambda: asked.append(1))
        assert len(asked) == count


def test_a_failure_is_not_kept(clock):
    kept = Recent()
    with pytest.raises(KeyError):
        kept.get("a", lambda: {}["a"])
    assert kept.get("a", lambda: 5) == 5


def test_names_of_clients_do_not_fill_the_memory(clock):
    kept = Recent()
    for number in range(5000):
        kept.get(number, lambda: None)
    assert len(kept._found) <= recent.MOST
