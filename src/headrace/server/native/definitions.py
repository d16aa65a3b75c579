"""The catalog store's contract for remote stores: they plan, and what they commit is checked here once more."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from headrace.server.endpoint import Operation
from headrace.server.http import Call, Reply
from headrace.server.native.exchange import Task, quick
from headrace.server.schema import Content
from headrace.wire.definitions import key_from, state_to, version_from, version_to
from headrace.wire.values import MSGPACK, WIRE, pack

__all__ = ["COMMIT", "GREETING", "REVISION", "STATE", "VERSIONS"]


def _greeting(_call: Call) -> Reply:
    """The server's release, and the version of the protocol that remote stores have to speak."""
    return Reply(pack({"release": version("headrace"), "wire": WIRE}), media_type=MSGPACK)


def _revision(task: Task) -> Any:
    """The catalog's revision."""
    return task.store.catalog.store.revision()


def _state(task: Task) -> Any:
    """The latest versions of all definitions, as of one revision."""
    return state_to(task.store.catalog.store.state())


def _versions(task: Task) -> Any:
    """All versions of a definition."""
    found = task.store.catalog.store.versions(task.arguments["kind"], task.arguments["name"])
    return [version_to(item) for item in found]


def _commit(task: Task) -> Any:
    """Commit versions of definitions that a client planned, after planning them anew; writes their lineage as well."""
    added = [version_from(item) for item in task.arguments["added"]]
    removed = [key_from(item) for item in task.arguments["removed"]]
    task.store.accept(task.arguments["revision"], added, removed)


GREETING = Operation(_greeting, gives=(Content(MSGPACK),), quick=_greeting)
REVISION = quick(_revision, {})
STATE = quick(_state, {})
VERSIONS = quick(_versions, {"kind": str, "name": str})
COMMIT = quick(_commit, {"revision": int, "added": list, "removed": list}, changes=True)
