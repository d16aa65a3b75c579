"""`import headrace` is light: definitions load at once, everything else when it is first used."""

from __future__ import annotations

import json
import subprocess
import sys

import headrace

BUDGET = 120
"""Modules that `import headrace` may load beyond those Python starts with; nearly all are the standard library's."""

HEAVY = {
    "alembic",
    "deltalake",
    "duckdb",
    "httptools",
    "lmdb",
    "matplotlib",
    "msgpack",
    "numpy",
    "obstore",
    "orjson",
    "pandas",
    "polars",
    "prometheus_client",
    "psutil",
    "pyarrow",
    "pyspark",
    "rich",
    "sklearn",
    "skops",
    "sqlalchemy",
    "sqlglot",
    "typer",
    "uvicorn",
    "uvloop",
}


def loaded_by(statement: str) -> set[str]:
    code = (
        f"import sys; before = set(sys.modules); {statement}; import json; print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    return set(json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout))


def test_importing_headrace_loads_few_modules():
    assert len(loaded_by("import headrace")) <= BUDGET


def test_importing_headrace_loads_nothing_heavy():
    assert {name.partition(".")[0] for name in loaded_by("import headrace")} & HEAVY == set()


def test_writing_definitions_loads_nothing_heavy():
    statement = "import headrace as hr; hr.EventSource('r', 'at', {'at': 'timestamp'}); hr.Entity('u', keys={'k': 'int64'})"
    assert {name.partition(".")[0] for name in loaded_by(statement)} & HEAVY == set()


def test_runs_and_models_need_no_feature_engine(tmp_path):
    headrace.connect(tmp_path).close()
    asked = "store.runs.search(); store.models.list(); store.catalog.views(); store.close()"
    statement = f"import headrace as hr; store = hr.connect({str(tmp_path)!r}); {asked}"
    found = {name.partition(".")[0] for name in loaded_by(statement)} & HEAVY
    assert found <= {"obstore", "sqlalchemy"}


def test_stand_ins_for_other_tools_are_there_by_their_name():
    assert "headrace.compat.wandb" in loaded_by("import headrace as hr; hr.compat.wandb.init")


def test_every_public_name_is_there():
    assert {name for name in headrace.__all__ if getattr(headrace, name, None) is None} == set()


def test_a_name_that_is_not_there_is_an_attribute_error():
    assert not hasattr(headrace, "conect")


def test_the_public_names_are_in_the_listing():
    assert set(headrace.__all__) <= set(dir(headrace))
