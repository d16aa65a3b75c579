"""What an importer reads from: the contract of a source, and the values it hands over under its own ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from headrace.flavors.signature import Signature
from headrace.tracking.run import Experiment, LoggedModel, Metric, Run

__all__ = [
    "LAST_MOMENT",
    "Folder",
    "ModelFacts",
    "ModelSource",
    "RunSource",
    "SourceFile",
    "SourceModel",
    "SourceRun",
    "SourceVersion",
]

LAST_MOMENT = 2**63 - 1
"""Microseconds: what a source says of a later moment, or an earlier one below zero, is kept as this one."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of a source.

    Attributes:
        path: relative, with `/`.
        size: bytes; None if the source doesn't tell.
        stamp: changes when the content does; empty if the source doesn't tell.
    """

    path: str
    size: int | None = None
    stamp: str = ""


class Folder(Protocol):
    """The files of a run or of a model."""

    def files(self) -> list[SourceFile]:
        """All of them, sorted by path. Raises StorageError if they can't be listed."""
        ...

    def fetch(self, path: str, folder: Path) -> Path:
        """The file on this machine: where it is already, or a copy made in `folder`. Raises NotFoundError, StorageError."""
        ...


@dataclass(frozen=True, slots=True)
class SourceRun:
    """A run as its source has it.

    Attributes:
        run: under the source's id; `experiment` is the name.
        counts: points by metric; a metric whose number isn't known is left out.
        origin: names the run for good, among all that this kind of source may ever bring. Default: its id.
    """

    run: Run
    counts: Mapping[str, int] = field(default_factory=dict)
    origin: str = ""


class RunSource(Protocol):
    """Experiments with runs, read only."""

    kind: str
    """mlflow, neptune or tensorboard."""
    name: str
    """What it is, without passwords."""

    def experiments(self) -> list[Experiment]:
        """All of them, deleted ones too, oldest first."""
        ...

    def run_ids(self, experiment: Experiment) -> list[str]:
        """The runs of an experiment, deleted ones too; parents before their children where the source knows."""
        ...

    def runs(self, experiment: Experiment, run_ids: Sequence[str]) -> Iterable[SourceRun]:
        """These runs, without their histories."""
        ...

    def history(self, run: Run, key: str) -> Iterator[Sequence[Metric]]:
        """Every point of a metric, in parts."""
        ...

    def folder(self, run: Run) -> Folder:
        """The run's files. Raises StorageError, with the way to them, if they can't be reached from here."""
        ...


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """How a model is stored.

    Attributes:
        flavor, serializer: as our own flavors are named where one of them reads it; else the source's flavor and its own name.
    """

    flavor: str
    serializer: str
    signature: Signature | None = None
    requirements: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceVersion:
    """A version of a registered model as its source has it.

    Attributes:
        source: address of the files, as the source keeps it.
        model_id: the logged model; empty if there is none.
        updated: microseconds since 1970; when its stage changed last, as far as the source tells.
    """

    version: int
    stage: str
    run_id: str
    source: str
    model_id: str
    user: str
    description: str
    created: int
    updated: int
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceModel:
    """A registered model as its source has it."""

    name: str
    description: str
    tags: Mapping[str, str]
    aliases: Mapping[str, int]
    versions: tuple[SourceVersion, ...]


class ModelSource(RunSource, Protocol):
    """A source that has models too."""

    def logged_models(self, experiment: Experiment) -> list[LoggedModel]:
        """The logged models of an experiment that aren't deleted, without their files."""
        ...

    def measured(self, experiment: Experiment) -> dict[str, list[Metric]]:
        """By run, the points that were measured on a logged model of the experiment."""
        ...

    def describe(self, files: Mapping[str, Path]) -> ModelFacts:
        """What a model's files say of themselves, by their paths."""
        ...

    def model_folder(self, model: LoggedModel) -> Folder:
        """The model's files. Raises StorageError if they can't be reached from here."""
        ...

    def open_folder(self, uri: str) -> Folder:
        """The files below an address. Raises StorageError if they can't be reached from here."""
        ...

    def registered_models(self) -> list[SourceModel]:
        """The registry, by name."""
        ...

    def omitted(self) -> list[tuple[str, int]]:
        """What the source holds that no importer carries: (kind, number)."""
        ...
