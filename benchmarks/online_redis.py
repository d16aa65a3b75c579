"""The online store on Redis: reads against a bare MGET of the same bytes, request by request in one process, and against Feast
on the same server; loads against a loader by hand, and against setting the same bytes; pushes against Feast's, ours durable
first, Feast's not.

Bare is redis-py as `pip install redis` gives it, which parses in Python; with hiredis, as we use it, it is told apart.

    python benchmarks/online_redis.py [reads | windows | writes …] [--entities N] [--rows N] [--requests N] [--rounds N]
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import online
from measure import compare
from peers import python_of

CLAIM = "on Redis: reads within 2 times a bare MGET and, at 100 x 50, 20 times Feast's; loads within 2.5 times a loader by hand"

SHAPES = {"1 x 10": (1, ["v1"]), "1 x 50": (1, list(online.SIZES)), "100 x 50": (100, list(online.SIZES))}
PARTS = ("reads", "windows", "writes")
WINDOWS = ("10m", "1h", "24h", "7d", "30d")
MICROSECONDS = 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; default all")
    parser.add_argument("--entities", type=int, default=20_000)
    parser.add_argument("--rows", type=int, default=1_000_000, help="to materialize")
    parser.add_argument("--requests", type=int, default=2_000, help="per shape and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(WORKERS[options.worker](options)), flush=True)
        return
    for part in options.parts or PARTS:
        {"reads": reads, "windows": windows, "writes": writes}[part](options)


def start(options: argparse.Namespace, worker: str) -> dict[str, float]:
    """What a worker in a process of its own measures, on a server of its own."""
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    from servers.redis import redis_server

    python = python_of("feast") if worker.startswith("feast") else sys.executable
    numbers = [f"--{name}={getattr(options, name)}" for name in ("entities", "rows", "requests")]
    with redis_server() as url:
        command = [python, __file__, "--worker", worker, "--url", url, *numbers]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"{worker}: {done.stderr[-2000:]}"
        raise SystemExit(message)
    return json.loads(done.stdout.splitlines()[-1])


def in_turn(options: argparse.Namespace, *workers: str) -> dict[str, float]:
    """The median over the rounds of what the workers measure, each in turn."""
    found = [{**start(options, workers[0]), **(start(options, workers[1]) if workers[1:] else {})} for _ in range(options.rounds)]
    return {name: statistics.median(round_[name] for round_ in found) for name in found[0]}


def reads(options: argparse.Namespace) -> None:
    seen = in_turn(options, "our reads", "feast reads")
    for shape in SHAPES:
        wide = shape == "100 x 50"
        for share in ("p50", "p99"):
            case, ours = f"{shape} {share}", seen[f"ours {shape} {share}"]
            compare(case, ours, "redis-py MGET", seen[f"bare {shape} {share}"], at_most=2.0)
            compare(case, ours, "the same with hiredis", seen[f"quick {shape} {share}"], at_most=3.0 if wide else 2.0)
            compare(case, ours, "feast redis", seen[f"feast {shape} {share}"], at_most=0.05 if wide else 1.0)


def windows(options: argparse.Namespace) -> None:
    seen = in_turn(options, "our windows")
    print(f"  windowed groups, 5 windows, 1 entity: p50 {seen['p50'] * 1e3:.3f} ms", flush=True)
    compare("5 windows, 1 entity, p99", seen["p99"], "a millisecond", 0.001, at_most=1.0)


def writes(options: argparse.Namespace) -> None:
    seen = in_turn(options, "our writes", "feast writes")
    case = f"materialize {options.rows:,}"
    compare(case, seen["our load"], "a script that reads, packs and sets rows", seen["raw load"], at_most=2.5)
    compare(case, seen["our load"], "setting the same bytes, packed before", seen["raw set"], at_most=4)
    compare(f"materialize {options.rows:,}", seen["our load"], "feast redis", seen["feast load"], at_most=0.1)
    compare("push 1,000 rows", seen["our push"], "feast redis", seen["feast push"], at_most=0.2)


def each(*works: Callable[[], object], requests: int) -> list[dict[str, float]]:
    """p50 and p99 of each work in seconds, all of them called in turn, so that a noisy moment hits everyone."""
    times: list[list[float]] = [[] for _ in works]
    for call in range(requests + 50):
        for work, kept in zip(works, times, strict=True):
            began = time.perf_counter()
            work()
            taken = time.perf_counter() - began
            if call >= 50:
                kept.append(taken)
    return [{"p50": statistics.median(kept), "p99": sorted(kept)[int(len(kept) * 0.99)]} for kept in times]


def our_store(url: str):
    import headrace as hr

    folder = online.fresh("headrace-redis")
    (folder / "headrace.toml").write_text(f'online = "{url}"', encoding="utf-8")
    return hr.connect(folder)


def our_views(store) -> None:
    import headrace as hr

    user, groups = hr.Entity("user", keys={"user_id": "int64"}), []
    for name in online.SIZES:
        schema = {"user_id": "int64", "event_timestamp": "timestamp", **online.columns(name)}
        source = hr.TableSource(name, timestamp="event_timestamp", stream=name, schema=schema)
        groups.append(hr.FeatureGroup(name, entity=user, source=source, features={item: item for item in online.columns(name)}))
    store.apply([hr.FeatureView("ten", features=[groups[0]]), hr.FeatureView("fifty", features=groups)])


def ids_of(shape: str, entities: int) -> list[list[int]]:
    chosen = random.Random(5)
    return [[chosen.randrange(entities) for _ in range(SHAPES[shape][0])] for _ in range(100)]


def our_reads(options: argparse.Namespace) -> dict[str, float]:
    import redis
    from redis._parsers import _RESP2Parser

    store = our_store(options.url)
    our_views(store)
    for name in online.SIZES:
        store.write(name, online.frame(name, options.entities, options.entities, 7))
    store.materialize()
    seen, at = {}, dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    quick = redis.Redis.from_url(options.url)
    bare = redis.Redis(connection_pool=redis.ConnectionPool.from_url(options.url, parser_class=_RESP2Parser))
    for shape, (_, names) in SHAPES.items():
        view = "ten" if len(names) == 1 else "fifty"
        starts = [b"hr:%b:" % bare.get(b"hr:p:{%b:1}" % name.encode()) for name in names]
        asked = ids_of(shape, options.entities)
        keys = [[key + number.to_bytes(8, "big") for key in starts for number in ids] for ids in asked]
        if None in bare.mget(keys[0]):
            raise SystemExit("the bare client reads other keys than ours")
        turn, *turns = (iter(items * (options.requests // 100 + 2)) for items in (asked, keys, keys))
        found = each(
            lambda: store.online_features(view, {"user_id": next(turn)}, at=at).to_dict(),
            lambda: bare.mget(next(turns[0])),
            lambda: quick.mget(next(turns[1])),
            requests=options.requests,
        )
        for name, shares in zip(("ours", "bare", "quick"), found, strict=True):
            seen |= {f"{name} {shape} {share}": value for share, value in shares.items()}
    store.close()
    return seen


def our_windows(options: argparse.Namespace) -> dict[str, float]:
    """Keys with a month of events, the last of which came in one push after the other, as a stream brings them."""
    import numpy as np
    import pandas as pd

    import headrace as hr

    store = our_store(options.url)
    schema = {"user_id": "int64", "amount": "float64", "at": "timestamp"}
    source = hr.EventSource("payments", timestamp="at", stream="payments", schema=schema)
    features = {f"sum_{window}": hr.sum("amount", window) for window in WINDOWS}
    group = hr.FeatureGroup("spending", entity=hr.Entity("user", keys={"user_id": "int64"}), source=source, features=features)
    store.apply([hr.FeatureView("spent", features=[group])])
    rng, now = np.random.default_rng(3), int(time.time() * MICROSECONDS)

    def events(count: int, back: float) -> pd.DataFrame:
        times = now - rng.integers(1, int(back * MICROSECONDS), count)
        users = rng.integers(0, options.entities // 10, count)
        return pd.DataFrame({"user_id": users, "amount": rng.random(count), "at": pd.to_datetime(times, unit="us", utc=True)})

    store.write("payments", events(options.entities * 10, 30 * 86_400))
    store.materialize()
    for _ in range(30):
        store.push("payments", events(options.entities // 10, 600))
    asked = iter([random.Random(5).randrange(options.entities // 10) for _ in range(options.requests + 50)])
    (seen,) = each(lambda: store.online_features("spent", {"user_id": next(asked)}).to_dict(), requests=options.requests)
    store.close()
    return seen


def our_writes(options: argparse.Namespace) -> dict[str, float]:
    import redis

    store = our_store(options.url)
    our_views(store)
    store.write("v1", online.frame("v1", options.rows, options.rows, 21))
    began = time.perf_counter()
    store.materialize(["v1"])
    load = time.perf_counter() - began
    pushes = median_push(lambda rows: store.push("v1", rows))
    store.close()
    with redis.Redis.from_url(options.url) as client:
        keys = [*client.scan_iter(match="hr:????????:*", count=10_000)]
        values = [value for at in range(0, len(keys), 1000) for value in client.mget(keys[at : at + 1000])]
        client.flushall()
        began = time.perf_counter()
        for at in range(0, options.rows, 1000):
            client.mset(dict(zip(keys[at : at + 1000], values[at : at + 1000], strict=True)))
        raw_set = time.perf_counter() - began
        client.flushall()
        with tempfile.TemporaryDirectory() as folder:
            online.frame("v1", options.rows, options.rows, 21).to_parquet(path := Path(folder) / "rows.parquet")
            began = time.perf_counter()
            by_hand(client, path)
            raw = time.perf_counter() - began
    return {"our load": load, "our push": pushes, "raw load": raw, "raw set": raw_set}


def by_hand(client, path: Path) -> None:
    """What one would write to load rows: a packed value a key, a thousand in a command, nothing checked and nothing kept."""
    import msgpack
    import pandas as pd

    frame = pd.read_parquet(path)
    for at in range(0, len(frame), 1000):
        part = frame.iloc[at : at + 1000]
        columns = [part[name].astype("int64") if part[name].dtype.kind == "M" else part[name] for name in part.columns]
        rows = zip(*(column.tolist() for column in columns), strict=True)
        client.mset({b"m:%d" % place: msgpack.packb(row) for place, row in enumerate(rows, at)})


def median_push(push: Callable[[object], object]) -> float:
    rows = online.frame("v1", 20_000, 50_000, 31)
    taken = []
    for at in range(0, len(rows), 1000):
        batch = rows.iloc[at : at + 1000].copy()
        began = time.perf_counter()
        push(batch)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def feast_store(options: argparse.Namespace, rows: int):
    """A store with the same three views, and what reads them."""
    os.environ.setdefault("FEAST_USAGE", "False")
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, PushSource, RepoConfig, ValueType
    from feast.infra.online_stores.redis import RedisOnlineStoreConfig
    from feast.repo_config import RegistryConfig
    from feast.types import Float64, Int64, String

    types = {"float64": Float64, "int64": Int64, "string": String}
    folder = online.fresh("feast-redis")
    config = RepoConfig(
        project="bench",
        provider="local",
        registry=RegistryConfig(path=str(folder / "registry.db"), cache_ttl_seconds=600),
        offline_store={"type": "duckdb"},
        online_store=RedisOnlineStoreConfig(connection_string=options.url.removeprefix("redis://").removesuffix("/0")),
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config, repo_path=None)
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
    views = []
    for name in online.SIZES:
        path = folder / f"{name}.parquet"
        count = rows if name == "v1" else 10
        online.frame(name, count, count, 21).to_parquet(path)
        source = FileSource(name=f"source_{name}", path=str(path), timestamp_field="event_timestamp")
        if name == "v1":
            source = PushSource(name="push_v1", batch_source=source)
        columns = [Field(name=column, dtype=types[kind]) for column, kind in online.columns(name).items()]
        fields = [Field(name="user_id", dtype=Int64), *columns]
        views.append(FeatureView(name=name, entities=[user], ttl=dt.timedelta(0), schema=fields, source=source, online=True))
    store.apply([user, *views])
    return store


def feast_reads(options: argparse.Namespace) -> dict[str, float]:
    store = feast_store(options, 10)
    for name in online.SIZES:
        rows = online.frame(name, options.entities, options.entities, 7)
        for at in range(0, options.entities, 5000):
            store.write_to_online_store(name, rows.iloc[at : at + 5000])
    seen = {}
    for shape, (_, names) in SHAPES.items():
        wanted = [f"{name}:{column}" for name in names for column in online.columns(name)]
        turn = iter(ids_of(shape, options.entities) * (options.requests // 100 + 2))

        def read(wanted: list[str] = wanted, turn: Iterator[list[int]] = turn) -> object:
            rows = [{"user_id": number} for number in next(turn)]
            return store.get_online_features(features=wanted, entity_rows=rows).to_dict()

        (found,) = each(read, requests=options.requests if shape != "100 x 50" else min(options.requests, 200))
        seen |= {f"feast {shape} {share}": value for share, value in found.items()}
    return seen


def feast_writes(options: argparse.Namespace) -> dict[str, float]:
    from feast.data_source import PushMode

    store = feast_store(options, options.rows)
    end = dt.datetime.fromtimestamp((online.START + online.SPAN) / 1e6, dt.UTC) + dt.timedelta(days=1)
    began = time.perf_counter()
    store.materialize(start_date=end - dt.timedelta(days=92), end_date=end, feature_views=["v1"])
    load = time.perf_counter() - began
    return {"feast load": load, "feast push": median_push(lambda rows: store.push("push_v1", rows, to=PushMode.ONLINE))}


WORKERS = {
    "our reads": our_reads,
    "our windows": our_windows,
    "our writes": our_writes,
    "feast reads": feast_reads,
    "feast writes": feast_writes,
}

if __name__ == "__main__":
    main()
