"""Here the migrations make every catalog."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _migrations(catalogs):
    with catalogs.made_by_migrations():
        yield
