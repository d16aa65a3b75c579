"""Reads of the online store on Redis: pointers and values in one round trip, each group's from one generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from headrace.online.redis.client import Command, command, evaluate
from headrace.online.redis.layout import ALONE, ALONE_WIDTH, Layout, offsets_of, state_of, status_of
from headrace.online.redis.scripts import STATUS
from headrace.online.steps import Steps
from headrace.online.store import GroupStatus, Requests, Stored

__all__ = ["RedisReader", "Trips"]

Result = TypeVar("Result")
Values = list[bytes | None]
Trips = Steps[list[Command], list[Any], Result]
"""What a read does: yields commands, is sent the replies, and so on. So one code serves threads and event loops."""


@dataclass(frozen=True, slots=True)
class _Current:
    """What was a group's current generation when it was last seen.

    Attributes:
        pointer: the key that tells.
        name: what stood there; None if nothing did.
        start: what the keys of its values begin with.
    """

    pointer: bytes
    name: bytes | None
    start: bytes


class RedisReader:
    """Reads values under the generations that it knows to be current. Each read asks for the pointers as well, so that it
    notices a generation that has gone, and asks again. Threads and event loops may share it."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._known: dict[str, _Current] = {}

    def read(self, requests: Requests) -> Trips[list[list[Stored]]]:
        """The states of (group, keys) pairs. A None key gives None."""
        found = yield from self._values(requests)
        states: list[list[Stored]] = []
        for (group, keys), values in zip(requests, found, strict=True):
            states.append(
                [  # nearly all values are one state behind one partition's offset
                    value[ALONE_WIDTH:] if value and value[0] in ALONE else state_of(value, group, key)
                    for value, key in zip(values, keys, strict=True)
                ]
            )
        return states

    def read_with_positions(self, requests: Requests) -> Trips[list[tuple[list[Stored], list[Mapping[int, int]], str]]]:
        """As `read`, with the offsets that each state reflects and the generation. What the group has applied is read first:
        a key may be ahead of it, never behind, and what it is ahead by is in its own header."""
        while True:
            looks = yield [self._look(group) for group, _ in requests]
            current = [self._current(group, name) for (group, _), (name, _) in zip(requests, looks, strict=True)]
            found = yield from self._values_under(requests, current)
            if found is not None:
                break
        answers = []
        for (group, keys), (name, fields), values in zip(requests, looks, found, strict=True):
            status = status_of((name or b"").decode(), fields)
            states = [state_of(value, group, key) for value, key in zip(values, keys, strict=True)]
            answers.append((states, [_positions(status.applied, value) for value in values], status.generation))
        return answers

    def status(self, group: str, generation: str | None = None) -> Trips[GroupStatus]:
        """What a generation of a group reflects; the current one by default."""
        ((name, fields),) = yield [self._look(group)]
        current = (name or b"").decode()
        asked = current if generation is None else generation
        return status_of(asked, fields, current=asked == current)

    def _look(self, group: str) -> Command:
        """Asks for the current generation's name, and the fields of the group's hash."""
        return evaluate(STATUS, [self._layout.about(group), self._layout.pointer(group)])

    def _values(self, requests: Requests) -> Trips[list[Values]]:
        while True:
            known = [current for group, _ in requests if (current := self._known.get(group)) is not None]
            if len(known) < len(requests):
                pointers = yield [command(b"GET", self._layout.pointer(group)) for group, _ in requests]
                known = [self._current(group, name) for (group, _), name in zip(requests, pointers, strict=True)]
                self._known |= zip([group for group, _ in requests], known, strict=True)
            found = yield from self._values_under(requests, known)
            if found is not None:
                return found
            for (group, _), seen in zip(requests, known, strict=True):
                if self._known.get(group) is seen:  # another read may have learned more meanwhile
                    self._known.pop(group, None)

    def _current(self, group: str, name: bytes | None) -> _Current:
        return _Current(self._layout.pointer(group), name, self._layout.values((name or b"").decode()))

    def _values_under(self, requests: Requests, known: Sequence[_Current]) -> Trips[list[Values] | None]:
        """The values of each request; None if one of the generations isn't current."""
        wanted = [current.pointer for current in known]
        for (_, keys), current in zip(requests, known, strict=True):
            if current.name is not None:
                wanted += self._layout.names(current.start, [key for key in keys if key is not None] if None in keys else keys)  # type: ignore[arg-type]
        values = yield from self._get(wanted)
        if any(value != current.name for value, current in zip(values, known, strict=False)):
            return None
        if self._layout.cluster and None in values and (yield from self._have_moved(known)):
            return None
        found: list[Values] = []
        at = len(known)
        for (_, keys), current in zip(requests, known, strict=True):
            if current.name is None:
                found.append([None] * len(keys))
            elif None in keys:
                end = at + len(keys) - keys.count(None)
                rest = iter(values[at:end])
                found.append([None if key is None else next(rest) for key in keys])
                at = end
            else:
                found.append(values[at : at + len(keys)])
                at += len(keys)
        return found

    def _get(self, keys: list[bytes]) -> Trips[Values]:
        if self._layout.cluster:
            return (yield [command(b"GET", key) for key in keys])
        (found,) = yield [command(b"MGET", *keys)]
        return found  # type: ignore[no-any-return]

    def _have_moved(self, known: Sequence[_Current]) -> Trips[bool]:
        """Whether a pointer has changed. Nodes answer at different moments: a value may be missing because its generation was
        removed after the pointer was read, and only a second look at the pointer tells."""
        pointers = yield from self._get([current.pointer for current in known])
        return pointers != [current.name for current in known]


def _positions(applied: Mapping[int, int], value: bytes | None) -> Mapping[int, int]:
    if value is None:
        return applied
    own = offsets_of(value)
    return {partition: max(applied.get(partition, -1), own.get(partition, -1)) for partition in {**applied, **own}}
