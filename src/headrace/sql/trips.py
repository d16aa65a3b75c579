"""Statements that are sent to PostgreSQL together, and answered together: one round trip, and one transaction.

The driver's own pipeline sends each statement as it comes, and so wakes the server for each. Here they are one message and one
wait; and what is sent up to one Sync is a transaction without a word about it.
"""

from __future__ import annotations

import select
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import PyFormat, Transformer

from headrace.patience import Wait

__all__ = ["Answer", "Trip", "one_by_one"]

MOST_PREPARED = 500
"""Statements of a connection that the server keeps ready: each costs it some kilobytes."""
_SETTINGS = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off"
"""What is read and written so are few rows by their keys, and to plan took longer than to run. A plan that was made while a table
was small, and is kept, would go through all of it while it grows."""
_BINARY = 1
_FINE = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)


class Answer:
    """What one statement gave: its rows are there once the trip is over."""

    __slots__ = ("_rows",)

    def __init__(self) -> None:
        self._rows: list[tuple[Any, ...]] = []

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows, plain tuples."""
        return self._rows

    def fetchone(self) -> tuple[Any, ...] | None:
        """The first row; None if there is none."""
        return self._rows[0] if self._rows else None

    def take(self, rows: list[tuple[Any, ...]]) -> None:
        """Keep what was answered."""
        self._rows = rows


class Trip:
    """The next statements of a connection, which is used for nothing else.

    Attributes:
        sound: whether the connection can be used: all that was sent was answered, and no transaction is open.
    """

    def __init__(self, driver: psycopg.Connection[Any]) -> None:
        self.sound = True
        driver.execute(_SETTINGS)
        self._server = driver.pgconn
        self._dumping, self._loading = Transformer(driver), Transformer(driver)
        self._poll = select.poll()
        self._prepared: dict[tuple[bytes, tuple[int, ...]], bytes] = {}
        self._said: list[tuple[bytes, tuple[int, ...], Sequence[Any], Sequence[Any], Answer]] = []
        self._poll.register(self._server.socket, select.POLLIN)

    def say(self, text: bytes, values: Sequence[Any] = ()) -> Answer:
        """Add a statement, its values marked by `$1`, `$2`, … Raises psycopg.Error for a value that can't be sent."""
        dumped = self._dumping.dump_sequence(values, [PyFormat.AUTO] * len(values)) if values else ()
        types, formats = (self._dumping.types or (), self._dumping.formats or ()) if values else ((), ())
        answer = Answer()
        self._said.append((text, types, dumped, formats, answer))
        return answer

    def forget(self) -> None:
        """Send nothing of what was said."""
        self._said.clear()

    def make(self, first: bytes = b"", last: bytes = b"") -> None:
        """Send what was said, and wait until all of it is answered and committed.

        Args:
            first, last: statements around the others, that say what kind of transaction it is.

        Raises:
            psycopg.Error: one of them failed, and nothing was changed; or the connection was lost, and nobody knows.
        """
        for wait in self.steps(first, last):
            _wait(self._poll, wait)

    def steps(self, first: bytes = b"", last: bytes = b"") -> Iterator[Wait]:
        """As `make`, for who waits in a way of its own: for what comes, before it asks for the next."""
        said, self._said = self._said, []
        self.sound = False
        self._server.enter_pipeline_mode()
        expected = iter(self._send(said, first, last))
        error: psycopg.Error | None = None
        for item in _exchange(self._server):
            if isinstance(item, Wait):
                yield item
            else:
                error = error or self._take(item, next(expected))
        self._server.exit_pipeline_mode()
        self.sound = self._server.transaction_status == pq.TransactionStatus.IDLE  # else `last` wasn't reached
        if error is not None:
            raise error

    def _send(self, said: Sequence[Any], first: bytes, last: bytes) -> list[Any]:
        """Returns what is answered, in order: a statement's Answer, or the key and the name of one that is made ready."""
        server = self._server
        expected: list[Any] = []
        if len(self._prepared) > MOST_PREPARED:
            self._prepared.clear()
            server.send_query_params(b"DEALLOCATE ALL", None)
            expected.append(Answer())
        if first:
            server.send_query_params(first, None)
            expected.append(Answer())
        new: dict[Any, bytes] = {}
        for text, types, values, formats, answer in said:
            key = text, types
            name = self._prepared.get(key) or new.get(key)
            if name is None:
                name = new[key] = b"trip_%d" % (len(self._prepared) + len(new))
                server.send_prepare(name, text, types)
                expected.append((key, name))
            server.send_query_prepared(name, values, formats, _BINARY)
            expected.append(answer)
        if last:
            server.send_query_params(last, None)
            expected.append(Answer())
        server.pipeline_sync()
        return expected

    def _take(self, result: pq.abc.PGresult, what: Any) -> psycopg.Error | None:
        """Keep what was answered; returns an error that it tells."""
        if result.status in _FINE:
            if isinstance(what, tuple):
                self._prepared[what[0]] = what[1]
            elif result.ntuples:
                self._loading.set_pgresult(result)
                what.take(self._loading.load_rows(0, result.ntuples, tuple))
        elif result.status != pq.ExecStatus.PIPELINE_ABORTED:
            return psycopg.errors.error_from_result(result)
        return None


