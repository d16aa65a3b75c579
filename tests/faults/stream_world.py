"""A project whose events come through Kafka, what others produce into its topic, and workers to kill."""

from __future__ import annotations

import logging
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from ctypes import c_int
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import orjson
import pandas as pd
from confluent_kafka import Producer

import headrace as hr
from headrace.features import worker as worker_module
from headrace.features.worker import WorkerOptions
from servers.forked import forked, shared_number
from waiting import PATIENCE, until

__all__ = ["APPLYING", "IDLE", "KEYS", "LANDING", "Doomed", "StreamWorld", "user"]

T = TypeVar("T")
IDLE, APPLYING, LANDING = range(3)
"""What a worker is in the middle of."""

KEYS = 40
IMPATIENT = "session.timeout.ms=2000&heartbeat.interval.ms=200"
"""So long after its death a member's partitions go to others."""
WAIT = 0.1
"""Seconds between the reports of a doomed worker."""
START = datetime(2026, 3, 1, tzinfo=UTC)
AT = START + timedelta(days=3)
"""When everything is asked for."""

user = hr.Entity("user", keys={"user_id": "int64"})
video = hr.Entity("video", keys={"video_id": "int64"})


def definitions(topic: str) -> hr.FeatureView:
    """Two groups keyed differently over one stream: only one of them can be keyed as the topic is."""
    schema = {"id": "string", "user_id": "int64", "video_id": "int64", "stars": "float64", "note": "string", "at": "timestamp"}
    source = hr.EventSource("ratings", timestamp="at", stream=topic, id="id", schema=schema, lateness="30d")
    features: dict[str, Any] = {
        "n": hr.count("2d"),
        "ever": hr.count(),
        "total": hr.sum("stars", "2d"),
        "mean": hr.mean("stars", "1d"),
        "high": hr.count("2d", where="stars >= 4"),
        "last": hr.last("stars"),
        "recent": hr.last_n("stars", 4),
        "notes": hr.sum("CAST(note AS INT)"),
    }
    by_user = hr.FeatureGroup("by_user", entity=user, source=source, features={f"u_{k}": v for k, v in features.items()})
    by_video = hr.FeatureGroup("by_video", entity=video, source=source, features={f"v_{k}": v for k, v in features.items()})
    return hr.FeatureView("view", features=[by_user, by_video])


class StreamWorld:
    """The project, a producer, and what has to come out.

    Attributes:
        produced: event id to its row, each once however often it was sent.
        group: the consumer group of its workers.
        poison: messages that are no rows, or rows that a group can't use.
        partitions: of its topic.
    """

    def __init__(self, folder: Path, url: str, topic: str, *, partitions: int = 4, options: str = "", online: str = "") -> None:
        self.folder = folder
        self.topic = topic
        self.group = f"headrace-{topic}"
        self.partitions = partitions
        self.view = definitions(topic)
        lines = [f'events = "{url}?{IMPATIENT}{options}"', *([f'online = "{online}"'] if online else [])]
        (folder / "headrace.toml").write_text("\n".join(lines) + "\n")
        self.store = hr.connect(folder)
        self.store.apply([self.view])
        self.store.topics.create_topics(["ratings"], partitions)
        self.produced: dict[str, dict[str, Any]] = {}
        self.poison = 0
        self.running: list[Running] = []
        self._producer = Producer(
            {"bootstrap.servers": url.removeprefix("kafka://"), "linger.ms": 5}, logger=logging.getLogger("headrace.kafka.client")
        )
        self._rng = random.Random(7)

    def close(self) -> None:
        for running in self.running:
            running.stop(check=False)
        self.store.close()

    def send(self, value: bytes, **more: Any) -> None:
        """One message, to any partition."""
        self._producer.produce(self.topic, value, **more)
        self._producer.poll(0)

    def flush(self) -> None:
        assert self._producer.flush(PATIENCE) == 0

    def produce(self, count: int, *, poison: float = 0.01) -> None:
        """Events, late and out of order; some come again, through another partition, some are no rows."""
        rng = self._rng
        for _ in range(count):
            row = {
                "id": f"id-{len(self.produced)}",
                "user_id": rng.randrange(KEYS),
                "video_id": rng.randrange(KEYS),
                "stars": rng.choice([0.5, 1.1, 3.3, 4.0, 5.0, 1e16, -1e16, None]),
                "note": rng.choice(["1", "20", None]),
                "at": START + timedelta(seconds=rng.randrange(200_000)),
            }
            self.produced[row["id"]] = row
            self.send(orjson.dumps(row), key=str(row["user_id"]))
            if rng.random() < 0.1:
                self.send(orjson.dumps(self.produced[f"id-{rng.randrange(len(self.produced))}"]))
            if rng.random() < poison:
                self.poison += 1
                bad = {**row, "id": f"bad-{self.poison}"}
                self.send(rng.choice([b"{", orjson.dumps({**bad, "at": 5}), orjson.dumps({**bad, "note": "x"})]))

    def produce_until(self, found: Callable[[], T]) -> T:
        """Events, few enough that the workers can keep up, until something has come about; returns it.

        Fails when for so long nothing moved on, however slow the machine is.
        """
        waiting = self.behind()

        def look() -> T:
            nonlocal waiting
            if waiting < 2000:
                self.produce(10)
                waiting += 10
            else:
                waiting = self.behind()
            return found()

        while True:
            before = self._applied()
            try:
                return until(look, "what is waited for")
            except TimeoutError:
                if self._applied() == before:
                    raise

    def worker(self, options: WorkerOptions | None = None) -> Running:
        """A worker in a thread of this process."""
        self.running.append(Running(self, options or WorkerOptions(self.group, flush_rows=500, flush_seconds=0.5)))
        return self.running[-1]

    def settled(self) -> bool:
        """Whether everything that is in the topic is online."""
        return all(set(lag.applied.values()) == {lag.end} for lag in self.store.topics.lags())

    def wait(self, condition: Any, seconds: float = PATIENCE) -> None:
        """Until the condition holds; fails when for so long nothing moved on, however slow the machine is."""
        deadline, seen = time.monotonic() + seconds, None
        while not condition():
            for running in self.running:
                if running.error is not None:
                    raise running.error
            lags = self.store.topics.lags()
            if lags != seen:
                deadline, seen = time.monotonic() + seconds, lags
            assert time.monotonic() < deadline, (condition, lags)
            time.sleep(0.1)

    def behind(self) -> int:
        """The messages of the topic that aren't online yet."""
        return sum(lag.end - min(lag.applied.values(), default=0) for lag in self.store.topics.lags())

    def _applied(self) -> list[Any]:
        return [(lag.committed, lag.applied) for lag in self.store.topics.lags()]

    def check(self) -> None:
        """Online equals history to the last bit, and both are what was sent: each event once."""
        keys = {"user_id": list(range(KEYS)), "video_id": list(range(KEYS))}
        online = self.store.online_features("view", keys, at=AT)
        frame = pd.DataFrame({**keys, "t": [pd.Timestamp(AT)] * KEYS})
        import pyarrow as pa

        history = self.store.historical_features("view", pa.Table.from_pandas(frame), timestamp="t")
        for name in self.view.feature_names:
            assert repr(list(online.values[name])) == repr(history[name].to_pylist()), name
        for column, prefix in ("user_id", "u"), ("video_id", "v"):
            counts = Counter(row[column] for row in self.produced.values())
            assert online.values[f"{prefix}_ever"] == [counts[key] for key in range(KEYS)]


