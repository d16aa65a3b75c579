"""The online path on one machine: reads, durable pushes and materialization, against Feast with its SQLite store. Each timed
call is a fixed number of requests, so that a contestant's seconds compare; Feast's push is online only, ours is durable first."""

from __future__ import annotations

import datetime as dt
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from contest import Benchmark, Contestant
from peers import WORK

CLAIM = "against Feast-SQLite: reads 2, 5 and 30 times faster at 1 x 10, 1 x 50, 100 x 50; push 5 times, materialize 10 times"

START, SPAN = 1_735_689_600_000_000, 90 * 86_400_000_000
ENTITIES = 20_000
SIZES = {"v1": 10, "v2": 20, "v3": 20}  # features a group
READS = {
    "1 x 10": (1, ["v1"], 500),
    "1 x 50": (1, list(SIZES), 300),
    "100 x 50": (100, list(SIZES), 20),
}  # entities, groups, requests
BATCHES, BATCH_ROWS = 20, 1000
ROWS = {"materialize 100k": 100_000, "materialize 1M": 1_000_000}


def columns(group: str) -> dict[str, str]:
    kinds = ["float64"] * 7 + ["int64"] * 2 + ["string"]
    return {f"{group}_x{i}": kinds[i % 10] for i in range(SIZES[group])}


def frame(group: str, rows: int, entities: int, seed: int):
    """One row per entity and round, as pandas."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    words = np.array([f"w{i:04d}" for i in range(1000)])
    made = {
        "user_id": np.arange(rows, dtype=np.int64) % entities,
        "event_timestamp": pd.to_datetime(START + rng.integers(0, SPAN, rows), unit="us", utc=True).as_unit("us"),
    }
    for name, kind in columns(group).items():
        draw = {
            "float64": rng.random,
            "int64": lambda n: rng.integers(0, 10**6, n),
            "string": lambda n: words[rng.integers(0, 1000, n)],
        }
        made[name] = draw[kind](rows)
    return pd.DataFrame(made)


def fresh(name: str) -> Path:
    folder = WORK / "online" / f"{name}-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def requests(case: str) -> list[list[int]]:
    count, _, number = READS[case]
    chosen = random.Random(5)
    return [[chosen.randrange(ENTITIES) for _ in range(count)] for _ in range(number)]


def ours(case: str) -> Callable[[], object]:
    import headrace as hr

    store = hr.connect(fresh("headrace"))
    user = hr.Entity("user", keys={"user_id": "int64"})
    groups = {}
    for name in SIZES:
        schema = {"user_id": "int64", "event_timestamp": "timestamp", **columns(name)}
        source = hr.TableSource(name, timestamp="event_timestamp", stream=name, schema=schema)
        groups[name] = hr.FeatureGroup(name, entity=user, source=source, features={column: column for column in columns(name)})
    views = [hr.FeatureView("ten", features=[groups["v1"]]), hr.FeatureView("fifty", features=list(groups.values()))]
    store.apply(views)
    if case in READS:
        for name in SIZES:
            store.write(name, frame(name, ENTITIES, ENTITIES, 7))
        store.materialize()
        view, asked = ("ten" if len(READS[case][1]) == 1 else "fifty"), requests(case)
        moment = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        return lambda: [store.online_features(view, {"user_id": ids}, at=moment).to_dict() for ids in asked][-1]
    if case == "push":
        rows = frame("v1", BATCHES * BATCH_ROWS, 50_000, 31)
        batches = [rows.iloc[start : start + BATCH_ROWS] for start in range(0, len(rows), BATCH_ROWS)]
        return lambda: [store.push("v1", batch) for batch in batches]
    store.write("v1", frame("v1", ROWS[case], ROWS[case], 21))
    return lambda: store.materialize(["v1"], rebuild=True)


def feast(case: str) -> Callable[[], object]:
    os.environ.setdefault("FEAST_USAGE", "False")
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, PushSource, RepoConfig, ValueType
    from feast.data_source import PushMode
    from feast.infra.online_stores.sqlite import SqliteOnlineStoreConfig
    from feast.repo_config import RegistryConfig
    from feast.types import Float64, Int64, String

    types = {"float64": Float64, "int64": Int64, "string": String}
    folder = fresh("feast")
    config = RepoConfig(
        project="bench",
        provider="local",
        registry=RegistryConfig(path=str(folder / "registry.db"), cache_ttl_seconds=600),
        offline_store={"type": "duckdb"},
        online_store=SqliteOnlineStoreConfig(path=str(folder / "online.db")),
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config, repo_path=None)
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
    views = []
    for name in SIZES:
        path = folder / f"{name}.parquet"
        rows = ROWS.get(case, 10) if name == "v1" else 10
        frame(name, rows, rows, 21).to_parquet(path)
        source = FileSource(name=f"source_{name}", path=str(path), timestamp_field="event_timestamp")
        if name == "v1":
            source = PushSource(name="push_v1", batch_source=source)
        fields = [Field(name="user_id", dtype=Int64), *(Field(name=n, dtype=types[kind]) for n, kind in columns(name).items())]
        views.append(FeatureView(name=name, entities=[user], ttl=dt.timedelta(0), schema=fields, source=source, online=True))
    store.apply([user, *views])
    if case in READS:
        for name in SIZES:
            rows = frame(name, ENTITIES, ENTITIES, 7)
            for start in range(0, ENTITIES, 5000):
                store.write_to_online_store(name, rows.iloc[start : start + 5000])
        wanted = [f"{name}:{column}" for name in READS[case][1] for column in columns(name)]
        asked = requests(case)

        def read() -> object:
            return [
                store.get_online_features(features=wanted, entity_rows=[{"user_id": i} for i in ids]).to_dict() for ids in asked
            ][-1]

        return read
    if case == "push":
        rows = frame("v1", BATCHES * BATCH_ROWS, 50_000, 31)
        batches = [rows.iloc[start : start + BATCH_ROWS].copy() for start in range(0, len(rows), BATCH_ROWS)]
        return lambda: [store.push("push_v1", batch.copy(), to=PushMode.ONLINE) for batch in batches]
    end = dt.datetime.fromtimestamp((START + SPAN) / 1e6, dt.UTC) + dt.timedelta(days=1)
    return lambda: store.materialize(start_date=end - dt.timedelta(days=92), end_date=end, feature_views=["v1"])


def check(answer: object) -> list[float]:
    """The sum of one column of the last answer; nothing for a write."""
    return [sum(answer["v1_x7"])] if isinstance(answer, dict) else []


BENCHMARK = Benchmark(
    file=__file__,
    cases={case: ["headrace", "feast sqlite"] for case in [*READS, "push", *ROWS]},
    contestants=[Contestant("headrace", ours, ours=True), Contestant("feast sqlite", feast, feast=True)],
    prepare=lambda case: None,
    check=check,
    bound={"1 x 10": 0.5, "1 x 50": 0.2, "100 x 50": 1 / 30, "push": 0.2, **dict.fromkeys(ROWS, 0.1)},
    limit=600,
    once=["materialize 1M"],
)

if __name__ == "__main__":
    BENCHMARK.main()
