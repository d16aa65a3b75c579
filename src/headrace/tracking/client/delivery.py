"""Takes what runs log from memory to disk and from there to the catalog or the server, behind the training loop.

Two threads for all runs of a process: one writes buffers to their spools ten times a second; the other sends what the spools
hold, and comes back with longer and longer pauses while nobody takes it. Neither ever holds up who logs.
"""

from __future__ import annotations

import atexit
import os
import random
import sys
import threading
import time
import weakref
from collections import deque
from pathlib import Path

from headrace.artifacts.store import ArtifactStore
from headrace.errors import HeadraceError, NotFoundError, StorageError
from headrace.tracking.client.guard import Guard
from headrace.tracking.client.spool import Batch, Spool, held_spools
from headrace.tracking.client.writer import RunWriter
from headrace.tracking.journal import Receipt, Sink

__all__ = ["END_SECONDS", "HURRIED_SECONDS", "READ_SECONDS", "START_SECONDS", "Delivery"]

SPILL_SECONDS = 0.1
SEND_SECONDS = 0.2
BEAT_SECONDS = 15.0
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 15.0
START_SECONDS = 1.0
"""How long a run that starts waits for the catalog here to take it in."""
READ_SECONDS, END_SECONDS, HURRIED_SECONDS, DRAIN_SECONDS, STOP_SECONDS = 5.0, 10.0, 2.0, 2.0, 1.0
TELL_SECONDS, DOUBT_SECONDS = 30.0, 3.0
"""A server that isn't there for so long is told of; a shorter while is nobody's concern, but the address of one that was never
there may be wrong."""
ABSENT_SECONDS = 0.5
"""Between attempts to write a run that isn't there yet."""


