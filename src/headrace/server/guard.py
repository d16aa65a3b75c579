"""Keeps web pages of other sites away: the Host header must name this server, and an Origin must be its own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address

from headrace.server.errors import ForbiddenError, WrongHostError

__all__ = ["Guard", "is_loopback", "name_of"]

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::\d*)?")
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def is_loopback(host: str) -> bool:
    """Whether an address reaches this machine alone."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """Checks the headers that a browser sets and a page can't change.

    A server on the loopback address is reached by every page that the person's browser shows, under any name that its author
    resolves to 127.0.0.1 (DNS rebinding). So there the Host must be a name of this machine. One of a network is reached so too;
    as long as it asks nobody who they are, its Host must be what no stranger can call it: an address, or a name without a dot.

    Args:
        host: the address that the server is bound to.
        allowed: further names that it is known by; `*` for any.
    """

    def __init__(self, host: str, allowed: Sequence[str] = ()) -> None:
        names = {host.lower(), *(name.lower() for name in allowed)}
        if is_loopback(host):
            names |= set(LOOPBACK)
        self._any = "*" in allowed
        self._names = None if self._any or not (is_loopback(host) or allowed) else names
        self._good: set[str] = set()

    def check(self, headers: Mapping[str, str], *, is_open: bool = False) -> None:
        """Raises WrongHostError and ForbiddenError.

        Args:
            is_open: whether nobody is asked who they are.
        """
        host = headers.get("host", "")
        if self._names is not None and host not in self._good:
            self._check_host(host, self._names)
        if self._names is None and is_open and not self._any and _is_a_strangers(host):
            msg = (
                f"this server has no users, so any web page could reach it as {host!r}: start it with --allow-host, or add users"
            )
            raise WrongHostError(msg)
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()):
            msg = f"the page at {origin} may not call this server; its own pages may"
            raise ForbiddenError(msg)

    def _check_host(self, host: str, names: set[str]) -> None:
        if name_of(host) not in names:
            msg = f"this server isn't {host!r}; it answers to {', '.join(sorted(names))}. Name more with --allow-host"
            raise WrongHostError(msg)
        if len(self._good) < 100:
            self._good.add(host)


def _is_a_strangers(host: str) -> bool:
    """Whether somebody outside may have made this name."""
    name = name_of(host).rstrip(".")
    try:
        ip_address(name)
    except ValueError:
        return "." in name
    return False


def name_of(host: str) -> str:
    """`[::1]:5000` → `::1`, `localhost:5000` → `localhost`; empty for what is no name with or without a port."""
    found = _HOST.fullmatch(host)
    return found[1].strip("[]").lower() if found else ""
