"""The contracts of tracking's storage. Each write is one atomic, durable step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from headrace.tracking.history import MetricHistory, Series
from headrace.tracking.page import Form, Page, RunPage
from headrace.tracking.run import (
    ArtifactEntry,
    DatasetInput,
    DatasetUse,
    Experiment,
    LoggedModel,
    Metric,
    MetricSummary,
    ModelOutput,
    Purged,
    Run,
    RunInfo,
    Status,
    View,
)
from headrace.tracking.search import Comparison, ModelOrder, Order

__all__ = [
    "ArtifactIndex",
    "ExperimentStore",
    "LoggedModelStore",
    "MetricStore",
    "RunQuery",
    "RunStore",
    "TrackingStores",
    "WriterStore",
]

T = TypeVar("T")
P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Which runs are wanted: those that match every comparison, ordered; then newest first, then by id.

    Attributes:
        experiments: the ids of those that the runs are in; None for all active ones.
        view: whether active runs, deleted ones or all.
        limit, offset: the page.
    """

    filters: Sequence[Comparison] = ()
    order: Sequence[Order] = ()
    experiments: Sequence[str] | None = None
    view: View = "active"
    limit: int = 100
    offset: int = 0


class ExperimentStore(Protocol):
    """Experiments. Names are unique, those of deleted ones included."""

    def create(
        self, name: str, tags: Mapping[str, str], time: int, artifact_location: str = "", experiment_id: str = ""
    ) -> Experiment:
        """Make an experiment, under this id if one is given. Raises ConflictError if the name or the id is taken."""
        ...

    def get(self, experiment_id: str) -> Experiment:
        """An experiment, deleted or not, by its id, or by one that `alias` gave it if no other has that. Raises NotFoundError."""
        ...

    def alias(self, experiment_id: str, known_as: str, source: str) -> None:
        """Keep under which id another store knows it, and give that id to no new one. Raises NotFoundError."""
        ...

    def by_name(self, name: str) -> Experiment | None:
        """The experiment of this name, deleted or not."""
        ...

    def list(self, view: View = "active") -> list[Experiment]:
        """All experiments, newest first."""
        ...

    def search(
        self, filters: Sequence[Comparison], order: Sequence[Order], *, view: View = "active", limit: int = 100, offset: int = 0
    ) -> Sequence[Experiment]:
        """The experiments that match every comparison, ordered; then newest first."""
        ...

    def rename(self, experiment_id: str, name: str, time: int) -> None:
        """Rename an active experiment. Raises NotFoundError, ConflictError."""
        ...

    def set_stage(self, experiment_id: str, stage: str, time: int) -> None:
        """Delete or restore an experiment together with its runs. Raises NotFoundError if it isn't in the other stage."""
        ...

    def set_tag(self, experiment_id: str, key: str, value: str) -> None:
        """Set a tag. Raises NotFoundError."""
        ...

    def delete_tag(self, experiment_id: str, key: str) -> None:
        """Remove a tag. Raises NotFoundError."""
        ...


class RunStore(Protocol):
    """Runs with their params, latest metrics, tags, inputs and outputs."""

    def create(self, run: Run) -> None:
        """Keep a new run with its tags and params; the same run again changes nothing. Raises NotFoundError for its experiment,
        ConflictError if that is deleted or the id is another run's."""
        ...

    def get(self, run_ids: Sequence[str]) -> list[Run]:
        """The runs with these ids, in their order, deleted or not. Raises NotFoundError."""
        ...

    def starting_with(self, prefix: str, limit: int) -> list[str]:
        """Ids that start with the prefix, sorted."""
        ...

    def update(self, run_id: str, *, status: Status | None = None, end: int | None = None, name: str | None = None) -> RunInfo:
        """Change what isn't None, the name in its tag too; returns what the run is now. Raises NotFoundError, ConflictError for a
        deleted run."""
        ...

    def set_stage(self, run_id: str, stage: str, time: int) -> None:
        """Delete or restore a run at a time, microseconds since 1970; again is a no-op. Raises NotFoundError."""
        ...

    def purge(self, before: int, *, dry_run: bool = False) -> Purged:
        """Remove for good the runs, with their logged models, and the experiments that were deleted before a time, microseconds
        since 1970; what a model version or an active run needs stays."""
        ...

    def log(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        series: Sequence[Series] = (),
    ) -> None:
        """Add all or nothing, points one by one or as series. A repeated point is kept once. A param is written once: the same
        value again is a no-op.

        Raises:
            InvalidInputError: another value for a param.
            NotFoundError, ConflictError: no such run, or a deleted one.
        """
        ...

    def delete_tag(self, run_id: str, key: str) -> None:
        """Remove a tag. Raises NotFoundError for the run or the tag."""
        ...

    def append_to_tag(self, run_id: str, key: str, item: str) -> None:
        """Append a JSON value to the JSON list that the tag holds; a tag that holds none begins one. Raises NotFoundError."""
        ...

    def add_inputs(self, run_id: str, inputs: Sequence[DatasetInput]) -> None:
        """Add datasets; the same (name, digest, context) is kept once."""
        ...

    def datasets(self, experiment_ids: Sequence[str], limit: int) -> list[DatasetUse]:
        """The data that active runs of these experiments read, each once."""
        ...

    def add_model_inputs(self, run_id: str, model_ids: Sequence[str]) -> None:
        """Add logged models that the run read; the same model is kept once."""
        ...

    def add_outputs(self, run_id: str, outputs: Sequence[ModelOutput]) -> None:
        """Add logged models; of the same model the step that was told last is kept."""
        ...

    def search(self, query: RunQuery) -> RunPage:
        """The runs that match every comparison, ordered; then newest first, then by id. No `experiments`: all active ones."""
        ...

    def search_as(self, form: Form[T, P], query: RunQuery) -> Page[T, P]:
        """The same in a form of the caller's, that what they have is made into as it is read."""
        ...


