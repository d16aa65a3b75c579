"""What only the Spark engine does: hot keys are cut, sessions are shared, and what is amiss is told at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa
import pytest

from contract.test_engine import FACTS, PLAYS, SAMPLES, TASTE, asked, facts, typed, write
from headrace.definitions import aggregation as hr
from headrace.definitions.group import FeatureGroup
from headrace.engines.duckdb import DuckDBEngine
from headrace.engines.engine import GroupRead
from headrace.engines.spark import SparkEngine
from headrace.engines.spark_parts import answer, read_blocks, unpacked
from headrace.errors import MissingExtraError, SettingsError
from headrace.lake.delta import DeltaLake
from waiting import PATIENCE

RECENT = typed(
    FeatureGroup(
        "recent", TASTE.entity, PLAYS, {"plays": hr.count("10s"), "best": hr.max("stars", "1m"), "film": hr.last("film", "10s")}
    )
)


class Seen(SparkEngine):
    """Remembers the plan of its last read."""

    def _answers(self, plan, *rest):
        self.plan = plan
        return super()._answers(plan, *rest)


@pytest.fixture
def lake(tmp_path):
    return DeltaLake(tmp_path / "lake")


def hot_table(lake, count=6000):
    """User 1 has nearly all of the events, over 1000 seconds; some came in late."""
    rng = np.random.default_rng(5)
    rows = [
        {
            "user": 1 if rng.random() < 0.9 else int(rng.integers(2, 9)),
            "film": [None, "a", "b"][rng.integers(0, 3)],
            "stars": float(rng.normal()),
            "n": place,
            "event_time": int(rng.integers(0, 1000)) * 1_000_000,
            "available_time": int(rng.integers(0, 1200)) * 1_000_000,
            "_offset": place,
        }
        for place in range(count)
    ]
    for part in range(3):
        table = write(lake, PLAYS, rows[part * count // 3 : (part + 1) * count // 3])
    return table.snapshot()


def hot_facts(lake):
    row = {**{key: SAMPLES[key][0] for key in SAMPLES}, "value": 1.0}
    rows = [
        {
            **row,
            "k_int64": int(i % 50 == 0),
            "text": f"t{i}",
            "since": i // 2,
            "event_time": i // 2,
            "available_time": i,
            "_offset": i,
        }
        for i in range(3000)
    ]
    return write(lake, FACTS, rows).snapshot()


@pytest.mark.parametrize("as_known", [False, True])
@pytest.mark.parametrize("group", [RECENT, TASTE], ids=["windows", "since the beginning"])
def test_a_hot_key_is_cut_and_its_values_stay(spark_engine, lake, group, as_known):
    snapshot, local = hot_table(lake), DuckDBEngine()
    engine = Seen("spark", local, hot_rows=1000, bucket_rows=1000)
    rng = np.random.default_rng(6)
    times = [None if rng.random() < 0.05 else int(t) for t in rng.integers(-5, 1005, 2000) * 1_000_000]
    queries = asked(times, user=pa.array(rng.choice([1, 1, 1, 3, 77, None], 2000).tolist(), pa.int64()))
    read = GroupRead(group, list(group.features), snapshot, {"user": "user"}, as_known)
    assert engine.read(queries, "ts", read).equals(local.read(queries, "ts", read))
    assert len(engine.plan.slices) == 6
    if group is RECENT:
        sizes: dict[int, int] = {}
        for batch in read_blocks(engine.plan, iter([pa.record_batch({"id": [*range(engine.plan.tasks)]})])):
            for row in batch.to_pylist():
                sizes[row["bucket"]] = sizes.get(row["bucket"], 0) + unpacked(row["block"]).num_rows
        assert len(sizes) > 6
        assert max(sizes.values()) < 1400, "a sixth of the hot key's rows and a minute before"


@pytest.mark.parametrize("as_known", [False, True])
def test_a_hot_record_is_cut_and_its_values_stay(spark_engine, lake, as_known):
    snapshot, local = hot_facts(lake), DuckDBEngine()
    engine = Seen("spark", local, hot_rows=500)
    queries = asked(list(range(-10, 1600)), k_int64=pa.array([place % 3 for place in range(1610)]))
    read = GroupRead(facts(["k_int64"]), ["text", "tripled"], snapshot, {"k_int64": "k_int64"}, as_known)
    assert engine.read(queries, "ts", read).equals(local.read(queries, "ts", read))
    assert len(engine.plan.slices) == 6


def test_large_answers_come_in_pieces(spark_engine, lake, monkeypatch):
    monkeypatch.setattr("headrace.engines.spark.TOLD_KEYS", 2)
    monkeypatch.setattr("headrace.engines.spark.LARGE_CELLS", 1_000_000)
    snapshot, local = hot_table(lake, 300), DuckDBEngine()
    queries = asked([10**9] * 600_000, user=pa.array(np.arange(600_000) % 5))
    read = GroupRead(TASTE, ["plays"], snapshot, {"user": "user"})
    assert SparkEngine("spark", local).read(queries, "ts", read).equals(local.read(queries, "ts", read))


def test_workers_read_a_bucket(spark_engine, bucket, s3_server, tmp_path):
    """The settings stand in the URL: the workers were started before the environment knew them."""
    query = urlencode({name.lower().removeprefix("aws_"): value for name, value in s3_server.environment.items()})
    snapshot, local = hot_table(DeltaLake(f"{bucket}/lake?{query}", cache=tmp_path / "copies"), 300), DuckDBEngine()
    queries = asked([10**9] * 10, user=pa.array(range(10)))
    read = GroupRead(TASTE, ["plays", "film"], snapshot, {"user": "user"})
    found = SparkEngine("spark", local).read(queries, "ts", read)
    assert found.equals(local.read(queries, "ts", read))
    assert sum(found["plays"].to_pylist()) == 300


def test_workers_that_run_other_versions_are_refused(spark_engine, lake):
    snapshot, local = hot_table(lake, 30), DuckDBEngine()
    engine = Seen("spark", local)
    queries = asked([1], user=pa.array([1]))
    engine.read(queries, "ts", GroupRead(RECENT, ["plays"], snapshot, {"user": "user"}))
    other = replace(engine.plan, packages={"headrace": "0.0.1"})
    failed = next(read_blocks(other, iter([pa.record_batch({"id": [0]})])))
    assert failed["error"][0].as_py().startswith("SettingsError\nthe Spark workers run ")
    blocks = pa.Table.from_batches([failed])
    assert answer(engine.plan, blocks.slice(0, 0), blocks)["error"].to_pylist() == failed["error"].to_pylist()


def test_a_session_that_was_there_before_stays_when_the_engine_is_closed(spark_engine, lake):
    engine = SparkEngine("spark", DuckDBEngine())
    assert engine.cluster.session() is spark_engine.cluster.session()
    engine.close()
    assert spark_engine.cluster.session().range(3).count() == 3


def test_a_session_on_another_master_is_not_taken_for_the_one_asked_for(spark_engine):
    with pytest.raises(SettingsError, match=r"this process has a Spark session on 'local\[2,4\]', and can have only one"):
        SparkEngine("spark://cluster:7077", DuckDBEngine()).cluster.session()


def test_a_setting_that_is_no_engine_is_refused():
    with pytest.raises(SettingsError, match="'engine' is 'duckbd'; use 'duckdb', 'spark'"):
        SparkEngine("duckbd", DuckDBEngine())


def test_a_missing_pyspark_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(MissingExtraError, match=r"headrace\[spark\]"):
        SparkEngine("local[2]", DuckDBEngine())


ALONE = """
import sys
from headrace.engines.duckdb import DuckDBEngine
from headrace.engines.spark import SparkEngine
try:
    SparkEngine(sys.argv[1], DuckDBEngine()).cluster.session()
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("master", "setting", "told"),
    [
        (
            "local[2]",
            {"PATH": "/nowhere"},
            "SettingsError the Spark engine needs Java: there is no java on the PATH; install Java 17",
        ),
        ("local[2]", {"JAVA_HOME": "/nowhere"}, "SettingsError the Spark engine needs Java: JAVA_HOME is '/nowhere'"),
        ("spark://127.0.0.1:1", {}, "StorageError the Spark master spark://127.0.0.1:1 can't be reached"),
    ],
)
def test_what_is_missing_is_told_at_once(master, setting, told):
    started = time.monotonic()
    command = [sys.executable, "-W", "ignore", "-c", ALONE, master]
    found = subprocess.run(command, env=os.environ | setting, capture_output=True, text=True, check=True).stdout
    assert found.startswith(told), found
    assert time.monotonic() - started < PATIENCE
