"""The backends that several contracts run over."""

from __future__ import annotations

import pytest

from contract.lake_rows import SCHEMA
from headrace.lake.delta import DeltaLake
from headrace.remote.tracking import remote_tracking
from headrace.sql.database import Database
from headrace.sql.tracking import tracking_stores


@pytest.fixture(params=["folder", "bucket"])
def root(request, tmp_path):
    return tmp_path / "lake" if request.param == "folder" else request.getfixturevalue("bucket") + "/some/lake"


@pytest.fixture
def lake(root):
    return DeltaLake(root)


@pytest.fixture
def table(lake):
    return lake.table("ratings", SCHEMA)


@pytest.fixture(params=["sqlite", "postgresql", "remote"])
def stores(request, tmp_path):
    if request.param == "remote":
        yield remote_tracking(request.getfixturevalue("remote")())
        return
    here = f"sqlite:///{tmp_path / 'catalog.db'}"
    database = Database(here if request.param == "sqlite" else request.getfixturevalue("postgres").new_database())
    yield tracking_stores(database)
    database.close()
