"""Records how Feast's feature server answers the questions: PYTHON_OF_FEAST record.py > golden.json"""

import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from questions import QUESTIONS

PORT = 6579
T = dt.datetime(2026, 1, 1, 1, tzinfo=dt.UTC)
YAML = """
project: golden
registry: {path: registry.db}
provider: local
online_store: {type: sqlite, path: online.db}
offline_store: {type: file}
entity_key_serialization_version: 3
"""


def make(folder):
    """The project of tests/protocol/conftest.py as a repository of Feast."""
    import pandas as pd
    from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, PushSource, ValueType
    from feast.types import Bool, Bytes, Float32, Float64, Int64, String, UnixTimestamp

    (folder / "feature_store.yaml").write_text(YAML)
    drivers = pd.DataFrame(
        {
            "driver_id": [1, 2, 3],
            "conv": [2.5, None, None],
            "trips": [2**53 + 1, 7, -(2**63)],
            "ok": [True, False, True],
            "name": ["a", 'ü"', ""],
            "blob": [b"\x00\xff", b"x", b""],
            "seen": [T, T, T],
            "f32": pd.array([0.5, None, float("-inf")], dtype="float32"),
            "event_timestamp": [T, T + dt.timedelta(seconds=1), T],
        }
    )
    shops = pd.DataFrame({"shop": ["x", "y"], "conv": [9.0, 8.0], "size": [3, 4], "event_timestamp": [T, T]})
    drivers.to_parquet(folder / "drivers.parquet")
    shops.to_parquet(folder / "shops.parquet")
    driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
    shop = Entity(name="shop", join_keys=["shop"], value_type=ValueType.STRING)
    types = {"conv": Float64, "trips": Int64, "ok": Bool, "name": String, "blob": Bytes, "seen": UnixTimestamp, "f32": Float32}
    driver_file = FileSource(name="d", path=str(folder / "drivers.parquet"), timestamp_field="event_timestamp")
    shop_file = FileSource(name="s", path=str(folder / "shops.parquet"), timestamp_field="event_timestamp")
    driver_stats = FeatureView(
        name="driver_stats",
        entities=[driver],
        ttl=dt.timedelta(0),
        schema=[Field(name="driver_id", dtype=Int64), *(Field(name=name, dtype=kind) for name, kind in types.items())],
        source=PushSource(name="drivers", batch_source=driver_file),
    )
    shop_stats = FeatureView(
        name="shop_stats",
        entities=[shop],
        ttl=dt.timedelta(0),
        schema=[Field(name="shop", dtype=String), Field(name="conv", dtype=Float64), Field(name="size", dtype=Int64)],
        source=shop_file,
    )
    store = FeatureStore(str(folder))
    svc = FeatureService(name="svc", features=[driver_stats[["conv", "trips"]], shop_stats[["size"]]])
    store.apply([driver, shop, driver_stats, shop_stats, svc])
    store.write_to_online_store("driver_stats", drivers)
    store.write_to_online_store("shop_stats", shops)


def ask(path, body):
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", data, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def main():
    os.environ["FEAST_USAGE"] = "False"
    folder = Path(tempfile.mkdtemp())
    make(folder)
    command = [str(Path(sys.executable).parent / "feast"), "-c", str(folder), "serve", "-p", str(PORT), "--no-access-log"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        for _ in range(120):
            time.sleep(0.5)
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health")
                break
            except OSError:
                continue
        answers = {}
        for name, (path, body) in QUESTIONS.items():
            status, text = ask(path, body)
            answers[name] = {"status": status, "body": json.loads(text) if text else None}
    finally:
        server.terminate()
        server.wait()
    sys.stdout.write(json.dumps(answers, indent=1, ensure_ascii=False) + "\n")


main()
