"""A catalog over a real database, here or behind a server."""

from __future__ import annotations

import pytest

import headrace as hr
from headrace.catalog.service import Catalog
from headrace.sql.database import Database
from headrace.sql.definitions import SqlCatalogStore
from servers.inside import served


@pytest.fixture(params=["sql", "remote"])
def store(request, tmp_path):
    if request.param == "sql":
        database = Database(f"sqlite:///{tmp_path / 'catalog.db'}")
        yield SqlCatalogStore(database)
        database.close()
        return
    with served(tmp_path, clock=lambda: 1_000_000) as url, hr.connect(url) as project:
        yield project.catalog.store


@pytest.fixture
def catalog(store):
    return Catalog(store, clock=lambda: 1_000_000, author="ada", modules=["unit.catalog.samples"])
