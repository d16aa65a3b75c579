"""A page of runs as the rows that it was read from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from headrace.tracking.run import DatasetInput, Metric, ModelOutput, Run, Status

__all__ = ["Form", "Head", "LatestPoints", "Origin", "Page", "RunPage"]

T = TypeVar("T")
P = TypeVar("P")

Head = tuple[str, str, str, Status, int, int | None, int | None, str, str, str]
"""(name, experiment's id, its name, status, start, end, seen, user, artifact uri, lifecycle stage)."""
Origin = tuple[str, str, str]
"""(model id, dataset's name, its digest)."""
_NO_ORIGIN = ("", "", "")


@dataclass(frozen=True, slots=True)
class LatestPoints:
    """The latest points of a run's metrics, as columns.

    Attributes:
        keys, values, times, steps: of each metric. Times are microseconds since 1970.
        origins: by key, what was measured on what; most have none and are left out.
    """

    keys: Sequence[str]
    values: Sequence[float]
    times: Sequence[int]
    steps: Sequence[int]
    origins: Mapping[str, Origin]

    def metrics(self) -> dict[str, Metric]:
        """The points themselves, by key."""
        rows = zip(self.keys, self.values, self.times, self.steps, strict=True)
        return {row[0]: Metric(*row, *self.origins.get(row[0], _NO_ORIGIN)) for row in rows}


@dataclass(frozen=True, slots=True)
class Form(Generic[T, P]):
    """What a reader of many runs makes of what each of them has, while the next are still to come.

    Attributes:
        texts: makes it of the keys and the values of params or of tags.
        points: of the columns of LatestPoints.
    """

    texts: Callable[[Sequence[str], Sequence[str]], T]
    points: Callable[[Sequence[str], Sequence[float], Sequence[int], Sequence[int], Mapping[str, Origin]], P]


@dataclass(frozen=True, slots=True)
class Page(Generic[T, P]):
    """Runs in order, and what they have in some form. To write a thousand of them as text, an object for each of their values
    would cost more than to read them.

    Attributes:
        ids: the runs.
        heads: what each has.
        params, tags, metrics, inputs, model_inputs, outputs: by run; one that has none is left out.
    """

    ids: Sequence[str]
    heads: Mapping[str, Head]
    params: Mapping[str, T]
    tags: Mapping[str, T]
    metrics: Mapping[str, P]
    inputs: Mapping[str, Sequence[DatasetInput]]
    model_inputs: Mapping[str, Sequence[str]]
    outputs: Mapping[str, Sequence[ModelOutput]]


@dataclass(frozen=True, slots=True)
class RunPage(Page[Mapping[str, str], LatestPoints]):
    """A Page as it was read: params and tags by key, and metrics as columns."""

    params: Mapping[str, Mapping[str, str]]
    tags: Mapping[str, Mapping[str, str]]
    metrics: Mapping[str, LatestPoints]

    def told(self, form: Form[T, P]) -> Page[T, P]:
        """The same in another form."""
        params, tags = (
            {run_id: form.texts(list(held), list(held.values())) for run_id, held in by_run.items()}
            for by_run in (self.params, self.tags)
        )
        metrics = {
            run_id: form.points(held.keys, held.values, held.times, held.steps, held.origins)
            for run_id, held in self.metrics.items()
        }
        return Page(self.ids, self.heads, params, tags, metrics, self.inputs, self.model_inputs, self.outputs)

    def runs(self, ids: Iterable[str] | None = None) -> list[Run]:
        """The runs themselves; those of these ids, or all."""
        return [self._run(run_id) for run_id in (self.ids if ids is None else ids)]

    def _run(self, run_id: str) -> Run:
        points = self.metrics.get(run_id)
        name, experiment_id, experiment, status, start, end, seen, user, artifact_uri, stage = self.heads[run_id]
        return Run(
            id=run_id,
            name=name,
            experiment_id=experiment_id,
            experiment=experiment,
            status=status,
            start=start,
            end=end,
            seen=seen,
            user=user,
            artifact_uri=artifact_uri,
            lifecycle_stage=stage,
            params=self.params.get(run_id, {}),
            tags=self.tags.get(run_id, {}),
            latest={} if points is None else points.metrics(),
            inputs=tuple(self.inputs.get(run_id, ())),
            model_inputs=tuple(self.model_inputs.get(run_id, ())),
            outputs=tuple(self.outputs.get(run_id, ())),
        )
