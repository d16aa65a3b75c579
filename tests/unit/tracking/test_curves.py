"""Curves lose no spike, make nothing up, and follow a history that grows."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import headrace as hr
from headrace.errors import IntegrityError, InvalidInputError
from headrace.tracking.curves import Curves, Piece, summed_up, unpacked
from headrace.tracking.history import Chunk, decode, encode, pack
from headrace.tracking.run import Metric

SECOND = 1_000_000


class Histories:
    """A CurveStore of chunks in memory: {(run, key): [chunk]}; counts what was read."""

    def __init__(self, chunks, *, keeps_sums=False):
        self.chunks = chunks
        self.keeps_sums = keeps_sums
        self.read = 0

    def sizes(self, run_ids, keys):
        return {
            (run, key): (len(held), sum(map(len, held)))
            for (run, key), held in self.chunks.items()
            if run in run_ids and key in keys
        }

    def pieces(self, run_id, key, known, *, summed=False):
        found = []
        for number, chunk in enumerate(self.chunks[run_id, key]):
            data = None if (number, len(chunk)) in known else pack(chunk)
            sums = summed_up(data, len(chunk)) if data is not None and summed and self.keeps_sums else None
            self.read += data is not None and sums is None
            found.append(Piece(number, len(chunk), data if sums is None else None, sums))
        return found

    def starts(self, run_ids):
        return dict.fromkeys(run_ids, 5 * SECOND)


def chunk(steps, values, times=None):
    steps = np.asarray(steps, np.int64)
    return Chunk(steps * SECOND if times is None else np.asarray(times, np.int64), steps, np.asarray(values, np.float64))


def long_history(count, rng=None):
    rng = rng or np.random.default_rng(3)
    values = rng.normal(size=count)
    edges = [0, count // 2, count // 2 + 5000, count - 17, count]
    return values, [chunk(np.arange(a, b), values[a:b]) for a, b in pairwise(edges)]


def only(curves):
    (curve,) = curves
    return curve


def test_a_short_history_is_exact():
    store = Histories({("r", "loss"): [chunk([5, 1, 3], [5.0, 1.0, 3.0]), chunk([2], [2.0])]})
    curve = only(Curves(store).read(["r"], ["loss"], width=100))
    assert (curve.start.tolist(), curve.last.tolist(), curve.count) == ([1, 2, 3, 5], [1, 2, 3, 5], 4)
    assert curve.end.tolist() == curve.start.tolist()


def test_a_bucket_holds_the_extent_of_its_points_and_the_last_one():
    store = Histories({("r", "loss"): [chunk(range(10), [4, 9, 1, 5, 2, 7, 7, 0, 3, 8])]})
    curve = only(Curves(store).read(["r"], ["loss"], width=2))
    assert (curve.start.tolist(), curve.end.tolist()) == ([0, 5], [4, 9])
    assert (curve.low.tolist(), curve.high.tolist(), curve.last.tolist()) == ([1, 0], [9, 8], [2, 8])
    assert curve.points.tolist() == [5, 5]


def test_what_is_not_finite_is_marked_and_leaves_the_extent_alone():
    store = Histories({("r", "loss"): [chunk(range(6), [1, math.nan, math.inf, -math.inf, math.nan, math.nan])]})
    curve = only(Curves(store).read(["r"], ["loss"], width=3))
    assert curve.marks.tolist() == [1, 2 + 4, 1]
    assert curve.low[:1].tolist() == [1]
    assert np.isnan(curve.low[1:]).all()
    assert curve.last[1] == -math.inf


def test_no_spike_of_a_long_history_is_lost_and_every_point_counts():
    values, chunks = long_history(300_000)
    values[123_456], values[299_999], values[7] = 1e9, -1e9, math.nan
    edges = np.cumsum([0, *map(len, chunks)])
    chunks = [chunk(np.arange(a, b), values[a:b]) for a, b in pairwise(edges)]
    curve = only(Curves(Histories({("r", "loss"): chunks})).read(["r"], ["loss"], width=600))
    assert len(curve) <= 601
    assert (curve.high.max(), curve.low.min(), curve.points.sum()) == (1e9, -1e9, 300_000)
    spike = int(curve.high.argmax())
    assert curve.start[spike] <= 123_456 <= curve.end[spike]
    assert curve.marks[0] == 1
    assert curve.last[-1] == -1e9


@pytest.mark.parametrize("keeps_sums", [False, True])
def test_small_chunks_around_large_ones_make_no_group_across_them(keeps_sums):
    values = np.arange(100_000, dtype=np.float64)
    edges = [0, 1000, 20_032, 32_352, 45_408, 45_500, 60_001, 60_002, 99_000, 100_000]
    chunks = [chunk(np.arange(a, b), values[a:b]) for a, b in pairwise(edges)]
    store = Histories({("r", "loss"): chunks}, keeps_sums=keeps_sums)
    for axis in ("step", "time"):  # a step a second
        curve = only(Curves(store).read(["r"], ["loss"], width=200, axis=axis))
        assert (curve.end[:-1] < curve.start[1:]).all()
        assert (curve.last == curve.end).all()
        assert (curve.high == curve.last).all()
        assert curve.points.sum() == 100_000


def test_a_zoom_shows_the_points_themselves():
    values, chunks = long_history(100_000)
    store = Histories({("r", "loss"): chunks})
    curve = only(Curves(store).read(["r"], ["loss"], width=500, start=50_000, end=50_099))
    assert curve.start.tolist() == list(range(50_000, 50_100))
    assert curve.last.tolist() == values[50_000:50_100].tolist()


def test_a_history_that_grows_is_read_where_it_grew():
    _, chunks = long_history(100_000)
    store = Histories({("r", "loss"): chunks})
    curves = Curves(store)
    assert only(curves.read(["r"], ["loss"], width=100)).points.sum() == 100_000
    before = store.read
    assert only(curves.read(["r"], ["loss"], width=100)).points.sum() == 100_000
    assert store.read == before
    store.chunks["r", "loss"] = [*chunks, chunk([100_000], [77.0])]
    curve = only(curves.read(["r"], ["loss"], width=100))
    assert (curve.last[-1], curve.points.sum()) == (77.0, 100_001)
    assert store.read - before == 2  # the chunk of 17 points, and the new one


def test_memory_is_bounded():
    store = Histories({(f"r{number}", "loss"): long_history(60_000)[1] for number in range(8)})
    curves = Curves(store, most_bytes=200_000)
    runs = [f"r{number}" for number in range(8)]
    first = curves.read(runs, ["loss"], width=50)
    again = curves.read(runs, ["loss"], width=50)
    assert [curve.last.tolist() for curve in first] == [curve.last.tolist() for curve in again]
    assert curves._cache._bytes <= 400_000


def test_runs_share_one_axis():
    store = Histories({("a", "x"): [chunk(range(10), range(10))], ("b", "x"): [chunk(range(1000), range(1000))]})
    first, second = Curves(store).read(["a", "b"], ["x", "none"], width=10)
    assert (first.key, len(first), len(second)) == ("x", 1, 10)


def test_an_axis_may_be_time_since_the_start_or_another_metric():
    store = Histories(
        {
            ("r", "loss"): [chunk([1, 2, 3], [30.0, 20.0, 10.0])],
            ("r", "epoch"): [chunk([1, 3, 4, 2], [0.5, math.nan, 9.0, 0.25])],
        }
    )
    curves = Curves(store)
    assert only(curves.read(["r"], ["loss"], width=9, axis="time")).start.tolist() == [1, 2, 3]
    assert only(curves.read(["r"], ["loss"], width=9, axis="relative")).start.tolist() == [-4, -3, -2]
    curve = only(curves.read(["r"], ["loss"], width=9, axis="metric:epoch"))
    assert (curve.start.tolist(), curve.last.tolist()) == ([0.25, 0.5], [20.0, 30.0])
    assert curves.read(["r"], ["loss"], width=9, axis="metric:none") == []


@pytest.mark.parametrize(("width", "axis"), [(0, "step"), (10, "steps"), (10, "metric:")])
def test_what_is_no_chart_is_refused(width, axis):
    with pytest.raises(InvalidInputError, match="buckets along"):
        Curves(Histories({})).read(["r"], ["loss"], width=width, axis=axis)


@given(
    st.lists(st.tuples(st.integers(-50, 50), st.sampled_from([1.0, -2.0, math.nan, math.inf, 7.5])), min_size=1, max_size=80),
    st.integers(1, 30),
    st.integers(1, 4),
)
def test_buckets_are_those_of_a_loop(points, width, parts):
    chunks = [
        decode(encode([Metric("m", v, place, s) for place, (s, v) in enumerate(points) if place % parts == n]))
        for n in range(min(parts, len(points)))
    ]
    curve = only(Curves(Histories({("r", "m"): chunks})).read(["r"], ["m"], width=width))
    steps = [step for step, _ in points]
    size = max(1, -(-(max(steps) - min(steps) + 1) // width))
    buckets = {}
    for _, (step, value) in sorted(enumerate(points), key=lambda item: (item[1][0], item[0])):
        buckets.setdefault((step - min(steps)) // size, []).append((step, value))
    found = [
        (held[0][0], held[-1][0], len(held), repr(held[-1][1]), min((v for _, v in held if math.isfinite(v)), default=None))
        for held in buckets.values()
    ]
    told = zip(curve.start, curve.end, curve.points, curve.last, curve.low, strict=True)
    assert [(a, b, n, repr(float(last)), None if math.isnan(low) else low) for a, b, n, last, low in told] == found


def test_the_catalog_gives_what_was_logged(tmp_path):
    with hr.connect(tmp_path) as store:
        run, record = store.runs.recorder.start("Default"), store.runs.recorder

        def log(step, value):
            record.log(run.id, metrics=[Metric("loss", value, step, step)])

        for step in range(130):  # enough for chunks to be joined
            log(step, float(step % 7))
        curve = only(store.curves.read([run.id], ["loss"], width=1000))
        assert curve.last.tolist() == [float(step % 7) for step in range(130)]
        log(64, 100.0)
        assert only(store.curves.read([run.id], ["loss"], width=1000)).high[64] == 100.0


@pytest.mark.parametrize("axis", ["step", "time", "relative"])
def test_a_chart_of_sums_is_that_of_the_points(axis):
    values, chunks = long_history(200_000)
    values[77_000:77_003] = [math.nan, math.inf, 900.0]
    mixed = chunk(np.arange(200_000, 210_000), np.arange(10_000.0), times=np.arange(10_000, 0, -1) * SECOND)
    chunks.append(mixed)  # in another order by step than by time: it has no sums
    with_sums, without = (Histories({("r", "loss"): chunks}, keeps_sums=keeps) for keeps in (True, False))
    curve, other = (only(Curves(store).read(["r"], ["loss"], width=300, axis=axis)) for store in (with_sums, without))
    for name in ("start", "end", "low", "high", "last", "points", "marks"):
        assert np.array_equal(getattr(curve, name), getattr(other, name), equal_nan=True), name
    assert (with_sums.read, without.read) == (sum(len(item) < 4096 for item in chunks) + 1, len(chunks))


def test_near_by_a_chart_reads_the_points_that_were_summed_up():
    values, chunks = long_history(200_000)
    store = Histories({("r", "loss"): chunks}, keeps_sums=True)
    curve = only(Curves(store).read(["r"], ["loss"], width=100, start=150_000, end=150_099))
    assert curve.last.tolist() == values[150_000:150_100].tolist()


def test_damaged_sums_are_refused():
    _, chunks = long_history(100_000)
    data = summed_up(pack(chunks[0]), len(chunks[0]))
    for damaged in (b"", data[:-1], b"\x07" + data[1:]):
        with pytest.raises(IntegrityError, match="restore"):
            unpacked(damaged, "step")
