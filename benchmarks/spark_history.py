"""Latest values as of a time on Spark, on this machine's cores, against the join in Spark's own SQL, as Feast's Spark store runs
it: all earlier rows joined, the newest kept by row_number. Same frame, same files as point_in_time; sessions are warm."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from contest import Benchmark, Contestant
from point_in_time import check, columns, load, prepare, project, rows_file

CLAIM = "point-in-time reads on Spark at least 2 times faster than Spark's own join"


def ours(case: str) -> Callable[[], object]:
    import headrace as hr

    store, frame = hr.connect(project(case)), load(case)

    def run() -> object:
        return store.historical_features("all", frame, timestamp="event_timestamp")

    run()  # starts the session
    return run


def spark_sql(case: str) -> Callable[[], object]:
    warnings.simplefilter("ignore")
    from pyspark.sql import SparkSession

    settings = {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.maxResultSize": "0",
    }
    builder = SparkSession.builder.master("local[*]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session, frame = builder.getOrCreate(), load(case)
    frame["row"] = range(len(frame))
    session.read.parquet(str(rows_file(case, "v0"))).createOrReplaceTempView("held")
    selected = ", ".join(columns("v0"))

    def run() -> object:
        session.createDataFrame(frame).createOrReplaceTempView("asked")
        newest = session.sql(
            f"""SELECT row, user_id, event_timestamp, {selected} FROM (
                SELECT asked.row, asked.user_id, asked.event_timestamp, {selected},
                       row_number() OVER (PARTITION BY asked.row ORDER BY held.event_timestamp DESC) AS place
                FROM asked LEFT JOIN held ON asked.user_id = held.user_id AND held.event_timestamp <= asked.event_timestamp
            ) WHERE place = 1"""
        )
        return newest.toPandas().sort_values("row")

    run()
    return run


BENCHMARK = Benchmark(
    file=__file__,
    cases={"small": ["headrace", "spark sql"], "large": ["headrace", "spark sql"], "deep history": ["headrace", "spark sql"]},
    contestants=[
        Contestant("headrace", ours, ours=True, environment={"HEADRACE_ENGINE": "local[*]"}),
        Contestant("spark sql", spark_sql),
    ],
    prepare=prepare,
    check=check,
    bound={"small": 1.5, "large": 0.5, "deep history": 0.2},
    limit=400,
    once=["deep history"],
)

if __name__ == "__main__":
    BENCHMARK.main()
