"""The values of tracking: experiments, runs, metric points, datasets, logged models."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from headrace.clock import isoformat, system_clock
from headrace.display import facts_html, show_page
from headrace.errors import InvalidInputError, StorageError
from headrace.flavors.signature import Signature

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "ACTIVE",
    "ALIAS_TAG",
    "DELETED",
    "LOST",
    "LOST_AFTER",
    "NAME_TAG",
    "NOTE_TAG",
    "NO_PAGE",
    "PARENT_TAG",
    "PENDING",
    "STATUSES",
    "SYSTEM_METRICS",
    "ArtifactEntry",
    "DatasetInput",
    "DatasetUse",
    "Experiment",
    "LoggedModel",
    "Metric",
    "MetricSummary",
    "ModelOutput",
    "Purged",
    "Run",
    "RunInfo",
    "Status",
    "View",
    "page_of",
    "state_of",
    "write_table",
]

Status = Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]
STATUSES: tuple[Status, ...] = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")
View = Literal["active", "deleted", "all"]
ACTIVE = "active"
DELETED = "deleted"
PENDING = "PENDING"
"""The status of a logged model whose files are yet to come."""

LOST = "LOST"
LOST_AFTER = 60_000_000
"""Microseconds without a word of its writers, which say one every 15 seconds, after which a run is lost."""


def state_of(status: Status, seen: int | None, now: int | None = None) -> str:
    """A run's status, or LOST while it should be running and nothing was heard of its writers for a minute."""
    silent = seen is not None and (system_clock() if now is None else now) - seen > LOST_AFTER
    return LOST if status == "RUNNING" and silent else status


_SHOWN_PAIRS, _SHOWN_RUNS, _SHOWN_METRICS = 60, 20, 6

