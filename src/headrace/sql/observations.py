"""Statistics, materializations and broken expectations in the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from headrace.features.records import CheckRecord, MaterializationRecord, StatisticsKind, StatisticsRecord
from headrace.sql.database import Database
from headrace.sql.tables.observations import checks, materializations, statistics

__all__ = ["SqlObservationStore"]

SCOPE = "observations"
KEPT = 30
"""So many of each subject and kind stay whole, and of older ones the last of each day."""
DAYS = 400
MATERIALIZATIONS = 1000
DAY = 86_400_000_000


class SqlObservationStore:
    """Keeps what was observed as rows; see headrace.features.records.ObservationStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_statistics(self, record: StatisticsRecord) -> None:
        """Keep statistics, and forget those that are too many."""
        with self._database.write(SCOPE) as connection:
            connection.execute(statistics.insert().values(**asdict(record)))
            _prune_statistics(connection, record.subject, record.kind)

    def statistics(self, subject: str, kinds: Sequence[StatisticsKind] = (), limit: int | None = None) -> list[StatisticsRecord]:
        """A subject's statistics, newest first."""
        query = sa.select(statistics).where(statistics.c.subject == subject)
        if kinds:
            query = query.where(statistics.c.kind.in_(kinds))
        query = query.order_by(statistics.c.at.desc(), statistics.c.id.desc()).limit(limit)
        return [StatisticsRecord(**_without_id(row)) for row in self._rows(query)]

    def add_materialization(self, record: MaterializationRecord) -> None:
        """Keep that a group was brought up to date, and forget the oldest beyond so many."""
        row = asdict(record)
        row["group_id"] = row.pop("group")
        table = materializations.c
        with self._database.write(SCOPE) as connection:
            connection.execute(materializations.insert().values(**row))
            mine = sa.select(table.id).where(table.group_id == record.group)
            kept = mine.order_by(table.id.desc()).limit(MATERIALIZATIONS)
            connection.execute(materializations.delete().where(table.group_id == record.group, table.id.not_in(kept)))

    def materializations(self, group: str, limit: int | None = None) -> list[MaterializationRecord]:
        """The times that a group version was brought up to date, newest first."""
        table = materializations.c
        query = sa.select(materializations).where(table.group_id == group).order_by(table.id.desc()).limit(limit)
        rows = [_without_id(row) for row in self._rows(query)]
        return [MaterializationRecord(group=row.pop("group_id"), **row) for row in rows]

    def count_broken(self, records: Sequence[CheckRecord]) -> None:
        """Add the rows of these records to what is kept of the same subject, expectation and outcome."""
        with self._database.write(SCOPE) as connection:
            for record in records:
                same = _same(record)
                held = connection.execute(sa.select(checks.c.broken).where(same)).scalar()
                row = asdict(record)
                if held is None:
                    connection.execute(checks.insert().values(**row))
                else:
                    connection.execute(checks.update().where(same).values(**{**row, "broken": held + record.broken}))

    def replace_checks(self, subject: str, records: Sequence[CheckRecord]) -> None:
        """What is now known of a group's expectations."""
        with self._database.write(SCOPE) as connection:
            connection.execute(checks.delete().where(checks.c.subject == subject))
            for record in records:
                connection.execute(checks.insert().values(**asdict(record)))

    def checks(self) -> list[CheckRecord]:
        """How every expectation fared, by subject and name."""
        query = sa.select(checks).order_by(checks.c.subject, checks.c.expectation, checks.c.outcome)
        return [CheckRecord(**row) for row in self._rows(query)]

    def _rows(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        with self._database.read() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _prune_statistics(connection: sa.Connection, subject: str, kind: str) -> None:
    table = statistics.c
    mine = sa.and_(table.subject == subject, table.kind == kind)
    found = connection.execute(sa.select(table.id, table.at).where(mine).order_by(table.at.desc(), table.id.desc())).all()
    kept = {identity for identity, _ in found[:KEPT]}
    days: dict[int, int] = {}
    for identity, at in found:
        days.setdefault(at // DAY, identity)  # newest first: the last of its day
    kept |= set(list(days.values())[:DAYS])
    dropped = [identity for identity, _ in found if identity not in kept]
    if dropped:
        connection.execute(statistics.delete().where(table.id.in_(dropped)))


def _same(record: CheckRecord) -> sa.ColumnElement[bool]:
    return sa.and_(
        checks.c.subject == record.subject, checks.c.expectation == record.expectation, checks.c.outcome == record.outcome
    )


def _without_id(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "id"}
