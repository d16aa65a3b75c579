"""Connections to one Redis server: how they are made from a URL, kept for the next use, and talked through."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

from redis import backoff, connection, retry
from redis.exceptions import ResponseError

from headrace.errors import SettingsError

try:
    from hiredis import pack_command as _pack  # in C; headrace[redis] installs it
except ImportError:
    _pack = None  # type: ignore[assignment]

__all__ = ["Address", "Node", "pack_command", "parse_url", "receive", "send"]

TIMEOUTS = {"socket_timeout": 10.0, "socket_connect_timeout": 5.0}
"""Seconds; the URL may say others."""
READ_SIZE = 1 << 18


def pack_command(*parts: bytes) -> bytes:
    """A command as Redis reads it."""
    if _pack is not None:
        return cast("bytes", _pack(cast("Any", parts)))
    return b"*%d\r\n%b" % (len(parts), b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]))


class Node:
    """One server, and its connections that nobody uses just now. Threads take connections of their own, as do forked children."""

    def __init__(self, make: Callable[[], Any], address: str) -> None:
        self.address = address
        self._make = make
        self._idle: list[Any] = []
        _nodes.add(self)

    def take(self) -> Any:
        """A connection for one exchange."""
        try:
            return self._idle.pop()
        except IndexError:
            return self._make()

    def give(self, connection: Any) -> None:
        """Hand back a connection on which nothing is under way."""
        self._idle.append(connection)

    def exchange(self, packed: bytes, replies: int = 1) -> list[Any]:
        """Send commands and read their replies, in one round trip. A refusal is a reply: an exception in its place."""
        connection = self.take()
        send(connection, packed)
        found = receive(connection, replies)
        self._idle.append(connection)
        return found

    def leave(self) -> None:
        """Give up the connections that a parent process uses; they aren't closed."""
        self._idle = []

    def forget(self) -> None:
        """Close the idle connections."""
        idle, self._idle = self._idle, []
        for each in idle:
            each.disconnect()


_nodes: weakref.WeakSet[Node] = weakref.WeakSet()


def _leave_to_parent() -> None:
    for node in _nodes:
        node.leave()


os.register_at_fork(after_in_child=_leave_to_parent)


def send(connection: Any, packed: bytes) -> None:
    """Write packed commands; a connection that fails is closed."""
    connection.send_packed_command([packed], check_health=False)


def receive(connection: Any, replies: int) -> list[Any]:
    """Read replies; a connection that fails is closed."""
    found: list[Any] = []
    read = connection.read_response
    try:
        while len(found) < replies:
            try:
                found.append(read())
            except ResponseError as refusal:
                found.append(refusal)
    except BaseException:
        connection.disconnect()
        raise
    return found


@dataclass(frozen=True, slots=True)
class Address:
    """Where and how to connect.

    Attributes:
        shown: the URL without user, password and options, for messages.
        hosts: host and port of one server, or of some nodes of a cluster.
        cluster: whether it is a cluster.
        make: makes a connection of these `settings` to a host and port.
        options: the URL's options that aren't the connection's.
    """

    shown: str
    hosts: Sequence[tuple[str, int]]
    cluster: bool
    make: Callable[..., Any]
    settings: Mapping[str, Any]
    options: Mapping[str, str]

    def node(self, host: str, port: int) -> Node:
        """A server that is reached in the same way."""
        return Node(lambda: self.make(host=host, port=port, **self.settings), f"{host}:{port}")

    @property
    def awaitable(self) -> bool:
        """Whether an event loop can connect in the same way."""
        try:
            self.awaited()
        except (KeyError, TypeError):  # redis-py has options that only one of its two kinds of connections knows
            return False
        return True

    def awaited(self) -> Any:
        """A connection to the first host as an event loop makes it: with `await connection.connect()`."""
        from redis.asyncio import connection as kinds
        from redis.asyncio import retry as retries

        known: dict[Any, Any] = {connection.Connection: kinds.Connection, connection.SSLConnection: kinds.SSLConnection}
        host, port = self.hosts[0]
        settings = {**self.settings, "retry": retries.Retry(backoff.NoBackoff(), 0)}
        return known[self.make](host=host, port=port, **settings)


def parse_url(url: str, own: Sequence[str]) -> Address:
    """How to connect, by a URL `redis[s][+cluster]://[user:password@]host[:port][,…][/db][?option=…]`; `own` options are ours.

    Raises:
        SettingsError: it can't be used.
    """
    parts = urlsplit(url)
    user, _, hosts = parts.netloc.rpartition("@")
    scheme = parts.scheme.removesuffix("+cluster")
    given = dict(parse_qsl(parts.query))
    options = {name: given.pop(name) for name in own if name in given}
    shown = f"{parts.scheme}://{hosts}{parts.path}"
    places: list[tuple[str, int]] = []
    settings: dict[str, Any] = {}
    try:
        parse: Callable[[str], dict[str, Any]] = connection.parse_url
        for host in hosts.split(","):
            settings = parse(f"{scheme}://{user + '@' if user else ''}{host}{parts.path}?{urlencode(given)}")
            places.append((settings.pop("host", "localhost"), settings.pop("port", 6379)))
        make = settings.pop("connection_class", connection.Connection)
        settings = {**TIMEOUTS, "socket_read_size": READ_SIZE} | settings
        settings |= {"protocol": 2, "retry": retry.Retry(backoff.NoBackoff(), 0)}  # it's the client that tries again
        make(host=places[0][0], port=places[0][1], **settings)  # doesn't connect, but knows its options
    except (TypeError, ValueError) as error:
        msg = f"setting 'online': {shown} can't be used: {error}; write redis://[user:password@]host:port/db"
        raise SettingsError(msg) from error
    return Address(shown, places, parts.scheme != scheme, make, settings, options)
