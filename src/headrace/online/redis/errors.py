"""What Redis and redis-py say, in our words: what is wrong, and what to do."""

from __future__ import annotations

import re

from headrace.errors import HeadraceError, IntegrityError, SettingsError, StorageError

__all__ = ["BusyError", "explained"]


class BusyError(Exception):
    """A server that is there and can't answer yet; never leaves the client."""


_ADVICE = (
    ("AuthenticationError", "refuses the user or password; give them in the URL: redis://user:password@host:port"),
    ("NoPermissionError", "doesn't let this user do so: {reason}; allow it reading, writing and scripts (ACL SETUSER)"),
    (
        "OutOfMemoryError",
        "is full (maxmemory); give it more memory. Nothing is lost: what it couldn't take is applied when there is room",
    ),
    ("ReadOnlyError", "is a replica, which takes no writes; give the address of its primary"),
    ("MovedError", "is a node of a cluster; write redis+cluster:// instead of redis://"),
    ("BusyLoadingError", "is still loading its data; try again in a moment"),
    ("BusyError", "isn't ready: {reason}; try again in a moment"),
    ("TimeoutError", "doesn't answer: {reason}; check its load and the network"),
    ("ConnectionError", "can't be reached: {reason}; check that it runs and that the setting 'online' gives its address"),
)


def explained(error: Exception, address: str) -> HeadraceError:
    """The error to raise for what Redis or redis-py said."""
    reason = re.sub(r"\s+", " ", str(error)).rstrip(".")
    names = [kind.__name__ for kind in type(error).__mro__]
    for name, advice in _ADVICE:
        if name in names:
            return StorageError(f"Redis at {address} {advice.format(reason=reason)}")
    if "WRONGTYPE" in reason:
        msg = (
            f"Redis at {address}: a key of ours holds a value of another type; does another program use this Redis? "
            "Give Headrace a prefix of its own in the URL (?prefix=…), and run: headrace materialize --rebuild"
        )
        return IntegrityError(msg)
    if "cluster support disabled" in reason:
        return SettingsError(f"setting 'online': Redis at {address} isn't a cluster; write redis:// instead of redis+cluster://")
    return StorageError(f"Redis at {address} refused a command: {reason}; check its log and its settings")
