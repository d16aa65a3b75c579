"""Training sets: historical features and labels, which are kept, versioned, fingerprinted and can be made again."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headrace.arguments import checked
from headrace.catalog.service import Catalog
from headrace.clock import Clock
from headrace.definitions.version import parse_reference
from headrace.display import facts_html
from headrace.errors import InvalidInputError, NotFoundError, nearest
from headrace.features.fingerprint import fingerprint
from headrace.features.frames import queries_of, to_model_frame
from headrace.features.services import KeptTrainingSets, PinnedHistory
from headrace.features.store import TrainingSetRecord
from headrace.progress import Progress, silent

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

__all__ = ["PINNED", "TrainingSet", "TrainingSets", "Verification"]


PINNED = "HEADRACE_PINNED_SETS"
"""The environment variable with the training sets, `ranking:3,other:1`, that a reproduction reads instead of newer ones."""


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of recomputing a training set. True if nothing differs.

    Attributes:
        ok: whether the recomputed values have the same fingerprint.
        rows: how many rows were compared.
        differing: column name to the number of rows that differ.
    """

    ok: bool
    rows: int
    differing: dict[str, int]

    def __bool__(self) -> bool:
        return self.ok


@dataclass(frozen=True)
class TrainingSet:
    """A training set: the frame of labels with the view's features appended. It never changes."""

    record: TrainingSetRecord
    load: Callable[[], pa.Table] = field(repr=False, compare=False)
    recompute: Callable[[], pa.Table] = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """Its name."""
        return self.record.name

    @property
    def version(self) -> int:
        """Its version under that name, from 1."""
        return self.record.version

    @property
    def fingerprint(self) -> str:
        """SHA-256 of its values."""
        return self.record.fingerprint

    @property
    def view(self) -> str:
        """The view version that it was read through, `ranking:3`."""
        return self.record.view

    @property
    def label(self) -> str:
        """The name of the label column; empty if none was named."""
        return self.record.label

    @property
    def urn(self) -> str:
        """Its name in the lineage."""
        return self.record.urn

    def __len__(self) -> int:
        return self.record.rows

    def _repr_html_(self) -> str:
        facts = [("view", self.view), ("rows", f"{len(self):,}"), ("label", self.label), ("fingerprint", self.fingerprint)]
        return facts_html(f"{self.name}, version {self.version}", facts)

    def to_arrow(self) -> pa.Table:
        """Its rows as an Arrow table, their bytes verified."""
        return self.load()

    def to_pandas(self) -> pd.DataFrame:
        """Its rows as a pandas DataFrame, typed as online features are."""
        rows = self.load()
        return to_model_frame({name: rows.column(name) for name in rows.column_names})

    def to_polars(self) -> pl.DataFrame:
        """Its rows as a polars DataFrame."""
        import polars as pl

        return pl.DataFrame(self.load())

    def verify(self) -> Verification:
        """Compute it again from the lake as it was, and compare every value with the kept one."""
        kept, again = self.load(), self.recompute()
        if fingerprint(again) == self.fingerprint and fingerprint(kept) == self.fingerprint:
            return Verification(ok=True, rows=kept.num_rows, differing={})
        differing = {name: _differences(kept.column(name), again.column(name)) for name in kept.column_names}
        return Verification(ok=False, rows=kept.num_rows, differing={name: count for name, count in differing.items() if count})