class MetricStore(Protocol):
    """Every point of every metric."""

    def history(self, run_id: str, key: str) -> MetricHistory:
        """All points; none for an unknown key."""
        ...

    def summaries(self, run_id: str) -> dict[str, MetricSummary]:
        """Every metric of the run, summed up."""
        ...


class ArtifactIndex(Protocol):
    """Which files a run has. The bytes are in the artifact store."""

    def add(self, run_id: str, entries: Sequence[ArtifactEntry]) -> None:
        """Add files; a path that exists is replaced. Raises NotFoundError, ConflictError for a deleted run."""
        ...

    def list(self, run_id: str) -> list[ArtifactEntry]:
        """The files, sorted by path."""
        ...


class LoggedModelStore(Protocol):
    """Logged models."""

    def create(self, model: LoggedModel) -> None:
        """Keep a new one with its files, params and tags, as an output of its run if it has one. Raises NotFoundError,
        ConflictError for its run or its experiment."""
        ...

    def get(self, model_id: str, *, deleted: bool = False) -> LoggedModel:
        """A logged model, with its metrics; a deleted one if wanted. Raises NotFoundError."""
        ...

    def of_run(self, run_id: str) -> list[LoggedModel]:
        """The logged models of a run, oldest first."""
        ...

    def search(
        self,
        filters: Sequence[Comparison],
        order: Sequence[ModelOrder],
        *,
        experiments: Sequence[str],
        datasets: Sequence[tuple[str, str]] = (),
        limit: int = 100,
        offset: int = 0,
    ) -> list[LoggedModel]:
        """The logged models that match every comparison, ordered; then newest first, then by id.

        Args:
            datasets: (name, digest) pairs, an empty digest for any. Only metrics on one of them count, and a model has one.
        """
        ...

    def update(self, model_id: str, *, status: str | None = None, stage: str | None = None, time: int) -> None:
        """Change what isn't None. Raises NotFoundError, for a deleted one too."""
        ...

    def set_tags(self, model_id: str, tags: Mapping[str, str]) -> None:
        """Set tags. Raises NotFoundError."""
        ...

    def delete_tag(self, model_id: str, key: str) -> None:
        """Remove a tag. Raises NotFoundError for the model or the tag."""
        ...

    def add_params(self, model_id: str, params: Mapping[str, str]) -> None:
        """Add params. Raises NotFoundError, and InvalidInputError for another value of one that is there."""
        ...


class WriterStore(Protocol):
    """How far each writer of a run has come, and what writers send in bulk."""

    def together(self) -> AbstractContextManager[None]:
        """Make everything that these stores do within the block, in this thread, one transaction: all of it or nothing."""
        ...

    def reached(self, run_id: str, writer: str) -> int:
        """The number of the last entry of a writer that is kept; 0 if there is none."""
        ...

    def advance(self, run_id: str, writer: str, seq: int, time: int) -> None:
        """Note that a writer has come to this entry and was heard of now. Raises NotFoundError for the run."""
        ...

    def add_series(self, run_id: str, series: Sequence[Series]) -> None:
        """Add points to the histories of a run. Raises NotFoundError, ConflictError for a deleted run."""
        ...

    def take_next(self, run_id: str, writer: str, seqs: range, series: Sequence[Series], time: int) -> bool:
        """Add the points of a writer's entries of these numbers and advance to the last, where that takes one round trip; False,
        and nothing is changed, if it doesn't, if one of them came before, or if there is no such active run."""
        ...


@dataclass(frozen=True, slots=True)
class TrackingStores:
    """Everything that tracking keeps, as its service takes it.

    Attributes:
        writers: None where a server takes in what writers send.
        nearby: whether they are this machine's own, and answer so soon that an event loop may wait for them.
    """

    experiments: ExperimentStore
    runs: RunStore
    metrics: MetricStore
    artifacts: ArtifactIndex
    models: LoggedModelStore
    writers: WriterStore | None = None
    nearby: bool = False
