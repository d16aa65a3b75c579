"""Takes statistics of incoming rows and of online values, and keeps them over time."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from headrace.catalog.service import Catalog
from headrace.clock import Clock
from headrace.definitions.source import Source
from headrace.definitions.version import GroupVersion, parse_reference
from headrace.errors import HeadraceError, NotFoundError
from headrace.features.drift import Drift, statistics_drift
from headrace.features.quality import group_subject, source_subject
from headrace.features.records import MaterializationRecord, ObservationStore, StatisticsKind, StatisticsRecord
from headrace.features.statistics import ColumnStatistics, table_statistics

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["Observer", "Statistics", "StatisticsHistory"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Statistics:
    """The statistics of some rows of a source, or of some values of a group.

    Attributes:
        subject: `source:ratings` or `group:user_taste`.
        version: of its definition.
        kind: of a source, "write" for a batch and "stream" for pushed rows when they reach the lake; of a group, "materialize"
            for a sample of its online values after materialize, "online" for one that was asked for.
        at: microseconds since 1970.
        rows: how many rows or values they were computed from.
        columns: column or feature to its statistics.
    """

    subject: str
    version: int
    kind: StatisticsKind
    at: int
    rows: int
    columns: Mapping[str, ColumnStatistics]

    def __getitem__(self, name: str) -> ColumnStatistics:
        if name not in self.columns:
            kind = f"column of {self.subject}"
            raise NotFoundError.of(kind, name, self.columns)
        return self.columns[name]

    def drift_from(self, reference: Statistics) -> dict[str, Drift]:
        """The drift of each common column from older statistics, estimated from the kept values and histograms."""
        found = {
            name: statistics_drift(name, reference.columns[name], current)
            for name, current in self.columns.items()
            if name in reference.columns
        }
        return {name: drift for name, drift in found.items() if drift is not None}


@dataclass(frozen=True)
class StatisticsHistory:
    """The statistics of a source or a group over time.

    Attributes:
        subject: `source:ratings` or `group:user_taste`.
        history: newest first: the last 30 of each kind, and of older ones the last of each day.
    """

    subject: str
    history: Sequence[Statistics]

    @property
    def latest(self) -> Statistics:
        """The newest. Raises NotFoundError if there is none yet."""
        if not self.history:
            msg = f"there are no statistics of {self.subject} yet; they come with the next write, flush or materialize"
            raise NotFoundError(msg)
        return self.history[0]

    def to_pandas(self) -> pd.DataFrame:
        """One row per time and column: at, kind, version, rows, column, and the figures that are one number."""
        import pandas as pd

        rows = [
            {
                "at": pd.Timestamp(item.at, unit="us", tz="UTC"),
                "kind": item.kind,
                "version": item.version,
                "rows": item.rows,
                "column": name,
                **{figure: getattr(column, figure) for figure in _FIGURES},
                **column.quantiles,
            }
            for item in self.history
            for name, column in item.columns.items()
        ]
        return pd.DataFrame(rows)


_FIGURES = ("dtype", "count", "null_share", "nans", "infinite", "min", "max", "mean", "std", "distinct", "sampled")


class Observer:
    """Computes statistics of what comes in, and keeps them."""

    def __init__(self, catalog: Catalog, store: ObservationStore, clock: Clock, author: str = "") -> None:
        self._catalog = catalog
        self._store = store
        self._clock = clock
        self._author = author

    def rows(self, source: Source, rows: pa.Table, kind: StatisticsKind) -> None:
        """Keep the statistics of rows that are in the lake now. They are there whatever happens here, so a failure is told in the
        log and not raised."""
        if not rows.num_rows:
            return
        try:
            columns = table_statistics(rows, source.schema)
            version = self._catalog.history("source", source.name)[-1].version
            self._keep(source_subject(source), version, kind, rows.num_rows, columns)
        except HeadraceError as error:
            _log.warning("statistics of %s couldn't be kept: %s", source.name, error)

    def values(self, version: GroupVersion, values: pa.Table, kind: StatisticsKind) -> Statistics:
        """Keep the statistics of values of a group's features, columns named by the features."""
        types = {feature.name: feature.dtype for feature in version.group.resolved}
        columns = table_statistics(values, types)
        return self._keep(group_subject(version), version.version, kind, values.num_rows, columns)

    def has_recent(self, version: GroupVersion, micros: int) -> bool:
        """Whether statistics of a group's values were kept within so long."""
        found = self._store.statistics(group_subject(version), limit=1)
        return bool(found) and found[0].at > self._clock() - micros

    def materialized(self, record: MaterializationRecord) -> None:
        """Keep that a group was brought up to date, by whoever this is."""
        self._store.add_materialization(replace(record, author=self._author))

    def history(self, name: str, kinds: Sequence[StatisticsKind] = (), limit: int | None = None) -> StatisticsHistory:
        """What is kept of a source or a group, newest first.

        Args:
            name: `"ratings"`, `"user_taste"`; `"source:ratings"` or `"group:ratings"` where both have the name; of one version
                alone: `"user_taste:2"`.

        Raises:
            NotFoundError: there is no such source or group, or no such version.
        """
        name, version = parse_reference(name)
        subject = self._subject(name)
        if version is None:
            found = self._store.statistics(subject, kinds, limit)
            return StatisticsHistory(subject, [_statistics(record) for record in found])
        kind, _, known = subject.partition(":")
        (self._catalog.source if kind == "source" else self._catalog.group)(f"{known}:{version}")  # raises if there is none
        found = [record for record in self._store.statistics(subject, kinds) if record.version == version]
        return StatisticsHistory(subject, [_statistics(record) for record in found[:limit]])

    def _subject(self, name: str) -> str:
        groups = [version.group.name for version in self._catalog.groups()]
        sources = [source.name for source in self._catalog.sources()]
        known = {**{name: f"source:{name}" for name in sources}, **{name: f"group:{name}" for name in groups}}
        known |= {subject: subject for subject in [*map("source:{}".format, sources), *map("group:{}".format, groups)]}
        if name not in known:
            raise NotFoundError.of("source or group", name, [*groups, *sources])
        return known[name]

    def _keep(
        self, subject: str, version: int, kind: StatisticsKind, rows: int, columns: Mapping[str, ColumnStatistics]
    ) -> Statistics:
        found = Statistics(subject, version, kind, self._clock(), rows, columns)
        figures = {name: column.to_dict() for name, column in columns.items()}
        self._store.add_statistics(StatisticsRecord(subject, version, kind, found.at, rows, figures))
        return found


def _statistics(record: StatisticsRecord) -> Statistics:
    columns = {name: ColumnStatistics.from_dict(figures) for name, figures in record.columns.items()}
    return Statistics(record.subject, record.version, record.kind, record.at, record.rows, columns)
