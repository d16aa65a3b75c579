"""Spark gives the values of plain loops and of DuckDB: random histories, to the last bit. The whole suite: PARITY_ENGINE."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import headrace as hr
from parity.test_parity import NOW, ROWS
from parity.world import SECOND, World, differences, view

LAGS = (0, 1, SECOND, 3_500_000, 10 * SECOND, 65 * SECOND)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template")
    World(folder, NOW).close()
    return folder


@pytest.mark.usefixtures("spark_engine")
@settings(
    max_examples=3,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(batches=st.lists(st.tuples(st.sampled_from(["events", "records"]), ROWS), min_size=3, max_size=8))
def test_spark_equals_duckdb_equals_a_plain_loop(template, batches):
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(template, folder, dirs_exist_ok=True)
        world = World(Path(folder), NOW)
        for source, rows in batches:
            world.add(source, [(key, world.now - lag, x, n, s) for key, lag, x, n, s in rows], "write")
            world.now += SECOND
        asked = [(key, world.now - lag) for key in (0, 1, 2, -(2**63), None, 99) for lag in LAGS]
        answers = {as_known: world.historical(asked, as_known=as_known) for as_known in (False, True)}
        world.close()
        (Path(folder) / "headrace.toml").write_text('engine = "local[2]"')
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("HEADRACE_ENGINE")
            world.reopen()
        assert world.store.settings.engine == "local[2]"
        for as_known, local in answers.items():
            for (key, t), spark, duckdb in zip(asked, world.historical(asked, as_known=as_known), local, strict=True):
                assert not differences(spark, duckdb), f"key {key} at {t - world.now}, as known: {as_known}"
                assert not differences(spark, world.expected(key, t, as_known=as_known))
        world.close()


@pytest.mark.usefixtures("spark_engine")
def test_training_sets_need_the_setting_alone(tmp_path, monkeypatch):
    def labels(count):
        times = pa.array([NOW + place for place in range(count)], pa.int64()).cast(pa.timestamp("us", tz="UTC"))
        return pa.table({"k": [place % 5 for place in range(count)], "at": times})

    clock = lambda: NOW
    with hr.connect(tmp_path, clock=clock) as store:
        store.apply([view])
        rows = labels(200).append_column("x", pa.array(range(200)).cast("float64")).append_column("n", pa.array(range(200)))
        store.write("events", rows.append_column("s", pa.array(["a"] * 200)))
        local = store.training_set("everything", labels(50), "at", name="local")
    monkeypatch.setenv("HEADRACE_ENGINE", "local[2]")
    with hr.connect(tmp_path, clock=clock) as store:
        made = store.training_set("everything", labels(50), "at", name="spark")
        assert made.fingerprint == local.fingerprint
        assert made.verify()