def one_by_one(driver: psycopg.Connection[Any], asked: Sequence[tuple[bytes, Sequence[Any]]]) -> Generator[list[tuple[Any, ...]]]:
    """The rows of queries of the transaction that a connection is in. They are sent together, and the server works on the next
    while those of one are read; it plans each for the values that it has. The connection is of no use before the iterator ends.

    Raises:
        psycopg.Error: one of them failed, or a value can't be sent.
    """
    server, dumping, loading = driver.pgconn, Transformer(driver), Transformer(driver)
    said = []
    for text, values in asked:
        dumped = dumping.dump_sequence(values, [PyFormat.AUTO] * len(values))
        said.append((text, dumped, dumping.types, dumping.formats, _BINARY))
    poll = select.poll()
    poll.register(server.socket, select.POLLIN)
    server.enter_pipeline_mode()
    for statement in said:
        server.send_query_params(*statement)
        server.send_flush_request()
    server.pipeline_sync()
    results = _results(server, poll)
    try:
        for result in results:
            if result.status not in _FINE:
                raise psycopg.errors.error_from_result(result)
            loading.set_pgresult(result)
            yield loading.load_rows(0, result.ntuples, tuple)
    finally:
        for _ in results:
            pass  # what nobody wants any more
        if server.status == pq.ConnStatus.OK:
            server.exit_pipeline_mode()


def _results(server: pq.abc.PGconn, poll: select.poll) -> Iterator[pq.abc.PGresult]:
    """What is answered to all that is to be sent, one by one. Raises psycopg.Error if the connection was lost."""
    for item in _exchange(server):
        if isinstance(item, Wait):
            _wait(poll, item)
        else:
            yield item


def _exchange(server: pq.abc.PGconn) -> Iterator[Wait | pq.abc.PGresult]:
    """Send all that is to be sent, and take what is answered up to a Sync: each answer, and what is to be waited for before the
    next. Raises psycopg.Error if the connection was lost."""
    while server.flush():
        yield Wait(server.socket, writes=True)
        server.consume_input()  # a server whose answers nobody reads stops reading
    while True:
        while server.is_busy():
            yield Wait(server.socket)
            server.consume_input()
        result = server.get_result()
        if result is None:  # between the answers to two statements
            continue
        if result.status == pq.ExecStatus.PIPELINE_SYNC:
            return
        if result.status not in _FINE and server.status == pq.ConnStatus.BAD:
            raise psycopg.errors.error_from_result(result)
        yield result


def _wait(poll: select.poll, wait: Wait) -> None:
    poll.modify(wait.socket, select.POLLIN | select.POLLOUT if wait.writes else select.POLLIN)
    poll.poll()
