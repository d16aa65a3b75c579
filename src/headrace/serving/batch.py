"""Batch scoring: reads a file and writes its predictions, in parts that survive a crash, by the same code as the service."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from headrace.catalog.service import Catalog
from headrace.clock import Clock, from_micros, system_clock
from headrace.errors import ConflictError, InvalidInputError, StorageError
from headrace.features.services import HistoryReads
from headrace.models.service import Models
from headrace.models.version import ModelVersion
from headrace.progress import Progress, silent
from headrace.serving.columns import Columns, selected, takes_keys
from headrace.serving.files import Rows, open_rows, whole_file, writer_of
from headrace.serving.loader import Loader
from headrace.serving.slot import Bounds, Slot

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

__all__ = ["BatchScorer", "Scored"]

ROWS = 10_000
"""Rows of a part: so much is in memory at once, and so much is done again after a crash."""
_STATE = "state.json"
_MOMENT = "__moment"


@dataclass(frozen=True, slots=True)
class Scored:
    """The result of scoring a file.

    Attributes:
        path: the file with the predictions.
        model: the version that predicted.
        view: the view version that the features came from; empty if they were in the file.
        rows: how many rows were scored.
        resumed: how many of them an earlier call had scored.
    """

    path: str
    model: str
    view: str
    rows: int
    resumed: int


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the parts have in common; those of another plan can't be gone on with."""

    model: str
    method: str
    timestamp: str
    moment: int
    source: str
    size: int
    modified: int
    rows: int

    @property
    def about(self) -> tuple[Any, ...]:
        """What makes it the same work: the version and the moment are those with which it began."""
        return self.method, self.timestamp, self.source, self.size, self.modified, self.rows


class BatchScorer:
    """Scores files.

    Args:
        history: opens what reads features of the past; asked only if a file brings keys.
    """

    def __init__(
        self, models: Models, catalog: Catalog, history: Callable[[], HistoryReads], clock: Clock = system_clock
    ) -> None:
        self._models = models
        self._catalog = catalog
        self._history = history
        self._clock = clock

    def run(
        self,
        uri: str,
        source: Path,
        target: Path,
        *,
        method: str = "predict",
        timestamp: str = "",
        bounds: Bounds | None = None,
        allow_pickle: bool = False,
        progress: Progress = silent,
    ) -> Scored:
        """Score a file of Parquet, or of CSV if it is named .csv. Called again after a crash, it goes on where it was, with the
        same version.

        The rows hold the model's columns; or the join keys of its view: then features are read from history, as of each row's
        own `timestamp`, or as of the moment when the work began. No online store is asked.

        Args:
            uri: the model's address.
            target: gets the rows of the source, and `prediction`; several columns of predictions are `prediction_0`, ….

        Raises:
            InvalidInputError: the file can't be read, lacks columns, or the model refuses its values.
            ConflictError: parts of other work are in the way.
            StorageError: the target can't be written. What was done stays.
        """
        if not target.name:
            msg = f"{str(target)!r} names no file to write; give one such as scores.parquet"
            raise InvalidInputError(msg)
        opened = open_rows(source)
        folder = target.with_name(f".{target.name}.parts")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            plan = self._plan(uri, source, folder, method, timestamp, opened.count)
            work = _Work(self, plan, opened, folder, bounds or Bounds(predict_seconds=600), progress, allow_pickle=allow_pickle)
            return asyncio.run(work.run(target))
        except OSError as error:
            msg = (
                f"{target} can't be written: {error.strerror or error}; what was done stays, and the same command goes on with it"
            )
            raise StorageError(msg) from error

    def version(self, uri: str) -> ModelVersion:
        """The version that an address names. Raises NotFoundError and InvalidInputError."""
        found = self._models.resolve(uri)
        if not isinstance(found, ModelVersion):
            msg = f"{uri} is a logged model; register it, and score with its version"
            raise InvalidInputError(msg)
        return found

    def loader(self, bounds: Bounds, *, allow_pickle: bool) -> Loader:
        """What makes slots."""
        return Loader(self._models, self._catalog, bounds, allow_pickle=allow_pickle)

    def features(self, view: str, rows: pa.Table, timestamp: str, moment: int) -> pa.Table:
        """Rows with a view's features beside, as of each row's own time or of one moment."""
        import pyarrow as pa

        if timestamp:
            return self._history().read(view, rows, timestamp)
        moments = pa.array([from_micros(moment)] * rows.num_rows, pa.timestamp("us", tz="UTC"))
        found: pa.Table = self._history().read(view, rows.append_column(_MOMENT, moments), _MOMENT)
        return found.drop_columns([_MOMENT])

    def _plan(self, uri: str, source: Path, folder: Path, method: str, timestamp: str, rows: int) -> _Plan:
        facts = source.stat()
        version = self.version(uri)
        plan = _Plan(version.uri, method, timestamp, self._clock(), str(source.resolve()), facts.st_size, facts.st_mtime_ns, rows)
        path = folder / _STATE
        if not path.exists():
            _write(path, json.dumps(asdict(plan)).encode())
            return plan
        begun = _Plan(**json.loads(path.read_text(encoding="utf-8")))
        if begun.about != plan.about or begun.model.rpartition("/")[0] != plan.model.rpartition("/")[0]:
            msg = f"{folder} holds parts of other work (of {begun.source} with {begun.model}); remove it, or take another output"
            raise ConflictError(msg)
        return begun