class Running:
    """A worker at work in a thread."""

    def __init__(self, world: StreamWorld, options: WorkerOptions) -> None:
        self._stop = threading.Event()
        self.done: Any = None
        self.error: BaseException | None = None
        self._worker = world.store.topics.worker(["ratings"], options)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def rows(self) -> int:
        """The rows that it brought online so far; some may have been there."""
        return self._worker._done.rows

    def _run(self) -> None:
        try:
            self.done = self._worker.run(self._stop)
        except Exception as error:  # noqa: BLE001 - told by stop
            self.error = error

    def stop(self, *, check: bool = True) -> Any:
        """Let it finish; returns what it did."""
        self._stop.set()
        self._thread.join(PATIENCE)
        if check:
            assert not self._thread.is_alive()
            if self.error is not None:
                raise self.error
        return self.done


class Doomed:
    """A worker in a process of its own, to be killed amid its work: of all workers the first that does what `doom` says, which is
    one of three things, and more by three for each death.

    Attributes:
        doing: what it is in the middle of, or was when it died.
        share: how many partitions it has.
    """

    def __init__(self, world: StreamWorld, doom: c_int) -> None:
        self.doing = shared_number(IDLE)
        self.share = shared_number(0)
        self.process = forked(_work, str(world.folder), world.group, self.doing, self.share, doom)

    def killed(self) -> bool:
        """Whether it was. One that ended by itself fails the test."""
        assert self.process.exitcode in (None, 0, -signal.SIGKILL), f"a worker ended with {self.process.exitcode}; it said why"
        return self.process.exitcode == -signal.SIGKILL


def _work(folder: str, group: str, doing: c_int, share: c_int, doom: c_int) -> None:
    """A worker that shows what it is in the middle of, and dies of it if it's told to."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with hr.connect(folder) as store:
        topics = store.topics
        topics._feed.advance = _deadly(topics._feed.advance, APPLYING, doing, doom, Path(folder))
        topics._ingest.land = _deadly(topics._ingest.land, LANDING, doing, doom, Path(folder))
        worker_module.TELL = WAIT
        options = WorkerOptions(group, max_rows=200, flush_rows=400, flush_seconds=0.3)
        topics.worker(["ratings"], options, lambda done: setattr(share, "value", done.partitions)).run(stop)


def _deadly(work: Any, what: int, doing: c_int, doom: c_int, folder: Path) -> Any:
    def die(mark: Path) -> None:
        if doing.value == what:
            os.kill(os.getpid(), signal.SIGKILL)
        mark.unlink()  # too late: the next who does it

    def deadly(*args: Any, **more: Any) -> Any:
        doing.value, order = what, doom.value
        mark = folder / f"doomed-{order}"
        if order % 3 == what:
            with suppress(FileExistsError):  # another one is
                mark.touch(exist_ok=False)
                threading.Timer(random.uniform(0, 0.005), die, [mark]).start()
        try:
            return work(*args, **more)
        finally:
            doing.value = IDLE

    return deadly
