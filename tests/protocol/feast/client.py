"""Feast's own client against a server, in Feast's environment: PYTHON_OF_FEAST client.py URL. Prints what it saw as JSON."""

import datetime as dt
import json
import os
import sys
import tempfile

os.environ["FEAST_USAGE"] = "False"

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64, Int64, String

URL = sys.argv[1]
T = dt.datetime(2026, 1, 1, 1, tzinfo=dt.UTC)


def remote(folder):
    return FeatureStore(
        config=RepoConfig(
            project="any",
            provider="local",
            registry=f"{folder}/registry.db",
            online_store={"type": "remote", "path": URL},
            offline_store={"type": "file"},
            entity_key_serialization_version=3,
        )
    )


def caught(work):
    try:
        work()
    except Exception as error:  # noqa: BLE001 - whatever the client raises is what is asked about
        return [type(error).__name__, str(error)]
    return None


def plain(values):
    return {name: [value.hex() if isinstance(value, bytes) else value for value in column] for name, column in values.items()}


def main():
    seen = {}
    store = remote(tempfile.mkdtemp())

    def read(features, rows, **options):
        return store.get_online_features(features=features, entity_rows=rows, **options)

    every = ["conv", "trips", "ok", "name", "blob", "seen", "f32"]
    rows = [{"driver_id": 1}, {"driver_id": 2}, {"driver_id": 3}, {"driver_id": 99}]
    answer = read([f"driver_stats:{name}" for name in every], rows)
    seen["every type"] = plain(answer.to_dict())
    seen["as a frame"] = [int(value) for value in answer.to_df()["trips"][1:2]]
    seen["statuses"] = [list(result.statuses) for result in answer.proto.results]
    seen["lists"] = read(["ride_stats:shops", "ride_stats:rides"], [{"driver_id": 1}]).to_dict()
    seen["full names"] = read(
        ["driver_stats:conv", "shop_stats:conv"], [{"driver_id": 1, "shop": "x"}], full_feature_names=True
    ).to_dict()
    seen["too old"] = read(["old_shops:old_size"], [{"shop": "x"}]).to_dict()
    seen["two keys"] = read(["stays:stays"], [{"driver_id": 1, "shop": "x"}, {"driver_id": 2, "shop": "x"}]).to_dict()
    seen["on demand"] = read(["rewards:reward"], [{"driver_id": 2, "bonus": 0.5}]).to_dict()
    seen["errors"] = [
        caught(lambda: read(["nope:x"], [{"driver_id": 1}])),
        caught(lambda: read(["driver_stats:nope"], [{"driver_id": 1}])),
        caught(lambda: read(["driver_stats:conv"], [{"driver_id": None}])),
        caught(lambda: read(["driver_stats:conv"], [{"nope": 1}])),
    ]

    # With the view in its own registry the client also writes, and asks the server to materialize.
    folder = tempfile.mkdtemp()
    store = remote(folder)
    shops = pd.DataFrame({"shop": ["z"], "conv": [1.5], "size": [5], "event_timestamp": [T + dt.timedelta(days=1)]})
    shops.to_parquet(f"{folder}/shops.parquet")
    shop = Entity(name="shop", join_keys=["shop"], value_type=ValueType.STRING)
    fields = [Field(name="shop", dtype=String), Field(name="conv", dtype=Float64), Field(name="size", dtype=Int64)]
    file = FileSource(name="s", path=f"{folder}/shops.parquet", timestamp_field="event_timestamp")
    view = FeatureView(name="shop_stats", entities=[shop], ttl=dt.timedelta(0), schema=fields, source=file)
    store.apply([shop, view])
    store.write_to_online_store("shop_stats", shops)
    seen["written"] = read(["shop_stats:conv", "shop_stats:size"], [{"shop": "z"}]).to_dict()
    store.materialize_incremental(end_date=T + dt.timedelta(days=2))
    store.materialize(start_date=T, end_date=T + dt.timedelta(days=2), feature_views=["shop_stats"])
    seen["afterwards"] = read(["shop_stats:conv", "shop_stats:size"], [{"shop": "z"}, {"shop": "x"}]).to_dict()
    sys.stdout.write(json.dumps(seen) + "\n")


main()
