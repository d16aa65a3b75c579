"""A small project with every type of value, and a server of it."""

from __future__ import annotations

import datetime as dt

import pytest

import headrace as hr
from servers.headrace import headrace_server

T = dt.datetime(2026, 1, 1, 1, tzinfo=dt.UTC)

DEFINITIONS = """
import headrace as hr

driver = hr.Entity("driver", keys={"driver_id": "int64"})
shop = hr.Entity("shop", keys={"shop": "string"})
stay = hr.Entity("stay", keys={"driver_id": "int64", "shop": "string"})
day = hr.Entity("day", keys={"day": "date"})
facts = {"conv": "float64", "trips": "int64", "ok": "bool", "name": "string", "blob": "bytes", "seen": "timestamp",
         "born": "date", "f32": "float32", "emb": "vector[2]"}
drivers = hr.TableSource("drivers", timestamp="event_timestamp", stream="drivers",
                         schema={"driver_id": "int64", **facts, "event_timestamp": "timestamp"})
shops = hr.TableSource("shops", timestamp="event_timestamp", stream="shops",
                       schema={"shop": "string", "conv": "float64", "size": "int64", "event_timestamp": "timestamp"})
rides = hr.EventSource("rides", timestamp="rode_at", stream="rides", id="ride",
                       schema={"ride": "string", "driver_id": "int64", "shop": "string", "day": "date", "fare": "float64",
                               "rode_at": "timestamp"})
driver_stats = hr.FeatureGroup("driver_stats", entity=driver, source=drivers, features={name: name for name in facts})
shop_stats = hr.FeatureGroup("shop_stats", entity=shop, source=shops, features={"conv": "conv", "size": "size"}, ttl="3650d")
old_shops = hr.FeatureGroup("old_shops", entity=shop, source=shops, features={"old_size": "size"}, ttl="1s")
ride_stats = hr.FeatureGroup("ride_stats", entity=driver, source=rides, features={
    "fares": hr.last_n("fare", 3), "shops": hr.last_n("shop", 3),
    "first_at": hr.first("rode_at"), "rides": hr.count(), "rides_1m": hr.count("1m")})
stays = hr.FeatureGroup("stays", entity=stay, source=rides, features={"stays": hr.count()})
days = hr.FeatureGroup("days", entity=day, source=rides, features={"day_rides": hr.count()})


@hr.on_demand(inputs=["trips", "bonus"], returns="float64")
def reward(trips, bonus):
    return trips * bonus


svc = hr.FeatureView("svc", features=[driver_stats["conv", "trips"], shop_stats["size"]])
everything = hr.FeatureView("everything", features=[driver_stats, ride_stats])
rewards = hr.FeatureView("rewards", features=[driver_stats["trips"], reward])
made = hr.FeatureView("made", features=[driver_stats["trips"].prefixed("d_"), stays, shop_stats["conv"].keyed(shop="at_shop"),
                                        old_shops])
by_day = hr.FeatureView("by_day", features=[days])
"""

DRIVERS = [
    {"driver_id": 1, "conv": 2.5, "trips": 2**53 + 1, "ok": True, "name": "a", "blob": b"\x00\xff", "seen": T, "born": T.date(),
     "f32": 0.5, "emb": [0.5, -1.0], "event_timestamp": T},
    {"driver_id": 2, "conv": None, "trips": 7, "ok": False, "name": 'ü"', "blob": b"x", "seen": T, "born": None,
     "f32": None, "emb": None, "event_timestamp": T + dt.timedelta(seconds=1)},
    {"driver_id": 3, "conv": float("nan"), "trips": -(2**63), "ok": None, "name": "", "blob": b"", "seen": T, "born": T.date(),
     "f32": float("-inf"), "emb": [0.0, 2.0], "event_timestamp": T},
]  # fmt: skip
SHOPS = [{"shop": "x", "conv": 9.0, "size": 3, "event_timestamp": T}, {"shop": "y", "conv": 8.0, "size": 4, "event_timestamp": T}]
RIDES = [
    {"ride": "r1", "driver_id": 1, "shop": "x", "day": T.date(), "fare": 1.5, "rode_at": T},
    {
        "ride": "r2",
        "driver_id": 1,
        "shop": "x",
        "day": T.date(),
        "fare": float("inf"),
        "rode_at": T + dt.timedelta(microseconds=1),
    },
]


def make_project(folder):
    """A project of these definitions and rows in an empty folder."""
    (folder / "definitions.py").write_text(DEFINITIONS, encoding="utf-8")
    (folder / "headrace.toml").write_text('modules = ["definitions"]\n', encoding="utf-8")
    with hr.connect(folder) as store:
        names: dict = {}
        exec(compile(DEFINITIONS, str(folder / "definitions.py"), "exec"), {**names, "__name__": "definitions"}, names)
        store.apply([item for item in names.values() if isinstance(item, hr.FeatureView)])
        store.push("drivers", DRIVERS)
        store.push("shops", SHOPS)
        store.push("rides", RIDES)
    return folder


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def url(project):
    with headrace_server(project) as url:
        yield url


@pytest.fixture
def own_url(tmp_path):
    """A server of a project of its own, for tests that write."""
    with headrace_server(make_project(tmp_path)) as url:
        yield url
