"""Files are scored in parts that outlive a crash, with features from history."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import headrace as hr
from headrace.serving import batch, files, loader
from headrace.serving.forks import ForkServer
from servers.models import CHAMPION, FEATURES, constant, definitions, fill, register

RNG = np.random.default_rng(3)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline

    folder = tmp_path_factory.mktemp("batch")
    with hr.connect(folder) as store:
        store.apply(definitions())
        fill(store)
        inputs = pd.DataFrame({"likes": [0, 1, 2, 3], "stars_avg": [1.0, 2.5, 2.0, 4.0]})
        model = make_pipeline(SimpleImputer(), LinearRegression())
        register(store, model.fit(inputs, inputs["likes"] + inputs["stars_avg"]))
        register(store, constant(7.0))
        store.models.promote("ranker", 1)
        yield store


@pytest.fixture(scope="module", autouse=True)
def forks():
    """One process that forks for all calls of this module: to start it takes seconds."""
    server = ForkServer()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loader, "ForkServer", lambda: server)
        patch.setattr(server, "close", lambda: None)
        yield
    server.close()


@pytest.fixture
def rows(tmp_path):
    """A file of the model's columns, with one that isn't its."""
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"id": range(95), "likes": rng.integers(0, 9, 95), "stars_avg": rng.uniform(1, 5, 95)})
    frame.to_parquet(tmp_path / "rows.parquet")
    return frame


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(batch, "ROWS", 10)


def test_rows_come_back_in_order_with_what_the_model_says(store, rows, tmp_path, small_parts):
    found = store.score(CHAMPION, tmp_path / "rows.parquet", tmp_path / "out.parquet")
    assert (found.model, found.rows, found.resumed, found.view) == ("models:/ranker/1", 95, 0, "")
    scored = pd.read_parquet(tmp_path / "out.parquet")
    assert scored["id"].tolist() == rows["id"].tolist()
    expected = store.models.load(CHAMPION).predict(rows)
    assert np.allclose(scored["prediction"], expected, rtol=1e-12)
    assert pq.read_schema(tmp_path / "out.parquet").metadata[b"headrace.model"] == b"models:/ranker/1"
    assert {path.name for path in tmp_path.iterdir()} == {"rows.parquet", "out.parquet"}


def test_a_file_is_read_part_by_part_however_large_its_row_groups_are(tmp_path):
    rows, size = 400_000, 400_000 * 8 * 3
    table = pa.table({name: RNG.normal(size=rows) for name in "abc"})
    pq.write_table(table, tmp_path / "large.parquet", row_group_size=rows // 2, use_dictionary=False)
    del table
    before, most = pa.total_allocated_bytes(), 0
    for part in files.open_rows(tmp_path / "large.parquet").parts(1000):
        most = max(most, pa.total_allocated_bytes() - before)
        assert part.num_rows == 1000
    assert most < size // 2


def test_csv_comes_in_and_goes_out_with_the_same_predictions(store, rows, tmp_path, small_parts, monkeypatch):
    monkeypatch.setattr(files, "_BLOCK", 700)
    rows.assign(note=[None, "a,b", 'c"d', "é", ""] * 19).to_csv(tmp_path / "rows.csv", index=False)
    assert store.score(CHAMPION, tmp_path / "rows.csv", tmp_path / "out.csv").rows == 95
    scored = pd.read_csv(tmp_path / "out.csv")
    assert scored["id"].tolist() == rows["id"].tolist()
    assert scored["note"].tolist()[1:4] == ["a,b", 'c"d', "é"]
    assert np.allclose(scored["prediction"], store.models.load(CHAMPION).predict(rows), rtol=1e-12)
    (tmp_path / "late.csv").write_text("likes,stars_avg\n" + "1,2.5\n" * 500 + "many,1\n")
    with pytest.raises(hr.InvalidInputError, match="many"):
        store.score(CHAMPION, tmp_path / "late.csv", tmp_path / "late.parquet")
    (tmp_path / "none.csv").write_text("")
    with pytest.raises(hr.InvalidInputError, match="CSV with a header"):
        store.score(CHAMPION, tmp_path / "none.csv", tmp_path / "none.parquet")


def test_a_cut_off_call_goes_on_with_the_version_it_began_with(store, rows, tmp_path, small_parts, monkeypatch):
    calls = []

    def cut(_title, done, _total):
        calls.append(done)
        if done >= 40:
            raise KeyboardInterrupt

    scorer = batch.BatchScorer(store.models, store.catalog, lambda: store.services.history)
    with pytest.raises(KeyboardInterrupt):
        scorer.run(CHAMPION, tmp_path / "rows.parquet", tmp_path / "out.parquet", progress=cut)
    assert not (tmp_path / "out.parquet").exists()
    store.models.promote("ranker", 2)
    try:
        found = scorer.run(CHAMPION, tmp_path / "rows.parquet", tmp_path / "out.parquet")
    finally:
        store.models.rollback("ranker")
    assert (found.model, found.rows, found.resumed) == ("models:/ranker/1", 95, 40)
    expected = store.models.load("models:/ranker/1").predict(rows)
    assert np.allclose(pd.read_parquet(tmp_path / "out.parquet")["prediction"], expected, rtol=1e-12)


def test_parts_of_other_work_are_not_gone_on_with(store, rows, tmp_path):
    folder = tmp_path / ".out.parquet.parts"
    folder.mkdir()
    state = {
        "model": "models:/other/1",
        "method": "predict",
        "timestamp": "",
        "moment": 0,
        "source": "x",
        "size": 1,
        "modified": 1,
    }
    (folder / "state.json").write_text(json.dumps({**state, "rows": 1}))
    with pytest.raises(hr.ConflictError, match="other work"):
        store.score(CHAMPION, tmp_path / "rows.parquet", tmp_path / "out.parquet")


def test_keys_get_the_features_of_their_own_moment_from_history(store, tmp_path, small_parts):
    now = datetime.now(UTC)
    moments = [now - timedelta(hours=hours) for hours in (0, 1, 2)] * 10
    keys = pa.table({"user_id": list(range(30)), "asked_at": pa.array(moments, pa.timestamp("us", tz="UTC"))})
    pq.write_table(keys, tmp_path / "keys.parquet")
    found = store.score(CHAMPION, tmp_path / "keys.parquet", tmp_path / "out.parquet", timestamp="asked_at")
    assert found.view == "ranking:1"
    features = store.historical_features("ranking", keys.to_pandas(), timestamp="asked_at")
    known = features["stars_avg"].notna()
    scored = pd.read_parquet(tmp_path / "out.parquet")
    assert known.sum() > 10
    assert np.allclose(scored["prediction"][known], store.models.load(CHAMPION).predict(features[FEATURES][known]))


def test_an_empty_file_gives_an_empty_file(store, rows, tmp_path):
    pq.write_table(pa.Table.from_pandas(rows).slice(0, 0), tmp_path / "rows.parquet")
    assert store.score(CHAMPION, tmp_path / "rows.parquet", tmp_path / "out.parquet").rows == 0
    assert "prediction" in pq.read_table(tmp_path / "out.parquet").column_names


def test_what_the_model_can_t_take_is_told(store, tmp_path):
    pq.write_table(pa.table({"likes": [1]}), tmp_path / "rows.parquet")
    with pytest.raises(hr.InvalidInputError, match="'stars_avg'"):
        store.score(CHAMPION, tmp_path / "rows.parquet", tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_what_isn_t_parquet_is_told(store, tmp_path):
    (tmp_path / "rows.parquet").write_text("a,b\n1,2\n")
    with pytest.raises(hr.InvalidInputError, match="Parquet"):
        store.score(CHAMPION, tmp_path / "rows.parquet", tmp_path / "out.parquet")
