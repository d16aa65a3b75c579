"""Hands over to a server what writers of runs logged."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.errors import StorageError
from headrace.remote.transport import Transport
from headrace.tracking.journal import Entry, Receipt
from headrace.wire.problems import error_from

__all__ = ["RemoteJournal"]

SILENT_SECONDS = 20.0


class RemoteJournal:
    """Implements `headrace.tracking.journal.Sink` over HTTP. One attempt each: whoever sends comes back by himself.

    Args:
        transport: how the rest of the store speaks to the server; this one hangs up sooner, and holds up nobody.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport.hasty(SILENT_SECONDS)

    def append(self, run_id: str, writer: str, entries: Sequence[Entry]) -> Receipt:
        """Keep entries, all in one durable step, skipping those that came before."""
        asked = {"run_id": run_id, "writer": writer, "entries": [list(entry) for entry in entries]}
        found = self._transport.call("tracking/append", asked)
        refused = [(seq, error_from(error) or StorageError(error["detail"])) for seq, error in found["refused"]]
        return Receipt(found["seq"], refused)
