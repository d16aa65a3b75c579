"""Latest values as of a time: 10 features a group, against hand-written joins and Feast. Every contestant starts from the same
pandas frame of keys and times in memory and the same Parquet files, and ends with a pandas frame of all rows."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from contest import Benchmark, Contestant, once
from peers import WORK

CLAIM = "point-in-time reads within 1.2 times the fastest hand-written join; 5 times faster than Feast's file store"

START, SPAN = 1_735_689_600_000_000, 90 * 86_400_000_000
SIZES = {  # queries, rows, entities, groups
    "small": (100_000, 1_000_000, 100_000, 1),
    "three groups": (100_000, 1_000_000, 100_000, 3),
    "large": (1_000_000, 10_000_000, 1_000_000, 1),
    "deep history": (1_000_000, 10_000_000, 10_000, 1),
}
KINDS = ["float64"] * 7 + ["int64"] * 2 + ["string"]


def groups(case: str) -> list[str]:
    return [f"v{i}" for i in range(SIZES[case][3])]


def columns(group: str) -> dict[str, str]:
    return {f"{group}_x{i}": kind for i, kind in enumerate(KINDS)}


def rows_file(case: str, group: str) -> Path:
    _, rows, entities, _ = SIZES[case]
    return WORK / "data" / f"rows_{group}_{rows}_{entities}.parquet"


def queries_file(case: str) -> Path:
    queries, _, entities, _ = SIZES[case]
    return WORK / "data" / f"queries_{queries}_{entities}.parquet"


def project(case: str) -> Path:
    _, rows, entities, count = SIZES[case]
    return WORK / "projects" / f"latest_{rows}_{entities}_{count}"


def prepare(case: str) -> None:
    queries, rows, entities, _ = SIZES[case]
    for seed, group in enumerate(groups(case), 11):
        once(rows_file(case, group), lambda path, group=group, seed=seed: write_rows(path, group, rows, entities, seed))
    once(queries_file(case), lambda path: write_rows(path, "", queries, entities, 99))
    once(project(case), lambda path: fill_project(path, case))


def write_rows(path: Path, group: str, rows: int, entities: int, seed: int) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(seed)
    words = np.array([f"w{i:04d}" for i in range(1000)])
    make = {
        "float64": lambda: rng.random(rows),
        "int64": lambda: rng.integers(0, 1_000_000, rows),
        "string": lambda: words[rng.integers(0, 1000, rows)],
    }
    times = pa.array(START + rng.integers(0, SPAN, rows)).cast(pa.timestamp("us", tz="UTC"))
    table = {"user_id": rng.integers(0, entities, rows), "event_timestamp": times}
    table |= {name: make[kind]() for name, kind in columns(group).items()} if group else {}
    pq.write_table(pa.table(table), path, row_group_size=500_000)


def fill_project(path: Path, case: str) -> None:
    import headrace as hr

    user = hr.Entity("user", keys={"user_id": "int64"})
    made = []
    for group in groups(case):
        schema = {"user_id": "int64", "event_timestamp": "timestamp", **columns(group)}
        source = hr.TableSource(group, timestamp="event_timestamp", schema=schema)
        made.append(hr.FeatureGroup(group, entity=user, source=source, features={name: name for name in columns(group)}))
    with hr.connect(path) as store:
        store.apply([*made, hr.FeatureView("all", features=made)])
        for group in groups(case):
            store.write(group, str(rows_file(case, group)))


def ours(case: str) -> Callable[[], object]:
    import headrace as hr

    store, frame = hr.connect(project(case)), load(case)
    return lambda: store.historical_features("all", frame, timestamp="event_timestamp")


def duckdb_asof(case: str) -> Callable[[], object]:
    import duckdb

    connection, frame = duckdb.connect(), load(case)
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("asked", frame)
    selected = "".join(f", {group}.{name}" for group in groups(case) for name in columns(group))
    joins = "".join(
        f" ASOF LEFT JOIN read_parquet('{rows_file(case, group)}') {group}"
        f" ON asked.user_id = {group}.user_id AND asked.event_timestamp >= {group}.event_timestamp"
        for group in groups(case)
    )
    return lambda: connection.sql(f"SELECT asked.*{selected} FROM asked{joins}").df()


def polars_asof(case: str) -> Callable[[], object]:
    import polars as pl

    frame = load(case)

    def run() -> object:
        asked = pl.from_pandas(frame).lazy().with_row_index("row").sort("event_timestamp")
        for group in groups(case):
            held = pl.scan_parquet(rows_file(case, group)).sort("event_timestamp")
            asked = asked.join_asof(held, on="event_timestamp", by="user_id", strategy="backward", check_sortedness=False)
        return asked.sort("row").drop("row").collect().to_pandas()

    return run


def feast(case: str, offline: str) -> Callable[[], object]:
    os.environ.setdefault("FEAST_USAGE", "False")
    import datetime as dt

    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.repo_config import RegistryConfig
    from feast.types import Float64, Int64, String

    types = {"float64": Float64, "int64": Int64, "string": String}
    folder = WORK / "feast_repos" / f"{project(case).name}_{offline}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = RepoConfig(
        project="bench",
        provider="local",
        registry=RegistryConfig(path=str(folder / "registry.db")),
        offline_store={"type": offline},
        online_store=None,
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config, repo_path=None)
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
    views = [
        FeatureView(
            name=group,
            entities=[user],
            ttl=dt.timedelta(0),
            online=False,
            schema=[
                Field(name="user_id", dtype=Int64),
                *(Field(name=name, dtype=types[kind]) for name, kind in columns(group).items()),
            ],
            source=FileSource(name=f"source_{group}", path=str(rows_file(case, group)), timestamp_field="event_timestamp"),
        )
        for group in groups(case)
    ]
    store.apply([user, *views])
    wanted = [f"{group}:{name}" for group in groups(case) for name in columns(group)]
    frame = load(case)
    return lambda: store.get_historical_features(entity_df=frame, features=wanted).to_df()


def load(case: str):
    import pandas as pd

    return pd.read_parquet(queries_file(case))


def check(frame) -> list[float]:
    """Rows, matches, and the sum of an integer column: the same for all that lose nothing."""
    column = frame["v0_x7"].dropna()
    return [len(frame), len(column), column.astype("int64").sum()]


HAND_WRITTEN = ["duckdb asof", "polars asof"]
BENCHMARK = Benchmark(
    file=__file__,
    cases={
        "small": ["headrace", *HAND_WRITTEN, "feast duckdb", "feast file"],
        "three groups": ["headrace", *HAND_WRITTEN, "feast duckdb", "feast file"],
        "large": ["headrace", "headrace 1GB", *HAND_WRITTEN, "feast duckdb"],
        "deep history": ["headrace", "headrace 1GB", *HAND_WRITTEN, "feast duckdb"],
    },
    contestants=[
        Contestant("headrace", ours, ours=True),
        Contestant("headrace 1GB", ours, ours=True, environment={"HEADRACE_MEMORY_LIMIT": "1GB"}),
        Contestant("duckdb asof", duckdb_asof),
        Contestant("polars asof", polars_asof),
        Contestant("feast duckdb", lambda case: feast(case, "duckdb"), feast=True),
        Contestant("feast file", lambda case: feast(case, "file"), feast=True),
    ],
    prepare=prepare,
    check=check,
    bound=1.2,
    limit=150,
    against={
        "small": {"feast file": 0.2},
        "three groups": {"feast file": 0.2},
        "deep history": {"feast duckdb": 0.1},
    },
)

if __name__ == "__main__":
    BENCHMARK.main()