@checked()
class TrainingSets:
    """Makes training sets and finds them again.

    Attributes:
        kept: where they are kept.
    """

    def __init__(
        self,
        catalog: Catalog,
        history: PinnedHistory,
        kept: KeptTrainingSets,
        clock: Clock,
        author: str,
    ) -> None:
        self._catalog = catalog
        self._history = history
        self.kept = kept
        self._clock = clock
        self._author = author

    def make(
        self,
        reference: str,
        labels: Any,
        timestamp: str,
        *,
        label: str | None = None,
        name: str | None = None,
        as_known: bool = False,
        progress: Progress = silent,
    ) -> TrainingSet:
        """Join labels with the features that held at each label's own time, and keep the result.

        Asked again with the same labels, view and lake, it returns the version that exists.

        Args:
            reference: the view.
            labels: a frame with join keys, timestamp, label and any further columns.
            timestamp: the column with each row's moment.
            label: the column to predict.
            name: what to call it. Default: the view's name.
            as_known: use only rows that had arrived by each row's moment, as serving would have.
        """
        if name is not None and ":" in name:
            msg = f"a training set can't be called {name!r}: behind ':' comes the version; leave it out"
            raise InvalidInputError(msg)
        view = self._catalog.view(reference)
        queries, _restore = queries_of(labels)
        if label is not None and label not in queries.column_names:
            msg = f"the labels have no column {label!r}{nearest(label, queries.column_names)}"
            raise InvalidInputError(msg)
        pinned = self._pinned(name or view.view.name)
        if pinned is not None and _asks_for(pinned, view.id, queries, timestamp, label, as_known=as_known):
            return self._open(pinned)
        snapshots = self._history.pin(view)
        features = self._history.append(view, queries, timestamp, snapshots, as_known=as_known, progress=progress)
        frame = _beside(queries, features)
        record = TrainingSetRecord(
            name=name or view.view.name,
            version=0,
            fingerprint=fingerprint(frame),
            frame="",
            view=view.id,
            tables={source: snapshot.version for source, snapshot in snapshots.items()},
            labels=fingerprint(queries),
            timestamp=timestamp,
            label=label or "",
            as_known=as_known,
            rows=frame.num_rows,
            created=self._clock(),
            author=self._author,
        )
        return self._keep(record, frame)

    def get(self, reference: str) -> TrainingSet:
        """A training set by name, or `name:version`.

        Raises:
            NotFoundError: there is none; names the nearest.
        """
        name, version = parse_reference(reference)
        record = (self._pinned(name) if version is None else None) or self.kept.get(name, version)
        if record is None:
            known = [f"{item.name}:{item.version}" for item in self.kept.all()]
            raise NotFoundError.of("training set", reference, known)
        return self._open(record)

    def all(self) -> Sequence[TrainingSet]:
        """Every training set, by name and version."""
        return [self._open(record) for record in self.kept.all()]

    def _pinned(self, name: str) -> TrainingSetRecord | None:
        """While a run is reproduced: the version of this name that the run has read. Else None."""
        references = [parse_reference(text) for text in os.environ.get(PINNED, "").split(",") if text]
        return next((self.kept.get(*reference) for reference in references if reference[0] == name), None)

    def _keep(self, record: TrainingSetRecord, frame: pa.Table) -> TrainingSet:
        newest = self.kept.get(record.name)
        return self._open(newest if newest is not None and _same(newest, record) else self.kept.keep(record, frame))

    def _open(self, record: TrainingSetRecord) -> TrainingSet:
        return TrainingSet(record, lambda: self.kept.load(record), lambda: self._recompute(record))

    def _recompute(self, record: TrainingSetRecord) -> pa.Table:
        view = self._catalog.view(record.view)
        kept = self.kept.load(record)
        queries = kept.drop_columns(list(view.view.feature_names))
        snapshots = self._history.pinned(view, record.tables)
        return _beside(queries, self._history.append(view, queries, record.timestamp, snapshots, as_known=record.as_known))


def _same(left: TrainingSetRecord, right: TrainingSetRecord) -> bool:
    return all(
        getattr(left, name) == getattr(right, name)
        for name in ("fingerprint", "view", "labels", "timestamp", "label", "as_known")
    )


def _asks_for(
    record: TrainingSetRecord, view: str, queries: pa.Table, timestamp: str, label: str | None, *, as_known: bool
) -> bool:
    """Whether a request has the same arguments as the one that made the record."""
    asked = (view, timestamp, label or "", as_known)
    held = (record.view, record.timestamp, record.label, record.as_known)
    return asked == held and record.labels == fingerprint(queries)


def _beside(left: pa.Table, right: pa.Table) -> pa.Table:
    import pyarrow as pa

    columns = {name: table.column(name) for table in (left, right) for name in table.column_names}
    return pa.table(columns).combine_chunks()


def _differences(left: Any, right: Any) -> int:
    if left.type == right.type and fingerprint(_one(left)) == fingerprint(_one(right)):
        return 0
    pairs = zip(left.to_pylist(), right.to_pylist(), strict=True)
    return sum(1 for a, b in pairs if a != b and not (a != a and b != b))  # noqa: PLR0124 - NaN differs from itself


def _one(column: Any) -> pa.Table:
    import pyarrow as pa

    return pa.table({"": column})
