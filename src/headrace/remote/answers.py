"""Tables of answers that a server keeps: predictions and their outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.remote.transport import Transport

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["RemoteAnswers"]


class RemoteAnswers:
    """Implements `headrace.features.answers.AnswerTables` over HTTP."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def append(self, table: str, rows: pa.Table, lane: int) -> None:
        """Append rows; a request that comes twice appends them once."""
        self._transport.work("predictions/append", {"table": table, "lane": lane}, rows, changes=True)

    def read(self, table: str, schema: pa.Schema, since: int | None = None, request: str | None = None) -> pa.Table:  # noqa: ARG002
        """The rows of a table; the server knows its columns."""
        _, found = self._transport.work("predictions/read", {"table": table, "since": since, "request": request})
        assert found is not None  # noqa: S101 - for the type checker: this verb always gives a table
        return found

    def names(self, beginning: str) -> list[str]:
        """The tables whose name begins so."""
        found, _ = self._transport.work("predictions/tables", {"beginning": beginning})
        return list(found)
