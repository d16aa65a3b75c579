"""The ingest worker: takes a stream's messages as a member of a consumer group, brings them online at once and to the lake in
large commits. What it was doing when it died is done again by whoever takes over, and changes nothing twice."""

from __future__ import annotations

import gc
import logging
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from headrace.catalog.service import Catalog
from headrace.definitions.source import Source
from headrace.definitions.version import GroupVersion
from headrace.errors import InvalidInputError, StorageError
from headrace.events.log import EventConsumer, LogBatch, Place, Polled
from headrace.features.admission import Admission
from headrace.features.feed import Feed
from headrace.features.ingest import Ingest

__all__ = ["Progressed", "Worker", "WorkerOptions", "tuned_process"]

WAIT = 0.1
"""Seconds that a turn waits for a message; a stop is noticed within."""
PAUSE = 1.0
"""Seconds between tries while a store doesn't answer."""
TELL = 5.0
"""Seconds between reports."""
GROUPS_AGE = 1.0
"""Seconds for which the groups of a source are remembered: a new one is built from the lake and the log, it misses nothing."""
BREATH = 0.1
"""Seconds between the partitions that land, so that the stream isn't held up by them all at once."""
LOOK_ROUND = 60.0
"""Seconds between looks for other consumer groups, and before a group that fails on a row is tried again."""
IDLE = 60.0
"""Seconds without a partition after which a worker says so: with nothing to do, it would look as if it had done everything."""
OVERTAKEN = 3
"""So many flushes in a row that others came before look like another group's work."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How a worker works.

    Attributes:
        group: the consumer group; workers of one group share the partitions.
        max_rows: messages brought online in one step, at most.
        flush_rows: rows after which the lake gets them. Twice as many are held before the worker stops taking more.
        flush_seconds: seconds after which it does in any case.
    """

    group: str
    max_rows: int = 5_000
    flush_rows: int = 100_000
    flush_seconds: float = 10.0


@dataclass(slots=True)
class Progressed:
    """What a worker did so far.

    Attributes:
        rows: brought online. refused: messages set aside. landed: rows handed to the lake.
        partitions: its share. lag: messages that wait in them. rate: rows a second lately.
    """

    rows: int = 0
    refused: int = 0
    landed: int = 0
    partitions: int = 0
    lag: int = 0
    rate: float = 0.0


class _Stopping(Exception):  # noqa: N818 - not an error
    """The worker is to stop while a store doesn't answer."""


