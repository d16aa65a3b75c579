"""Fixtures of the registry's tests."""

from __future__ import annotations

import pytest

from unit.models.world import World


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.close()


@pytest.fixture
def models(world):
    return world.models
