"""Which key-value store should the embedded online store stand on, and what does it cost with our states in it?

    python benchmarks/embedded_kv.py [--rows 1000000] [--folder DIR] [--only kv|online|log]

Every candidate does in turn, in this run, what the online store does: load sorted keys in bulk, read-merge-write batches of
1,000 random keys in one commit, get one key, get 100 keys. Then the same through our own stores, with states of 10 features.
Prints one line of JSON per figure. RocksDB (`rocksdict`) takes part if it is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sqlite3
import statistics
import struct
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import lmdb
import numpy as np
import pyarrow as pa

from headrace.definitions import aggregation
from headrace.definitions.entity import Entity
from headrace.definitions.group import FeatureGroup
from headrace.definitions.source import EventSource, TableSource
from headrace.events.embedded import EmbeddedEventLog
from headrace.online.embedded import EmbeddedOnlineStore
from headrace.online.state import GroupState
from headrace.online.store import Delta

VALUE = 200
NOW = 1_700_000_000_000_000


class Lmdb:
    durability = "data synced at each commit, a power cut may undo the newest; any number of processes"

    def __init__(self, folder):
        self.environment = lmdb.open(str(folder), map_size=8 << 30, readahead=False, metasync=False)

    def load(self, items):
        with self.environment.begin(write=True) as transaction:
            transaction.cursor().putmulti(items)

    def merge(self, items):
        with self.environment.begin(write=True) as transaction:
            for key, value in items:
                transaction.put(key, joined(transaction.get(key), value))

    def get(self, keys):
        with self.environment.begin() as transaction:
            return [transaction.get(key) for key in keys]

    def close(self):
        self.environment.close()


class Sqlite:
    durability = "fsync at each commit (WAL, synchronous=full); any number of processes"

    def __init__(self, folder):
        self.connection = sqlite3.connect(folder / "kv.db", isolation_level=None)
        for pragma in ("journal_mode=wal", "synchronous=full", "mmap_size=2000000000", "cache_size=-65536"):
            self.connection.execute(f"pragma {pragma}")
        self.connection.execute("create table kv(k blob primary key, v blob) without rowid")

    def load(self, items):
        self.connection.execute("begin immediate")
        self.connection.executemany("insert or replace into kv values(?, ?)", items)
        self.connection.execute("commit")

    def merge(self, items):
        self.connection.execute("begin immediate")
        stored = dict(zip([key for key, _ in items], self.get([key for key, _ in items]), strict=True))
        self.connection.executemany("insert or replace into kv values(?, ?)", [(k, joined(stored[k], v)) for k, v in items])
        self.connection.execute("commit")

    def get(self, keys):
        if len(keys) == 1:
            row = self.connection.execute("select v from kv where k = ?", keys).fetchone()
            return [row and row[0]]
        found = dict(self.connection.execute(f"select k, v from kv where k in ({','.join('?' * len(keys))})", keys))
        return [found.get(key) for key in keys]

    def close(self):
        self.connection.close()


class Rocks:
    durability = "fsync at each commit; one process alone"

    def __init__(self, folder):
        from rocksdict import Options, Rdict, WriteBatch, WriteOptions

        self.batch = lambda: WriteBatch(raw_mode=True)
        self.options = WriteOptions()
        self.options.sync = True
        self.store = Rdict(str(folder), options=Options(raw_mode=True))

    def load(self, items):
        batch = self.batch()
        for key, value in items:
            batch.put(key, value)
        self.store.write(batch, self.options)

    def merge(self, items):
        stored = self.store[[key for key, _ in items]]
        self.load([(key, joined(old, value)) for (key, value), old in zip(items, stored, strict=True)])

    def get(self, keys):
        return self.store[keys]

    def close(self):
        self.store.close()


def joined(_stored, value):
    return value


def emit(what, **figures):
    print(json.dumps({"what": what, **figures}), flush=True)


def micros(act, repeats):
    """Median and 99th percentile of an act's latency, in microseconds."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        act()
        taken.append((time.perf_counter() - start) * 1e6)
    return {"p50_us": round(statistics.median(taken), 1), "p99_us": round(sorted(taken)[int(len(taken) * 0.99)], 1)}


def compare(rows, folder):
    keys = [struct.pack(">q", place) for place in range(rows)]
    values = [os.urandom(VALUE) for _ in range(10_007)]
    for candidate in (Lmdb, Sqlite, Rocks):
        name, place = candidate.__name__.lower(), folder / candidate.__name__
        place.mkdir()
        try:
            store = candidate(place)
        except ImportError:
            emit(name, skipped="not installed")
            continue
        start = time.perf_counter()
        for first in range(0, rows, 50_000):
            store.load([(key, values[i % 10_007]) for i, key in enumerate(keys[first : first + 50_000])])
        emit(f"{name} bulk load", rows_per_s=round(rows / (time.perf_counter() - start)), durability=candidate.durability)
        chance = random.Random(1)
        emit(
            f"{name} merge 1,000",
            **micros(lambda s=store, chance=chance: s.merge([(k, values[0]) for k in sorted(chance.sample(keys, 1000))]), 100),
        )
        emit(f"{name} get 1", **micros(lambda s=store, chance=chance: s.get([chance.choice(keys)]), 20_000))
        emit(f"{name} get 100", **micros(lambda s=store, chance=chance: s.get(chance.sample(keys, 100)), 2_000))
        store.close()
        emit(f"{name} disk", mb=round(sum(file.stat().st_size for file in place.rglob("*") if file.is_file()) / 1e6))
        shutil.rmtree(place)