PARENT_TAG = "mlflow.parentRunId"
NAME_TAG = "mlflow.runName"
SYSTEM_METRICS = "system/"
"""What the keys of the machine's own metrics begin with: its load, memory, disk and network while a run ran."""
NOTE_TAG = "mlflow.note.content"
ALIAS_TAG = "headrace.import.id"
"""`headrace.import.id/17` as a tag of an experiment: it had the id 17 where it was imported from, and is found by it here too."""
NO_PAGE = "this run is kept in a folder, which has no pages; start `headrace server` there and open the address it tells"


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A named collection of runs. Id "0", named Default, exists from the start.

    Attributes:
        created, updated: microseconds since 1970.
        lifecycle_stage: active or deleted; a deleted one keeps its name taken and can be restored.
    """

    id: str
    name: str
    created: int
    updated: int
    lifecycle_stage: str = ACTIVE
    artifact_location: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Metric:
    """One measured point.

    Attributes:
        value: any float; NaN and infinities are kept.
        time: when it was measured, microseconds since 1970.
        step: the caller's own axis; steps may come in any order.
        model_id: the logged model that it was measured on; empty if none was named.
        dataset_name, dataset_digest: the data that it was measured on; empty if none was named.
    """

    key: str
    value: float
    time: int
    step: int = 0
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""


@dataclass(frozen=True, slots=True)
class MetricSummary:
    """All points of one metric of one run: their number, and the lowest and the highest value, NaN if all are NaN."""

    count: int
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInput:
    """Data that a run read.

    Attributes:
        digest: hash of the content; equal digests mean equal data.
        source_type, source: where it came from, for example ("file", "data/films.csv").
        schema, profile: JSON text; the columns with their types, and figures such as the number of rows.
        context: what it was for: training, validation, …
        tags: whatever else was recorded about its use.
        urn: its name in the lineage graph, for example `training_set:ranking-2026-11:1`; empty if it has none.
    """

    name: str
    digest: str
    source_type: str = ""
    source: str = ""
    schema: str = ""
    profile: str = ""
    context: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    urn: str = ""


@dataclass(frozen=True, slots=True)
class DatasetUse:
    """Data that runs of an experiment have read."""

    experiment_id: str
    name: str
    digest: str
    context: str


@dataclass(frozen=True, slots=True)
class ModelOutput:
    """A logged model that a run made, and the step at which it did."""

    model_id: str
    step: int = 0


@dataclass(frozen=True, slots=True)
class ArtifactEntry:
    """A file of a run or of a logged model: `size` bytes whose SHA-256 is `digest`, under a relative path."""

    path: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """A run without what it logged. Attributes as in `Run`."""

    id: str
    name: str
    experiment_id: str
    status: Status
    start: int
    end: int | None
    user: str
    artifact_uri: str
    lifecycle_stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run as it stood when it was read.

    Attributes:
        start, end: microseconds since 1970; `end` is None while it runs, or if it was killed before it could end.
        seen: when a process that writes it was last heard of; None if none ever was.
        metrics: the latest value by key: the one with the highest (step, time, value).
        latest: the same points in full.
        inputs, model_inputs: the data and the logged models (by id) that it read.
        outputs: the logged models that it made.
        page: its address in the web app of the server that it was read from; empty if there is no server.
    """

    id: str
    name: str
    experiment_id: str
    experiment: str
    status: Status
    start: int
    end: int | None = None
    seen: int | None = None
    user: str = ""
    artifact_uri: str = ""
    lifecycle_stage: str = ACTIVE
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    latest: Mapping[str, Metric] = field(default_factory=dict)
    inputs: tuple[DatasetInput, ...] = ()
    model_inputs: tuple[str, ...] = ()
    outputs: tuple[ModelOutput, ...] = ()
    page: str = field(default="", compare=False, repr=False)

    def show(self) -> None:
        """Show its page: embedded in a notebook, elsewhere as an address. Raises InvalidInputError if it has none."""
        if not self.page:
            raise InvalidInputError(NO_PAGE)
        show_page(self.page, f"{self.name} ({self.id})")

    @property
    def metrics(self) -> dict[str, float]:
        """The latest value by key."""
        return {key: point.value for key, point in self.latest.items()}

    @property
    def duration(self) -> float | None:
        """Seconds from start to end; None while it runs."""
        return None if self.end is None else (self.end - self.start) / 1e6

    def state(self, now: int | None = None) -> str:
        """Its status; LOST if it should be running and nothing was heard of it for a minute, until data comes again."""
        return state_of(self.status, self.seen, now)

    def _repr_html_(self) -> str:
        facts = [
            ("state", self.state()),
            ("experiment", self.experiment),
            ("started", isoformat(self.start)),
            ("user", self.user),
        ]
        took = "" if self.duration is None else f"{self.duration:.1f} s"
        data = ", ".join(item.name for item in self.inputs)
        pairs = [*sorted(self.metrics.items()), *sorted(self.params.items())][:_SHOWN_PAIRS]
        return facts_html(f"{self.name} ({self.id})", [*facts, ("took", took), ("data", data), *pairs], self.page)

    @property
    def note(self) -> str:
        """Its note, Markdown; empty if it has none."""
        return self.tags.get(NOTE_TAG, "")

    @property
    def parent(self) -> str | None:
        """The id of the run that it is nested in."""
        return self.tags.get(PARENT_TAG)

    @property
    def urn(self) -> str:
        """Its name in the lineage graph."""
        return f"run:{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedModel:
    """A model that a run logged. Its files never change.

    Attributes:
        id: `m-` and 32 hex digits.
        run_id: the run that logged it; empty if none did.
        kind: what its author calls this type of model; may be empty.
        flavor, serializer: how it was saved, for example ("sklearn", "skops").
        view: the pinned feature view that it reads, `ranking:3`; empty if none was named.
        signature: the columns it takes and gives; None if it was logged without an example.
        requirements: pip requirements that loading needs.
        files: its files with digests and sizes.
        details: what the flavor needs to load it, JSON values.
        metrics: points that were measured on this model.
        measured_by: the id of the run that logged each of them.
    """

    id: str
    run_id: str
    experiment_id: str
    name: str
    flavor: str
    serializer: str
    created: int
    updated: int
    kind: str = ""
    artifact_uri: str = ""
    view: str = ""
    status: str = "READY"
    lifecycle_stage: str = ACTIVE
    signature: Signature | None = None
    requirements: tuple[str, ...] = ()
    files: tuple[ArtifactEntry, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    measured_by: tuple[str, ...] = ()

    @property
    def urn(self) -> str:
        """Its name in the lineage graph."""
        return f"logged_model:{self.id}"

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge removed for good, or would remove.

    Attributes:
        runs: the runs, with their logged models.
        experiments: the experiments, which have no run left in them.
        kept: deleted runs that stay although they are old enough: a model version was made from them, or an active run uses their
            model.
    """

    runs: int
    experiments: int
    kept: int


def page_of(server: str, run_id: str) -> str:
    """Where the web app of a server shows a run."""
    return f"{server}/runs/{run_id}"


def write_table(table: pa.Table, path: str | os.PathLike[str]) -> Path:
    """Write a table as the file's name says: .csv or .parquet. A file that exists is replaced once the new one is whole."""
    where = Path(path)
    if where.suffix.lower() not in (".csv", ".parquet"):
        msg = f"{where.name!r} says no format that is written; let it end in .csv or .parquet"
        raise InvalidInputError(msg)
    from pyarrow import csv, parquet

    partial = where.with_name(f".{where.name}.{os.getpid()}.partial")
    try:
        if where.suffix.lower() == ".csv":
            csv.write_csv(table, partial)
        else:
            parquet.write_table(table, partial, compression="zstd")
        partial.replace(where)
    except OSError as error:
        msg = f"{where} can't be written: {error.strerror or error}; check the folder, its permissions and the disk"
        raise StorageError(msg) from error
    finally:
        partial.unlink(missing_ok=True)
    return where
