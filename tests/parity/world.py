"""A project with every kind of feature, driven by a clock that only moves when told, with an oracle beside it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

import headrace as hr
from parity.oracle import SECOND, Event, Spec, aggregate, newest, record

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WINDOWS = {"10s": (10 * SECOND, 1 * SECOND), "7s": (7 * SECOND, 7 * SECOND), "1m": (60 * SECOND, 10 * SECOND), None: (None, None)}
WHERES = {"x > 1": lambda e: e.x is not None and e.x > 1, "n % 2 = 0": lambda e: e.n is not None and e.n % 2 == 0}
TTL = 40 * SECOND

thing = hr.Entity("thing", keys={"k": "int64"})
schema = {"k": "int64", "x": "float64", "n": "int64", "s": "string", "at": "timestamp"}
events = hr.EventSource("events", timestamp="at", stream="events", schema=schema)
records = hr.TableSource("records", timestamp="at", stream="records", schema=schema)


def _specs() -> dict[str, tuple[Any, Spec]]:
    found: dict[str, tuple[Any, Spec]] = {}
    for window, (length, hop) in WINDOWS.items():
        step = None if length is None else f"{hop // SECOND}s"
        tag = window or "ever"
        for where, condition in (None, None), *WHERES.items():
            name = f"count_{tag}_{list(WHERES).index(where) + 1 if where else 0}"
            found[name] = hr.count(window, where=where, hop=step), Spec("count", None, length, hop, condition)
        for function in ("sum", "mean", "min", "max", "std", "count_distinct", "first", "last"):
            for argument in "xn" if function not in ("first", "last") else "xns":
                made = getattr(hr, function)(argument, window, hop=step)
                found[f"{function}_{argument}_{tag}"] = made, Spec(function, argument, length, hop)
        found[f"last3_{tag}"] = hr.last_n("n", 3, window, hop=step), Spec("last_n", "n", length, hop, None, 3)
        found[f"min_s_{tag}"] = hr.min("s", window, where="x > 1", hop=step), Spec("min", "s", length, hop, WHERES["x > 1"])
    return found


SPECS = _specs()
windows = hr.FeatureGroup("windows", entity=thing, source=events, features={name: made for name, (made, _) in SPECS.items()})
short = hr.FeatureGroup(
    "short",
    entity=thing,
    source=events,
    ttl="40s",
    features={"short_count": hr.count("10s"), "short_last": hr.last("n", default=-1)},
)
facts = hr.FeatureGroup(
    "facts", entity=thing, source=records, features={"rx": "x", "rn2": "n * 2", "rs": hr.column("s", default="?")}
)
brief = hr.FeatureGroup("brief", entity=thing, source=records, ttl="40s", features={"bx": "x"})


@hr.on_demand(inputs=["mean_x_10s", "rx"], returns="float64")
def gap(mean_x, rx):
    return mean_x - rx


view = hr.FeatureView("everything", features=[windows, short, facts, brief, gap])


class World:
    """The product and the oracle, told the same things."""

    def __init__(self, folder: Path, now: int = 1_760_000_000 * SECOND, connect: Any = hr.connect) -> None:
        self.folder = folder
        self.connect = connect
        self.now = now
        self.events: list[Event] = []
        self.records: list[Event] = []
        self.offset = 0
        self.waiting = False
        self.store = connect(folder, clock=lambda: self.now)
        self.store.apply([view])

    def close(self) -> None:
        self.store.close()

    def reopen(self) -> None:
        self.store.close()
        self.store = self.connect(self.folder, clock=lambda: self.now)

    def add(self, source: str, rows: list[tuple[Any, int, float | None, int | None, str | None]], how: str) -> None:
        """Rows of (key, event time, x, n, s), pushed or written."""
        frame = pd.DataFrame(
            {
                "k": pd.array([row[0] for row in rows], "Int64"),
                "x": pd.array([row[2] for row in rows], "float64"),
                "n": pd.array([row[3] for row in rows], "Int64"),
                "s": pd.array([row[4] for row in rows], "str"),
                "at": pd.to_datetime([row[1] for row in rows], unit="us", utc=True).as_unit("us"),
            }
        )
        (self.store.push if how == "push" else self.store.write)(source, frame)
        self.note(source, rows, how)

    def note(self, source: str, rows: list[Any], how: str) -> None:
        kept = self.events if source == "events" else self.records
        for key, time, x, n, s in rows:
            kept.append(Event(key, time, self.now, self.offset, x, n, s))
            self.offset += 1
        self.waiting = self.waiting or how == "write"

    def materialize(self) -> None:
        self.store.materialize()
        self.waiting = False

    def expected(self, key: Any, t: int, *, as_known: bool) -> dict[str, Any]:
        values = {name: aggregate(self.events, key, t, spec, as_known) for name, (_, spec) in SPECS.items()}
        last_seen = newest(self.events, key, t, as_known)
        expired = last_seen is not None and t - last_seen > TTL
        short_count = aggregate(self.events, key, t, Spec("count", None, 10 * SECOND, SECOND), as_known)
        values["short_count"] = None if expired else short_count
        short_last = aggregate(self.events, key, t, Spec("last", "n"), as_known)
        values["short_last"] = -1 if expired or short_last is None else short_last
        row = record(self.records, key, t, as_known)
        values["rx"] = row.x if row else None
        values["rn2"] = row.n * 2 if row and row.n is not None else None
        values["rs"] = row.s if row and row.s is not None else "?"
        values["bx"] = row.x if row and t - row.time <= TTL else None
        both = values["mean_x_10s"], values["rx"]
        values["gap"] = None if None in both else both[0] - both[1]
        return values

    def historical(self, asked: list[tuple[Any, int]], *, as_known: bool) -> list[dict[str, Any]]:
        frame = pd.DataFrame(
            {
                "k": pd.array([key for key, _ in asked], "Int64"),
                "t": pd.to_datetime([t for _, t in asked], unit="us", utc=True).as_unit("us"),
            }
        )
        import pyarrow as pa

        found = self.store.historical_features(view.name, pa.Table.from_pandas(frame), timestamp="t", as_known=as_known)
        return [{name: row[name] for name in view.feature_names} for row in found.to_pylist()]

    def online(self, keys: list[Any], t: int | None = None) -> list[dict[str, Any]]:
        moment = None if t is None else EPOCH + timedelta(microseconds=t)
        found = self.store.online_features(view.name, {"k": keys}, at=moment)
        return [{name: found.values[name][row] for name in view.feature_names} for row in range(len(keys))]


def differences(got: dict[str, Any], want: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The features that differ, to the last bit."""
    return {name: (got[name], want[name]) for name in want if not same(got[name], want[name])}


def same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return left == right or (math.isnan(left) and math.isnan(right))
    return type(left) is type(right) and left == right
