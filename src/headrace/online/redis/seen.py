"""The seen event ids on Redis: of each source the ids by time, whose they are, and the offsets up to which they are recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headrace.online.redis.client import command, evaluate, open_redis
from headrace.online.redis.layout import entry
from headrace.online.redis.scripts import CLAIM, FORGET, RECORD

__all__ = ["RedisSeenIds"]

A_CALL = 1000
"""Ids that one call works on."""


class RedisSeenIds:
    """The SeenIds of one prefix in a Redis; takes the URL of a RedisOnlineStore and raises as that does.

    Times are exact up to the year 2255.
    """

    def __init__(self, url: str) -> None:
        self._client, self._layout = open_redis(url)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def position(self, source: str, partition: int) -> int:
        """The offset up to which ids are recorded; -1 at first."""
        asked = command(b"HGET", self._layout.seen(source)[2], str(partition).encode())
        found = self._client.retried(lambda: self._client.run([asked])[0])
        return -1 if found is None else int(found)

    def record(self, source: str, partition: int, last: int, ids: Mapping[bytes, int]) -> None:
        """Record ids with their times, then move the position to `last`. Does nothing if it has been there before.

        Many ids take several steps. What a cut-off call leaves changes nothing: the same rows are recorded again.
        """
        entries = [item for identifier, time in ids.items() for item in (time, identifier)]
        parts = [*_parts(entries)] or [entries]
        keys, last_part = self._layout.seen(source), len(parts) - 1
        calls = [
            evaluate(RECORD, keys, partition, last, int(place == last_part), *part)  # in this order: they share a connection
            for place, part in enumerate(parts)
        ]
        self._client.retried(lambda: self._client.run(calls))

    def seen(self, source: str, ids: Sequence[bytes]) -> list[int | None]:
        """The recorded time of each id; None for an id not recorded."""
        asked = [command(b"ZMSCORE", self._layout.seen(source)[0], *part) for part in _parts(ids)]
        answers = self._client.retried(lambda: self._client.run(asked))
        return [None if score is None else int(float(score)) for scores in answers for score in scores]

    def forget(self, source: str, before: int) -> None:
        """Drop ids whose time is before `before`."""
        asked = evaluate(FORGET, self._layout.seen(source)[:2], before, A_CALL)
        while self._client.retried(lambda: self._client.run([asked])[0]) == A_CALL:
            pass

    def claim(self, source: str, ids: Sequence[bytes], places: Sequence[tuple[int, int]], time: int, keep: int) -> list[bool]:
        """Whether each id belongs to its (partition, offset): to the first that claims it. An id is free again after `keep`."""
        entries = [item for identifier, place in zip(ids, places, strict=True) for item in (identifier, entry(*place))]
        calls = [evaluate(CLAIM, self._layout.seen(source)[:2], time, time - keep, *part) for part in _parts(entries)]
        answers = self._client.retried(lambda: self._client.run(calls))
        return [digit == ord("1") for digits in answers for digit in digits]


def _parts(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (items[at : at + 2 * A_CALL] for at in range(0, len(items), 2 * A_CALL))