def record_group(name, width):
    columns = {f"x{place}": "float64" if place % 3 else "int64" if place % 2 else "string" for place in range(width)}
    source = TableSource("s", timestamp="ts", schema={"id": "int64", "ts": "timestamp", **columns})
    group = FeatureGroup(name, Entity("e", {"id": "int64"}), source, {column: column for column in columns})
    return group.with_types(tuple(replace(feature, dtype=columns[feature.name]) for feature in group.resolved))


def record_rows(ids, offset, width):
    count = len(ids)
    chance = np.random.default_rng(offset)
    columns = {
        "id": ids,
        "event_time": pa.array(np.full(count, NOW - 1), pa.timestamp("us", "UTC")),
        "_offset": np.arange(count) + offset,
    }
    for place in range(width):
        if place % 3:
            values = chance.random(count)
        elif place % 2:
            values = chance.integers(0, 10**6, count)
        else:
            values = np.array([f"text {number}" for number in range(100)])[chance.integers(0, 100, count)]
        columns[f"i{place}"] = values
    return pa.table(columns)


def online(rows, folder):
    store = EmbeddedOnlineStore(folder / "online")
    widths = {"a:1": 17, "b:1": 17, "c:1": 16, "ten:1": 10}
    states = {name: GroupState(record_group(name, width)) for name, width in widths.items()}
    for name, state in states.items():
        wanted = rows if name == "ten:1" else min(rows, 100_000)
        taken = 0.0
        for first in range(0, wanted, 50_000):
            table = record_rows(np.arange(first, min(first + 50_000, wanted)), first, widths[name])
            start = time.perf_counter()
            changes = state.changes(table, NOW, -1)
            store.apply([Delta(name, -1, first, first + len(table) - 1, changes, NOW, state.merge(NOW))])
            taken += time.perf_counter() - start
        emit(f"online load of {widths[name]} features", rows=wanted, rows_per_s=round(wanted / taken))
    log, state, chance = EmbeddedEventLog(folder / "log"), states["ten:1"], np.random.default_rng(0)

    def push(table):
        batch = log.append("t", table)
        changes = state.changes(table, NOW, 0)
        assert store.apply([Delta("ten:1", 0, batch.first, batch.last, changes, NOW, state.merge(NOW))]) == ["applied"]

    tables = iter([record_rows(chance.choice(rows, 1000, replace=False), place, 10) for place in range(101)])
    push(next(tables))
    emit("append to the log and apply 1,000 rows x 10 features, durable", **micros(lambda: push(next(tables)), 100))
    shapes = {"1 x 10": (1, ["ten:1"]), "1 x 50": (1, ["a:1", "b:1", "c:1"]), "100 x 50": (100, ["a:1", "b:1", "c:1"])}
    for shape, (count, groups) in shapes.items():

        def read(count=count, groups=groups):
            ids = random.choices(range(min(rows, 100_000)), k=count)
            found = store.read([(group, states[group].keys([ids])) for group in groups])
            for group, packed in zip(groups, found, strict=True):
                assert states[group].read(packed, NOW).times[-1] is not None

        emit(f"online read {shape}, keys to columns", **micros(read, 3000))
    store.close()
    windows()


def windows():
    """Events into the states of five windows, without a store."""
    features = {}
    for window in ("10m", "1h", "1d", "7d", "30d"):
        features |= {f"n_{window}": aggregation.count(window), f"s_{window}": aggregation.sum("x", window)}
    source = EventSource("s", timestamp="ts", schema={"id": "int64", "x": "float64", "ts": "timestamp"})
    group = FeatureGroup("g", Entity("e", {"id": "int64"}), source, features)
    typed = [
        replace(f, dtype="int64" if f.name[0] == "n" else "float64", argument_dtype="" if f.name[0] == "n" else "float64")
        for f in group.resolved
    ]
    state = GroupState(group.with_types(tuple(typed)))
    chance, count, keys = np.random.default_rng(0), 500_000, 10_000
    times = np.sort(chance.integers(NOW - 60 * 86_400_000_000, NOW, count))
    merge, stored, taken = state.merge(NOW), {}, 0.0
    for first in range(0, count, 50_000):
        columns = {
            "id": chance.integers(0, keys, 50_000),
            "_offset": np.arange(50_000) + first,
            "i0": chance.random(50_000) * 100,
        }
        table = pa.table(columns | {"event_time": pa.array(times[first : first + 50_000], pa.timestamp("us", "UTC"))})
        start = time.perf_counter()
        for key, change in state.changes(table, NOW, 0).items():
            stored[key] = merge(stored.get(key), change)
        taken += time.perf_counter() - start
    emit("events into 5 windows x 2 aggregates, 10,000 keys", events_per_s=round(count / taken))
    packed = list(stored.values())
    emit("read 100 keys of 5 windows x 2 aggregates", **micros(lambda: state.read(random.choices(packed, k=100), NOW), 300))


def log(folder):
    table = record_rows(np.arange(1000), 0, 10)
    for fsync in (True, False):
        opened = EmbeddedEventLog(folder / f"log-{fsync}", fsync=fsync)
        opened.append("t", table)
        emit(f"log append of 1,000 rows x 10, fsync {fsync}", **micros(lambda o=opened: o.append("t", table), 300))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", choices=["kv", "online", "log"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        if options.only in (None, "kv"):
            compare(options.rows, Path(name))
        if options.only in (None, "online"):
            online(options.rows, Path(name))
        if options.only in (None, "log"):
            log(Path(name))


if __name__ == "__main__":
    main()
