"""Histories of metrics: every point is kept, whatever its order; a chart's buckets hide no spike."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import sqlalchemy as sa

from headrace.errors import IntegrityError, InvalidInputError
from headrace.ids import new_id
from headrace.sql import metrics as sql_metrics
from headrace.sql import points as sql_points
from headrace.sql.curves import SqlCurveStore
from headrace.sql.database import Database
from headrace.sql.tables.tracking import metric_chunks, metric_sums
from headrace.sql.tracking import tracking_stores
from headrace.tracking.curves import Curves
from headrace.tracking.history import Chunk, MetricHistory, Series, buckets, decode, decode_all, encode, pack
from headrace.tracking.run import Metric, Run

VALUES = [0.5, -1.5, math.nan, math.inf, -math.inf, 0.0]


def points(count, seed, key="m"):
    rng = random.Random(seed)
    origins = [("", "", ""), ("", "films", "ab")]
    return [
        Metric(key, rng.choice([*VALUES, rng.random()]), rng.randrange(500), rng.randrange(-20, 20), *rng.choice(origins))
        for _ in range(count)
    ]


def plain(items):
    """Each distinct (time, step, value) once, in order, NaN last."""
    found = {(point.time, point.step, str(point.value)): point.value for point in items}
    return sorted(found, key=lambda item: (*item[:2], math.isnan(found[item]), 0.0 if math.isnan(found[item]) else found[item]))


def told(history):
    return [(point.time, point.step, str(point.value)) for point in history]


@pytest.mark.parametrize("write", [encode, lambda items: pack(Chunk(*columns(items)))])
def test_a_chunk_is_read_as_it_was_written(write):
    items = points(100, 1)
    chunk = decode(write(items))
    for found, want in zip((chunk.times, chunk.steps, chunk.values), columns(items), strict=True):
        np.testing.assert_array_equal(found, want)


def columns(items):
    kinds = (("time", np.int64), ("step", np.int64), ("value", np.float64))
    return [np.array([getattr(item, name) for item in items], kind) for name, kind in kinds]


@pytest.mark.parametrize("apart", [1, 7, -3, 2**60, 0])
@pytest.mark.parametrize("gap", [1, 0, -(2**31), 2**31 - 1, 2**31, 2**50])
def test_points_at_even_steps_are_kept_as_they_were_logged(apart, gap):
    values = [1.5, math.nan, -math.inf, 0.0, 2.5, math.inf]
    items = [Metric("loss", value, 10**15 + gap * place, 5 + apart * place) for place, value in enumerate(values)]
    chunk = decode(encode(items))
    for found, want in zip((chunk.times, chunk.steps, chunk.values), columns(items), strict=True):
        np.testing.assert_array_equal(found, want)
    series = Series.of("loss", ("", "", ""), *(column.tobytes() for column in columns(items)))
    facts, whole = series.facts(), decode(series.facts().data)
    newest = max(items, key=lambda item: (item.step, item.time, not math.isnan(item.value), item.value))
    assert told([facts.newest]) == told([newest])
    assert facts.figures == (6, min(item.time for item in items), max(item.time for item in items), -math.inf, math.inf)
    assert facts.may_repeat is (apart == gap == 0)
    np.testing.assert_array_equal(whole.values, chunk.values)


@pytest.mark.parametrize("cut", [0, 4, 30, -1])
@pytest.mark.parametrize("items", ["random", "even"])
def test_a_chunk_that_is_cut_is_told(items, cut):
    logged = points(10, 2) if items == "random" else [Metric("loss", 0.5, place, place) for place in range(10)]
    with pytest.raises(IntegrityError, match="restore the catalog"):
        decode(encode(logged)[:cut])
    if cut:
        with pytest.raises(IntegrityError, match="restore the catalog"):
            decode_all([encode(logged), encode(logged)[:cut]])


def test_chunks_read_together_hold_what_each_holds():
    rng = random.Random(5)
    even = [
        encode([Metric("m", rng.random(), start + place * rng.randrange(9), start - 2 * place) for place in range(count)])
        for start, count in ((7, 4), (10**15, 40), (-3, 5))
    ]
    loose = [encode(points(count, count)) for count in (1, 3, 20, 1)]
    packed = [pack(Chunk(*columns(points(50, 3))))] * 2
    items = [*even, *loose, *packed, even[0], loose[0], *even, *loose]
    origin = ("m-1", "films", "ab")
    together = decode_all(items, origin)
    assert len(together) < len(items)
    assert {chunk.origin for chunk in together} == {origin}
    for name in ("times", "steps", "values"):
        each = np.concatenate([getattr(decode(item), name) for item in items])
        np.testing.assert_array_equal(np.concatenate([getattr(chunk, name) for chunk in together]), each)


def test_points_logged_one_by_one_and_in_batches_are_all_there_once(catalog_url, monkeypatch):
    monkeypatch.setattr(sql_points, "FANOUT", 4)  # so that chunks are joined several levels up
    database = Database(catalog_url)
    stores = tracking_stores(database)
    run = Run(id=new_id(), name="r", experiment_id="0", experiment="Default", status="RUNNING", start=1)
    stores.runs.create(run)
    items, at = points(600, 3), 0
    while at < len(items):
        size = random.Random(at).choice([1, 1, 1, 2, 17])
        stores.runs.log(run.id, items[at : at + size])
        at += size
    stores.runs.log(run.id, items[:30])  # a client that repeats itself
    history = stores.metrics.history(run.id, "m")
    assert told(history) == plain(items)
    summary = stores.metrics.summaries(run.id)["m"]
    assert (summary.count, summary.low, summary.high) == (len(history), -math.inf, math.inf)
    latest = max(items, key=lambda p: (p.step, p.time, not math.isnan(p.value), 0.0 if math.isnan(p.value) else p.value))
    assert str(stores.runs.get([run.id])[0].metrics["m"]) == str(latest.value)
    with database.read() as connection:
        assert len(connection.execute(metric_chunks.select()).all()) < 60
    database.close()


def test_large_chunks_and_no_others_are_summed_up_beside(catalog_url, monkeypatch):
    monkeypatch.setattr(sql_points, "FANOUT", 4)  # so that chunks are joined soon
    database = Database(catalog_url)
    stores = tracking_stores(database)
    run = Run(id=new_id(), name="r", experiment_id="0", experiment="Default", status="RUNNING", start=1)
    stores.runs.create(run)
    for first in range(0, 70_000, 5000):
        columns = np.arange(first, first + 5000, dtype="<i8")
        values = np.sin(columns / 900).astype("<f8")
        stores.runs.log(run.id, series=[Series.of("m", ("", "", ""), *(item.tobytes() for item in (columns, columns, values)))])
    stores.runs.log(run.id, [Metric("m", 0.0, 70_000, 70_000)])
    with database.read() as connection:
        chunks, sums = (
            {tuple(row) for row in connection.execute(sa.select(table.c.number, table.c.count))}
            for table in (metric_chunks, metric_sums)
        )
    assert sums == {(number, count) for number, count in chunks if count > 1}
    assert len(chunks) < 14
    (curve,) = Curves(SqlCurveStore(database)).read([run.id], ["m"], width=500)
    assert (curve.points.sum(), curve.start[0], curve.end[-1], curve.last[-1]) == (70_001, 0, 70_000, 0.0)
    database.close()


def test_a_summary_counts_without_reading_points_where_none_can_be_a_repeat(tmp_path, monkeypatch):
    database = Database(f"sqlite:///{tmp_path / 'catalog.db'}")
    stores = tracking_stores(database)
    run = Run(id=new_id(), name="r", experiment_id="0", experiment="Default", status="RUNNING", start=1)
    stores.runs.create(run)
    for step in range(10):
        stores.runs.log(run.id, [Metric("m", float(step), step, step)])
    monkeypatch.setattr(sql_metrics, "_chunks", None)
    assert stores.metrics.summaries(run.id)["m"].count == 10
    database.close()


@pytest.mark.parametrize("axis", ["step", "time"])
@pytest.mark.parametrize("count", [1, 7, 1000])
def test_buckets_hold_every_extreme_and_only_what_was_logged(axis, count):
    history = MetricHistory("m", [decode(encode(points(2000, 4)))])
    found = history.buckets(count, axis)
    positions = history.steps if axis == "step" else history.times
    assert len(found) <= count
    assert found.count.sum() == len(history)
    assert found.nans.sum() == np.isnan(history.values).sum()
    for place in range(len(found)):
        inside = (positions >= found.start[place]) & (positions <= found.end[place])
        numbers = history.values[inside & ~np.isnan(history.values)]
        assert found.count[place] == inside.sum()
        extent = (numbers.min(), numbers.max()) if len(numbers) else (math.nan, math.nan)
        np.testing.assert_array_equal((found.low[place], found.high[place]), extent)


def test_a_bucket_of_nothing_but_nan_says_so_and_an_empty_stretch_has_none():
    history = MetricHistory("m", [decode(encode([Metric("m", math.nan, 1, 0), Metric("m", 2.0, 2, 99)]))])
    found = history.buckets(10)
    assert found.start.tolist() == [0, 99]
    assert np.isnan(found.low[0])
    assert found.nans.tolist() == [1, 0]
    assert len(history.buckets(10, start=10, end=50)) == 0


def test_buckets_along_no_axis_are_refused():
    with pytest.raises(InvalidInputError, match="'step' or 'time'"):
        buckets(*columns(points(3, 5))[::-1], 10, "epoch")


def test_a_history_is_a_sequence_of_points():
    items = [Metric("m", 1.0, 5, 2, "", "films", "ab"), Metric("m", 3.0, 6, 3)]
    history = MetricHistory("m", [decode(encode(items[:1]), ("", "films", "ab")), decode(encode(items[1:]))])
    assert list(history) == items
    assert (history[0], history[-1], history[1:]) == (items[0], items[1], items[1:])
    with pytest.raises(IndexError):
        history[2]
    assert history.to_pandas()["dataset"].tolist() == ["films", ""]
