"""Events from Kafka to Redis and the lake: how many a second a worker sustains, and how soon one is visible online.

    python benchmarks/kafka_stream.py                  the claim
    python benchmarks/kafka_stream.py --events 60000   a look
    python benchmarks/kafka_stream.py --profile        where one worker's time goes

One group with five windows over 100,000 keys, as JSON. The broker, Redis, the producer and the workers share this machine.
"""

from __future__ import annotations

import argparse
import cProfile
import multiprocessing
import pstats
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from measure import compare

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

CLAIM = "20,000 events a second through one worker, visible online within 100 ms at half that rate"

RATE = 20_000
VISIBLE = 0.1
KEYS = 100_000
PARTITIONS = 4
PROBES = KEYS * 10
"""Probes have keys beyond."""


def make_project(folder: Path, kafka: str, redis: str) -> None:
    import headrace as hr

    (folder / "headrace.toml").write_text(
        f'events = "{kafka}?session.timeout.ms=6000&heartbeat.interval.ms=1000"\nonline = "{redis}"\n'
    )
    schema = {"user_id": "int64", "video_id": "int64", "stars": "float64", "at": "timestamp"}
    source = hr.EventSource("ratings", timestamp="at", stream="ratings", schema=schema)
    features = {
        "count_10m": hr.count("10m"),
        "mean_1h": hr.mean("stars", "1h"),
        "likes_1d": hr.count("1d", where="stars >= 4"),
        "sum_7d": hr.sum("stars", "7d"),
        "max_30d": hr.max("stars", "30d"),
    }
    user = hr.Entity("user", keys={"user_id": "int64"})
    group = hr.FeatureGroup("taste", entity=user, source=source, features=features)
    with hr.connect(folder) as store:
        store.apply([hr.FeatureView("view", features=[group])])
        store.topics.create_topics(["ratings"], PARTITIONS)
        store.push("ratings", [{"user_id": -1, "video_id": 0, "stars": 1.0, "at": datetime.now(UTC)}])


def produce(kafka: str, events: int, rate: float | None) -> None:
    """Produce events, evenly at a rate or as fast as it goes."""
    import orjson
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": kafka.removeprefix("kafka://"), "linger.ms": 5, "acks": "1"})
    rng, start = random.Random(events), time.time()
    for place in range(events):
        user = rng.randrange(KEYS)
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{place % 1_000_000:06}Z"
        row = {"user_id": user, "video_id": rng.randrange(1000), "stars": rng.randrange(1, 11) / 2, "at": at}
        producer.produce("ratings", orjson.dumps(row), key=str(user))
        if place % 100 == 99:
            producer.poll(0)
            if rate is not None:
                time.sleep(max(0.0, start + place / rate - time.time()))
            while len(producer) > 50_000:
                producer.poll(0.01)
    producer.flush(60)


def work(folder: str, reports, profile: bool) -> None:
    """A worker that tells every half second how far it is."""
    import headrace as hr
    from headrace.features import worker
    from headrace.features.worker import WorkerOptions

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    worker.TELL = 0.5
    with hr.connect(folder) as store, worker.tuned_process():
        member = store.topics.worker(
            ["ratings"],
            WorkerOptions("headrace-bench"),
            lambda done: reports.put((time.time(), done.rows, done.lag, done.partitions)),
        )
        profiler = cProfile.Profile()
        if profile:
            profiler.enable()
        member.run(stop)
        if profile:
            profiler.disable()
            pstats.Stats(profiler).sort_stats("tottime").print_stats(35)
            pstats.Stats(profiler).sort_stats("cumtime").print_stats(45)


class Workers:
    """Worker processes within a block."""

    def __init__(self, folder: Path, count: int, *, profile: bool = False) -> None:
        context = multiprocessing.get_context("spawn")
        self.reports = [context.Queue() for _ in range(count)]
        self.processes = [context.Process(target=work, args=(str(folder), queue, profile)) for queue in self.reports]

    def __enter__(self):
        for process in self.processes:
            process.start()
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.join(60)

    def await_share(self) -> None:
        """Wait until every worker has its share of the partitions, and has taken in what is there."""
        self.before = []
        for queue in self.reports:
            report = (0.0, 0, 1, 0)
            while report[2] or report[3] != PARTITIONS // len(self.reports):
                report = queue.get(timeout=60)
            self.before.append(report[1])
            self.ready = report[0]

    def rate(self, events: int) -> float:
        """Events a second, all workers together, from the first to the last."""
        rows, first, last = [0] * len(self.reports), self.ready, 0.0
        while sum(rows) < events:
            for place, queue in enumerate(self.reports):
                moment, done, _, _ = queue.get(timeout=60)
                if done - self.before[place] > rows[place]:
                    rows[place], last = done - self.before[place], moment
                elif not sum(rows):
                    first = moment
        return events / (last - first)


def visibility(folder: Path, kafka: str, seconds: float) -> list[float]:
    """Seconds from producing a probe to seeing it online, while events come in at half the rate."""
    import orjson
    from confluent_kafka import Producer

    import headrace as hr

    background = multiprocessing.get_context("spawn").Process(target=produce, args=(kafka, int(RATE / 2 * seconds), RATE / 2))
    background.start()
    time.sleep(3)
    producer = Producer({"bootstrap.servers": kafka.removeprefix("kafka://"), "linger.ms": 0})
    waits = []
    with hr.connect(folder) as store:
        store.online_features("view", {"user_id": PROBES})
        for probe in range(10**9):
            if not background.is_alive():
                break
            key = PROBES + random.Random(probe).randrange(10**12)
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            start = time.perf_counter()
            producer.produce("ratings", orjson.dumps({"user_id": key, "video_id": 0, "stars": 4.0, "at": at}), key=str(key))
            producer.flush(10)
            while store.online_features("view", {"user_id": key}).statuses["sum_7d"][0] == "NOT_FOUND":
                time.sleep(0.002)
            waits.append(time.perf_counter() - start)
            time.sleep(0.02)
    background.join()
    return waits


def main() -> int:
    from servers.kafka import kafka_broker
    from servers.redis import redis_server

    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=600_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    held = True
    for workers in (1,) if options.profile else (1, 2):
        with kafka_broker() as kafka, redis_server() as redis, tempfile.TemporaryDirectory() as folder:
            make_project(Path(folder), kafka, redis)
            with Workers(Path(folder), workers, profile=options.profile) as running:
                running.await_share()
                producer = multiprocessing.get_context("spawn").Process(target=produce, args=(kafka, options.events, None))
                producer.start()
                rate = running.rate(options.events)
                producer.join()
                print(f"  {workers} worker{'s' * (workers > 1)}: {rate:,.0f} events/s", flush=True)
                if workers == 1:
                    held &= compare("time of 20,000 events through one worker", RATE / rate, "the limit", 1.0, at_most=1.0)
                    if not options.profile:
                        waits = sorted(visibility(Path(folder), kafka, options.seconds))
                        p50, p99 = statistics.median(waits), waits[int(len(waits) * 0.99)]
                        shown = f"{p50 * 1000:.0f} ms p50, {p99 * 1000:.0f} ms p99, of {len(waits)} probes"
                        print(f"  visible after {shown} at {RATE // 2:,} events/s", flush=True)
                        held &= compare("visible online at half the rate, p99", p99, "the limit", VISIBLE, at_most=1.0)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
