"""What checking rows and keeping statistics costs, against pandas by hand, the write itself, and DuckDB's SUMMARIZE.

python benchmarks/quality.py [rows of the write]
"""

from __future__ import annotations

import sys
import tempfile
import time

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

import headrace as hr
from headrace.engines.duckdb import DuckDBEngine
from headrace.features.observer import Observer
from headrace.features.screening import admit
from headrace.features.statistics import table_statistics
from measure import compare, median_seconds

CLAIM = "five expectations on 1,000 rows take under 1 ms; statistics of a write take under a tenth of it"

PUSHED = 1_000
ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
SCHEMA = {"id": "string", "user_id": "int64", "stars": "float64", "kind": "string", "rated_at": "timestamp"}
EXPECT = [
    hr.expect.not_null("user_id"),
    hr.expect.between("stars", 0.5, 5),
    hr.expect.one_of("kind", ["film", "series"]),
    hr.expect.unique("id"),
    hr.expect.sql("stars * 2 <= 10", name="half stars"),
]


def rows(count):
    rng = np.random.default_rng(count)
    times = pa.array(rng.integers(1_700_000_000_000_000, 1_701_000_000_000_000, count))
    return pa.table(
        {
            "id": pa.array([f"r{number}" for number in range(count)]),
            "user_id": rng.integers(0, 100_000, count),
            "stars": rng.integers(1, 11, count) / 2,
            "kind": pa.array(rng.choice(["film", "series"], count)),
            "rated_at": times.cast(pa.timestamp("us", tz="UTC")),
        }
    )


def source(expect=()):
    return hr.EventSource("ratings", timestamp="rated_at", stream="ratings", schema=SCHEMA, expect=expect)


def by_hand(frame):
    """The same five checks in pandas."""
    return (
        frame["user_id"].notna().all()
        and frame["stars"].between(0.5, 5).all()
        and frame["kind"].isin(["film", "series"]).all()
        and frame["id"].is_unique
        and (frame["stars"] * 2 <= 10).all()
    )


def check_pushes():
    pushed, holds = rows(PUSHED), DuckDBEngine().holds
    expecting, frame = source(EXPECT), pushed.to_pandas()
    admit(expecting, pushed, holds)
    ours = median_seconds(lambda: admit(expecting, pushed, holds), 300)
    compare("five expectations on 1,000 rows", ours, "a millisecond", 1e-3, at_most=1)
    compare("five expectations on 1,000 rows", ours, "pandas by hand", median_seconds(lambda: by_hand(frame), 300), at_most=2)
    plain = source()
    nothing = median_seconds(lambda: admit(plain, pushed, holds), 300)
    compare("no expectation", nothing, "ten microseconds", 1e-5, at_most=1)


def check_writes():
    written, spent = rows(ROWS), []
    observe = Observer.rows

    def timed(self, *arguments):
        start = time.perf_counter()
        observe(self, *arguments)
        spent.append(time.perf_counter() - start)

    Observer.rows = timed
    with tempfile.TemporaryDirectory() as folder, hr.connect(folder) as store:
        store.apply([source()])
        taken = median_seconds(lambda: store.write("ratings", written), 5)
    Observer.rows = observe
    kept = sorted(spent)[len(spent) // 2]
    compare(f"statistics of a write of {ROWS:,} rows", kept, "the write without them", taken - kept, at_most=0.1)
    ours = median_seconds(lambda: table_statistics(written, SCHEMA), 5)
    duckdb.register("written", written)
    theirs = median_seconds(lambda: duckdb.execute("SUMMARIZE SELECT * FROM written").fetchall(), 5)
    compare(f"statistics of {ROWS:,} rows", ours, "DuckDB's SUMMARIZE", theirs, at_most=0.5)
    assert by_hand(pd.DataFrame(written.slice(0, 10).to_pandas()))


if __name__ == "__main__":
    check_pushes()
    check_writes()
