"""Here the migrations make every catalog, an empty one's too."""

from __future__ import annotations

import pytest

from headrace.sql import migrations


@pytest.fixture(autouse=True)
def _migrations(monkeypatch):
    monkeypatch.setattr(migrations, "upgrade", migrations.migrate)
