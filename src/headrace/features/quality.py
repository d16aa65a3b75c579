"""Quality: what sources and groups expect, how it fared, and what was done about it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.catalog.service import Catalog
from headrace.clock import Clock
from headrace.definitions.source import EventSource, Source
from headrace.definitions.version import GroupVersion
from headrace.errors import StorageError
from headrace.features.checks import Holds, failures
from headrace.features.quarantine import Origin, Quarantine
from headrace.features.records import CheckRecord, ObservationStore, Outcome
from headrace.features.screening import Admitted, RefusedRowsError, admit, admit_first_times
from headrace.lake.table import BATCH

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Check", "Quality", "group_subject", "source_subject"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Check:
    """How an expectation fares.

    Attributes:
        subject: `source:ratings` or `group:user_taste`.
        expectation: its name.
        outcome: what happens to rows that break it: "rejected" (the whole write or push was refused) or "quarantined"; "feature"
            for an expectation on a group's values, which are looked at in samples.
        broken: of a source the rows that ever broke it, of a group the values of the newest sample that do.
        checked: values in the newest sample of a group; None for a source.
        at: when it was last broken, or of a group last looked at: microseconds since 1970; None for never.
        example: the first value that broke it then; None if there is none to show.
    """

    subject: str
    expectation: str
    outcome: Outcome
    broken: int = 0
    checked: int | None = None
    at: int | None = None
    example: str | None = None

    @property
    def alert(self) -> bool:
        """Whether values that are online now break it."""
        return self.outcome == "feature" and self.broken > 0


class Quality:
    """Checks rows that come in and values that go out, keeps what is set aside, and counts."""

    def __init__(self, catalog: Catalog, store: ObservationStore, quarantine: Quarantine, holds: Holds, clock: Clock) -> None:
        self._catalog = catalog
        self._store = store
        self._quarantine = quarantine
        self._holds = holds
        self._clock = clock

    def admit(self, source: Source, rows: pa.Table, where: str) -> Admitted:
        """The rows that meet what the source expects, and those that are to be set aside. Raises RefusedRowsError."""
        if not source.expect:
            return Admitted(rows)
        try:
            return admit(source, rows, self._holds, where=where)
        except RefusedRowsError as error:
            self._count(source, "rejected", error.broken)
            raise

    def admit_first_times(self, source: EventSource, rows: pa.Table, fresh: pa.Table, where: str) -> Admitted:
        """Of admitted rows those whose id is new; where ids must be unique the others are set aside. Raises RefusedRowsError."""
        try:
            return admit_first_times(source, rows, fresh, where=where)
        except RefusedRowsError as error:
            self._count(source, "rejected", error.broken)
            raise

    def admit_streamed(self, source: Source, rows: pa.Table) -> Admitted:
        """The messages that meet what the source expects, and those that are to be set aside, whatever their `on_fail`."""
        return admit(source, rows, self._holds, streamed=True) if source.expect else Admitted(rows)

    def keep(self, source: Source, found: Admitted, origin: Origin, *, batch_id: str = "", partition: int = BATCH) -> None:
        """Keep what was rejected, before what goes on is kept. A repeat keeps and counts nothing; see Quarantine.keep."""
        if found.rejected is not None and self._quarantine.keep(
            source, found.rejected, origin, batch_id=batch_id, partition=partition
        ):
            self._count(source, "quarantined", found.broken)

    def rejected(self, name: str) -> pa.Table:
        """The rows of a source that were set aside, oldest first, with the reasons. Raises NotFoundError."""
        return self._quarantine.read(self._catalog.source(name))

    def check_values(self, version: GroupVersion, values: pa.Table) -> list[Check]:
        """Compare values of a group's features with what the group expects of them, and keep the outcome."""
        expected, now = version.group.expect, self._clock()
        if not expected:
            return []
        broken = {failure.expectation.name: failure for failure in failures(expected, values, self._holds)}
        records = []
        for item in expected:
            failure = broken.get(item.name)
            detail = {} if failure is None or failure.value is None else {"example": repr(failure.value)}
            count = 0 if failure is None else failure.rows
            subject = group_subject(version)
            records.append(CheckRecord(subject, item.name, "feature", count, values.num_rows, now, detail))
        self._store.replace_checks(group_subject(version), records)
        return [_check(record) for record in records]

    def report(self) -> list[Check]:
        """Every expectation of the catalog and how it fares, those first that values break now."""
        held = {(record.subject, record.expectation, record.outcome): record for record in self._store.checks()}
        found = []
        for subject, name, outcome in self._declared():
            record = held.get((subject, name, outcome))
            found.append(Check(subject, name, outcome) if record is None else _check(record))
            aside = held.get((subject, name, "quarantined"))
            if outcome == "rejected" and aside is not None:  # messages of a stream, which can't be refused
                found.append(_check(aside))
        return sorted(found, key=lambda check: not check.alert)

    def _declared(self) -> list[tuple[str, str, Outcome]]:
        outcomes: dict[str, Outcome] = {"reject": "rejected", "quarantine": "quarantined"}
        found: list[tuple[str, str, Outcome]] = []
        for source in self._catalog.sources():
            found += [(source_subject(source), item.name, outcomes[item.on_fail]) for item in source.expect]
        for version in self._catalog.groups():
            found += [(group_subject(version), item.name, "feature") for item in version.group.expect]
        return found

    def _count(self, source: Source, outcome: Outcome, broken: Mapping[str, int]) -> None:
        """Count what happened. What happened stands, so a catalog that can't be written to is told, not raised."""
        now = self._clock()
        records = [CheckRecord(source_subject(source), name, outcome, rows, 0, now) for name, rows in broken.items()]
        try:
            self._store.count_broken(records)
        except StorageError as error:
            _log.warning("%s rows of %s couldn't be counted: %s", outcome, source.name, error)


def source_subject(source: Source) -> str:
    """What names a source in what is kept about it."""
    return f"source:{source.name}"


def group_subject(version: GroupVersion) -> str:
    """What names a group in what is kept about it."""
    return f"group:{version.group.name}"


def _check(record: CheckRecord) -> Check:
    checked = record.checked if record.outcome == "feature" else None
    return Check(
        record.subject,
        record.expectation,
        record.outcome,
        record.broken,
        checked,
        record.at,
        record.detail.get("example"),
    )
