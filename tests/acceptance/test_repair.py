"""A damaged event log is told, and repaired by keeping all that can be read."""

from __future__ import annotations

import json

import pandas as pd
import pytest

import headrace as hr
from headrace.cli.entry import run

AT = pd.Timestamp("2026-03-01 12:00", tz="UTC")
thing = hr.Entity("thing", keys={"k": "int64"})
events = hr.EventSource("events", timestamp="at", stream="events", schema={"k": "int64", "at": "timestamp"})
view = hr.FeatureView("view", features=[hr.FeatureGroup("counts", entity=thing, source=events, features={"n": hr.count()})])


ASKED = pd.DataFrame({"k": [1], "t": [AT + pd.Timedelta("1s")]})


@pytest.fixture
def damaged(tmp_path):
    """A project whose log lost the second of three pushes."""
    with hr.connect(tmp_path) as store:
        store.apply([view])
        for _ in range(3):
            store.push("events", pd.DataFrame({"k": [1] * 10, "at": [AT] * 10}))
    log = tmp_path / ".headrace" / "events"
    (segment,) = [path for path in log.rglob("*") if path.is_file() and path.stat().st_size > 500]
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 0xFF
    segment.write_bytes(data)
    return tmp_path


def test_doctor_keeps_the_whole_frames_and_names_the_lost_offsets(damaged, capsys):
    with hr.connect(damaged) as store, pytest.raises(hr.IntegrityError, match="doctor --repair"):
        store.historical_features("view", ASKED, timestamp="t")
    run(["doctor", "--repair", "--json", "--project", str(damaged)])
    assert json.loads(capsys.readouterr().out)["lost"] == {"events": [[10, 19]]}
    with hr.connect(damaged) as store:
        assert store.historical_features("view", ASKED, timestamp="t")["n"].tolist() == [20]
        store.materialize(rebuild=True)
        assert store.online_features("view", {"k": 1}, at=AT + pd.Timedelta("1s")).values["n"] == [20]


def test_a_store_repairs_here_and_at_a_server(damaged, connect):
    with connect(damaged) as store:
        with pytest.raises(hr.IntegrityError, match="doctor --repair"):
            store.historical_features("view", ASKED, timestamp="t")
        assert store.repair() == {"events": [(10, 19)]}
        assert store.historical_features("view", ASKED, timestamp="t")["n"].tolist() == [20]
