"""Through a server, training and serving give the same values as the plain loop: random histories, to the last bit."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import headrace as hr
from parity.test_parity import NOW, STEPS, take
from parity.world import World
from servers.inside import served

LOCAL = ("push and die", "lose log tail")
"""Mishaps inside the server's process: whose doors are used doesn't matter to them."""


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A project with the definitions applied, copied for each example."""
    folder = tmp_path_factory.mktemp("template")
    World(folder, NOW).close()
    return folder


@settings(
    max_examples=10,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS, base=st.sampled_from([NOW, NOW + 123_457]))
def test_a_remote_store_equals_a_plain_loop(template, steps, base):
    with tempfile.TemporaryDirectory() as folder, ExitStack() as servers:

        def connect(folder, clock):
            servers.close()  # each time it is opened, by another server
            return hr.connect(servers.enter_context(served(folder, clock)), clock=clock)

        shutil.copytree(template, folder, dirs_exist_ok=True)
        world = World(Path(folder), base, connect)
        try:
            for step in [*(step for step in steps if step[0] not in LOCAL), ("ask", None, None)]:
                take(world, step)
        finally:
            world.close()
