"""Upkeep of the lake: its tables as they are, small files merged, files that nobody needs removed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from headrace.catalog.service import Catalog
from headrace.clock import Clock
from headrace.definitions.window import Duration, format_duration, parse_duration
from headrace.errors import InvalidInputError, NotFoundError
from headrace.features.store import TrainingSetStore
from headrace.lake.table import LakeUpkeep, Optimized, TableState, Vacuumed
from headrace.progress import Progress, silent

__all__ = ["LEAST_AGE", "Maintenance"]

LEAST_AGE = 3_600_000_000
"""Microseconds that a file lives at least after its last version: reads, appends and training sets are made in less."""
_AT_ONCE = 8  # tables looked at: a bucket takes its time


class Maintenance:
    """Looks after every table of the lake: those of sources, and those of served answers."""

    def __init__(self, catalog: Catalog, lake: LakeUpkeep, training_sets: TrainingSetStore, clock: Clock) -> None:
        self._catalog = catalog
        self._lake = lake
        self._training_sets = training_sets
        self._clock = clock

    def tables(self, names: Sequence[str] | None = None) -> list[TableState]:
        """Tables as they are now. All if none is named.

        Raises:
            NotFoundError: there is no such table or source.
        """
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(self._lake.state, self._named(names)))

    def optimize(self, names: Sequence[str] | None = None, *, progress: Progress = silent) -> list[Optimized]:
        """Merge the small files of tables. All if none is named. Readers, appenders and pinned versions aren't touched.

        Raises:
            NotFoundError: there is no such table or source.
            StorageError: the lake can't be reached; what was merged before stays merged.
        """
        return [self._lake.optimize(name, _titled(progress, f"optimize {name}")) for name in self._named(names)]

    def vacuum(
        self,
        names: Sequence[str] | None = None,
        *,
        older_than: Duration = "7d",
        dry_run: bool = False,
        progress: Progress = silent,
    ) -> list[Vacuumed]:
        """Remove files of tables that only old versions name. All if none is named. What a training set pins stays readable.

        Args:
            older_than: versions that were current within this time stay readable too.
            dry_run: only tell what would go.

        Raises:
            NotFoundError: there is no such table or source.
            InvalidInputError: the time is shorter than an hour: whoever reads or appends just now needs the files.
        """
        age = parse_duration(older_than)
        if age < LEAST_AGE:
            least = format_duration(LEAST_AGE)
            msg = f"older_than is {format_duration(age)}, but who reads or appends just now needs files: give at least {least!r}"
            raise InvalidInputError(msg)
        wanted, pinned, done = self._named(names), self._pinned(), []
        for place, name in enumerate(wanted, 1):
            done.append(self._lake.vacuum(name, pinned[name], self._clock() - age, dry_run=dry_run))
            progress("vacuum", place, len(wanted))
        return done

    def _pinned(self) -> defaultdict[str, set[int]]:
        pinned: defaultdict[str, set[int]] = defaultdict(set)
        for record in self._training_sets.all():
            for source, version in record.tables.items():
                pinned[source].add(version)
        return pinned

    def _named(self, names: Sequence[str] | None) -> list[str]:
        held = self._lake.tables()
        known = {*held, *(source.name for source in self._catalog.sources())}
        for name in names or ():
            if name not in known:
                raise NotFoundError.of("lake table", name, known)
        return list(names or held)


def _titled(progress: Progress, title: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(title, done, total)
