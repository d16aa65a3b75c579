"""The index finds exactly what a plain loop over all vectors finds, in the same order."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.features.vector_index import METRICS, NEVER, VectorIndex


def distance(metric, one, other):
    product = math.fsum(float(a) * float(b) for a, b in zip(one, other, strict=True))
    if metric == "dot":
        return -product
    if metric == "l2":
        return math.sqrt(math.fsum((float(a) - float(b)) ** 2 for a, b in zip(one, other, strict=True)))
    lengths = [math.sqrt(math.fsum(float(a) ** 2 for a in vector)) for vector in (one, other)]
    return 1 - product / (lengths[0] * lengths[1])


def filled(vectors, times=None):
    index = VectorIndex(vectors.shape[1])
    count = len(vectors)
    times = np.zeros(count, np.int64) if times is None else times
    index.put([b"%d" % n for n in range(count)], [(n,) for n in range(count)], vectors, times)
    return index


@pytest.mark.parametrize("metric", METRICS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_the_nearest_are_those_of_a_plain_loop_ties_by_key(metric, data):
    size = data.draw(st.integers(1, 4))
    number = st.sampled_from([0.0, 1.0, -1.0, 2.0, 0.5, 1e-3, 1e6]) | st.floats(-100, 100, width=32)
    rows = data.draw(st.lists(st.lists(number, min_size=size, max_size=size), min_size=1, max_size=30))
    vectors = np.array(rows, np.float32)
    asked = np.array(data.draw(st.lists(number, min_size=size, max_size=size)), np.float32)
    if metric == "cosine" and not asked.any():
        return
    k = data.draw(st.integers(1, 31))
    search = filled(vectors).search(asked, metric, None)
    found = search.nearest(k)
    allowed = [n for n in range(len(rows)) if metric != "cosine" or vectors[n].any()]
    exact = {n: distance(metric, vectors[n], asked) for n in allowed}
    assert len(found.keys) == min(k, len(allowed))
    scale = max([1.0, *map(abs, exact.values())])
    for (key,), got, want in zip(found.keys, found.distances, sorted(exact.values()), strict=False):
        assert math.isclose(exact[key], want, rel_tol=1e-9, abs_tol=1e-9 * scale)
        assert math.isclose(got, exact[key], rel_tol=1e-9, abs_tol=1e-9 * scale)
    order = [(d, key) for d, (key,) in zip(found.distances, found.keys, strict=True)]
    assert order == sorted(order)


@pytest.mark.parametrize("metric", METRICS)
def test_many_near_duplicates_are_told_apart_beyond_float32(metric):
    rng = np.random.default_rng(2)
    vectors = (np.ones((5000, 64)) * 50 + rng.normal(size=(5000, 64)) * 1e-4).astype(np.float32)
    asked = (np.ones(64) * 50).astype(np.float32)
    wide, query = vectors.astype(np.float64), asked.astype(np.float64)
    exact = {
        "dot": -(wide @ query),
        "l2": np.sqrt(((wide - query) ** 2).sum(axis=1)),
        "cosine": 1 - wide @ query / (np.linalg.norm(wide, axis=1) * np.linalg.norm(query)),
    }[metric]
    found = filled(vectors).search(asked, metric, None).nearest(10)
    assert np.allclose(np.sort(exact)[:10], exact[[key for (key,) in found.keys]], rtol=1e-12, atol=1e-15)


def test_lengths_beyond_float32_are_compared_in_float64():
    vectors = np.array([[1e30, 0], [1e30, 1e30], [0, 1e30]], np.float32)
    found = filled(vectors).search(np.array([1e30, 1e29], np.float32), "dot", None).nearest(3)
    assert [key for (key,) in found.keys] == [1, 0, 2]


def test_what_is_too_old_gone_or_no_number_is_not_found():
    vectors = np.array([[1, 0], [2, 0], [3, 0], [np.nan, 0], [np.inf, 0]], np.float32)
    index = filled(vectors, np.array([10, 20, NEVER, 30, 30]))
    asked = np.array([1, 0], np.float32)
    assert index.search(asked, "dot", None).nearest(9).keys == [(1,), (0,)]
    assert index.search(asked, "dot", 11).nearest(9).keys == [(1,)]
    index.put([b"1"], [(1,)], np.array([[0, 5]], np.float32), np.array([NEVER]))
    index.put([b"9"], [(9,)], np.array([[0, 5]], np.float32), np.array([40]))
    found = index.search(asked, "dot", None).nearest(1)
    assert (found.keys, found.whole) == ([(0,)], False)
    assert index.search(asked, "dot", None).nearest(9).keys == [(0,), (9,)]


def test_an_index_grows_and_forgets_nothing():
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(5000, 8)).astype(np.float32)
    index = VectorIndex(8)
    for start in range(0, 5000, 700):
        part = vectors[start : start + 700]
        keys = range(start, start + len(part))
        index.put([b"%d" % n for n in keys], [(n,) for n in keys], part, np.zeros(len(part), np.int64))
    assert len(index) == 5000
    for n in (0, 1023, 1024, 4999):
        assert index.search(vectors[n], "cosine", None).nearest(1).keys == [(n,)]


def test_an_empty_index_finds_nothing():
    found = VectorIndex(3).search(np.ones(3, np.float32), "cosine", None).nearest(5)
    assert (list(found.keys), found.whole) == ([], True)
