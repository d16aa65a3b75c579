"""A real Spark streaming query fails between the lake and the online store and after both, and goes on from its checkpoint."""

from __future__ import annotations

from contextlib import nullcontext
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import headrace as hr
from headrace.features.feed import Feed

NOW = 1_760_000_000_000_000
TIME = pa.timestamp("us", tz="UTC")
user = hr.Entity("user", keys={"user": "int64"})
video = hr.Entity("video", keys={"video": "int64"})
views = hr.EventSource(
    "views", timestamp="at", schema={"user": "int64", "video": "int64", "seconds": "float64", "at": "timestamp"}
)
features = {"n_1h": hr.count("1h"), "seconds": hr.sum("seconds"), "seconds_1h": hr.mean("seconds", "1h"), "n": hr.count()}
by_user = hr.FeatureGroup("by_user", entity=user, source=views, features={**features, "last": hr.last_n("video", 3)})
by_video = hr.FeatureGroup(
    "by_video", entity=video, source=views, features={f"video_{name}": made for name, made in features.items()}
)
view = hr.FeatureView("view", features=[by_user, by_video])

pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")


@pytest.fixture
def store(tmp_path):
    with hr.connect(tmp_path / "project", clock=lambda: NOW) as store:
        store.apply([view])
        yield store


@pytest.fixture
def arrivals(tmp_path):
    """Six files of 50 events each, with ties, in a folder that a query watches."""
    folder, rng = tmp_path / "arrivals", np.random.default_rng(11)
    folder.mkdir()
    for number in range(6):
        times = pa.array(NOW - rng.integers(1, 7200, 50) * 1_000_000)
        columns = {"user": rng.integers(0, 5, 50), "video": rng.integers(0, 9, 50), "seconds": rng.normal(size=50)}
        pq.write_table(pa.table({**columns, "at": times.cast(TIME)}), folder / f"{number}.parquet")
    return folder


def run(session, folder, checkpoint, writer, files=1):
    """Let a query take in what the folder holds, then stop it."""
    frame = session.readStream.schema("user long, video long, seconds double, at timestamp").option("maxFilesPerTrigger", files)
    sink = frame.parquet(str(folder)).writeStream.foreachBatch(writer)
    query = sink.option("checkpointLocation", str(checkpoint)).trigger(availableNow=True).start()
    query.awaitTermination()


def check(store, arrivals, files):
    """Online is history is a count of the files' rows."""
    rows = pa.concat_tables([pq.read_table(arrivals / f"{number}.parquet") for number in range(files)])
    asked = {"user": [0, 1, 2, 3, 4] * 2, "video": [*range(9), 99]}
    past = store.historical_features("view", pa.table({**asked, "t": pa.array([NOW] * 10, pa.int64()).cast(TIME)}), timestamp="t")
    served = store.online_features("view", asked).values
    for name in served:
        assert served[name] == past[name].to_pylist(), name
    assert sum(served["n"][:5]) == sum(served["video_n"]) == rows.num_rows
    seconds = rows.group_by("user").aggregate([("seconds", "sum")]).sort_by("user")["seconds_sum"].to_pylist()
    assert served["seconds"][:5] == pytest.approx(seconds)


def test_a_query_that_fails_anywhere_counts_each_event_once(spark_engine, store, arrivals, tmp_path):
    from pyspark.errors import StreamingQueryException

    session, checkpoint, writer = spark_engine.cluster.session(), tmp_path / "checkpoint", store.stream_writer("views", "views")
    done: list[int] = []

    def before_online(frame, batch):
        with mock.patch.object(Feed, "advance", side_effect=OSError("killed here")) if batch == 1 else nullcontext():
            writer(frame, batch)

    def before_commit(frame, batch):
        writer(frame, batch)
        done.append(batch)
        if batch == 3:
            raise OSError("killed here")

    for dying in (before_online, before_commit):
        with pytest.raises(StreamingQueryException, match="killed here"):
            run(session, arrivals, checkpoint, dying)
    assert done == [1, 2, 3], "the query goes on with the batch that failed"
    run(session, arrivals, checkpoint, writer)
    check(store, arrivals, 6)
    run(session, arrivals, tmp_path / "lost, but cut the same", writer)
    check(store, arrivals, 6)
    with pytest.raises(StreamingQueryException, match="has reached 'views' before, with other rows"):
        run(session, arrivals, tmp_path / "lost, and cut otherwise", writer, files=3)
    check(store, arrivals, 6)
