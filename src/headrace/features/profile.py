"""Profiles: samples of the values that are online now, their statistics, and their drift from a training set."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from headrace.catalog.service import Catalog
from headrace.clock import Clock
from headrace.definitions.version import GroupVersion, ViewVersion
from headrace.errors import HeadraceError, InvalidInputError, NotFoundError
from headrace.features.drift import DriftReport, column_drift
from headrace.features.ingest import Ingest
from headrace.features.lookup import Lookup
from headrace.features.observer import Observer, Statistics
from headrace.features.on_demand import input_types
from headrace.features.quality import Quality
from headrace.features.records import MaterializationRecord, StatisticsKind
from headrace.features.served import Served
from headrace.features.training import TrainingSets
from headrace.features.values import columns_of, to_arrow
from headrace.lake.table import Lake

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Profiler"]

SAMPLED_ROWS = 5_000
SAMPLED_AFTER_MATERIALIZE = 2_000
RECENT_ROWS = 200_000
"""The keys of a sample are those of rows picked from so many of the newest of each lane, as often as they are there: what comes
in often is asked for often."""

SERVED_WITHIN, FEWEST_SERVED = 7 * 86_400_000_000, 500
"""Answers that were kept for `verify` are compared, of so many microseconds, if there are enough: they are what models got."""
RECENT = 3_600_000_000
"""A group that is fed by a stream alone has nothing to materialize; it is profiled all the same if it wasn't for so long."""

_log = logging.getLogger(__name__)


class Profiler:
    """Samples groups through the same read that serves them."""

    def __init__(
        self,
        catalog: Catalog,
        ingest: Ingest,
        lookup: Lookup,
        lake: Lake,
        observer: Observer,
        quality: Quality,
        served: Served,
        clock: Clock,
    ) -> None:
        self._catalog = catalog
        self._ingest = ingest
        self._lookup = lookup
        self._lake = lake
        self._observer = observer
        self._quality = quality
        self._served = served
        self._clock = clock

    def profile(self, name: str, kind: StatisticsKind = "online", rows: int = SAMPLED_ROWS) -> Statistics:
        """Read a sample of a group's online values now, keep its statistics, and check what the group expects.

        Raises:
            NotFoundError: no such group.
        """
        return self._profile(self._catalog.group(name), kind, rows)

    def materialized(self, done: Sequence[tuple[GroupVersion, MaterializationRecord]]) -> None:
        """Keep that groups were brought up to date, and profile what is new. A failure is told in the log: they are."""
        for version, record in done:
            try:
                self._observer.materialized(record)
                if record.rows or not self._observer.has_recent(version, RECENT):
                    self._profile(version, "materialize", SAMPLED_AFTER_MATERIALIZE)
            except HeadraceError as error:
                _log.warning("no profile of %s: %s", record.group, error)

    def drift(self, reference: str, training_set: str, sets: TrainingSets) -> DriftReport:
        """Compare a training set with what was served of a view lately, if answers were kept, else with the newest sample of each
        of its groups.

        Raises:
            NotFoundError: no such view or training set.
            InvalidInputError: they have no feature in common.
        """
        view, before = self._catalog.view(reference), sets.get(training_set)
        trained = before.to_arrow()
        served = self._served.answered(view, self._clock() - SERVED_WITHIN)
        many = served.num_rows >= FEWEST_SERVED
        now = {name: served.column(name) for name in served.column_names} if many else self._online(view)
        kinds = {name: kind for name, (kind, _) in input_types(view).items()}
        common = [name for name in now if name in trained.column_names]
        if not common:
            msg = f"training set {before.name}:{before.version} of {before.view} has no feature of the groups of view {view.id!r}"
            raise InvalidInputError(msg)
        found = [column_drift(name, kinds[name], trained.column(name), now[name]) for name in common]
        told = sorted((drift for drift in found if drift is not None), key=lambda drift: -drift.psi)
        left_out = [name for name in view.view.feature_names if name not in {drift.column for drift in told}]
        drifts = {drift.column: drift for drift in told}
        return DriftReport(view.id, f"{before.name}:{before.version}", drifts, left_out, "served" if many else "online")

    def _online(self, view: ViewVersion) -> Mapping[str, pa.ChunkedArray]:
        """The newest samples of a view's groups, under the view's names; each group has rows of its own."""
        found = {}
        for columns in columns_of(view):
            sample = self._sample(columns.version)
            found.update({out: sample.column(name) for name, outs in columns.names.items() for out in outs})
        return found

    def _profile(self, version: GroupVersion, kind: StatisticsKind, rows: int) -> Statistics:
        values = self._values(version, rows)
        self._lake.write_frame(_frame(version), values)
        self._quality.check_values(version, values)
        return self._observer.values(version, values, kind)

    def _sample(self, version: GroupVersion) -> pa.Table:
        """The newest sample; one is taken if there is none."""
        with suppress(NotFoundError):
            return self._lake.read_frame(_frame(version))
        self._profile(version, "online", SAMPLED_ROWS)
        return self._lake.read_frame(_frame(version))

    def _values(self, version: GroupVersion, rows: int) -> pa.Table:
        """Online values for keys of recent rows, picked at random."""
        import pyarrow as pa

        picked = self._recent_keys(version, rows)
        keys = picked.group_by(picked.column_names, use_threads=False).aggregate([([], "count_all")])
        found = self._lookup.group(version, {name: keys.column(name).to_pylist() for name in picked.column_names})
        values = pa.table({item.name: to_arrow(found.values[item.name], item.dtype) for item in version.group.resolved})
        return values.take(_repeated(keys.column("count_all").to_numpy()))

    def _recent_keys(self, version: GroupVersion, rows: int) -> pa.Table:
        """Keys of up to so many rows, under the entity's names."""
        import numpy as np
        import pyarrow as pa

        group = version.group
        snapshot = self._ingest.snapshot(group.source)
        columns = list(group.key_columns.values())
        tables = [
            pa.Table.from_batches(batches)
            for lane, end in snapshot.lanes().items()
            if (batches := list(snapshot.scan(columns, partition=lane, after=end - RECENT_ROWS)))
        ]
        if not tables:
            return pa.table({key: to_arrow([], kind) for key, kind in group.entity.keys.items()})
        found = pa.concat_tables(tables).rename_columns(list(group.key_columns)).drop_null()
        if found.num_rows <= rows:
            return found
        return found.take(pa.array(np.random.default_rng(found.num_rows).choice(found.num_rows, rows, replace=False)))


def _repeated(counts: object) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    many = np.asarray(counts)
    return pa.array(np.repeat(np.arange(len(many)), many))


def _frame(version: GroupVersion) -> str:
    return f"samples/{version.id}"
