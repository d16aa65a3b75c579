"""What writers of runs send, numbered and in batches: taken in once, however often it comes.

A run is written by one or more writers (processes). Each numbers what it logs from 1; the catalog remembers, in the transaction
that keeps the data, how far each writer has come. So a batch that is sent again changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol

from headrace.errors import ConflictError, HeadraceError, InvalidInputError, NotFoundError
from headrace.shapes import shaped
from headrace.tracking.history import Series
from headrace.tracking.recorder import DEFAULT_EXPERIMENT, Recorder
from headrace.tracking.rules import check_key, check_origin, clean_name, clean_params, clean_tags
from headrace.tracking.run import PARENT_TAG, ArtifactEntry, DatasetInput, Experiment, LoggedModel, Run, Status
from headrace.tracking.store import TrackingStores, WriterStore

__all__ = ["Entry", "Journal", "Receipt", "Sink"]

Entry = tuple[int, str, Any]
"""Number, kind and content, plain values. Kinds: start, metrics, params, tags, inputs, files, model, end."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch: everything up to `seq` is settled for good, and of it these entries were refused."""

    seq: int
    refused: Sequence[tuple[int, HeadraceError]] = ()


@dataclass(frozen=True, slots=True)
class _End:
    """What an entry of the kind `end` tells."""

    status: Status
    time: int


class Sink(Protocol):
    """Where a writer's entries go: the catalog here, or a server."""

    def append(self, run_id: str, writer: str, entries: Sequence[Entry]) -> Receipt:
        """Keep entries, all in one durable step, skipping those that came before. No entries: only a sign of life.

        Raises:
            NotFoundError: there is no such run, and no entry starts it.
            StorageError: try again later.
        """
        ...


class Journal:
    """The Sink that is the catalog itself. Each entry is checked as if it were logged alone; a bad one is refused alone."""

    def __init__(self, stores: TrackingStores, recorder: Recorder) -> None:
        self._stores = stores
        self._recorder = recorder

    def append(self, run_id: str, writer: str, entries: Sequence[Entry]) -> Receipt:
        """Keep entries, all in one durable step, skipping those that came before."""
        writers = self._stores.writers
        if writers is None:
            msg = "these stores don't take in what writers of runs send"
            raise HeadraceError(msg)
        last = max((entry[0] for entry in entries), default=0)
        if self._took_next(writers, run_id, writer, entries):
            return Receipt(last)
        refused: list[tuple[int, HeadraceError]] = []
        with writers.together():
            reached = writers.reached(run_id, writer)
            series: list[Series] = []
            points: list[int] = []
            for seq, kind, body in entries:
                if seq <= reached:
                    continue
                try:
                    if kind == "metrics":
                        series += _series(body)
                        points.append(seq)
                    else:
                        self._take(run_id, kind, body)
                except (InvalidInputError, NotFoundError, ConflictError) as error:
                    refused.append((seq, error))
                    if kind == "start":
                        return Receipt(last, refused)
            try:
                if series:
                    writers.add_series(run_id, series)
            except ConflictError as error:  # the run was deleted
                refused += [(seq, error) for seq in points]
            writers.advance(run_id, writer, max(last, reached), self._recorder.clock())
        return Receipt(max(last, reached), refused)

    def _took_next(self, writers: WriterStore, run_id: str, writer: str, entries: Sequence[Entry]) -> bool:
        """Whether points, which is what most entries are, could be kept without a question."""
        if not entries or any(kind != "metrics" for _, kind, _ in entries):
            return False
        try:
            series = [item for _, _, body in entries for item in _series(body)]
        except InvalidInputError:  # each is looked at by itself
            return False
        seqs = [seq for seq, _, _ in entries]
        return writers.take_next(run_id, writer, range(min(seqs), max(seqs) + 1), series, self._recorder.clock())

    def _take(self, run_id: str, kind: str, body: Any) -> None:
        recorder = self._recorder
        if kind == "start":
            self._start(shaped(body, Run))
        elif kind == "params":
            recorder.log(run_id, params=body)
        elif kind == "tags":
            recorder.log(run_id, tags=body)
        elif kind == "inputs":
            recorder.add_inputs(run_id, shaped(body, list[DatasetInput]))
        elif kind == "files":
            recorder.add_files(run_id, shaped(body, list[ArtifactEntry]))
        elif kind == "model":
            (run,) = self._stores.runs.get([run_id])
            model = replace(shaped(body, LoggedModel), run_id=run_id, experiment_id=run.experiment_id)
            recorder.keep_model(recorder.pinned(model))
        elif kind == "end":
            end = shaped(body, _End)
            self._stores.runs.update(run_id, status=end.status, end=end.time)
        else:
            msg = f"nothing is known of entries of the kind {kind!r} like this one; upgrade the server"
            raise InvalidInputError(msg)

    def _start(self, run: Run) -> None:
        home = self._home(run)
        place = f"{home.artifact_location}/{run.id}/artifacts"
        name, params, tags = clean_name(run.name), clean_params(run.params), clean_tags(run.tags)
        self._stores.runs.create(replace(run, name=name, experiment_id=home.id, artifact_uri=place, params=params, tags=tags))

    def _home(self, run: Run) -> Experiment:
        """The experiment of a run that starts; one that names none is where its parent is, if that is here."""
        name, parent = run.experiment, run.tags.get(PARENT_TAG, "")
        if not name:
            with suppress(NotFoundError):
                name = self._stores.runs.get([parent])[0].experiment
        return self._recorder.experiment(name or DEFAULT_EXPERIMENT)


def _series(body: Any) -> list[Series]:
    """The series of an entry. Raises InvalidInputError."""
    try:
        return [
            Series.of(_checked(key), check_origin(model, name, digest), times, steps, values)
            for key, model, name, digest, times, steps, values in body
        ]
    except (TypeError, ValueError) as error:
        msg = "metrics are a list of columns: key, model's id, dataset's name and digest, times, steps, values"
        raise InvalidInputError(msg) from error


@lru_cache(4096)
def _checked(key: Any) -> str:
    return check_key("metric", key)
