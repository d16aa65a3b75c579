"""The places that a lake may be at."""

from __future__ import annotations

import pytest

from contract.lake_rows import SCHEMA
from headrace.lake.delta import DeltaLake


@pytest.fixture(params=["folder", "bucket"])
def root(request, tmp_path):
    return tmp_path / "lake" if request.param == "folder" else request.getfixturevalue("bucket") + "/some/lake"


@pytest.fixture
def lake(root):
    return DeltaLake(root)


@pytest.fixture
def table(lake):
    return lake.table("ratings", SCHEMA)