class Worker:
    """One member of the group. `run` returns when `stop` is set.

    Args:
        sources: names; their streams exist.
        tell: hears every few seconds what was done so far.
    """

    def __init__(
        self,
        catalog: Catalog,
        ingest: Ingest,
        feed: Feed,
        log: Admission,
        sources: Sequence[str],
        options: WorkerOptions,
        tell: Callable[[Progressed], None] = lambda _done: None,
    ) -> None:
        self._catalog = catalog
        self._ingest = ingest
        self._feed = feed
        self._log = log
        self._sources = tuple(sources)
        self._options = options
        self._tell = tell
        self._done = Progressed()
        self._groups: dict[str, tuple[float, list[GroupVersion]]] = {}
        self._failing: dict[str, float] = {}
        self._stop = threading.Event()
        self._held = _Held()
        self._landing = _Held()
        self._landed: Future[Mapping[Place, int]] | None = None
        self._stash: list[Polled] = []
        self._flushed = self._told = self._owned = time.monotonic()
        self._looked = -LOOK_ROUND
        self._overtaken = 0
        self._rows_told = 0

    def run(self, stop: threading.Event) -> Progressed:
        """Work until `stop` is set, then bring to the lake what is held and leave the group.

        Raises:
            IntegrityError: the topic has lost messages that still had to be read.
            StorageError: the broker refuses this member, or the lake doesn't take what is held at the end.
        """
        self._stop = stop
        consumer = self._log.stream.consumer(self._options.group, self._sources, self._committed, self._forget, stop.is_set)
        try:
            with ThreadPoolExecutor(1, "headrace-lake") as lander:
                try:
                    while not stop.is_set():
                        self._turn(consumer, lander)
                except _Stopping:
                    pass
                self._finish(consumer)
        finally:
            consumer.close()
        return self._done

    def _turn(self, consumer: EventConsumer, lander: ThreadPoolExecutor) -> None:
        polled, self._stash = self._stash or consumer.poll(self._options.max_rows, WAIT), []
        for item in polled:
            self._take(consumer, item)
        self._settle(consumer, lander)
        held = self._held.rows + self._landing.rows
        consumer.pause(paused=held >= 2 * self._options.flush_rows)
        self._report(consumer)

    def _take(self, consumer: EventConsumer, item: Polled) -> None:
        """Bring one run of messages online; it counts as held for the lake from then on."""
        epoch = self._trying(consumer, lambda: self._log.epoch(item.source))
        batch, failing = self._trying(consumer, lambda: self._log.admit(item.source, item.batch))
        refused = [*item.refused, *(replace(item.messages[row], reason=reason) for row, reason in failing.items())]
        if refused:
            self._trying(consumer, lambda: consumer.refuse(item.source, refused))
            self._done.refused += len(refused)
        source = self._catalog.source(item.source)
        self._trying(consumer, lambda: self._bring_online(source, batch))
        self._held.add((item.source, batch.partition), [batch])
        self._held.epochs.setdefault(item.source, epoch)
        self._done.rows += batch.rows.num_rows

    def _bring_online(self, source: Source, batch: LogBatch) -> None:
        groups = self._live_groups(source)
        try:
            self._feed.advance(source, groups, batch.partition, known=[batch])
        except InvalidInputError:
            for group in groups:  # one of them fails on a row that came before it was defined
                try:
                    self._feed.advance(source, [group], batch.partition, known=[batch])
                except InvalidInputError as error:
                    self._failing[group.id] = time.monotonic()
                    _log.error("group %s stays behind: %s", group.id, error)

    def _live_groups(self, source: Source) -> list[GroupVersion]:
        now = time.monotonic()
        known = self._groups.get(source.name)
        if known is None or now - known[0] > GROUPS_AGE:
            known = self._groups[source.name] = now, self._ingest.live_groups(source)
        return [group for group in known[1] if now - self._failing.get(group.id, -LOOK_ROUND) >= LOOK_ROUND]

    def _trying(self, consumer: EventConsumer, work: Callable[[], T]) -> T:
        """The work's result, tried until the stores answer. Meanwhile no more messages come, and the group isn't left."""
        tries = 0
        while True:
            try:
                return work()
            except StorageError as error:
                if self._stop.is_set():
                    raise _Stopping from error
                if tries % 30 == 0:
                    _log.warning("the ingest waits: %s", error)
                tries += 1
                consumer.pause(paused=True)
                self._stash += consumer.poll(self._options.max_rows, PAUSE)

    def _settle(self, consumer: EventConsumer, lander: ThreadPoolExecutor) -> None:
        """Commit what has landed, and begin to land what is due."""
        if self._landed is not None and self._landed.done():
            self._commit(consumer, self._landed.result())
        now = time.monotonic()
        due = self._held.rows >= self._options.flush_rows or now - self._flushed >= self._options.flush_seconds
        if due and self._landed is None and self._held.batches:
            self._landing, self._held = self._held, _Held()
            self._flushed = now
            self._landed = lander.submit(self._land, self._landing.copy())

    def _commit(self, consumer: EventConsumer, landed: Mapping[Place, int]) -> None:
        """Note the positions that landed. What didn't is held again, for another try; what moved away is another's."""
        held, self._landing, self._landed = self._landing, _Held(), None
        done = {place: last for place, last in landed.items() if place in held.batches}
        consumer.commit(done)
        self._done.landed += sum(batch.rows.num_rows for place in done for batch in held.batches[place])
        for place, batches in held.batches.items():
            if place not in done:
                self._held.add(place, batches, first=True)
                self._held.epochs[place[0]] = held.epochs[place[0]]

    def _land(self, held: _Held) -> dict[Place, int]:
        """Bring runs to the lake, in a thread of its own; returns the offsets that it holds now."""
        landed = {}
        try:
            for (name, partition), taken in held.batches.items():
                source = self._catalog.source(name)
                committed = self._ingest.table(source).snapshot().committed(partition)
                batches = taken if self._log.epoch(name) == held.epochs[name] else self._admitted_anew(name, taken)
                self._overtaken = self._overtaken + 1 if committed >= batches[0].first else 0
                before = self._before(name, partition, committed, batches[0].first)
                self._ingest.land(source, partition, [*before, *batches])
                landed[name, partition] = batches[-1].last
                self._stop.wait(BREATH)
            if not self._stop.is_set():  # else it isn't this worker's matter any more, and a silent broker would be waited for
                self._look_round()
        except StorageError as error:
            _log.warning("the lake doesn't take rows; they stay in the topic and are tried again: %s", error)
        return landed

    def _admitted_anew(self, source: str, batches: Sequence[LogBatch]) -> list[LogBatch]:
        """The held runs without what counts no more: the store of seen ids was emptied, and others let repeats in first."""
        return [self._log.admit(source, batch)[0] for batch in batches]

    def _before(self, source: str, partition: int, committed: int, first: int) -> list[LogBatch]:
        """Runs between what the lake holds and offset `first`: there are some if the lake was set back."""
        found: list[LogBatch] = []
        if committed + 1 < first:
            for batch in self._log.read(source, partition, committed):
                if batch.first >= first:
                    break
                found.append(_before_offset(batch, first))
        return found

    def _finish(self, consumer: EventConsumer) -> None:
        if self._landed is not None:
            self._commit(consumer, self._landed.result())
        if self._held.batches:
            self._landing, self._held = self._held, _Held()
            self._commit(consumer, self._land(self._landing.copy()))
        if self._held.batches:
            msg = f"{self._held.rows} rows weren't taken by the lake; they are in the topic, and the next worker brings them in"
            raise StorageError(msg)

    def _committed(self, source: str, partition: int) -> int:
        return self._ingest.table(self._catalog.source(source)).snapshot().committed(partition)

    def _forget(self, places: frozenset[Place]) -> None:
        """Partitions go to another member, which goes on from what was committed: the lake holds that, and no more is lost."""
        self._stash = [item for item in self._stash if (item.source, item.batch.partition) not in places]
        for place in places:
            self._held.drop(place)
            self._landing.drop(place)

    def _look_round(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_ROUND:
            return
        self._looked = now
        if self._overtaken >= OVERTAKEN:
            text = (
                "rows of group %r were in the lake before it brought them, again and again: another group takes in the same "
                "streams, or history is read all the time. Values stay exact; stop the other group if there is one"
            )
            _log.warning(text, self._options.group)
        for other in self._log.stream.rivals(self._options.group, self._sources):
            text = (
                "consumer group %r takes in the same streams as %r: values stay exact, but work is done twice; stop one of them"
            )
            _log.warning(text, other, self._options.group)

    def _report(self, consumer: EventConsumer) -> None:
        now = time.monotonic()
        if now - self._told < TELL:
            return
        waiting = consumer.lag()
        self._done.partitions, self._done.lag = len(waiting), sum(waiting.values())
        self._done.rate = (self._done.rows - self._rows_told) / (now - self._told)
        self._told, self._rows_told = now, self._done.rows
        self._say_if_idle(now)
        _log.info("ingest %s", self._done)
        self._tell(self._done)

    def _say_if_idle(self, now: float) -> None:
        """Tell, once for each time, that no partition has come to this worker."""
        if self._done.partitions:
            self._owned = now
        elif now - self._owned >= IDLE:
            self._owned = math.inf
            text = (
                "no partition of %s has come to this worker of group %r for %.0f s: the group has more workers than there are "
                "partitions, or doesn't get through a rebalance; see the other workers' reports and the broker's log"
            )
            _log.warning(text, ", ".join(self._sources), self._options.group, IDLE)


@contextmanager
def tuned_process() -> Iterator[None]:
    """Set up a process that does nothing but ingest.

    Python's collector of cycles looks seldom: a step makes hundreds of thousands of small lists without a cycle among them, and
    looking at them again and again takes a third of the time. The interpreter changes hands ten times as often as by default,
    for the stream waits for it while another thread brings rows to the lake.
    """
    before, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    sys.setswitchinterval(interval / 10)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        gc.unfreeze()
        gc.set_threshold(*before)


def _before_offset(batch: LogBatch, offset: int) -> LogBatch:
    """The rows of a run that come before an offset."""
    import numpy as np

    places = np.arange(batch.first, batch.first + batch.rows.num_rows) if batch.offsets is None else batch.offsets.to_numpy()
    count = int(np.searchsorted(places, offset))
    offsets = None if batch.offsets is None else batch.offsets.slice(0, count)
    return LogBatch(batch.partition, batch.first, batch.rows.slice(0, count), min(batch.last, offset - 1), offsets)


class _Held:
    """Runs that are online and not in the lake yet, by partition, in order.

    Attributes:
        epochs: source to that of the store of seen ids when the first of its runs was let in.
    """

    def __init__(self) -> None:
        self.batches: dict[Place, list[LogBatch]] = {}
        self.epochs: dict[str, int] = {}
        self.rows = 0

    def copy(self) -> _Held:
        """The same runs, for another thread; they may be dropped here meanwhile."""
        copy = _Held()
        copy.batches, copy.epochs, copy.rows = dict(self.batches), dict(self.epochs), self.rows
        return copy

    def add(self, place: Place, batches: Sequence[LogBatch], *, first: bool = False) -> None:
        """Hold runs of a partition, behind or before (`first`) those that are held.

        What isn't right beside them was read anew after the partition had moved away and come back: only the later reading is
        kept. What is missing before it is read again when it lands.
        """
        known = self.batches.get(place, [])
        before, behind = (list(batches), known) if first else (known, list(batches))
        if before and behind and before[-1].last + 1 != behind[0].first:
            before = []
        self.drop(place)
        self.batches[place] = before + behind
        self.rows += sum(batch.rows.num_rows for batch in self.batches[place])

    def drop(self, place: Place) -> None:
        """Forget a partition."""
        self.rows -= sum(batch.rows.num_rows for batch in self.batches.pop(place, ()))
