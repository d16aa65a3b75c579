"""Writes of runs that are kept in brief, as one row, which is all that their writer waits for, and brought into the tables behind
the answer. Nobody reads or writes while one is left: every transaction that begins, of any process, brings it in first.

A brief says what is to be done, not how: it is brought in by whatever release opens the catalog next.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping, Sequence

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from headrace.patience import WouldWaitError
from headrace.sql.points import join_many
from headrace.sql.prepared import direct
from headrace.sql.run_writes import RunRow, add_run, add_to_run, change_run
from headrace.tracking.history import Series, SeriesFacts
from headrace.tracking.run import Metric

__all__ = ["Brief", "Change", "Log", "NewRun", "bring_in", "keep"]

log = logging.getLogger("headrace.sql")
_WAITING = "SELECT number, brief FROM briefs WHERE refused IS NULL ORDER BY number"
_KEEP = "INSERT INTO briefs (brief) VALUES (?)"
_DONE = "DELETE FROM briefs WHERE number = ?"
_REFUSE = "UPDATE briefs SET refused = ? WHERE number = ?"

_Point = tuple[str, float, int, int, str, str, str]
"""What a Metric holds."""
_Figures = tuple[int, int, int, float | None, float | None]
_Series = tuple[_Point, _Figures, bool, bytes]
"""The newest point of a series, its figures, whether points repeat, its data."""


def _told(point: Metric) -> _Point:
    origin = (point.model_id, point.dataset_name, point.dataset_digest)
    return point.key, point.value, point.time, point.step, *origin


def _series_told(series: Series) -> _Series:
    facts = series.facts()
    return _told(facts.newest), facts.figures, facts.may_repeat, facts.data


def _series_of(newest: _Point, figures: _Figures, repeats: bool, data: bytes) -> Series:
    point = Metric(*newest)
    return Series(point.key, newest[4:], data, SeriesFacts(point, figures, repeats, data))


class NewRun(Struct, array_like=True, tag=1):
    """A run is begun."""

    row: RunRow
    tags: dict[str, str]
    params: dict[str, str]

    def apply(self, connection: sa.Connection) -> None:
        """Write it to the tables."""
        add_run(connection, self.row, self.tags, self.params)


class Log(Struct, array_like=True, tag=2):
    """Points, params and tags are added to a run."""

    run_id: str
    metrics: list[_Point]
    series: list[_Series]
    params: dict[str, str]
    tags: dict[str, str]

    @classmethod
    def of(
        cls,
        run_id: str,
        metrics: Sequence[Metric],
        series: Sequence[Series],
        params: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> Log:
        """The brief of these."""
        return cls(run_id, list(map(_told, metrics)), list(map(_series_told, series)), dict(params), dict(tags))

    def apply(self, connection: sa.Connection) -> None:
        """Write them to the tables."""
        metrics, series = [Metric(*item) for item in self.metrics], [_series_of(*item) for item in self.series]
        for added in add_to_run(connection, self.run_id, metrics, series, self.params, self.tags):
            join_many(connection, self.run_id, added.grown())


class Change(Struct, array_like=True, tag=3):
    """A run is changed, or ends."""

    run_id: str
    status: str | None
    end: int | None
    name: str | None

    def apply(self, connection: sa.Connection) -> None:
        """Write it to the tables."""
        change_run(connection, self.run_id, self.status, self.end, self.name)


Brief = NewRun | Log | Change
_ENCODER, _DECODER = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(Brief)


def keep(connection: sa.Connection, brief: Brief) -> None:
    """Keep a write in the caller's transaction, in which was seen that nothing speaks against it."""
    direct(connection, _KEEP, (_ENCODER.encode(brief),))


def bring_in(connection: sa.Connection) -> None:
    """Write to the tables what is left, in the caller's transaction, which is alone in writing.

    What can't be written, which nobody foresaw, stays where it is, is told to the log, and keeps nobody from the catalog.
    """
    for number, brief in direct(connection, _WAITING).fetchall():
        _bring_in_one(connection, number, brief)


def _bring_in_one(connection: sa.Connection, number: int, brief: bytes) -> None:
    direct(connection, "SAVEPOINT brief")
    try:
        _DECODER.decode(brief).apply(connection)
        direct(connection, _DONE, (number,))
    except Exception as error:
        if not _is_its_own(error):
            raise
        direct(connection, "ROLLBACK TO brief")
        direct(connection, _REFUSE, (f"{type(error).__name__}: {error}"[:1000], number))
        log.exception("brief %d can't be brought into the tables; it is kept in the table briefs, with the reason", number)
    direct(connection, "RELEASE brief")


def _is_its_own(error: Exception) -> bool:
    """Whether the brief itself is what is wrong, not the disk, the file, the memory or the time."""
    elsewhere = (WouldWaitError, MemoryError, sqlite3.OperationalError)
    return not isinstance(error, elsewhere) and type(error) is not sqlite3.DatabaseError  # which a damaged file is
