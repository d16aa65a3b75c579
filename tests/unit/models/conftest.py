"""Fixtures of the registry's tests."""

from __future__ import annotations

import shutil

import pytest

from headrace.clock import system_clock
from headrace.remote.models import RemoteModels
from headrace.remote.tracking import remote_tracking
from headrace.remote.tracking_artifacts import RemoteArtifactStore
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


@pytest.fixture(params=["embedded", "remote"])
def models(request, remote, world, tmp_path):
    """The registry of that world, here or behind a server. The trail has the caller's name either way."""
    if request.param == "embedded":
        yield world.models
        return
    transport = remote(catalog=f"sqlite:///{tmp_path / 'catalog.db'}", artifacts=tmp_path / "artifacts")
    yield RemoteModels(transport, remote_tracking(transport), RemoteArtifactStore(transport), system_clock, "ada")
