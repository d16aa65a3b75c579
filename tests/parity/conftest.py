"""The suite runs on DuckDB, and on whatever engine PARITY_ENGINE names: `PARITY_ENGINE='local[2]' pytest tests/parity`."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _engine(_clean_settings, monkeypatch, request):
    engine = os.environ.get("PARITY_ENGINE", "duckdb")
    if engine != "duckdb":
        request.getfixturevalue("spark_engine")
    monkeypatch.setenv("HEADRACE_ENGINE", engine)
