"""Runs commands on one Redis server or on the nodes of a cluster: where their keys are, and again if a server was away."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MovedError,
    NoScriptError,
    RedisError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import TimeoutError as Slow

from headrace.errors import SettingsError
from headrace.online.redis.connection import Node, pack_command, parse_url, receive, send
from headrace.online.redis.errors import BusyError, explained
from headrace.online.redis.layout import Layout
from headrace.online.redis.scripts import SCRIPTS, Script

__all__ = ["PAUSES", "Command", "RedisClient", "command", "evaluate", "open_redis"]

Result = TypeVar("Result")
Command = tuple[bytes, bytes]
"""A key that tells which node has to run it, and the packed command."""
Flight = list[tuple[Node, Any, Sequence[int]]]
"""Commands under way: the node, a connection to it, and which commands it got."""

PAUSES = (0.05, 0.2, 0.5)
"""Seconds before each new attempt when a server can't be reached, loads its data or moves a slot."""
DEFAULT_PREFIX = "hr"
SLOTS = 16384


def evaluate(script: Script, keys: Sequence[bytes], *arguments: bytes | str | int) -> Command:
    """The call of a script, to the node of its first key."""
    texts = [item if isinstance(item, bytes) else str(item).encode() for item in arguments]
    return keys[0], pack_command(b"EVALSHA", script.sha, str(len(keys)).encode(), *keys, *texts)


def command(name: bytes, key: bytes, *arguments: bytes) -> Command:
    """A command on one key."""
    return key, pack_command(name, key, *arguments)


