"""What a server between a client and its project costs: the same reads by directory and over HTTP, in one run."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa

import headrace as hr

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from measure import compare
from servers.headrace import headrace_server

CLAIM = "an online read over HTTP costs at most 2x an embedded one and a bare request (100 rows: 3x), history at most 3x"

ENTITIES, GROUPS, FEATURES = 1000, 3, 50
START = datetime(2026, 1, 1, tzinfo=UTC)


def define() -> list[hr.FeatureView]:
    """A wide view over three table groups, and a narrow one over a part of the first."""
    thing = hr.Entity("thing", keys={"k": "int64"})
    groups = []
    for number in range(GROUPS):
        names = [f"f{column}" for column in range(FEATURES) if column % GROUPS == number]
        schema = {"k": "int64", "at": "timestamp", **dict.fromkeys(names, "float64")}
        source = hr.TableSource(f"table{number}", timestamp="at", schema=schema)
        groups.append(hr.FeatureGroup(f"group{number}", entity=thing, source=source, features={name: name for name in names}))
    narrow = [feature.name for feature in groups[0].resolved][:10]
    return [hr.FeatureView("wide", features=groups), hr.FeatureView("narrow", features=[groups[0][tuple(narrow)]])]


def fill(store: hr.Store) -> None:
    """Write and materialize a row for each entity."""
    rng = np.random.default_rng(5)
    for source in store.catalog.sources():
        columns = {name: rng.normal(size=ENTITIES) for name in source.schema if name not in ("k", "at")}
        times = pa.array([START] * ENTITIES, pa.timestamp("us", "UTC"))
        store.write(source.name, pa.table({"k": np.arange(ENTITIES), "at": times, **columns}))
    store.materialize()


def seconds(work: Callable[[], object], calls: int) -> tuple[float, float]:
    """Median and 99th percentile of one call."""
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times)), float(np.quantile(times, 0.99))


def main(calls: int = 2000) -> bool:
    """Compare, and print the claim's lines."""
    held = True
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        Path(folder, "headrace.toml").touch()
        local = stack.enter_context(hr.connect(folder))
        local.apply(define())
        fill(local)
        url = stack.enter_context(headrace_server(Path(folder), "--no-access-log"))
        remote = stack.enter_context(hr.connect(url))
        bare = stack.enter_context(httpx.Client())
        for view, rows in (("narrow", 1), ("wide", 1), ("wide", 100)):
            asked = {"k": list(range(rows))}
            assert remote.online_features(view, asked).values == local.online_features(view, asked).values
            by_directory, _ = seconds(lambda view=view, asked=asked: local.online_features(view, asked), calls)
            over_http, tail = seconds(lambda view=view, asked=asked: remote.online_features(view, asked), calls)
            request, _ = seconds(lambda: bare.get(f"{url}/health"), calls)
            print(f"  {view} {rows}: embedded {by_directory * 1e3:.3f} ms, p99 over HTTP {tail * 1e3:.3f} ms")
            held &= compare(
                f"online, {rows} x {view}",
                over_http,
                "embedded and a bare request",
                request + by_directory,
                at_most=2.0 if rows == 1 else 3.0,
            )
        moments = pa.table(
            {"k": np.arange(ENTITIES).repeat(100), "t": pa.array([START + timedelta(days=1)] * ENTITIES * 100)},
        )
        there = seconds(lambda: remote.historical_features("wide", moments, "t"), 3)[0]
        here = seconds(lambda: local.historical_features("wide", moments, "t"), 3)[0]
        held &= compare("history, 100,000 x 50", there, "by directory", here, at_most=3.0)
    return held


if __name__ == "__main__":
    sys.exit(not main())