class _Work:
    """One file being scored."""

    def __init__(
        self,
        scorer: BatchScorer,
        plan: _Plan,
        opened: Rows,
        folder: Path,
        bounds: Bounds,
        progress: Progress,
        *,
        allow_pickle: bool,
    ) -> None:
        self._scorer = scorer
        self._plan = plan
        self._opened = opened
        self._folder = folder
        self._bounds = bounds
        self._progress = progress
        self._allow_pickle = allow_pickle
        self._view = ""

    async def run(self, target: Path) -> Scored:
        """Score what isn't yet, then put the parts together."""
        version = self._scorer.version(self._plan.model)
        loader = self._scorer.loader(self._bounds, allow_pickle=self._allow_pickle)
        try:
            slot = await loader(version)
            try:
                resumed = await self._all(slot)
            finally:
                await slot.close()
        finally:
            await loader.close()
        self._join(target)
        return Scored(str(target), version.uri, self._view, self._plan.rows, resumed)

    async def _all(self, slot: Slot) -> int:
        """Score the parts that aren't there; returns how many rows were."""
        done = resumed = 0
        for number, rows in enumerate(self._opened.parts(ROWS)):
            part = self._part(number)
            if part.exists():
                resumed += rows.num_rows
            else:
                _write_table(part, await self._scored(slot, rows))
            done += rows.num_rows
            self._progress(f"score with {slot.version.uri}", done, self._plan.rows)
        return resumed

    def _part(self, number: int) -> Path:
        return self._folder / f"{number:08d}.parquet"

    async def _scored(self, slot: Slot, rows: pa.Table) -> pa.Table:
        found = rows
        if takes_keys(slot, {name: [] for name in rows.column_names}) and slot.view is not None:
            self._view = slot.view.id
            found = await asyncio.to_thread(self._scorer.features, slot.view.id, rows, self._plan.timestamp, self._plan.moment)
        taken = selected(slot, {name: [name] for name in found.column_names})
        columns: Columns = {name: found.column(name).to_pylist() for name in taken}
        text = await slot.predict(self._plan.method, columns, rows.num_rows)
        return _beside(rows, orjson.loads(text), slot)

    def _join(self, target: Path) -> None:
        """The parts as one file, one part in memory at a time."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        parts = sorted(self._folder.glob("*.parquet"))
        schema = pa.unify_schemas([pq.read_schema(part) for part in parts], promote_options="permissive") if parts else None
        if schema is None:
            schema = self._opened.schema.append(pa.field("prediction", pa.float64()))
        schema = schema.with_metadata({b"headrace.model": self._plan.model.encode(), b"headrace.view": self._view.encode()})
        with whole_file(target) as place, writer_of(place, target, schema) as writer:
            for part in parts:
                writer.write_table(pq.read_table(part).cast(schema))
        shutil.rmtree(self._folder)


def _beside(rows: pa.Table, said: Any, slot: Slot) -> pa.Table:
    """The rows with their predictions as columns."""
    import pyarrow as pa

    if not isinstance(said, list) or len(said) != rows.num_rows:
        msg = f"{slot.version.uri} gives no prediction a row; score it by the rows of one request each"
        raise InvalidInputError(msg)
    for name, column in _columns_of(said).items():
        if name in rows.column_names:
            rows = rows.drop_columns([name])
        rows = rows.append_column(name, pa.array(column))
    return rows


def _columns_of(said: list[Any]) -> Mapping[str, list[Any]]:
    if said and isinstance(said[0], list):
        return {f"prediction_{place}": list(column) for place, column in enumerate(zip(*said, strict=True))}
    if said and isinstance(said[0], dict):
        return {f"prediction_{name}": [row[name] for row in said] for name in said[0]}
    return {"prediction": said}


def _write(path: Path, data: bytes) -> None:
    partial = path.with_suffix(".partial")
    partial.write_bytes(data)
    partial.replace(path)


def _write_table(path: Path, table: pa.Table) -> None:
    import pyarrow.parquet as pq

    partial = path.with_suffix(".partial")
    pq.write_table(table, partial)
    partial.replace(path)
