"""Where partitions count for themselves, rows of one time are in the order that their sequence tells, online as in history."""

from __future__ import annotations

import functools

import pyarrow as pa
import pytest

import headrace as hr
from headrace.definitions.aggregation import Feature
from headrace.definitions.schema import arrow_schema
from headrace.engines.duckdb import DuckDBEngine
from headrace.engines.engine import GroupRead
from headrace.lake.delta import DeltaLake
from headrace.online.state import GroupState

TIME = 1_760_000_000_000_000
SCHEMA = {"k": "int64", "x": "int64", "at": "timestamp"}
thing = hr.Entity("thing", keys={"k": "int64"})
events = hr.FeatureGroup("e", thing, hr.EventSource("events", "at", SCHEMA), {"x": hr.last("x"), "all": hr.last_n("x", 3)})
records = hr.FeatureGroup("r", thing, hr.TableSource("records", "at", SCHEMA), {"x": "x"})

# the values of x by (partition, offset, sequence); the offsets alone would say 3, 1, 2
ROWS = {1: (0, 50, 300), 2: (-1, 900, None), 3: (1, 4, 400)}


def typed(group):
    types = {"x": "int64", "all": "list<int64>"}
    return group.with_types(tuple(Feature(f.name, f.value, types[f.name], "int64") for f in group.resolved))


def row(x):
    partition, offset, sequence = ROWS[x]
    columns = {"k": [7], "x": [x], "at": [TIME], "event_time": [TIME], "available_time": [TIME], "_offset": [offset]}
    kinds = {**SCHEMA, "event_time": "timestamp", "available_time": "timestamp", "_offset": "int64", "_sequence": "int64"}
    columns |= {} if sequence is None else {"_sequence": [sequence]}
    return partition, pa.table(columns, arrow_schema({name: kinds[name] for name in columns}))


@pytest.mark.parametrize(("group", "want"), [(events, {"x": 2, "all": [1, 3, 2]}), (records, {"x": 2})])
@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 3, 1)])
def test_the_sequence_decides_between_rows_of_one_time(tmp_path, group, want, order):
    group = typed(group)
    table = DeltaLake(tmp_path).table(group.source.name, arrow_schema(SCHEMA))
    state = GroupState(group)
    changes = []
    for x in order:
        partition, rows = row(x)
        table.append(rows, partition=partition)
        inputs = {name: rows.column("x") for name in state.inputs.expressions}
        columns = {name: rows.column(name) for name in ("k", "event_time", "_offset", "_sequence") if name in rows.column_names}
        changes.append(state.changes(pa.table({**columns, **inputs}), TIME + 1, partition))
    (key,) = changes[0]
    merged = functools.reduce(state.merge(TIME + 1), [change[key] for change in changes], None)
    online = state.read([merged], TIME + 1).values
    unmerged = state.read([tuple(change[key] for change in changes)], TIME + 1).values
    asked = pa.table({"k": [7], "ts": pa.array([TIME + 1]).cast(pa.timestamp("us", "UTC"))})
    history = DuckDBEngine().read(asked, "ts", GroupRead(group, list(want), table.snapshot(), {"k": "k"}))
    assert {name: history.column(name).to_pylist() for name in want} == {name: [value] for name, value in want.items()}
    assert online == unmerged == {name: [value] for name, value in want.items()}