class Delivery:
    """Writers of runs, what they left on disk, and the threads behind them.

    Args:
        sink: where entries go.
        artifacts: where files go.
        folder: where spools are; None keeps everything in memory.
        server: the address behind the sink; empty for the catalog here.
        stages: whether files wait in the spool too: where they go is elsewhere, and may not be there.
        offline: write spools, send nothing.
    """

    def __init__(
        self,
        sink: Sink,
        artifacts: ArtifactStore,
        folder: Path | None = None,
        server: str = "",
        *,
        stages: bool = False,
        offline: bool = False,
    ) -> None:
        self.sink = sink
        self.artifacts = artifacts
        self.folder = folder
        self.server = server
        self.stages = stages and folder is not None
        self.offline = offline
        self._reset()
        _ALL.add(self)

    def _reset(self) -> None:
        self._writers: list[RunWriter] = []
        self._left: deque[Path] = deque()
        self._swept = self._stopping = False
        self._changed = threading.Condition()
        self._threads: dict[str, threading.Thread] = {}
        self._wake = threading.Event()
        self._failures = 0
        self._pause, self._again = FIRST_PAUSE, 0.0
        self.failing: HeadraceError | None = None
        self._failing_since = 0.0

    def open(self, run_id: str, guard: Guard, *, owner: bool) -> RunWriter:
        """A writer of a run, the one that starts it (`owner`) or a further one."""
        writer = RunWriter(self, run_id, guard, owner=owner)
        with self._changed:
            self._writers.append(writer)
        self.run()
        return writer

    def close(self, writer: RunWriter) -> None:
        """The writer has ended; what it left is sent for as long as this process lives, and by whoever syncs then."""
        writer.closed = True
        spool = writer.spool
        if spool is None or spool.settled >= spool.last or self.offline:
            self._forget(writer)

    def settle(self, seconds: float = READ_SECONDS) -> None:
        """Send what the runs of this process logged, so that whoever reads sees it. While nobody takes it, at once."""
        if self.offline:
            return
        for writer in self._snapshot():
            if writer.points or (writer.spool is not None and writer.spool.settled < writer.spool.last):
                writer.flush(seconds)

    def wait(self, writer: RunWriter, seq: int, seconds: float, *, patient: bool) -> bool:
        """Wait until everything up to an entry is settled; if not patient, until an attempt fails."""
        if self.offline:
            return False
        deadline = time.monotonic() + seconds
        self.run()
        with self._changed:
            failures, seen = self._failures, self._settled(writer)
            self._again = writer.again = 0.0
            self._wake.set()
            while (now := self._settled(writer)) < seq:
                if now > seen:  # it goes on, if slowly
                    seen, deadline = now, max(deadline, time.monotonic() + seconds)
                left = deadline - time.monotonic()
                if left <= 0 or (not patient and self._failures > failures):
                    return False
                self._changed.wait(min(left, 0.5))
        return True

    def run(self) -> None:
        """See that the threads are there."""
        works = {"spool": self._spill_all} if self.offline else {"spool": self._spill_all, "send": self._send_all}
        if len(self._threads) == len(works):
            return
        with self._changed:
            for name, work in works.items():
                if name not in self._threads:
                    self._threads[name] = threading.Thread(target=work, name=f"headrace-{name}", daemon=True)
                    self._threads[name].start()

    def stop(self) -> None:
        """Send what can be sent at once, and end the threads; they come back if somebody logs. What is left is anybody's."""
        self.settle(STOP_SECONDS)
        with self._changed:
            threads, self._stopping = list(self._threads.values()), True
        self._wake.set()
        for thread in threads:
            thread.join(STOP_SECONDS)
        for writer in self._snapshot():
            if writer.closed:
                self._forget(writer)
        self._stopping = False

    def send_left(self, path: Path, *, anywhere: bool = False) -> tuple[int, list[HeadraceError]] | None:
        """Send what a writer left, now: how many entries, and what was refused. None if it is still at work, or empty.

        Raises:
            StorageError: nobody takes it; it stays.
        """
        spool = Spool.left(path)
        if spool is None:
            return None
        if spool.server != self.server and not anywhere:
            spool.abandon()
            return None
        count, refused = 0, list[HeadraceError]()
        try:
            while (batch := spool.batch()) is not None:
                receipt = self._send(spool, batch)
                spool.acknowledge(batch)
                count += len(batch.entries)
                refused += [error for _, error in receipt.refused]
            spool.drop()
        finally:
            spool.close()
        return count, refused

    def drain(self) -> None:
        """At the end of a process that was forked off: send what it logged, in a moment or never."""
        for writer in self._snapshot():
            writer.drain(DRAIN_SECONDS)
            self.close(writer)

    def forked(self) -> None:
        """In a child process: its parent's files and threads aren't its own; its runs go on as further writers."""
        writers = self._writers
        self._reset()
        for writer in writers:
            if writer.spool is not None:
                writer.spool.forked()
            writer.owner = False
            if not writer.closed:
                writer.begin()
                self._writers.append(writer)
        if self._writers:
            atexit.register(self.drain)
            if (
                "multiprocessing.util" in sys.modules
            ):  # whose children end without atexit, and forget at first what is to be done then
                sys.modules["multiprocessing.util"].register_after_fork(self, _drain_at_the_end)

    def _settled(self, writer: RunWriter) -> int:
        return 0 if writer.spool is None else writer.spool.settled

    def _snapshot(self) -> list[RunWriter]:
        with self._changed:
            return list(self._writers)

    def _forget(self, writer: RunWriter) -> None:
        with self._changed:
            if writer in self._writers:
                self._writers.remove(writer)
        if writer.spool is not None:
            writer.spool.close()

    def _spill_all(self) -> None:
        while not self._is_over("spool"):
            for writer in self._snapshot():
                try:
                    writer.spill()
                except Exception as error:  # noqa: BLE001 - it must not end the thread
                    writer.guard.later("what was logged", f"points couldn't be kept: {type(error).__name__}: {error}")
            time.sleep(SPILL_SECONDS)

    def _is_over(self, name: str) -> bool:
        """Whether a thread has nothing more to do; then it is one no more."""
        with self._changed:
            over = self._stopping or (not self._writers and (name == "spool" or not self._left))
            if over:
                self._threads.pop(name, None)
            return over

    def _send_all(self) -> None:
        if not self._swept and self.folder is not None:  # what earlier processes left goes along, behind
            self._swept = True
            self._left.extend(held_spools(self.folder))
        while not self._is_over("send"):
            writers = self._snapshot()
            self._wake.clear()
            moved = False
            if time.monotonic() >= self._again:
                for writer in writers:
                    moved |= self._send_one(writer)
                if not moved and self._left:
                    moved = self._send_an_older()
            if not moved:
                self._wake.wait(SEND_SECONDS)

    def _send_an_older(self) -> bool:
        path = self._left.popleft()
        try:
            self.send_left(path)
        except HeadraceError as error:
            self._left.append(path)
            self._failed(error)
            return False
        except Exception:  # noqa: BLE001 - it stays where it is, for whoever syncs by hand and sees the error
            return True
        return True

    def _send_one(self, writer: RunWriter) -> bool:
        """Send a batch of a writer; whether something was."""
        spool = writer.spool
        if time.monotonic() < writer.again:
            return False
        try:
            batch = None if spool is None else spool.batch()
            if spool is None or batch is None:
                self._rest(writer)
                return False
            receipt = self._send(spool, batch)
        except NotFoundError as error:
            if not writer.owner or spool is None:
                self._absent(writer, error)
                return False
            writer.guard.later("the run", f"what run {writer.run_id} logged can't be kept: {error}")
            spool.drop()
        except HeadraceError as error:
            self._failed(error)
            return False
        except Exception as error:  # noqa: BLE001 - it must not end the thread
            self._failed(StorageError(f"{type(error).__name__}: {error}"))
            writer.guard.later("delivery", f"what was logged can't be sent: {type(error).__name__}: {error}")
            return False
        else:
            writer.settle(batch, receipt)
        writer.beat, writer.absent_since = time.monotonic(), 0.0
        with self._changed:
            self.failing, self._pause, self._again = None, FIRST_PAUSE, 0.0
            self._changed.notify_all()
        return True

    def _rest(self, writer: RunWriter) -> None:
        """Nothing waits: say that the run is alive, or be done with it."""
        spool = writer.spool
        if writer.closed:
            self._forget(writer)
        elif spool is not None and time.monotonic() - writer.beat > BEAT_SECONDS:
            writer.beat = time.monotonic()
            try:
                self.sink.append(writer.run_id, writer.name, [])
            except Exception as error:  # noqa: BLE001 - as good as any other failure
                self._failed(error if isinstance(error, HeadraceError) else StorageError(str(error)))

    def _send(self, spool: Spool, batch: Batch) -> Receipt:
        for _, kind, body in batch.entries:
            if kind in ("files", "model"):
                for file in body if kind == "files" else body["files"]:
                    path = spool.staged(file["digest"])
                    if path is not None and path.exists():
                        self.artifacts.put_file(path)
        return self.sink.append(spool.run_id, spool.writer, batch.entries)

    def _absent(self, writer: RunWriter, error: NotFoundError) -> None:
        """Whoever starts the run may not have come to it yet; others needn't wait for that."""
        now = time.monotonic()
        writer.absent_since = writer.absent_since or now
        writer.again = now + ABSENT_SECONDS
        if now - writer.absent_since > DOUBT_SECONDS:
            told = f"what was logged to run {writer.run_id} waits in the spool until somebody starts it: {error}"
            writer.guard.later("delivery", told)
        with self._changed:
            self._failures += 1
            self._changed.notify_all()

    def _failed(self, error: HeadraceError) -> None:
        with self._changed:
            self._failing_since = time.monotonic() if self.failing is None else self._failing_since
            self.failing = error
            self._failures += 1
            lasted = time.monotonic() - self._failing_since
            for writer in self._writers:
                if lasted > (TELL_SECONDS if self._settled(writer) else DOUBT_SECONDS):
                    writer.guard.later("delivery", f"what run {writer.run_id} logs waits in the spool until it is taken: {error}")
            self._again = time.monotonic() + self._pause * random.uniform(0.5, 1.0)  # noqa: S311 - so that not all come at once
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
            self._changed.notify_all()


_ALL: weakref.WeakSet[Delivery] = weakref.WeakSet()


def _drain_at_the_end(delivery: Delivery) -> None:
    sys.modules["multiprocessing.util"].Finalize(None, delivery.drain, exitpriority=100)


def _forked() -> None:
    for delivery in list(_ALL):
        delivery.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
