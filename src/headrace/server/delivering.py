"""Sends what webhooks are to be told, for as long as the server runs, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Self

from headrace.errors import HeadraceError

if TYPE_CHECKING:
    from headrace.store import Store
    from headrace.webhooks.service import Webhooks

__all__ = ["Delivering"]

SECONDS = 1.0
LONGEST_END = 15.0
log = logging.getLogger("headrace.server")


class Delivering:
    """One such thread. Of several workers each may have one: they take different deliveries."""

    def __init__(self, webhooks: Webhooks | None) -> None:
        self._webhooks = webhooks
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="headrace-webhooks", daemon=True)

    @classmethod
    def begin(cls, store: Store) -> Self:
        """Start, if the store keeps webhooks: another server's store has one who sends."""
        webhooks = None if store.is_remote else store.webhooks
        begun = cls(webhooks)
        if webhooks is not None:
            begun._thread.start()
        return begun

    def end(self) -> None:
        """Stop; what isn't sent stays in the outbox."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(LONGEST_END)

    def _run(self) -> None:
        told = False
        while self._webhooks is not None and not self._stopped.wait(SECONDS):
            try:
                self._webhooks.deliver()
                told = False
            except HeadraceError as error:
                if not told:  # a catalog that is down for an hour doesn't fill the log
                    log.warning("webhooks can't be sent now; they wait: %s", error)
                told = True
