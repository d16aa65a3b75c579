"""What changes, as server-sent events: a page keeps one stream open and reads again what an event names."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import orjson

from headrace.server.endpoint import Operation
from headrace.server.http import Call, Reply
from headrace.server.schema import Content, Field, read_query
from headrace.store import Store
from headrace.tracking.changes import Change, Cursor

__all__ = ["LIVE"]

LOOK_SECONDS = 0.5
"""So often is looked for changes while somebody listens: what a run logs meanwhile is one event."""
BEAT_SECONDS = 15.0
AT_ONCE = 5000
_CURSOR = re.compile(r"(\d{1,18})\.(\d{1,18})")
_ASKED = {
    "after": Field("The id of the last event that was seen, for a client that can't send `Last-Event-ID` itself.", default="")
}
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


def _live(call: Call) -> Reply:
    """What changes, as server-sent events, at most two a second.

    - `hello` at the start: `{"missed": false, "running": 3}`. A client that comes back sends the id of the last event that it saw
      (`Last-Event-ID`, as browsers do by themselves, or `after`) and is told what came since. If that is forgotten, `missed` is
      true, and everything has to be read again.
    - `runs`: `{"changed": [ids], "created": [ids], "ended": [ids], "points": {id: [keys]}, "running": 3}`. `changed` names every
      run of the event; no keys stands for many.
    - `catalog`: `{"experiments": [ids], "models": [names]}`.
    - `beat` while there is nothing to say.
    """
    cursor = call.headers.get("last-event-id", "") or read_query(call.query, _ASKED)["after"]
    return Reply(_events(call.store, cursor), media_type="text/event-stream", headers=_HEADERS, live=True)


async def _events(store: Store, given: str) -> AsyncIterator[bytes]:
    tail = _tails.setdefault(store.changes, _Tail())
    end = await tail.look(store, 0.0)
    cursor, missed = _parsed(given) or end, bool(given) and _parsed(given) is None
    if not missed and await asyncio.to_thread(store.changes.since, cursor, 1) is None:
        cursor, missed = end, True
    yield _event("hello", cursor, {"missed": missed, "running": await asyncio.to_thread(store.overview.running)})
    spoken = time.monotonic()
    while True:
        if await tail.look(store, LOOK_SECONDS) != cursor:
            found = await asyncio.to_thread(store.changes.since, cursor, AT_ONCE)
            if found is None:  # so much came at once that it was forgotten before it was read
                cursor = await tail.look(store, 0.0)
                yield _event("hello", cursor, {"missed": True, "running": await asyncio.to_thread(store.overview.running)})
                continue
            changes, cursor = found
            for kind, told in _told(changes):
                if kind == "runs":
                    told["running"] = await asyncio.to_thread(store.overview.running)
                yield _event(kind, cursor, told)
                spoken = time.monotonic()
        if time.monotonic() - spoken > BEAT_SECONDS:
            yield _event("beat", cursor, {})
            spoken = time.monotonic()
        await asyncio.sleep(LOOK_SECONDS)


class _Tail:
    """Where the sequence ends, asked once for all who listen."""

    def __init__(self) -> None:
        self._known: Cursor = (0, 0)
        self._asked = float("-inf")

    async def look(self, store: Store, age: float) -> Cursor:
        """The end, as it was at most so many seconds ago."""
        if time.monotonic() - self._asked >= age:
            self._asked = time.monotonic()
            self._known = await asyncio.to_thread(store.changes.end)
        return self._known


_tails: WeakKeyDictionary[Any, _Tail] = WeakKeyDictionary()


def _told(changes: Sequence[Change]) -> list[tuple[str, dict[str, Any]]]:
    """The events that tell some changes."""
    runs: dict[str, dict[str, None]] = {"changed": {}, "created": {}, "ended": {}}
    points: dict[str, dict[str, None] | None] = {}
    catalog: dict[str, dict[str, None]] = {"experiment": {}, "model": {}}
    for change in changes:
        if change.kind in catalog:
            catalog[change.kind][change.subject] = None
            continue
        runs["changed"][change.subject] = None
        if change.kind == "points":
            held = points.setdefault(change.subject, {})
            if held is not None:
                points[change.subject] = {**held, **dict.fromkeys(change.keys)} if change.keys else None
        elif change.kind != "changed":
            runs[change.kind][change.subject] = None
    events: list[tuple[str, dict[str, Any]]] = []
    if runs["changed"]:
        keys = {run: list(held or ()) for run, held in points.items()}
        events.append(("runs", {**{name: list(held) for name, held in runs.items()}, "points": keys}))
    if any(catalog.values()):
        events.append(("catalog", {"experiments": list(catalog["experiment"]), "models": list(catalog["model"])}))
    return events


def _parsed(cursor: str) -> Cursor | None:
    found = _CURSOR.fullmatch(cursor)
    return (int(found[1]), int(found[2])) if found else None


def _event(kind: str, cursor: Cursor, data: object) -> bytes:
    return b"id: %d.%d\nevent: %s\ndata: %s\n\n" % (*cursor, kind.encode(), orjson.dumps(data))


LIVE = Operation(_live, gives=(Content("text/event-stream"),), query=_ASKED)
