"""What changes, as server-sent events: a page keeps one stream open and reads again what an event names."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import orjson

from headrace.server.endpoint import Operation
from headrace.server.http import Call, Reply
from headrace.server.schema import Content
from headrace.tracking.overview import Overview, Pulse

__all__ = ["LIVE"]

LOOK_SECONDS = 0.5
BEAT_SECONDS = 15.0
_RECENT_MICROS = 15 * 60 * 1_000_000


def _live(call: Call) -> Reply:
    """Server-sent events: `hello` at the start, `runs` with the ids of runs that changed, `catalog` for any other change, `beat`
    while there is nothing to say. The id of an event is a cursor: a client that comes back with it is told whether it missed
    anything (`hello` has `missed`)."""
    cursor = call.headers.get("last-event-id", "")
    return Reply(_events(call.store.overview, cursor), media_type="text/event-stream", headers=_HEADERS, live=True)


async def _events(overview: Overview, cursor: str) -> AsyncIterator[bytes]:
    known = await _pulse(overview)
    missed = bool(cursor) and cursor != str(known.stamp)
    yield _event("hello", known.stamp, {"missed": missed, "running": _running(known)})
    spoken = time.monotonic()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if await asyncio.to_thread(overview.stamp) != known.stamp:
            now = await _pulse(overview)
            changed = [run for run, mark in now.runs.items() if known.runs.get(run) != mark]
            yield _event("runs" if changed else "catalog", now.stamp, {"changed": changed, "running": _running(now)})
            known, spoken = now, time.monotonic()
        elif time.monotonic() - spoken > BEAT_SECONDS:
            yield _event("beat", known.stamp, {})
            spoken = time.monotonic()


async def _pulse(overview: Overview) -> Pulse:
    since = time.time_ns() // 1000 - _RECENT_MICROS
    return await asyncio.to_thread(overview.pulse, since)


def _running(pulse: Pulse) -> int:
    return sum(mark.startswith("RUNNING active") for mark in pulse.runs.values())


def _event(kind: str, stamp: int, data: object) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (stamp, kind.encode(), orjson.dumps(data))


_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
LIVE = Operation(_live, gives=(Content("text/event-stream"),))
