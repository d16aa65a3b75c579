"""Training and serving give the same values: random histories in random interleavings, to the last bit."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from headrace.features.feed import Feed
from parity.oracle import SECOND
from parity.world import World, differences

NOW = 1_760_000_000 * SECOND
KEYS = st.sampled_from([0, 1, 2, -(2**63)])
FLOATS = st.one_of(
    st.none(), st.sampled_from([0.1, 0.2, 0.3, 1e16, 1.0, -1e16, 1e-300, 5e-324, 2.5]), st.floats(-1e6, 1e6, allow_nan=False)
)
INTS = st.one_of(st.none(), st.integers(-5, 5), st.sampled_from([2**53 + 1, -(2**53) - 1]))
# late, ahead of the clock, on the edges of tiles and windows, and tied
LAGS = st.one_of(
    st.integers(-3 * SECOND, 70 * SECOND), st.sampled_from([0, 1, SECOND, 7 * SECOND, 10 * SECOND, 60 * SECOND, 10 * SECOND - 1])
)
ROWS = st.lists(
    st.tuples(KEYS, LAGS, FLOATS, INTS, st.one_of(st.none(), st.sampled_from(["a", "b", "é"]))), min_size=1, max_size=12
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["push", "write", "push and die"]), st.sampled_from(["events", "records"]), ROWS),
        st.tuples(st.sampled_from(["wait"]), st.integers(0, 30 * SECOND), st.none()),
        st.tuples(st.sampled_from(["materialize", "crash", "lose log tail", "ask", "ask"]), st.none(), st.none()),
    ),
    min_size=2,
    max_size=10,
)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A project with the definitions applied, copied for each example."""
    folder = tmp_path_factory.mktemp("template")
    World(folder, NOW).close()
    return folder


@pytest.fixture(params=["embedded", "redis"])
def online(request):
    """The URL of an online store but for a prefix of one's own; None for the embedded one."""
    return request.getfixturevalue("redis_url") if request.param == "redis" else None


# no shrinking: each example drives real stores, and a failing history is short enough to read
@settings(
    max_examples=40,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS, base=st.sampled_from([NOW, NOW + 123_457, -86_400 * SECOND + 1]))
def test_online_equals_history_as_known_equals_a_plain_loop(template, online, steps, base):
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(template, folder, dirs_exist_ok=True)
        if online is not None:
            (Path(folder) / "headrace.toml").write_text(f'online = "{online}?prefix={uuid.uuid4().hex}"', encoding="utf-8")
        world = World(Path(folder), base)
        try:
            for step in [*steps, ("ask", None, None)]:
                take(world, step)
        finally:
            world.close()


def take(world, step):
    action, what, rows = step
    if action in ("push", "write"):
        world.add(what, [(key, world.now - lag, x, n, s) for key, lag, x, n, s in rows], action)
        world.now += 1
    elif action == "push and die":
        push_and_die(world, what, [(key, world.now - lag, x, n, s) for key, lag, x, n, s in rows])
        world.now += 1
    elif action == "wait":
        world.now += what
    elif action == "materialize":
        world.materialize()
    elif action == "crash":
        world.reopen()
    elif action == "lose log tail":
        tear(world)
    else:
        ask(world)


def push_and_die(world, source, rows):
    """A crash after the rows are durable and before they are online: whoever opens the project next brings them there."""
    with mock.patch.object(Feed, "advance", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        world.add(source, rows, "push")
    world.note(source, rows, "push")
    world.reopen()


def tear(world):
    """A crash in the middle of an append leaves half a frame, which was never acknowledged."""
    world.store.close()
    for segment in (world.folder / ".headrace" / "events").rglob("*"):
        if segment.is_file() and segment.stat().st_size > 64 and "lock" not in segment.name:
            with segment.open("ab") as file:
                file.write(b"\x13half a frame")
    world.reopen()


def ask(world):
    if world.waiting:
        world.materialize()
    keys = [0, 1, 2, -(2**63), None, 99]
    served = world.online(keys)
    trained = world.historical([(key, world.now) for key in keys], as_known=True)
    for key, online, history in zip(keys, served, trained, strict=True):
        want = world.expected(key, world.now, as_known=True)
        assert not differences(history, want), f"history as known, key {key}"
        assert not differences(online, want), f"online, key {key}"
    past = [(key, world.now - lag) for key in keys for lag in (0, 1, SECOND, 3_500_000, 10 * SECOND, 65 * SECOND)]
    for (key, t), history in zip(past, world.historical(past, as_known=False), strict=True):
        assert not differences(history, world.expected(key, t, as_known=False)), f"history, key {key} at {t - world.now}"
    for (key, t), history in zip(past, world.historical(past, as_known=True), strict=True):
        assert not differences(history, world.expected(key, t, as_known=True)), f"history as known, key {key} at {t - world.now}"
    for lag in (1, SECOND + 1, 10 * SECOND):
        t = world.now - lag
        for key, online in zip(keys, world.online(keys, t), strict=True):
            assert not differences(online, world.expected(key, t, as_known=False)), f"online in the past, key {key} at {-lag}"
