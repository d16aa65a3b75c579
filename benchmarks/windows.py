"""Count and sum over the last 10 minutes, hour and week at each of a million moments, against the best hand-written ways.
All of them follow the same rule of time, and start from Parquet files of events and of queries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from contest import Benchmark, Contestant, once
from peers import WORK

CLAIM = "windows over a history within 1.5 times the best hand-written way"

START, SPAN = 1_735_689_600_000_000, 30 * 86_400_000_000
SIZES = {"small": (100_000, 1_000_000, 10_000), "large": (1_000_000, 10_000_000, 100_000)}  # queries, events, keys
WINDOWS = {"10m": (600_000_000, 10_000_000), "1h": (3_600_000_000, 60_000_000), "7d": (604_800_000_000, 7_200_000_000)}
"""Length and hop of each window, in microseconds."""


def events_file(case: str) -> Path:
    return WORK / "data" / f"events_{SIZES[case][1]}.parquet"


def queries_file(case: str) -> Path:
    return WORK / "data" / f"moments_{SIZES[case][0]}.parquet"


def project(case: str) -> Path:
    return WORK / "projects" / f"windows_{SIZES[case][1]}"


def prepare(case: str) -> None:
    queries, events, keys = SIZES[case]
    once(events_file(case), lambda path: write_rows(path, events, keys, 5, values=True))
    once(queries_file(case), lambda path: write_rows(path, queries, keys, 6, values=False))
    once(project(case), lambda path: fill_project(path, case))


def write_rows(path: Path, rows: int, keys: int, seed: int, *, values: bool) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(seed)
    times = START + rng.integers(0, SPAN, rows)
    if values:
        times.sort()  # events come in as they happen
    table = {"k": rng.integers(0, keys, rows), "t": pa.array(times).cast(pa.timestamp("us", tz="UTC"))}
    pq.write_table(pa.table(table | ({"v": rng.random(rows)} if values else {})), path, row_group_size=500_000)


def fill_project(path: Path, case: str) -> None:
    import headrace as hr

    source = hr.EventSource("events", timestamp="t", schema={"k": "int64", "t": "timestamp", "v": "float64"})
    features = {}
    for name in WINDOWS:
        features |= {f"count_{name}": hr.count(name), f"sum_{name}": hr.sum("v", name)}
    group = hr.FeatureGroup("activity", entity=hr.Entity("thing", keys={"k": "int64"}), source=source, features=features)
    with hr.connect(path) as store:
        store.apply([group, hr.FeatureView("all", features=[group])])
        store.write("events", str(events_file(case)))


def ours(case: str) -> Callable[[], object]:
    import pyarrow.parquet as pq

    import headrace as hr

    store = hr.connect(project(case))

    def run() -> object:
        result = store.historical_features("all", pq.read_table(queries_file(case)), timestamp="t")
        return [result.column(f"{what}_{name}").to_numpy() for name in WINDOWS for what in ("count", "sum")]

    return run


def numpy_prefix(case: str) -> Callable[[], object]:
    """One sorted integer of key and time, prefix sums, binary search of sorted queries."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    def run() -> object:
        events, queries = pq.read_table(events_file(case)), pq.read_table(queries_file(case))
        packed = (events["k"].to_numpy() << 42) + events["t"].cast(pa.int64()).to_numpy() - START
        order = np.argsort(packed)
        packed, sums = packed[order], np.concatenate([[0.0], np.cumsum(events["v"].to_numpy()[order])])
        keys, times = queries["k"].to_numpy(), queries["t"].cast(pa.int64()).to_numpy()
        asked = (keys << 42) + times - START
        by_time = np.argsort(asked)
        keys, times, high = keys[by_time], times[by_time], np.searchsorted(packed, asked[by_time])
        result = []
        for length, hop in WINDOWS.values():
            low = np.searchsorted(packed, (keys << 42) + np.maximum((times - length) // hop * hop - START, 0))
            count, total = np.empty(len(keys), np.int64), np.empty(len(keys))
            count[by_time], total[by_time] = high - low, sums[high] - sums[low]
            result += [count, total]
        return result

    return run


def polars_prefix(case: str) -> Callable[[], object]:
    """Running counts and sums, joined as of each window's two ends."""
    import polars as pl

    def run() -> object:
        events = pl.scan_parquet(events_file(case)).with_columns(t=pl.col("t").cast(pl.Int64)).sort("t")
        running = (
            events.with_columns(n=pl.int_range(1, pl.len() + 1).over("k"), s=pl.col("v").cum_sum().over("k")).drop("v").collect()
        )
        queries = pl.read_parquet(queries_file(case)).with_columns(t=pl.col("t").cast(pl.Int64)).with_row_index("row")

        def as_of(moment: pl.Expr) -> pl.DataFrame:
            asked = queries.with_columns(t=moment - 1).sort("t")
            found = asked.join_asof(running, on="t", by="k", strategy="backward", check_sortedness=False)
            return found.sort("row").select(pl.col("n").fill_null(0), pl.col("s").fill_null(0))

        high, result = as_of(pl.col("t")), []
        for length, hop in WINDOWS.values():
            low = as_of((pl.col("t") - length) // hop * hop)
            result += [(high["n"] - low["n"]).to_numpy(), (high["s"] - low["s"]).to_numpy()]
        return result

    return run


def duckdb_prefix(case: str) -> Callable[[], object]:
    """Running counts and sums, ASOF joined to each window's two ends."""
    import duckdb

    lows = [f"(t - {length}) // {hop} * {hop}" for length, hop in WINDOWS.values()]
    ends = ", ".join(f"{low} - 1 AS t{i}" for i, low in enumerate(lows))
    joins = "".join(f" ASOF LEFT JOIN p b{i} ON q.k = b{i}.k AND q.t{i} >= b{i}.t" for i in range(len(lows)))
    selected = ", ".join(
        f"coalesce(a.n, 0) - coalesce(b{i}.n, 0), coalesce(a.s, 0) - coalesce(b{i}.s, 0)" for i in range(len(lows))
    )

    def run() -> object:
        connection = duckdb.connect()
        connection.execute(
            "CREATE TEMP TABLE p AS SELECT k, epoch_us(t) AS t, row_number() OVER w AS n, sum(v) OVER w AS s "
            f"FROM '{events_file(case)}' WINDOW w AS (PARTITION BY k ORDER BY t ROWS UNBOUNDED PRECEDING)"
        )
        moments = f"(SELECT row_number() OVER () AS id, k, epoch_us(t) AS t FROM '{queries_file(case)}')"
        connection.execute(f"CREATE TEMP TABLE q AS SELECT id, k, t - 1 AS te, {ends} FROM {moments}")
        joined = f"q ASOF LEFT JOIN p a ON q.k = a.k AND q.te >= a.t{joins}"
        return list(connection.sql(f"SELECT {selected} FROM {joined} ORDER BY q.id").fetchnumpy().values())

    return run


def check(columns) -> list[float]:
    """The total of each column, a null as 0; sums to three decimals, as only ours are exact."""
    import numpy as np

    return [round(float(np.nansum(np.ma.filled(column, 0))), 3) for column in columns]


BENCHMARK = Benchmark(
    file=__file__,
    cases={
        "small": ["headrace", "numpy prefix", "polars prefix", "duckdb prefix"],
        "large": ["headrace", "headrace 1GB", "numpy prefix", "polars prefix", "duckdb prefix"],
    },
    contestants=[
        Contestant("headrace", ours, ours=True),
        Contestant("headrace 1GB", ours, ours=True, environment={"HEADRACE_MEMORY_LIMIT": "1GB"}),
        Contestant("numpy prefix", numpy_prefix),
        Contestant("polars prefix", polars_prefix),
        Contestant("duckdb prefix", duckdb_prefix),
    ],
    prepare=prepare,
    check=check,
    bound=1.5,
    limit=120,
)

if __name__ == "__main__":
    BENCHMARK.main()
