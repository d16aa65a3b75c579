"""A tracking service over real stores."""

from __future__ import annotations

import pytest

from headrace.artifacts.objects import ObjectArtifactStore
from headrace.sql.database import Database
from headrace.sql.lineage import SqlLineageStore
from headrace.sql.tracking import tracking_stores
from headrace.tracking.service import Runs


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'catalog.db'}")
    yield database
    database.close()


@pytest.fixture
def lineage(database):
    return SqlLineageStore(database)


@pytest.fixture
def runs(database, lineage, tmp_path):
    def resolve_view(reference):
        return f"{reference.partition(':')[0]}:3", {"a": "float64"}

    return Runs(tracking_stores(database), ObjectArtifactStore(tmp_path / "artifacts"), lineage, resolve_view=resolve_view)
