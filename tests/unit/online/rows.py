"""Groups and rows for tests of online state, and what the state must answer, as plain loops."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from fractions import Fraction

import pyarrow as pa

from headrace.definitions import aggregation
from headrace.definitions.entity import Entity
from headrace.definitions.group import FeatureGroup
from headrace.definitions.schema import arrow_type, is_float
from headrace.definitions.source import EventSource, TableSource
from unit.kernel import naive

SECOND = 1_000_000
COLUMNS = {
    "x": "float64",
    "f": "float32",
    "n": "int64",
    "s": "string",
    "b": "bytes",
    "flag": "bool",
    "at": "timestamp",
    "day": "date",
}
SCHEMA = {"user_id": "int64", **COLUMNS, "ts": "timestamp"}
SINGLE = {"count": "int64", "count_distinct": "int64", "mean": "float64", "std": "float64"}


def dtype_of(value):
    kind = COLUMNS.get(value.argument, "")
    if value.function == "sum":
        return ("float64" if is_float(kind) else "int64"), kind
    if value.function == "last_n":
        return f"list<{kind}>", kind
    return SINGLE.get(value.function, kind), kind


def event_group(**features):
    source = EventSource("events", timestamp="ts", schema=SCHEMA)
    group = FeatureGroup("g", Entity("user", {"user_id": "int64"}), source, features)
    resolved = []
    for feature in group.resolved:
        dtype, argument = dtype_of(feature.value)
        resolved.append(replace(feature, dtype=dtype, argument_dtype=argument))
    return group.with_types(tuple(resolved))


def record_group(*columns):
    source = TableSource("records", timestamp="ts", schema=SCHEMA)
    group = FeatureGroup("g", Entity("user", {"user_id": "int64"}), source, {name: name for name in columns})
    return group.with_types(tuple(replace(feature, dtype=COLUMNS[feature.name]) for feature in group.resolved))


def table(state, rows):
    """Rows (dicts with key, time, offset, partition and some of COLUMNS) as `GroupState.changes` takes them."""
    columns = {
        "user_id": pa.array([row["key"] for row in rows], pa.int64()),
        "event_time": pa.array([row["time"] for row in rows], pa.timestamp("us", "UTC")),
        "_offset": pa.array([row["offset"] for row in rows], pa.int64()),
        "_partition": pa.array([row["partition"] for row in rows], pa.int32()),
    }
    for column, sql in state.inputs.expressions.items():
        name = re.search(r"\(\((\w+)\)", sql)[1]
        values = [row.get(name) for row in rows]
        columns[column] = pa.array([bool(v) for v in values] if "COALESCE" in sql else values, arrow_type(COLUMNS[name]))
    return pa.table(columns)


def expected(group, rows, key, t):
    """What the features are as of t, and the newest event time or record timestamp that counts."""
    seen = naive.events_seen(rows, key, t)
    values = {}
    for feature in group.resolved:
        value = feature.value
        counted = naive.events_seen(rows, key, t, value.window, value.hop)
        if value.where is not None:
            counted = [row for row in counted if row.get(value.where)]
        arguments = [None if value.argument is None else row.get(value.argument) for row in counted]
        values[feature.name] = _aggregate(value.function, arguments, value.n)
    return values, seen[-1]["time"] if seen else None


def _aggregate(function, arguments, n):
    try:
        return naive.aggregate(function, arguments, n)
    except OverflowError:  # the sum is beyond the largest float
        return math.inf if sum(Fraction(value) for value in arguments if value is not None) > 0 else -math.inf


def all_functions():
    """Every aggregation over every column it takes, in windows and since the beginning."""
    features = {}
    for window, hop in (("30s", "10s"), ("60s", "20s"), (None, None)):
        suffix = window or "ever"
        features[f"count_{suffix}"] = aggregation.count(window, hop=hop)
        features[f"flagged_{suffix}"] = aggregation.count(window, where="flag", hop=hop)
        features[f"flagged_sum_{suffix}"] = aggregation.sum("x", window, where="flag", hop=hop)
        for function in ("sum", "mean", "std", "min", "max", "count_distinct", "first", "last"):
            for column in ("x", "n"):
                features[f"{function}_{column}_{suffix}"] = getattr(aggregation, function)(column, window, hop=hop)
        for function in ("min", "max", "count_distinct", "first", "last"):
            features[f"{function}_s_{suffix}"] = getattr(aggregation, function)("s", window, hop=hop)
        features[f"last_n_s_{suffix}"] = aggregation.last_n("s", 3, window, hop=hop)
    return event_group(**features)
