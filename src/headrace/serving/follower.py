"""Follows an address of the registry: load → check → publish → drain → unload. What can't be loaded changes nothing."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from headrace.errors import HeadraceError, InvalidInputError, NotFoundError
from headrace.models.lifecycle import Lifecycle
from headrace.models.service import Models
from headrace.models.version import ModelVersion, parse_uri
from headrace.serving.slot import Slot

__all__ = ["LOOK_SECONDS", "Follower"]

log = logging.getLogger("headrace.serving")

LOOK_SECONDS = 0.2
"""How often the registry is asked what the address names now: a row by its primary key, or a request to the server."""
_AGAIN_SECONDS = 5.0, 60.0
"""When a version that couldn't be loaded is tried again, at first and at most: a bucket that was away comes back."""


class Follower:
    """Keeps a slot with the version that an address names.

    Args:
        uri: `models:/name@alias`, or another address of a version.
        make: loads a version, and raises what keeps it from being served.
        optional: whether the address may name nothing, as a challenger's.

    Attributes:
        slot: what serves now; None if nothing does.
        trouble: why the newest look didn't lead to the version that the address names; empty if it did.
        swapped: when the slot was published, as `time.time()` gives it.
    """

    def __init__(
        self, models: Models, uri: str, make: Callable[[ModelVersion], Awaitable[Slot]], *, optional: bool = False
    ) -> None:
        self.uri = uri
        self.slot: Slot | None = None
        self.trouble = ""
        self.swapped = 0.0
        self.swaps = 0
        self._models = models
        self._make = make
        self._optional = optional
        self._seen: Lifecycle | None = None
        self._held: Lifecycle | None = None
        self._refused: tuple[int, float, float] | None = None
        self._draining: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load what the address names, then go on following it.

        Raises:
            HeadraceError: it names nothing, or what can't be served.
        """
        try:
            await self._look()
        except NotFoundError:
            if not self._optional:
                raise
        self._task = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Stop following, answer what is under way, and unload."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self.slot is not None:
            slot, self.slot = self.slot, None
            await slot.drain()
        await asyncio.gather(*self._draining, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._look()
                self.trouble = ""
            except HeadraceError as error:
                self._tell(error)
            except Exception:
                log.exception("following %s failed", self.uri)

    async def _look(self) -> None:
        version = await asyncio.to_thread(self._resolve)
        if version is None:
            return
        now = self.slot.version.version if self.slot is not None else None
        if version.version == now:
            self._refused, self._held = None, self._seen
            return
        if self._refused is not None and self._refused[0] == version.version and time.monotonic() < self._refused[1]:
            raise InvalidInputError(self.trouble)
        try:
            slot = await self._make(version)
        except HeadraceError:
            self._refuse(version.version)
            raise
        self._publish(slot)
        self._held = self._seen

    def _resolve(self) -> ModelVersion | None:
        """What the address names; None if nothing about the model's versions and aliases has changed since it was loaded."""
        address = parse_uri(self.uri)
        if address.model_id:
            msg = f"{self.uri} is a logged model; register it, and serve its version: models:/NAME@champion"
            raise InvalidInputError(msg)
        held = self._models.model(address.name).lifecycle
        if held == self._held:
            return None
        found = self._models.get(address.name, address.selector)
        self._seen = held
        return found

    def _publish(self, slot: Slot) -> None:
        old, self.slot = self.slot, slot
        self.swapped, self._refused = time.time(), None
        log.warning("%s: %s serves now%s", self.uri, slot.version.uri, f" in place of {old.version.uri}" if old else "")
        if old is not None:
            self.swaps += 1
            task = asyncio.create_task(old.drain())
            self._draining.add(task)
            task.add_done_callback(self._draining.discard)

    def _refuse(self, version: int) -> None:
        first, most = _AGAIN_SECONDS
        pause = min(most, 2 * self._refused[2]) if self._refused is not None and self._refused[0] == version else first
        self._refused = version, time.monotonic() + pause, pause

    def _tell(self, error: HeadraceError) -> None:
        """Say it once, not each time that it's so."""
        text = str(error)
        if self._optional and isinstance(error, NotFoundError):
            return self._retire()
        if text != self.trouble:
            self.trouble = text
            serving = self.slot.version.uri if self.slot is not None else "nothing"
            log.warning("%s: %s; %s goes on serving", self.uri, text, serving)
        return None

    def _retire(self) -> None:
        """An optional address names nothing any more: its traffic goes back to the main one."""
        self._held = None
        if self.slot is not None:
            old, self.slot = self.slot, None
            task = asyncio.create_task(old.drain())
            self._draining.add(task)
            task.add_done_callback(self._draining.discard)