class RedisClient:
    """Runs commands where their keys are.

    Args:
        url: `redis://`, `rediss://`, `redis+cluster://` or `rediss+cluster://`, with user, password and redis-py's options.
        own: the names of options that aren't redis-py's.

    Attributes:
        address: the URL without user, password and options, for messages.
        where: how to connect.
        options: the URL's options that aren't the connection's: `prefix`.
        cluster: whether it is a cluster.
    """

    def __init__(self, url: str, own: Sequence[str] = ()) -> None:
        self.where = parse_url(url, own)
        self.address, self.cluster, self.options = self.where.shown, self.where.cluster, self.where.options
        self._nodes = {place: self.where.node(*place) for place in self.where.hosts}
        self.node = next(iter(self._nodes.values()))
        self._slots: list[Node] = [self.node] * SLOTS
        self._known = not self.cluster

    def close(self) -> None:
        """Close the idle connections."""
        for node in self._nodes.values():
            node.forget()

    def run(self, commands: Sequence[Command]) -> list[Any]:
        """The replies to commands, one round trip to each node that has a part.

        Raises:
            StorageError, IntegrityError, SettingsError: what a server refused. Call it within `retried`, for connection errors
                come as redis-py has them.
        """
        if len(commands) == 1 and not self.cluster:  # nearly every read
            replies = self.node.exchange(commands[0][1])
        else:
            replies = self._receive(self._send(commands), len(commands)) if commands else []
        return self._mended(commands, replies)

    def stream(self, trips: Iterable[Sequence[Command]]) -> Iterator[list[Any]]:
        """As `run` for each trip, but the servers work on one while the next is being made."""
        under_way: tuple[Sequence[Command], Flight] | None = None
        try:
            for commands in trips:
                flight = self._send(commands)
                before, under_way = under_way, (commands, flight)
                if before is not None:
                    yield self._mended(before[0], self._receive(before[1], len(before[0])))
            if under_way is not None:
                before, under_way = under_way, None
                yield self._mended(before[0], self._receive(before[1], len(before[0])))
        finally:
            if under_way is not None:
                for _, connection, _ in under_way[1]:
                    connection.disconnect()

    def masters(self) -> list[Node]:
        """The servers that hold keys, each once."""
        self._learn_slots()
        return list(dict.fromkeys(self._slots))

    def retried(self, work: Callable[[], Result]) -> Result:
        """Do work that may be repeated, again after a pause if a server is away for a moment.

        Raises:
            StorageError: it stays away.
        """

        for pause in (*PAUSES, None):
            try:
                return work()
            except (Unreachable, Slow, BusyError) as error:
                if pause is None or isinstance(error, AuthenticationError):
                    raise explained(error, self.address) from error
                self._start_anew()
                time.sleep(pause)
            except RedisError as error:
                raise explained(error, self.address) from error
        raise AssertionError

    def _start_anew(self) -> None:
        """Whatever failed, the other idle connections are as old."""
        self.close()
        self._known = not self.cluster

    def _send(self, commands: Sequence[Command]) -> Flight:
        if not self.cluster:
            parts: list[tuple[Node, Sequence[int]]] = [(self.node, range(len(commands)))]
        else:
            self._learn_slots()
            parts = list(self._by_node(commands).items())
        flight: Flight = []
        try:
            for node, places in parts:
                connection = node.take()
                flight.append((node, connection, places))
                send(connection, b"".join([commands[place][1] for place in places]))
        except BaseException:
            for _, connection, _ in flight:
                connection.disconnect()
            raise
        return flight

    def _by_node(self, commands: Sequence[Command]) -> dict[Node, list[int]]:

        slots = self._slots
        parts: dict[Node, list[int]] = {}
        for place, (key, _) in enumerate(commands):
            parts.setdefault(slots[key_slot(key)], []).append(place)
        return parts

    def _receive(self, flight: Flight, count: int) -> list[Any]:
        replies: list[Any] = [None] * count
        left = list(flight)
        try:
            while left:
                node, connection, places = left[0]
                for place, reply in zip(places, receive(connection, len(places)), strict=True):
                    replies[place] = reply
                node.give(connection)
                del left[0]
        finally:
            for _, connection, _ in left:
                connection.disconnect()
        return replies

    def _mended(self, commands: Sequence[Command], replies: list[Any]) -> list[Any]:
        """The replies, once the commands that met a server without our scripts or a slot that moved have been run again."""
        for pause in (0, *PAUSES, None):
            failed = [place for place, reply in enumerate(replies) if isinstance(reply, Exception)]
            if not failed:
                return replies
            for place in failed:
                self._mend(replies[place], final=pause is None)
            time.sleep(pause or 0)
            again = [commands[place] for place in failed]
            for place, reply in zip(failed, self._repeat(again, [replies[place] for place in failed]), strict=True):
                replies[place] = reply
        raise AssertionError

    def _mend(self, error: Exception, *, final: bool) -> None:

        if isinstance(error, NoScriptError) and not final:
            for node in self.masters():
                node.exchange(b"".join([pack_command(b"SCRIPT", b"LOAD", script.text) for script in SCRIPTS]), len(SCRIPTS))
        elif isinstance(error, MovedError) and self.cluster and not final:
            self._known = False
        elif isinstance(error, ClusterDownError | BusyLoadingError):
            raise BusyError(str(error))
        elif not isinstance(error, AskError | TryAgainError) or final or not self.cluster:
            raise explained(error, self.address) from error

    def _repeat(self, commands: Sequence[Command], errors: Sequence[Exception]) -> list[Any]:

        if not any(isinstance(error, AskError) for error in errors):
            return self._receive(self._send(commands), len(commands))
        return [self._ask(command, error) for command, error in zip(commands, errors, strict=True)]

    def _ask(self, command: Command, error: Exception) -> Any:
        """Run one command where its slot is moving to."""

        if not isinstance(error, AskError):
            return self._receive(self._send([command]), 1)[0]
        address = (str(error.host), int(error.port))
        node = self._nodes.setdefault(address, self.where.node(*address))
        return node.exchange(pack_command(b"ASKING") + command[1], 2)[1]

    def _learn_slots(self) -> None:
        """Ask any node that answers which node has which slots."""
        if self._known:
            return

        failure: RedisError = Unreachable("no node answers")
        for node in list(self._nodes.values()):
            try:
                reply = node.exchange(pack_command(b"CLUSTER", b"SLOTS"))[0]
            except (Unreachable, Slow) as error:
                failure = error
                continue
            if isinstance(reply, RedisError):
                raise explained(reply, self.address) from reply
            if reply:
                self._keep_slots(reply, node)
                return
        raise failure

    def _keep_slots(self, ranges: Iterable[Any], told_by: Node) -> None:
        slots: list[Node | None] = [None] * SLOTS
        for first, last, (host, port, *_), *_ in ranges:
            address = (host.decode() if host else told_by.address.rpartition(":")[0], int(port))
            node = self._nodes.setdefault(address, self.where.node(*address))
            slots[first : last + 1] = [node] * (last + 1 - first)
        if None in slots:
            raise BusyError("some slots of the cluster have no node")
        self._slots, self._known = [node for node in slots if node is not None], True


def open_redis(url: str) -> tuple[RedisClient, Layout]:
    """The client and the names of keys for a URL with `?prefix=`; a server that answers, and may forget nothing.

    Raises:
        StorageError: it can't be reached or used.
        SettingsError: the URL can't be used.
    """
    client = RedisClient(url, own=["prefix"])
    prefix = client.options.get("prefix", DEFAULT_PREFIX)
    if not re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}", prefix):
        msg = f"setting 'online': the prefix {prefix!r} can't be used; give letters, digits, _ . : or -, at most 64"
        raise SettingsError(msg)
    client.retried(lambda: _warn_of_eviction(client))
    return client, Layout(prefix, client.cluster)


def _warn_of_eviction(client: RedisClient) -> None:
    for node in client.masters():
        reply = node.exchange(pack_command(b"INFO", b"memory"))[0]
        if isinstance(reply, Exception):
            raise reply
        facts = dict(line.split(":", 1) for line in reply.decode().split("\r\n") if ":" in line)
        policy = facts.get("maxmemory_policy", "noeviction")
        if facts.get("maxmemory", "0") != "0" and policy != "noeviction":
            message = (
                f"Redis at {node.address} may throw away values when it is full (maxmemory-policy {policy}), and features would "
                "be missing without a word; set maxmemory-policy to noeviction"
            )
            warnings.warn(message, RuntimeWarning, stacklevel=2)
