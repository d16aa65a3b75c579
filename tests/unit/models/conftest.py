"""Fixtures of the registry's tests."""

from __future__ import annotations

import shutil

import pytest

from headrace.sql.database import Database
from unit.models.world import World


@pytest.fixture(scope="session")
def empty_catalog(tmp_path_factory):
    """A migrated catalog to copy: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("catalog") / "catalog.db"
    Database(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def world(tmp_path, empty_catalog):
    shutil.copy(empty_catalog, tmp_path / "catalog.db")
    world = World(tmp_path)
    yield world
    world.close()


@pytest.fixture
def models(world):
    return world.models
