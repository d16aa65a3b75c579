"""Reads of the online store on Redis: pointers and values in one round trip, each group's from one generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headrace.online.redis.client import RedisClient, command, evaluate
from headrace.online.redis.layout import ALONE, ALONE_WIDTH, Layout, offsets_of, state_of, status_of
from headrace.online.redis.scripts import STATUS
from headrace.online.store import GroupStatus, Stored

__all__ = ["RedisReader"]

Requests = Sequence[tuple[str, Sequence[bytes | None]]]
Values = list[bytes | None]


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
    notices a generation that has gone, and asks again."""

    def __init__(self, client: RedisClient, layout: Layout) -> None:
        self._client = client
        self._layout = layout
        self._known: dict[str, _Current] = {}

    def read(self, requests: Requests) -> list[list[Stored]]:
        """The states of (group, keys) pairs. A None key gives None."""
        found = self._values(requests)
        states: list[list[Stored]] = []
        for (group, keys), values in zip(requests, found, strict=True):
            states.append(
                [  # nearly all values are one state behind one partition's offset
                    value[ALONE_WIDTH:] if value and value[0] in ALONE else state_of(value, group, key)
                    for value, key in zip(values, keys, strict=True)
                ]
            )
        return states

    def read_with_positions(self, requests: Requests) -> list[tuple[list[Stored], list[Mapping[int, int]], str]]:
        """As `read`, with the offsets that each state reflects and the generation. What the group has applied is read first:
        a key may be ahead of it, never behind, and what it is ahead by is in its own header."""
        while True:
            looks = [self._look(group) for group, _ in requests]
            found = self._values_under(
                requests, [self._current(group, name) for (group, _), (name, _) in zip(requests, looks, strict=True)]
            )
            if found is not None:
                break
        answers = []
        for (group, keys), (name, fields), values in zip(requests, looks, found, strict=True):
            status = status_of((name or b"").decode(), fields)
            states = [state_of(value, group, key) for value, key in zip(values, keys, strict=True)]
            answers.append((states, [_positions(status.applied, value) for value in values], status.generation))
        return answers

    def status(self, group: str, generation: str | None = None) -> GroupStatus:
        """What a generation of a group reflects; the current one by default."""
        name, fields = self._look(group)
        current = (name or b"").decode()
        asked = current if generation is None else generation
        return status_of(asked, fields, current=asked == current)

    def _look(self, group: str) -> tuple[bytes | None, list[bytes]]:
        """The current generation's name, and the fields of the group's hash."""
        name, fields = self._client.run([evaluate(STATUS, [self._layout.about(group), self._layout.pointer(group)])])[0]
        return name, fields

    def _values(self, requests: Requests) -> list[Values]:
        known = self._known
        while True:
            missing = [group for group, _ in requests if group not in known]
            if missing:
                pointers = self._client.run([command(b"GET", self._layout.pointer(group)) for group in missing])
                known |= {group: self._current(group, name) for group, name in zip(missing, pointers, strict=True)}
            found = self._values_under(requests, [known[group] for group, _ in requests])
            if found is not None:
                return found
            for group, _ in requests:
                known.pop(group, None)

    def _current(self, group: str, name: bytes | None) -> _Current:
        return _Current(self._layout.pointer(group), name, self._layout.values((name or b"").decode()))

    def _values_under(self, requests: Requests, known: Sequence[_Current]) -> list[Values] | None:
        """The values of each request; None if one of the generations isn't current."""
        wanted = [current.pointer for current in known]
        for (_, keys), current in zip(requests, known, strict=True):
            if current.name is not None:
                wanted += self._layout.names(current.start, [key for key in keys if key is not None] if None in keys else keys)  # type: ignore[arg-type]
        values = self._get(wanted)
        if any(value != current.name for value, current in zip(values, known, strict=False)):
            return None
        if self._client.cluster and None in values and self._have_moved(known):
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

    def _get(self, keys: list[bytes]) -> Values:
        if self._client.cluster:
            return self._client.run([command(b"GET", key) for key in keys])
        found: Values = self._client.one(command(b"MGET", *keys))
        return found

    def _have_moved(self, known: Sequence[_Current]) -> bool:
        """Whether a pointer has changed. Nodes answer at different moments: a value may be missing because its generation was
        removed after the pointer was read, and only a second look at the pointer tells."""
        pointers = self._get([current.pointer for current in known])
        return pointers != [current.name for current in known]


def _positions(applied: Mapping[int, int], value: bytes | None) -> Mapping[int, int]:
    if value is None:
        return applied
    own = offsets_of(value)
    return {partition: max(applied.get(partition, -1), own.get(partition, -1)) for partition in {**applied, **own}}
