"""The engine's contract, over every engine: features from history equal plain loops, and rows in are rows out."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest

from headrace.definitions import aggregation as hr
from headrace.definitions.aggregation import Aggregation, Feature
from headrace.definitions.entity import Entity
from headrace.definitions.group import FeatureGroup
from headrace.definitions.schema import arrow_schema, arrow_type, list_of
from headrace.definitions.source import EventSource, TableSource
from headrace.engines.duckdb import DuckDBEngine
from headrace.engines.engine import GroupRead
from headrace.errors import InvalidInputError, SettingsError, StorageError
from headrace.lake.delta import DeltaLake
from headrace.lake.table import AVAILABLE_TIME, BATCH, EVENT_TIME, OFFSET
from unit.kernel import naive

SECOND = 1_000_000
TIME = arrow_type("timestamp")
ENGINES = {
    "duckdb": DuckDBEngine,
    "duckdb in many parts": lambda: DuckDBEngine("40KB"),
    "duckdb on one core": lambda: DuckDBEngine(threads=1),
}


@pytest.fixture(params=[*ENGINES, "spark"])
def engine(request):
    return request.getfixturevalue("spark_engine") if request.param == "spark" else ENGINES[request.param]()


@pytest.fixture
def lake(tmp_path):
    return DeltaLake(tmp_path / "lake")


def typed(group):
    """The group with its types filled in, as the catalog does when it validates it."""
    schema = group.source.schema

    def dtype(value):
        if not isinstance(value, Aggregation):
            return schema.get(value.expression, "float64"), ""
        argument = "" if value.argument is None else schema.get(value.argument, "float64")
        wide = "int64" if argument.startswith("int") else "float64"
        kinds = {"count": "int64", "count_distinct": "int64", "sum": wide, "mean": "float64", "std": "float64"}
        result = list_of(argument) if value.function == "last_n" else kinds.get(value.function, argument)
        return result, argument

    return group.with_types(tuple(Feature(f.name, f.value, *dtype(f.value)) for f in group.resolved))


def write(lake, source, rows, partition=BATCH):
    table = lake.table(source.name, arrow_schema(source.schema))
    schema = arrow_schema({**source.schema, EVENT_TIME: "timestamp", AVAILABLE_TIME: "timestamp", OFFSET: "int64"})
    table.append(pa.Table.from_pylist(rows, schema), partition=partition)
    return table


def asked(times, **keys):
    return pa.table({**keys, "ts": pa.array(times, pa.int64()).cast(TIME)})


PLAYS = EventSource(
    "plays", "event_time", {"user": "int64", "film": "string", "stars": "float64", "n": "int32", "event_time": "timestamp"}
)
USER = Entity("user", {"user": "int64"})
TASTE = typed(
    FeatureGroup(
        "taste",
        USER,
        PLAYS,
        {
            "plays": hr.count(),
            "plays_10s": hr.count("10s"),
            "likes_1m": hr.count("1m", where="stars >= 3"),
            "stars_sum": hr.sum("stars", "1m"),
            "n_sum": hr.sum("n"),
            "doubled": hr.mean("stars * 2", "1m"),
            "spread": hr.std("stars"),
            "best": hr.max("stars", "10s", where="film <> 'a'"),
            "films": hr.count_distinct("film", "1m"),
            "films_3": hr.last_n("film", 3),
            "film": hr.last("film", "10s"),
        },
    )
)


def plays(count=400, seed=3):
    rng = np.random.default_rng(seed)
    return [
        {
            "user": int(rng.integers(0, 8)),
            "film": [None, "a", "b", "ü"][rng.integers(0, 4)],
            "stars": None if rng.random() < 0.1 else float(rng.normal()) * 3,
            "n": int(rng.integers(-5, 5)),
            "event_time": int(rng.integers(-60, 60)) * SECOND,
            "available_time": int(rng.integers(-60, 90)) * SECOND,
            "_offset": i,
        }
        for i in range(count)
    ]


def questions(count=150, seed=4):
    rng = np.random.default_rng(seed)
    users = [None if rng.random() < 0.1 else int(user) for user in rng.integers(0, 10, count)]
    times = [None if rng.random() < 0.1 else int(t) * SECOND for t in rng.integers(-70, 70, count)]
    return users, times


def expected(rows, user, t, value, *, as_known=False):
    if user is None or t is None:
        return naive.aggregate(value.function, [], value.n)
    table = [
        {**row, "key": row["user"], "time": row["event_time"], "available": row["available_time"], "offset": row["_offset"]}
        for row in rows
    ]
    seen = naive.events_seen([{"partition": BATCH, **row} for row in table], user, t, value.window, value.hop, as_known)
    arguments = {None: lambda _row: 1, "stars * 2": lambda row: None if row["stars"] is None else row["stars"] * 2}
    conditions = {
        None: lambda _row: True,
        "stars >= 3": lambda row: row["stars"] is not None and row["stars"] >= 3,
        "film <> 'a'": lambda row: row["film"] not in (None, "a"),
    }
    argument = arguments.get(value.argument, lambda row: row[value.argument])
    return naive.aggregate(value.function, [argument(row) for row in seen if conditions[value.where](row)], value.n)


@pytest.mark.parametrize("as_known", [False, True])
def test_windows_equal_plain_loops(engine, lake, as_known):
    rows, (users, times) = plays(), questions()
    for part in (rows[:150], rows[150:151], rows[151:]):
        table = write(lake, PLAYS, part)
    steps = []
    read = GroupRead(
        TASTE, list(TASTE.features), table.snapshot(), {"user": "who"}, as_known, progress=lambda *step: steps.append(step)
    )
    result = engine.read(asked(times, who=pa.array(users, pa.int64())), "ts", read)
    assert result.column_names == [*TASTE.features, EVENT_TIME]
    assert result.schema.types == [*(arrow_type(feature.dtype) for feature in TASTE.resolved), TIME]
    for name, value in TASTE.features.items():
        for user, t, got in zip(users, times, result[name].to_pylist(), strict=True):
            assert naive.same(got, expected(rows, user, t, value, as_known=as_known)), (name, user, t)
    assert steps[-1][0] == steps[-1][1] > 0


def test_what_came_in_after_the_offsets_asked_for_does_not_count(engine, lake):
    row = {"user": 1, "film": "a", "stars": 1.0, "n": 1, "event_time": 0, "available_time": 0}
    write(lake, PLAYS, [{**row, "_offset": i} for i in (0, 1, 2)])
    table = write(lake, PLAYS, [{**row, "_offset": i} for i in (3, 4, 5)], partition=0)
    for through, count in [(None, 6), ({}, 6), ({BATCH: 1}, 5), ({BATCH: 0, 0: 4}, 3), ({BATCH: -1, 0: -1}, 0)]:
        read = GroupRead(TASTE, ["plays"], table.snapshot(), {"user": "user"}, through=through)
        assert engine.read(asked([9], user=pa.array([1])), "ts", read)["plays"].to_pylist() == [count]


def test_a_snapshot_does_not_see_later_rows(engine, lake):
    row = {"user": 1, "film": "a", "stars": 1.0, "n": 1, "event_time": 0, "available_time": 0}
    snapshot = write(lake, PLAYS, [{**row, "_offset": 0}]).snapshot()
    write(lake, PLAYS, [{**row, "_offset": 1}])
    read = GroupRead(TASTE, ["plays"], snapshot, {"user": "user"})
    assert engine.read(asked([9], user=pa.array([1])), "ts", read)["plays"].to_pylist() == [1]


FACTS = TableSource(
    "facts",
    "since",
    {
        "since": "timestamp",
        "k_int32": "int32",
        "k_int64": "int64",
        "k_string": "string",
        "k_bytes": "bytes",
        "k_bool": "bool",
        "k_date": "date",
        "k_timestamp": "timestamp",
        "value": "float64",
        "text": "string",
    },
)
KEYS = [name for name in FACTS.schema if name.startswith("k_")]
SAMPLES = {
    "k_int32": [-(2**31), 0, 2**31 - 1],
    "k_int64": [-(2**63), 7, 2**63 - 1],
    "k_string": ["", "ü", "x" * 3000],
    "k_bytes": [b"", b"\0\xff", b"a"],
    "k_bool": [True, False, True],
    "k_date": [dt.date(1950, 1, 1), dt.date(2024, 2, 29), dt.date(2100, 1, 1)],
    "k_timestamp": [
        dt.datetime(1950, 1, 1, tzinfo=dt.UTC),
        dt.datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=dt.UTC),
        dt.datetime(2100, 1, 1, tzinfo=dt.UTC),
    ],
}


def facts(keys, name="facts"):
    entity = Entity("thing", {key: FACTS.schema[key] for key in keys})
    return typed(FeatureGroup(name, entity, FACTS, {"value": "value", "text": "text", "tripled": "value * 3"}))


def fact_rows(count=300, seed=8):
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        time = int(rng.integers(-20, 20))
        keys = {key: SAMPLES[key][rng.integers(0, 3)] for key in KEYS}
        rows.append({**keys, "since": time, "event_time": time, "available_time": time + int(rng.integers(0, 9)), "_offset": i})
        rows[-1] |= {"value": None if rng.random() < 0.1 else float(i), "text": f"t{i}"}
    return rows


@pytest.mark.parametrize("as_known", [False, True])
@pytest.mark.parametrize("keys", [*([key] for key in KEYS), ["k_string", "k_int64"], KEYS])
def test_records_are_found_by_keys_of_every_type(engine, lake, keys, as_known):
    rows, rng = fact_rows(), np.random.default_rng(1)
    table = write(lake, FACTS, rows)
    times = rng.integers(-25, 25, 80).tolist()
    wanted = [{key: None if rng.random() < 0.05 else SAMPLES[key][rng.integers(0, 3)] for key in keys} for _ in times]
    columns = {key: pa.array([row[key] for row in wanted], arrow_type(FACTS.schema[key])) for key in keys}
    read = GroupRead(facts(keys), ["tripled", "text", "value"], table.snapshot(), {key: key for key in keys}, as_known)
    result = engine.read(asked(times, **columns), "ts", read)
    assert result.schema.types == [pa.float64(), pa.string(), pa.float64(), TIME]
    for row, t, got in zip(wanted, times, result.to_pylist(), strict=True):
        known = [fact for fact in rows if all(fact[key] == row[key] for key in keys)]
        known = [
            {**f, "key": 0, "time": f["since"], "offset": f["_offset"], "partition": 0, "available": f["available_time"]}
            for f in known
        ]
        held = naive.record_held(known, 0, t, as_known) or {"value": None, "text": None, "since": None}
        assert (got["value"], got["text"]) == (held["value"], held["text"])
        assert got["tripled"] == (None if held["value"] is None else held["value"] * 3)
        assert (got[EVENT_TIME] is None) == (held["since"] is None)


def test_a_correction_with_the_same_timestamp_holds(engine, lake):
    row = {**{key: SAMPLES[key][0] for key in KEYS}, "since": 5, "event_time": 5, "available_time": 5}
    write(lake, FACTS, [{**row, "value": 1.0, "text": "old", "_offset": 0}])
    table = write(lake, FACTS, [{**row, "value": 2.0, "text": "new", "_offset": 1}], partition=0)
    read = GroupRead(facts(["k_int32"]), ["text"], table.snapshot(), {"k_int32": "k"})
    result = engine.read(asked([4, 5, 6], k=pa.array([SAMPLES["k_int32"][0]] * 3, pa.int32())), "ts", read)
    assert result["text"].to_pylist() == [None, "new", "new"]


@pytest.mark.parametrize("group", [TASTE, facts(["k_int64"])], ids=["events", "records"])
def test_a_table_that_was_never_written_and_no_queries_keep_the_types(engine, lake, group):
    key = next(iter(group.entity.keys))
    snapshot = lake.table(group.source.name, arrow_schema(group.source.schema)).snapshot()
    for users in ([], [1, None, 1]):
        read = GroupRead(group, list(group.features), snapshot, {key: key})
        result = engine.read(asked(list(range(len(users))), **{key: pa.array(users, pa.int64())}), "ts", read)
        assert result.num_rows == len(users)
        assert result.schema.types == [*(arrow_type(feature.dtype) for feature in group.resolved), TIME]
        assert set(result.to_pylist()[0].values() if users else [None]) <= {None, 0}


def test_a_column_that_came_later_is_null_in_older_rows(engine, lake):
    old = TableSource("facts", "since", {"k": "int64", "since": "timestamp"})
    write(lake, old, [{"k": 1, "since": 0, "event_time": 0, "available_time": 0, "_offset": 0}])
    new = TableSource("facts", "since", {"k": "int64", "since": "timestamp", "extra": "string"})
    group = typed(FeatureGroup("g", Entity("e", {"k": "int64"}), new, {"extra": "extra"}))
    table = lake.table("facts", arrow_schema(new.schema))
    queries = asked([5, 15], k=pa.array([1, 1]))
    assert engine.read(queries, "ts", GroupRead(group, ["extra"], table.snapshot(), {"k": "k"}))["extra"].to_pylist() == [
        None,
        None,
    ]
    write(lake, new, [{"k": 1, "since": 10, "extra": "x", "event_time": 10, "available_time": 10, "_offset": 1}])
    assert engine.read(queries, "ts", GroupRead(group, ["extra"], table.snapshot(), {"k": "k"}))["extra"].to_pylist() == [
        None,
        "x",
    ]


def test_projected_rows_keep_their_order_and_types(engine):
    rows = pa.table({"x": pa.array(range(300_000)), "s": pa.array([f"s{i}" for i in range(300_000)])})
    result = engine.project(rows, {"a": "CAST((x * 2) AS BIGINT)", "b": "CAST((s) AS VARCHAR)", "c": "COALESCE((x > 5), FALSE)"})
    assert result.schema == pa.schema({"a": pa.int64(), "b": pa.string(), "c": pa.bool_()})
    assert result["a"].to_numpy().tolist() == list(range(0, 600_000, 2))
    assert result["b"].to_pylist() == rows["s"].to_pylist()
    assert engine.project(rows.slice(0, 0), {"a": "CAST((x) AS DOUBLE)"}).schema == pa.schema({"a": pa.float64()})


def test_projected_timestamps_are_utc(engine):
    rows = pa.table({"t": pa.array([0], pa.int64()).cast(TIME)})
    result = engine.project(
        rows, {"hour": "CAST((extract(hour FROM t)) AS INTEGER)", "t": "CAST((t + INTERVAL 1 SECOND) AS TIMESTAMPTZ)"}
    )
    assert result.schema.types == [pa.int32(), TIME]
    assert result.to_pylist() == [{"hour": 0, "t": dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=dt.UTC)}]


def test_an_expression_that_fails_on_a_row_is_the_users_error(engine):
    with pytest.raises(InvalidInputError, match="Could not convert string 'x' to INT32"):
        engine.project(pa.table({"s": ["1", "x"]}), {"n": "CAST((s) AS INTEGER)"})


def test_a_missing_file_is_the_storage_s_error(engine, lake, tmp_path):
    snapshot = write(lake, PLAYS, plays(5)).snapshot()
    for file in snapshot.files():
        (tmp_path / file).unlink()
    with pytest.raises(StorageError, match="can't be read"):
        engine.read(asked([9], user=pa.array([1])), "ts", GroupRead(TASTE, ["plays"], snapshot, {"user": "user"}))


def test_threads_may_share_an_engine(engine, lake):
    rows, (users, times) = plays(), questions()
    snapshot = write(lake, PLAYS, rows).snapshot()
    queries = asked(times, user=pa.array(users, pa.int64()))
    read = GroupRead(TASTE, list(TASTE.features), snapshot, {"user": "user"})
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _i: engine.read(queries, "ts", read), range(8)))
    assert all(result.equals(results[0]) for result in results)


def test_a_memory_limit_that_is_no_size_is_refused():
    with pytest.raises(SettingsError, match="such as '4GB', not 'much'"):
        DuckDBEngine("much")


def test_vectors_are_those_that_were_written(engine, lake):
    schema = {"user": "int64", "taste": "vector[3]", "event_time": "timestamp"}
    records = TableSource("tastes", "event_time", schema)
    group = FeatureGroup("tastes", USER, records, {"taste": "taste", "sum": "array_inner_product(taste, [1, 1, 1]::FLOAT[3])"})
    types = {"taste": "vector[3]", "sum": "float32"}
    group = group.with_types(tuple(Feature(f.name, f.value, types[f.name], "") for f in group.resolved))
    rows = [
        {"user": 1, "taste": [1, 2, 3], "event_time": 0, "available_time": 0, "_offset": 0},
        {"user": 1, "taste": [4, 5, 6], "event_time": 5, "available_time": 0, "_offset": 1},
        {"user": 2, "taste": None, "event_time": 0, "available_time": 0, "_offset": 2},
    ]
    read = GroupRead(group, ["taste", "sum"], write(lake, records, rows).snapshot(), {"user": "user"})
    found = engine.read(asked([3, 9, 9, 9], user=pa.array([1, 1, 2, 3])), "ts", read)
    assert found.schema.field("taste").type == arrow_type("vector[3]")
    assert found["taste"].to_pylist() == [[1, 2, 3], [4, 5, 6], None, None]
    assert found["sum"].to_pylist() == [6, 15, None, None]
