"""A version that is served: its process, the requests that wait for it, and what becomes of both when it fails or has to go."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from headrace.definitions.version import ViewVersion
from headrace.errors import HeadraceError, ModelError
from headrace.models.version import ModelVersion
from headrace.serving.errors import DiedError, OverloadedError, told
from headrace.serving.messages import PREDICT, framed, pack, pack_list
from headrace.serving.process import Loaded, ModelProcess

__all__ = ["Bounds", "Slot"]

log = logging.getLogger("headrace.serving")

Start = Callable[[], Awaitable[tuple[ModelProcess, Loaded]]]
_HEAD = b"\x92" + pack(PREDICT)  # a list of two: what is asked, and the requests
_RESTART_SECONDS = (0.0, 0.5, 2.0, 5.0, 15.0)
"""How long to wait before a process that ended is made again, the longer the oftener it ended without a prediction between."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a model may take.

    Attributes:
        predict_seconds, load_seconds: how long a batch, and loading with the example, may take.
        memory_mb: what its process may hold; 0 for no limit.
        batch_rows: rows that one call of the model gets at most; a larger request goes alone.
        waiting: requests that may wait.
    """

    predict_seconds: float = 30.0
    load_seconds: float = 120.0
    memory_mb: int = 0
    batch_rows: int = 1024
    waiting: int = 2000


@dataclass(slots=True)
class _Waiting:
    packed: bytes
    rows: int
    answer: asyncio.Future[bytes] = field(repr=False)
    again: bool = False


class Slot:
    """Serves one version. All of it runs on the event loop.

    Batches are as large as the model is slow: while it predicts, requests gather; the next call takes them all, up to a bound.
    A model that is quick gets each request at once and alone, so nobody waits for a batch to fill.

    Args:
        start: makes its process anew.
        unload: removes its files.

    Attributes:
        version: what is served.
        view: the view version that it reads; None if it takes its columns from the request.
        loaded: what its process said when it had loaded the model.
    """

    def __init__(
        self,
        version: ModelVersion,
        view: ViewVersion | None,
        start: Start,
        process: ModelProcess,
        loaded: Loaded,
        bounds: Bounds,
        unload: Callable[[], None],
    ) -> None:
        self.version = version
        self.view = view
        self.loaded = loaded
        self._unload = unload
        self._start = start
        self._bounds = bounds
        self._process: ModelProcess | None = None
        self._waiting: deque[_Waiting] = deque()
        self._working = False
        self._users = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._failures = 0
        self._restarting: asyncio.Task[None] | None = None
        self._closed = False
        self.calls = self.predicted = 0
        self._take(process)

    @contextmanager
    def held(self) -> Iterator[Slot]:
        """Keep the slot from being unloaded while a request that chose it is under way."""
        self._users += 1
        self._idle.clear()
        try:
            yield self
        finally:
            self._users -= 1
            if not self._users:
                self._idle.set()

    def predict(self, method: str, columns: dict[str, list[Any]], rows: int) -> asyncio.Future[bytes]:
        """The predictions for some rows as JSON, a list with a member a row.

        Raises:
            OverloadedError: too many wait. The future fails with what the model raised, or with TimedOutError or DiedError.
        """
        return self.predict_packed(pack((method, columns)), rows)

    def predict_packed(self, packed: bytes, rows: int) -> asyncio.Future[bytes]:
        """As `predict`, for what is packed already."""
        if len(self._waiting) >= self._bounds.waiting:
            msg = f"{len(self._waiting)} requests wait for {self.version.uri}; try again soon, or serve it by more --workers"
            raise OverloadedError(msg)
        item = _Waiting(packed, rows, asyncio.get_running_loop().create_future())
        self._waiting.append(item)
        if not self._working:
            self._work()
        return item.answer

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    async def drain(self) -> None:
        """Wait until nobody uses it, then end its process."""
        await self._idle.wait()
        await self.close()

    async def close(self) -> None:
        """End its process now; who waits is told."""
        self._closed = True
        if self._restarting is not None:
            self._restarting.cancel()
        if self._process is not None:
            await self._process.close()
        self._refuse(DiedError(f"{self.version.uri} is no longer served"))
        await asyncio.to_thread(self._unload)

    def _take(self, process: ModelProcess) -> None:
        self._process = process
        process.when_ended(self._restart)

    def _work(self) -> None:
        """Hand the process its next batch, if it is there and has nothing to do."""
        if self._process is None or not self._waiting:
            return
        batch = [self._waiting.popleft()]
        rows = batch[0].rows
        while self._waiting and not batch[0].again and not self._waiting[0].again:
            rows += self._waiting[0].rows
            if rows > self._bounds.batch_rows:
                break
            batch.append(self._waiting.popleft())
        self._working = True
        self.calls += 1
        asked = self._process.ask(framed([_HEAD, pack_list([item.packed for item in batch])]), self._bounds.predict_seconds)
        asked.add_done_callback(lambda found: self._answered(batch, found))

    def _answered(self, batch: list[_Waiting], found: asyncio.Future[Any]) -> None:
        self._working = False
        error = found.exception()
        if error is None:
            self._failures = 0
            for item, (good, what) in zip(batch, found.result(), strict=True):
                _answer(item, what if good else told(*what))
            self.predicted += sum(item.rows for item in batch)
        elif isinstance(error, DiedError) and len(batch) > 1:
            # One of them may have ended it: each is asked once more, alone. What ended it will be told so, the others answered.
            for item in reversed(batch):
                item.again = True
                self._waiting.appendleft(item)
        else:
            for item in batch:
                _answer(item, error)
        self._work()

    def _restart(self) -> None:
        self._process = None
        if not self._closed and self._restarting is None:
            self._restarting = asyncio.get_running_loop().create_task(self._start_again())

    async def _start_again(self) -> None:
        """Make the process anew, however often it takes."""
        while self._process is None:
            await asyncio.sleep(_RESTART_SECONDS[min(self._failures, len(_RESTART_SECONDS) - 1)])
            self._failures += 1
            log.warning("the process of %s ended; making another one", self.version.uri)
            try:
                process, self.loaded = await self._start()
            except HeadraceError as error:
                log.warning("%s can't be loaded again: %s", self.version.uri, error)
                self._refuse(ModelError(f"{self.version.uri} can't be served now: {error}"))
            else:
                self._take(process)
        self._restarting = None
        self._work()

    def _refuse(self, error: HeadraceError) -> None:
        while self._waiting:
            _answer(self._waiting.popleft(), error)


def _answer(item: _Waiting, what: bytes | BaseException) -> None:
    if item.answer.done():  # whoever asked has gone
        return
    if isinstance(what, bytes):
        item.answer.set_result(what)
    else:
        item.answer.set_exception(what)
