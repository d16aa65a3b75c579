"""A catalog over a real database."""

from __future__ import annotations

import pytest

from headrace.catalog.service import Catalog
from headrace.sql.database import Database
from headrace.sql.definitions import SqlCatalogStore


@pytest.fixture
def store(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'catalog.db'}")
    yield SqlCatalogStore(database)
    database.close()


@pytest.fixture
def catalog(store):
    return Catalog(store, clock=lambda: 1_000_000, author="ada", modules=["unit.catalog.samples"])
