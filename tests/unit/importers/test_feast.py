"""Definitions of a real Feast repository become a module that plans and applies here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pandas as pd
import pytest

import headrace as hr
from headrace.cli.loading import load_definitions
from headrace.errors import ConflictError, StorageError
from headrace.importers.feast.carry import import_feast

ROOT = Path(__file__).resolve().parents[3]
FEAST = Path(os.environ.get("HEADRACE_FEAST_PYTHON") or ROOT / ".venv-feast" / "bin" / "python")
REPO = """
import datetime as dt
import pandas as pd
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Array, Float32, Float64, Int64, String

frame = pd.DataFrame({"driver_id": [1], "region": ["n"], "event_timestamp": pd.to_datetime(["2026-01-01"], utc=True),
                      "created": pd.to_datetime(["2026-01-01"], utc=True), "raw": [0.5], "trips": [3], "v": [[0.1]]})
frame.to_parquet("stats.parquet")
driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
region = Entity(name="region", join_keys=["region"], value_type=ValueType.STRING)
source = FileSource(name="stats", path="stats.parquet", timestamp_field="event_timestamp", created_timestamp_column="created",
                    field_mapping={"raw": "conv"})
bare = FileSource(name="b", path="stats.parquet", timestamp_field="event_timestamp")
key, trips = Field(name="driver_id", dtype=Int64), Field(name="trips", dtype=Int64)
schema = [key, Field(name="conv", dtype=Float64), trips, Field(name="v", dtype=Array(Float32))]
stats = FeatureView(name="driver-stats", entities=[driver], ttl=dt.timedelta(days=2), source=source, schema=schema,
                    owner="ann", tags={"tier": "1"})
both = FeatureView(name="class", entities=[driver, region], source=bare,
                   schema=[key, Field(name="region", dtype=String), trips])

@on_demand_feature_view(sources=[stats], schema=[Field(name="twice", dtype=Float64)])
def twice(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"twice": inputs["conv"] * 2})

service = FeatureService(name="ranking", features=[stats[["conv", "trips"]], both, twice], description="What the ranker reads.")
FeatureStore(".").apply([driver, region, stats, both, twice, service])
"""
SETTINGS = "project: rides\nregistry: registry.db\nprovider: local\nonline_store: null\nentity_key_serialization_version: 3\n"


@pytest.fixture(scope="module")
def repo(tmp_path_factory):
    if not FEAST.is_file():
        pytest.skip("Feast isn't installed beside: make .venv-feast/.ready, or HEADRACE_FEAST_PYTHON=…")
    folder = tmp_path_factory.mktemp("feast")
    (folder / "feature_store.yaml").write_text(SETTINGS)
    (folder / "define.py").write_text(REPO)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(FEAST), "define.py"],
        cwd=folder,
        env={**environment, "FEAST_USAGE": "False"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_the_module_applies_and_answers_as_feast_did(repo, tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    report, text = import_feast(str(repo), project / "feast_definitions.py", python=str(FEAST))
    assert text == (project / "feast_definitions.py").read_text()
    assert {kind: found["new"] for kind, found in report.counts.items()} == {
        "entities": 2,
        "sources": 2,
        "feature groups": 2,
        "feature views": 1,
    }
    assert {(item.kind, item.name) for item in report.left} == {
        ("feature", "driver-stats:v"),
        ("on-demand feature view", "twice"),
        ("part of a feature service", "ranking:twice"),
        ("names in a feature service", "ranking"),
    }
    rows = pd.read_parquet(repo / "stats.parquet")
    with hr.connect(project) as store:
        store.apply(load_definitions(["feast_definitions"], project))
        store.write("driver-stats", rows[["driver_id", "event_timestamp", "created", "raw", "trips"]])
        store.write("class", rows[["driver_id", "region", "event_timestamp", "trips"]])
        asked = pd.DataFrame(
            {"driver_id": [1, 1], "region": ["n", "n"], "at": pd.to_datetime(["2026-01-02", "2026-01-09"], utc=True)}
        )
        found = store.historical_features("ranking", asked, timestamp="at")
    assert found["driver-stats__conv"].tolist()[0] == 0.5
    assert found["driver-stats__trips"].isna().tolist() == [False, True]  # older than its time to live
    assert found["class__trips"].tolist() == [3, 3]


def test_again_says_the_same_and_never_overwrites(repo, tmp_path):
    output = tmp_path / "module.py"
    import_feast(str(repo), output, python=str(FEAST))
    again, _ = import_feast(str(repo), output, python=str(FEAST))
    assert again.changed == 0
    output.write_text("mine = 1\n")
    with pytest.raises(ConflictError, match="says something else"):
        import_feast(str(repo), output, python=str(FEAST))
    assert output.read_text() == "mine = 1\n"


def test_a_registry_alone_will_do(repo, tmp_path):
    report, _ = import_feast(str(repo / "registry.db"), tmp_path / "module.py", python=str(FEAST), dry_run=True)
    assert report.counts["feature groups"]["new"] == 2
    assert not (tmp_path / "module.py").exists()


def test_a_python_without_feast_and_a_folder_without_a_registry_are_told(tmp_path):
    with pytest.raises(StorageError, match="name a Python that has Feast"):
        import_feast(str(tmp_path), tmp_path / "module.py")
    if FEAST.is_file():
        with pytest.raises(StorageError, match="Feast can't read"):
            import_feast(str(tmp_path), tmp_path / "module.py", python=str(FEAST))
