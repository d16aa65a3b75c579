"""Applies deltas to the online store on Redis: begun, then key by key, then committed. Whatever was cut off is repeated."""

from __future__ import annotations

import hashlib
import struct
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

from headrace.online.garbage import uncollected
from headrace.online.redis.client import Command, RedisClient, command, evaluate
from headrace.online.redis.layout import Layout, entry, frames_of, new_generation, not_ours, to_biased
from headrace.online.redis.scripts import BEGIN, COMMIT, SWAP, WRITE
from headrace.online.store import Delta, Outcome

__all__ = ["RedisWriter"]

A_CALL = 500
"""Keys that one call of a script works on: Redis does nothing else meanwhile, for about a millisecond."""
A_TRIP = 2000
"""Keys under way at once; the next ones are made ready while the servers work on them."""
A_MERGE = 200
"""Keys whose changes are merged at once."""
_TIME = struct.Struct(">q")


@dataclass(slots=True)
class _Task:
    """A delta on its way.

    Attributes:
        outcome: what to tell; as long as it's None, there is something to do.
        generation: where it goes.
        fresh: whether most of its keys are likely to be new.
        new: how many keys it has made.
        grown: keys with many changes that nobody has merged.
        gone: whether a server said that it isn't begun any more.
    """

    delta: Delta
    outcome: Outcome | None = None
    generation: str = ""
    fresh: bool = False
    new: int = 0
    grown: list[bytes] = field(default_factory=list)
    gone: bool = False

    @property
    def range(self) -> str:
        """The offsets as the group's hash holds them while the delta is begun."""
        return f"{self.delta.first}:{self.delta.last}"


class RedisWriter:
    """Writes deltas. A key takes each delta once, for its value carries the last offset of every partition that reached it;
    the group's own offset moves when all keys have theirs."""

    def __init__(self, client: RedisClient, layout: Layout) -> None:
        self._client = client
        self._layout = layout

    def apply(self, deltas: Sequence[Delta]) -> list[Outcome]:
        """Apply deltas of different groups. May be repeated if it fails."""
        tasks = [_Task(delta) for delta in deltas]
        self._begin(tasks)
        self._write([task for task in tasks if task.outcome is None])
        with uncollected():
            for task in tasks:
                self._merge_grown(task)
        self._commit([task for task in tasks if task.outcome is None])
        return [cast("Outcome", task.outcome) for task in tasks]

    def _begin(self, tasks: Sequence[_Task]) -> None:
        commands = []
        for task in tasks:
            delta, layout = task.delta, self._layout
            commands.append(command(b"SADD", layout.groups, delta.group.encode()))
            keys = [layout.about(delta.group), layout.pointer(delta.group)]
            wanted = (delta.generation or "", new_generation(), delta.partition, delta.first, delta.last, delta.first - 1)
            commands.append(evaluate(BEGIN, keys, *wanted))
        for task, (outcome, generation, count) in zip(tasks, self._client.run(commands)[1::2], strict=True):
            task.outcome = None if outcome == b"begun" else outcome.decode()
            task.generation = generation.decode()
            task.fresh = count == b"0"

    def _write(self, tasks: Sequence[_Task]) -> None:
        """Bring the change to each key, in trips that overlap: what is sent next is packed while the servers work."""
        sent: deque[list[tuple[_Task, Sequence[bytes]]]] = deque()
        for replies in self._client.stream(self._trips(tasks, sent)):
            for (task, keys), letters in zip(sent.popleft(), replies, strict=True):
                if letters is None:
                    task.gone = True
                    continue
                if b"x" in letters:
                    raise not_ours(task.delta.group, keys[letters.index(b"x")])
                new = letters.count(b"n")
                task.new += new
                task.fresh = 2 * new > len(letters)
                if b"g" in letters:
                    task.grown += [key for key, letter in zip(keys, letters, strict=True) if letter == ord("g")]

    def _trips(self, tasks: Sequence[_Task], sent: deque[list[tuple[_Task, Sequence[bytes]]]]) -> Iterator[list[Command]]:
        commands: list[Command] = []
        parts: list[tuple[_Task, Sequence[bytes]]] = []
        size = 0
        for task in tasks:
            for part in self._layout.parts(list(task.delta.changes), A_CALL):
                if task.gone:
                    break
                commands.append(self._call(task, part))
                parts.append((task, part))
                size += len(part)
                if size >= A_TRIP:
                    sent.append(parts)
                    yield commands
                    commands, parts, size = [], [], 0
        if commands:
            sent.append(parts)
            yield commands

    def _call(self, task: _Task, keys: Sequence[bytes]) -> Command:
        delta, start = task.delta, self._layout.values(task.generation)
        changes = delta.changes
        names = self._layout.names(start, keys)
        about: list[bytes | str] = ["", ""]
        if not self._client.cluster:  # one node has all: nothing is written for a delta that isn't begun any more
            names.insert(0, self._layout.about(delta.group))
            about = [f"{task.generation}:begun:{delta.partition}", task.range]
        keep = "" if delta.keep is None else str(max(1, -(-delta.keep // 1000)))
        due = b"" if delta.due is None else _TIME.pack(delta.due)
        rest: list[bytes | str] = [entry(delta.partition, delta.last), keep, due, "1" if task.fresh else "0"]
        return evaluate(WRITE, names, *about, *rest, *[changes[key] for key in keys])

    def _merge_grown(self, task: _Task) -> None:
        start, delta = self._layout.values(task.generation), task.delta
        for at in range(0, len(task.grown), A_MERGE):
            keys = task.grown[at : at + A_MERGE]
            values = self._client.run([command(b"GET", name) for name in self._layout.names(start, keys)])
            swaps: dict[bytes, tuple[str | int | bytes, ...]] = {}
            for key, value in zip(keys, values, strict=True):
                place, frames = frames_of(value, delta.group, key) if value is not None else (0, [])
                if len(frames) > 1:
                    digest = hashlib.sha1(value[place:], usedforsecurity=False).hexdigest()
                    swaps[key] = (digest, len(value) - place, len(frames), delta.merge(*frames))
            calls = []
            for part in self._layout.parts(list(swaps), A_MERGE):
                items: list[str | int | bytes] = [item for key in part for item in swaps[key]]
                calls.append(evaluate(SWAP, self._layout.names(start, part), *items))
            self._client.run(calls)

    def _commit(self, tasks: Sequence[_Task]) -> None:
        commands = []
        for task in tasks:
            delta = task.delta
            newest = "" if delta.newest is None else to_biased(delta.newest)
            reached = (task.generation, delta.partition, task.range, delta.last, newest, delta.late, task.new)
            commands.append(evaluate(COMMIT, [self._layout.about(delta.group)], *reached))
        for task, outcome in zip(tasks, self._client.run(commands), strict=True):
            task.outcome = "overlaps" if outcome == b"gone" else outcome.decode()
            if outcome == b"gone" and self._client.cluster:
                self._remove(task)

    def _remove(self, task: _Task) -> None:
        """The generation was dropped meanwhile: nobody else will find what was written to it since."""
        start = self._layout.values(task.generation)
        self._client.run([command(b"UNLINK", name) for name in self._layout.names(start, list(task.delta.changes))])
