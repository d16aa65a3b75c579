"""What is served while rows come in, values are built anew and others write too is computed again to the bit, on real servers."""

from __future__ import annotations

import threading
import uuid

import numpy as np
import pandas as pd
import pytest

import headrace as hr
from parity.world import view

KEYS = 6


@pytest.fixture(params=["embedded", "redis", "kafka and redis"])
def project(request, tmp_path):
    """A project over those servers."""
    lines = []
    if "redis" in request.param:
        lines.append(f'online = "{request.getfixturevalue("redis_url")}?prefix={uuid.uuid4().hex}"')
    if "kafka" in request.param:
        lines.append(f'events = "{request.getfixturevalue("kafka_url")}"')
        make_topics(request.getfixturevalue("kafka_url"), "events", "records")
    (tmp_path / "headrace.toml").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


def make_topics(url, *names):
    """Topics of three partitions; no other test uses these names on the shared broker."""
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": url.removeprefix("kafka://")})
    for done in admin.create_topics([NewTopic(name, 3) for name in names]).values():
        done.result(30)


def rows(rng, count):
    now = pd.Timestamp.now(tz="UTC")
    return pd.DataFrame(
        {
            "k": rng.integers(0, KEYS, count),
            "x": np.where(rng.random(count) < 0.1, np.nan, rng.normal(size=count) * 10.0 ** rng.integers(-3, 4, count)),
            "n": rng.integers(-9, 9, count),
            "s": rng.choice(["a", "b", "é"], count),
            "at": now - pd.to_timedelta(rng.integers(0, 60_000_000, count), unit="us"),
        }
    )


def push(project, seed, stop, faults):
    """Push rows until told to stop, in a store of its own."""
    try:
        rng = np.random.default_rng(seed)
        with hr.connect(project) as store:
            while not stop.is_set():
                store.push("events" if rng.random() < 0.7 else "records", rows(rng, 5))
    except BaseException as error:  # the test tells it
        faults.append(error)
        raise


def test_what_is_served_while_rows_come_in_is_computed_again_to_the_bit(project):
    stop, faults = threading.Event(), []
    with hr.connect(project) as store:
        store.apply([view])
        rng = np.random.default_rng(7)
        store.write("events", rows(rng, 50))
        store.push("records", rows(rng, 5))
        store.materialize()
        writers = [threading.Thread(target=push, args=[project, seed, stop, faults]) for seed in (1, 2)]
        for writer in writers:
            writer.start()
        try:
            for step in range(40):
                store.online_features("everything", {"k": list(range(KEYS + 1))}, sample=1.0)
                if step % 10 == 5:
                    store.write("events", rows(rng, 20))
                    store.materialize(rebuild=step % 20 == 5)
        finally:
            stop.set()
            for writer in writers:
                writer.join()
        assert not faults
        found = store.verify("everything")
        assert found.rows == 40 * (KEYS + 1)
        assert {name: check for name, check in found.features.items() if check.equal != found.rows} == {}
