"""What tests are promised of writes that they leave to others."""

from __future__ import annotations

from concurrent.futures import Future


def promise() -> Future[None]:
    """A future that nobody can cancel: who waits for it may go away, the write doesn't."""
    made: Future[None] = Future()
    made.set_running_or_notify_cancel()
    return made
