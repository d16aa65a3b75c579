"""The online store on Redis, Redis Cluster and Valkey. docs/decisions/0006 says what is where, and why it is exact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from headrace.errors import ConflictError
from headrace.online.redis.client import command, evaluate, open_redis
from headrace.online.redis.connection import Node, pack_command
from headrace.online.redis.layout import new_generation
from headrace.online.redis.reader import RedisReader
from headrace.online.redis.scripts import BUILD, DROP, FLIP
from headrace.online.redis.waiting import EventLoopClient
from headrace.online.redis.writer import RedisWriter
from headrace.online.steps import run
from headrace.online.store import AsyncRead, Delta, GroupStatus, Outcome, Requests, Stored

__all__ = ["RedisOnlineStore"]

A_SCAN = 1000
"""Keys that one step of removing a generation looks at."""


class RedisOnlineStore:
    """The OnlineStore of one prefix in a Redis. Any number of them, threads and processes may use the same one.

    Args:
        url: `redis://[user:password@]host:port/db?prefix=hr`, or `rediss://`, `redis+cluster://`, `rediss+cluster://`.

    Attributes:
        async_read: `read` for event loops; None in a cluster, where it takes threads.

    Raises:
        StorageError: Redis can't be reached, is full or doesn't let us in.
        IntegrityError: a key of ours holds something else. Any call may raise either.
        SettingsError: the URL can't be used.
    """

    def __init__(self, url: str) -> None:
        self._client, self._layout = open_redis(url)
        self._reader = RedisReader(self._layout)
        self._writer = RedisWriter(self._client, self._layout)
        self._waiting = EventLoopClient(self._client.where)
        self.async_read: AsyncRead | None = self._async_read if EventLoopClient.serves(self._client) else None

    def close(self) -> None:
        """Close the connections."""
        self._waiting.close()
        self._client.close()

    def apply(self, deltas: Sequence[Delta]) -> list[Outcome]:
        """Bring each delta to each of its keys once. What was cut off is completed by repeating it."""
        outcomes: dict[int, Outcome] = {}
        left = list(range(len(deltas)))
        while left:
            # Two deltas of one group follow each other.
            first = {deltas[place].group: place for place in reversed(left)}
            now = sorted(first.values())
            found = self._client.retried(partial(self._writer.apply, [deltas[place] for place in now]))
            outcomes |= zip(now, found, strict=True)
            left = [place for place in left if place not in outcomes]
        return [outcomes[place] for place in range(len(deltas))]

    def read(self, requests: Requests) -> list[list[Stored]]:
        """What is there for (group, keys) pairs, in one round trip to each node. A None key gives None."""
        return self._client.retried(lambda: run(self._reader.read(requests), self._client.run))

    async def _async_read(self, requests: Requests) -> list[list[Stored]]:
        return await self._waiting.retried(lambda: self._reader.read(requests))

    def read_with_positions(self, requests: Requests) -> list[tuple[list[Stored], list[Mapping[int, int]], str]]:
        """As `read`, with the offsets that each key's state reflects and the generation."""
        return self._client.retried(lambda: run(self._reader.read_with_positions(requests), self._client.run))

    def status(self, group: str, generation: str | None = None) -> GroupStatus:
        """What the current generation of a group reflects, or one that is being built."""
        return self._client.retried(lambda: run(self._reader.status(group, generation), self._client.run))

    def groups(self) -> list[str]:
        """The ids of the groups that have a current generation."""

        def work() -> list[str]:
            names = [name.decode() for name in self._client.run([command(b"SMEMBERS", self._layout.groups)])[0]]
            found = self._client.run([command(b"EXISTS", self._layout.pointer(name)) for name in names])
            return sorted(name for name, there in zip(names, found, strict=True) if there)

        return self._client.retried(work)

    def build(self, group: str) -> str:
        """Begin an empty generation beside the current one, or go on with the one that is being built; returns its name."""

        def work() -> str:
            self._client.run([command(b"SADD", self._layout.groups, group.encode())])
            name: bytes = self._client.run([evaluate(BUILD, [self._layout.about(group)], new_generation())])[0]
            return name.decode()

        return self._client.retried(work)

    def flip(self, group: str, generation: str) -> bool:
        """Make a generation the current one, in one atomic step, then remove the one before; False while it is behind."""

        def work() -> bool:
            keys = [self._layout.about(group), self._layout.pointer(group)]
            outcome = self._client.run([evaluate(FLIP, keys, generation)])[0]
            if outcome == b"gone":
                msg = f"group {group!r} has no generation {generation!r}: it was dropped meanwhile; run the backfill again"
                raise ConflictError(msg)
            self._remove_dead(group)
            return bool(outcome == b"flipped")

        return self._client.retried(work)

    def drop(self, group: str) -> None:
        """Forget the group's state, all its generations and their applied offsets; readers see it at once, memory follows."""

        def work() -> None:
            self._client.run([evaluate(DROP, [self._layout.about(group), self._layout.pointer(group)])])
            self._remove_dead(group)

        self._client.retried(work)

    def _remove_dead(self, group: str) -> None:
        """Remove the values of generations that nothing points to any more, those of earlier attempts as well."""
        about = self._layout.about(group)
        fields = [name.decode() for name in self._client.run([command(b"HKEYS", about)])[0]]
        dead = [name for name in fields if name.endswith(":dead")]
        for name in dead:
            start = self._layout.values(name.removesuffix(":dead"))
            for node in self._client.masters():
                _remove_under(node, start)
        if dead:
            self._client.run([command(b"HDEL", about, *[name.encode() for name in dead])])


def _remove_under(node: Node, start: bytes) -> None:
    """Remove the keys that begin so, step by step, so that others are served in between."""
    cursor, packed, replies = b"0", b"", 0
    while True:
        scan = pack_command(b"SCAN", cursor, b"MATCH", start + b"*", b"COUNT", str(A_SCAN).encode())
        reply = node.exchange(packed + scan, replies + 1)[-1]
        if isinstance(reply, Exception):
            raise reply
        cursor, keys = reply
        packed, replies = b"".join([pack_command(b"UNLINK", key) for key in keys]), len(keys)
        if cursor == b"0":
            break
    if replies:
        node.exchange(packed, replies)
