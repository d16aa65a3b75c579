"""Copies of an object store's files are whole, fetched once, and go when the disk gets full, the longest unused first."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

import obstore
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from obstore.store import MemoryStore

from headrace.errors import IntegrityError
from headrace.lake import cache as module
from headrace.lake.cache import FileCache


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def parquet(value):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"v": [value]}), sink)
    return sink.getvalue().to_pybytes()


@pytest.fixture
def store():
    store = MemoryStore()
    for number in range(6):
        obstore.put(store, f"{number}.parquet", parquet(number))
    return store


@pytest.fixture
def cache(tmp_path):
    return FileCache(tmp_path / "copies")


def fetch(cache, store, *numbers):
    return cache.fetch(store, {f"s3://b/{number}.parquet": f"{number}.parquet" for number in numbers})


def values(paths):
    return [pq.read_table(path).column("v")[0].as_py() for path in paths]


def test_copies_come_in_the_order_of_the_files_and_are_fetched_once(cache, store):
    first = fetch(cache, store, 3, 1, 2)
    assert values(first) == [3, 1, 2]
    obstore.delete(store, ["1.parquet"])
    assert fetch(cache, store, 1, 3) == [first[1], first[0]]
    assert cache.folder.stat().st_mode & 0o077 == 0


def test_a_file_that_is_not_there_is_an_error_and_leaves_nothing(cache, store):
    with pytest.raises(FileNotFoundError):
        fetch(cache, store, 1, 77)
    assert [path.suffix for path in cache.folder.iterdir()] in ([], [".parquet"])


@pytest.mark.parametrize("data", [b"", b"PAR", parquet(1)[:-5], b"x" * 50])
def test_what_is_not_a_whole_file_is_refused_and_not_kept(cache, store, data):
    obstore.put(store, "5.parquet", data)
    with pytest.raises(IntegrityError, match=r"s3://b/5\.parquet"):
        fetch(cache, store, 5)
    assert list(cache.folder.iterdir()) == []


def test_the_longest_unused_copies_go_when_the_disk_is_full_but_none_that_may_be_in_use(cache, store, monkeypatch):
    paths = fetch(cache, store, 0, 1, 2, 3)
    hours = 3600.0
    for path, age in zip(paths, (5, 9, 7, 0.5), strict=True):
        os.utime(path, (time.time() - age * hours,) * 2)
    size = Path(paths[0]).stat().st_size

    def room(short):
        monkeypatch.setattr(module.shutil, "disk_usage", lambda _: Usage(100 * size, 0, 10 * size - short))

    room(2 * size)
    fetch(cache, store, 4)
    assert [Path(path).exists() for path in paths] == [True, False, False, True]
    room(100 * size)
    assert values(fetch(cache, store, 5)) == [5]
    assert [Path(path).exists() for path in paths] == [False, False, False, True]


def test_a_fetch_counts_as_a_use(cache, store):
    (path,) = fetch(cache, store, 0)
    os.utime(path, (0, 0))
    fetch(cache, store, 0)
    assert time.time() - Path(path).stat().st_mtime < 60
