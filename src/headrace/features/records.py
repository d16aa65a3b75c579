"""What the catalog keeps over time about data and features: statistics, materializations, broken expectations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

from headrace.clock import isoformat

__all__ = [
    "CheckRecord",
    "MaterializationRecord",
    "ObservationStore",
    "Outcome",
    "StatisticsKind",
    "StatisticsRecord",
]

StatisticsKind = Literal["write", "stream", "materialize", "online"]
Outcome = Literal["rejected", "quarantined", "feature"]


@dataclass(frozen=True, slots=True)
class StatisticsRecord:
    """The statistics of some rows of a source, or of some values of a group.

    Attributes:
        subject: `source:ratings` or `group:user_taste`.
        version: of its definition.
        kind: what the rows came from.
        at: microseconds since 1970.
        rows: how many there were.
        columns: column or feature to its statistics as plain JSON values.
    """

    subject: str
    version: int
    kind: StatisticsKind
    at: int
    rows: int
    columns: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class MaterializationRecord:
    """One time that a group was brought up to date.

    Attributes:
        group: the group version.
        started: microseconds since 1970.
        seconds: how long it took.
        rows: rows of the lake that were read.
        keys: entities with online values afterwards.
        author: who did it.
        rebuilt: built anew from all of the lake.
    """

    group: str
    started: int
    seconds: float
    rows: int
    keys: int
    author: str = ""
    rebuilt: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The record as plain JSON values; the time as RFC 3339 text."""
        return {**asdict(self), "started": isoformat(self.started)}


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """How an expectation fared.

    Attributes:
        subject: `source:ratings` or `group:user_taste`.
        expectation: its name.
        outcome: what happens to rows that break it; "feature" for one on a group's values.
        broken: rows that broke it: of a source all that ever did, of a group those of the newest sample.
        checked: values in the newest sample of a group; 0 for a source.
        at: when it was last broken, or of a group last looked at: microseconds since 1970.
        detail: of the newest time: for example the first value that broke it.
    """

    subject: str
    expectation: str
    outcome: Outcome
    broken: int
    checked: int
    at: int
    detail: Mapping[str, Any] = field(default_factory=dict)


class ObservationStore(Protocol):
    """Keeps observations. Old ones are forgotten: of each subject and kind the newest stay, and one a day."""

    def add_statistics(self, record: StatisticsRecord) -> None:
        """Keep statistics."""
        ...

    def statistics(self, subject: str, kinds: Sequence[StatisticsKind] = (), limit: int | None = None) -> list[StatisticsRecord]:
        """A subject's statistics, newest first, of some kinds or all."""
        ...

    def add_materialization(self, record: MaterializationRecord) -> None:
        """Keep that a group was brought up to date."""
        ...

    def materializations(self, group: str, limit: int | None = None) -> list[MaterializationRecord]:
        """The times that a group version was brought up to date, newest first."""
        ...

    def count_broken(self, records: Sequence[CheckRecord]) -> None:
        """Add the rows of these records to what is kept of the same subject, expectation and outcome."""
        ...

    def replace_checks(self, subject: str, records: Sequence[CheckRecord]) -> None:
        """What is now known of a group's expectations; what was known before is forgotten."""
        ...

    def checks(self) -> list[CheckRecord]:
        """How every expectation fared, by subject and name."""
        ...
