"""A query with limits of its own sees exactly the rows up to them, whatever the others reflect."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from headrace.definitions import aggregation as hr
from headrace.definitions.aggregation import Feature
from headrace.definitions.entity import Entity
from headrace.definitions.group import FeatureGroup
from headrace.definitions.schema import arrow_schema, arrow_type
from headrace.definitions.source import EventSource, TableSource
from headrace.engines.duckdb import DuckDBEngine
from headrace.engines.engine import GroupRead
from headrace.lake.delta import DeltaLake
from headrace.lake.table import AVAILABLE_TIME, BATCH, EVENT_TIME, OFFSET

TIME = arrow_type("timestamp")
SCHEMA = {"user": "int64", "n": "int64", "event_time": "timestamp"}
USER = Entity("user", {"user": "int64"})
EVENTS = FeatureGroup(
    "events", USER, EventSource("events", "event_time", SCHEMA), {"n": hr.sum("n"), "recent": hr.last_n("n", 3, "20s")}
)
EVENTS = EVENTS.with_types(
    (Feature("n", EVENTS.features["n"], "int64", "int64"), Feature("recent", EVENTS.features["recent"], "list<int64>", "int64"))
)
RECORDS = FeatureGroup("records", USER, TableSource("records", "event_time", SCHEMA), {"n": "n"})
RECORDS = RECORDS.with_types((Feature("n", RECORDS.resolved[0].value, "int64", ""),))


@pytest.fixture(params=["one part", "many parts"])
def engine(request):
    return DuckDBEngine("40KB" if request.param == "many parts" else "")


def written(lake, group, rng):
    table = lake.table(group.source.name, arrow_schema(SCHEMA))
    schema = arrow_schema({**SCHEMA, AVAILABLE_TIME: "timestamp", OFFSET: "int64"})
    for partition in (BATCH, 0, 3):
        rows = [
            {"user": int(rng.integers(0, 6)), "n": int(rng.integers(0, 1000)), "event_time": int(rng.integers(0, 60)) * 1_000_000}
            for _ in range(80)
        ]
        numbered = [{**row, AVAILABLE_TIME: 0, OFFSET: place * 5 + partition + 1} for place, row in enumerate(rows)]
        table.append(pa.Table.from_pylist(numbered, schema), partition=partition)
    return table.snapshot()


def limits_of(rng, growing):
    if growing:
        return {partition: int(growing * 4 + rng.integers(0, 4)) for partition in (BATCH, 0, 3)}
    return {partition: int(rng.integers(-1, 420)) for partition in (BATCH, 0, 3) if rng.random() < 0.8}


@pytest.mark.parametrize("growing", [True, False], ids=["each reflects more than the last", "in no order"])
@pytest.mark.parametrize("group", [EVENTS, RECORDS], ids=["windows", "records"])
def test_limits_of_many_queries_equal_one_read_for_each(engine, tmp_path, group, growing):
    rng = np.random.default_rng(5)
    snapshot = written(DeltaLake(tmp_path), group, rng)
    users = [None if rng.random() < 0.1 else int(rng.integers(0, 8)) for _ in range(100)]
    times = [None if rng.random() < 0.1 else int(rng.integers(0, 70)) * 1_000_000 for _ in users]
    limits = [limits_of(rng, place * growing) for place in range(len(users))]
    queries = pa.table({"user": pa.array(users, pa.int64()), "ts": pa.array(times, pa.int64()).cast(TIME)})
    names = [feature.name for feature in group.resolved]
    together = engine.read(queries, "ts", GroupRead(group, names, snapshot, {"user": "user"}, limits=limits))
    for place, limit in enumerate(limits):
        through = {partition: limit.get(partition, -1) for partition in (BATCH, 0, 3)}
        alone = engine.read(queries.slice(place, 1), "ts", GroupRead(group, names, snapshot, {"user": "user"}, through=through))
        assert together.slice(place, 1).to_pylist() == alone.to_pylist(), place


def test_a_partition_without_a_limit_does_not_count(tmp_path):
    snapshot = written(DeltaLake(tmp_path), EVENTS, np.random.default_rng(5))
    queries = pa.table({"user": pa.array([1, 1]), "ts": pa.array([10**9, 10**9]).cast(TIME)})
    found = DuckDBEngine().read(queries, "ts", GroupRead(EVENTS, ["n"], snapshot, {"user": "user"}, limits=[{}, {0: 10**9}]))
    assert found[EVENT_TIME].is_valid().to_pylist() == [False, True]
