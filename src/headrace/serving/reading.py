"""The features of a request, and what is served when the online store doesn't answer."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from headrace.definitions.version import ViewVersion
from headrace.errors import StorageError
from headrace.features.absent import absent
from headrace.features.lookup import Lookup, OnlineFeatures
from headrace.features.services import OnlineReads

__all__ = ["Down", "FeatureReader", "Found", "Source"]

Down = Literal["fail", "defaults", "last-good"]
Source = Literal["request", "online", "defaults", "last_good"]
MOST_KEPT = 100_000
"""Rows of features that are kept for the time that the online store is away; the least lately asked for go first."""
SLOW_SECONDS, SLOW_CALLS = 0.001, 200
"""A read that takes longer than this holds up the event loop: so many of the next go to threads."""


@dataclass(frozen=True, slots=True)
class Found:
    """Features for a request.

    Attributes:
        answer: values, and the keys that were asked for.
        source: where they come from.
        age: of last good values, the seconds since the oldest of them was read; None otherwise.
    """

    answer: OnlineFeatures
    source: Source
    age: float | None = None


class FeatureReader:
    """Reads a view's features for entities, and follows a policy where the store is down.

    Args:
        lookup: opens what answers online reads, at the first one.
        down: `fail`; `defaults`: every feature is its default, or null; `last-good`: what was read last for the same keys, and
            defaults for keys that weren't asked for lately.
    """

    def __init__(self, lookup: Callable[[], OnlineReads], down: Down = "fail") -> None:
        self._open = lookup
        self._down = down
        self._kept: OrderedDict[tuple[Any, ...], tuple[float, list[Any]]] = OrderedDict()
        self._slow = 0

    async def read(
        self, view: ViewVersion, entities: Mapping[str, Any], sample: float = 0.0, request: str | None = None
    ) -> Found:
        """The features of a view for some entities.

        Args:
            sample: the share of keys whose features are kept for `headrace verify`.
            request: the id under which they are kept.

        Raises:
            InvalidInputError: a key is missing or of the wrong type.
            StorageError: the online store doesn't answer, and the policy is to fail.
        """
        try:
            answer = await self._read(view, entities, sample, request)
        except StorageError:
            if self._down == "fail":
                raise
            return self._instead(view, entities)
        if self._down == "last-good":
            self._keep(view, answer)
        return Found(answer, "online")

    async def _read(self, view: ViewVersion, entities: Mapping[str, Any], sample: float, request: str | None) -> OnlineFeatures:
        lookup = self._open()
        if self._slow:
            self._slow -= 1
        elif isinstance(lookup, Lookup):
            began = time.perf_counter()
            try:
                answer = lookup.read_at_once(view, entities, sample, request=request)
            finally:
                if time.perf_counter() - began > SLOW_SECONDS:
                    self._slow = SLOW_CALLS
            if isinstance(answer, Coroutine):  # it holds nothing up
                answer = await answer
            if answer is not None:
                return answer
        return await asyncio.to_thread(lookup.read, view.id, entities, None, sample, request=request)

    def _keep(self, view: ViewVersion, answer: OnlineFeatures) -> None:
        now = time.monotonic()
        names = list(view.view.request_keys)
        for row, key in enumerate(zip(*(answer.keys[name] for name in names), strict=True)):
            place = (view.id, *key)
            self._kept[place] = now, [column[row] for column in answer.values.values()]
            self._kept.move_to_end(place)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    def _instead(self, view: ViewVersion, entities: Mapping[str, Any]) -> Found:
        answer = absent(view, entities)
        if self._down == "defaults":
            return Found(answer, "defaults")
        names, oldest = list(view.view.request_keys), time.monotonic()
        values = {name: list(column) for name, column in answer.values.items()}
        for row, key in enumerate(zip(*(answer.keys[name] for name in names), strict=True)):
            kept = self._kept.get((view.id, *key))
            if kept is not None:
                oldest = min(oldest, kept[0])
                for column, value in zip(values.values(), kept[1], strict=True):
                    column[row] = value
        return Found(replace(answer, values=values), "last_good", time.monotonic() - oldest)
