"""Whether the server lives, whether its stores answer, its metrics, and what release it is."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version

from headrace.server.endpoint import Operation
from headrace.server.http import TEXT, Call, Reply, json_reply
from headrace.server.metrics import MEDIA_TYPE
from headrace.server.schema import PLAIN_TEXT, Content, Field, Record

__all__ = ["HEALTH", "METRICS", "READY", "VERSION"]

_READY = Record("Ready", {"catalog": Field("`ok`"), "online": Field("`ok`")})


def _health(_call: Call) -> Reply:
    """Say OK: the process lives. It asks no store, so a store that is down doesn't get the server restarted."""
    return Reply(b"OK", media_type=TEXT)


def _ready(call: Call) -> Reply:
    """Say whether catalog and online store answer; 503 with the reason if one doesn't."""
    call.store.catalog.views()
    call.store.freshness()
    return json_reply({"catalog": "ok", "online": "ok"})


def _metrics(call: Call) -> Reply:
    """Counts and times of requests, rows read and pushed, and how fresh each group is, as Prometheus reads them."""
    return Reply(call.metrics.text(), media_type=MEDIA_TYPE)


@cache
def _release() -> bytes:
    return version("headrace").encode()  # reads a file


def _version(_call: Call) -> Reply:
    """The release, as text."""
    return Reply(_release(), media_type=TEXT)


HEALTH = Operation(_health, gives=(PLAIN_TEXT,), quick=_health)
METRICS = Operation(_metrics, gives=(PLAIN_TEXT,))
READY = Operation(_ready, gives=(Content(record=_READY),))
VERSION = Operation(_version, gives=(PLAIN_TEXT,), quick=_version)
