"""`store.runs`: find, read, compare and start runs."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from headrace.arguments import checked
from headrace.artifacts.store import ArtifactStore
from headrace.clock import Clock, system_clock
from headrace.definitions.window import Duration, parse_duration
from headrace.errors import InvalidInputError, NotFoundError
from headrace.flavors.loaded import LoadedModel
from headrace.lineage.store import LineageStore
from headrace.settings import is_offline
from headrace.tracking.client.delivery import Delivery
from headrace.tracking.client.origin import ENVIRONMENT_FILE, PACKAGES_FILE
from headrace.tracking.client.run import ActiveRun
from headrace.tracking.client.start import start_run
from headrace.tracking.compare import Comparison, best_step, compare_runs, environment_facts, value_at
from headrace.tracking.found import RunList
from headrace.tracking.history import MetricHistory
from headrace.tracking.journal import Journal, Sink
from headrace.tracking.loading import load
from headrace.tracking.overview import goal_of
from headrace.tracking.recorder import Recorder, ResolveView
from headrace.tracking.rules import model_id_of
from headrace.tracking.run import (
    ACTIVE,
    DELETED,
    NOTE_TAG,
    SYSTEM_METRICS,
    ArtifactEntry,
    Experiment,
    LoggedModel,
    MetricSummary,
    Purged,
    Run,
    View,
    page_of,
)
from headrace.tracking.search import parse_filter, parse_order
from headrace.tracking.store import RunQuery, TrackingStores

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Runs", "Synced"]

_MOST_RESULTS = 50_000
_FEW = 4
RunId = Annotated[str, "the id of a run or the start of it, 32 hex digits, for example run.id"]
_FULL_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Synced:
    """The result of sending what a writer left in its spool.

    Attributes:
        entries: how many were taken in; None if the writer is still at work, or wrote for another server or catalog.
        refused: why some were refused.
    """

    folder: Path
    entries: int | None
    refused: tuple[str, ...]


@checked(leaves=("describe", "start"))
class Runs:
    """Every run of the project. A run may be named by its id or by the start of it, as long as that is unique.

    Args:
        stores: where tracking keeps what it knows.
        artifacts: where files are.
        lineage: records which data a run used and which models it logged.
        resolve_view: pins a feature view's reference, `"ranking"` → (`"ranking:3"`, features with types).
        sink: where what runs log is sent. Default: the stores.
        spool: the folder where it waits to be sent; None keeps it in memory.
        server: the address of the server behind the stores; empty if there is none.
        stages: whether files wait in the spool too.

    Attributes:
        stores, recorder: reading and writing by exact ids, for a server's routes.
    """

    def __init__(
        self,
        stores: TrackingStores,
        artifacts: ArtifactStore,
        lineage: LineageStore,
        *,
        clock: Clock = system_clock,
        resolve_view: ResolveView | None = None,
        sink: Sink | None = None,
        spool: Path | None = None,
        server: str = "",
        stages: bool = False,
    ) -> None:
        self.stores = stores
        self._server = server
        self.bytes = self._artifacts = artifacts
        self.recorder = Recorder(stores, artifacts, lineage, clock=clock, resolve_view=resolve_view)
        self.sink = sink or Journal(stores, self.recorder)
        self._deliveries = {
            offline: Delivery(self.sink, artifacts, spool, server, stages=stages or offline, offline=offline)
            for offline in (False, True)
        }

    @property
    def _stores(self) -> TrackingStores:
        """The stores, after everything that the runs of this process have logged is in them."""
        self.settle()
        return self.stores

    def settle(self) -> None:
        """Send what the runs of this process have logged and that isn't in the stores yet."""
        self._deliveries[False].settle()

    def close(self) -> None:
        """Send what can be sent at once, and end the threads that do so. Runs that are still open go on logging to the spool."""
        for delivery in self._deliveries.values():
            delivery.stop()

    def sync(self, folder: Path, *, anywhere: bool = False) -> Synced:
        """Send what one writer left in its folder of the spool.

        Args:
            anywhere: send it here even if it was logged for another server or catalog.

        Raises:
            StorageError: the stores can't be reached; it stays in the spool.
        """
        found = self._deliveries[False].send_left(folder, anywhere=anywhere)
        return Synced(folder, None, ()) if found is None else Synced(folder, found[0], tuple(str(error) for error in found[1]))

    def start(
        self,
        experiment: str | None = None,
        name: str | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        description: str | None = None,
        nested: bool = False,
        parent: str | None = None,
        strict: bool = False,
        capture: bool = True,
        run_id: str | None = None,
        offline: bool | None = None,
    ) -> ActiveRun:
        """Start a run; use it with `with`. Code, environment and machine are captured in the background.

        Args:
            experiment: its name; made if there is none. Default: that of the run around it, else Default.
            name: what to call the run. Default: two words and a number.
            nested: start it inside the run that is active here.
            params, tags: its first params and tags; values become text.
            description: a note in Markdown.
            parent: the id of the run to nest it in, which may be running in another process.
            strict: raise an error where something can't be logged, instead of a warning.
            capture: record code, packages and machine, system metrics, and what is printed.
            run_id: join or continue the run with this id; the process that started it decides how it ends. A server isn't asked
                about a full id, since the run may not have reached it yet: what is logged waits until it has, and params and tags
                are checked then.
            offline: keep everything on disk until `headrace sync`. Default: True if HEADRACE_MODE is "offline".

        Raises:
            ConflictError: another run is active here and neither nested nor parent is given, or the experiment is deleted.
            InvalidInputError: a name or a key that can't be used.
            NotFoundError: no such parent or run. Only a strict run asks a server about a full id.
            StorageError: the catalog can't be written.

        A run that is logged to a server doesn't wait for it, unless it is `strict`: what the server refuses becomes a warning
        later.
        """
        away = is_offline() if offline is None else bool(offline)
        inside = parent if parent is None or self._is_taken(parent, away=away) else self.resolve(parent)
        joins = None
        if run_id is not None:
            joins = _known(run_id) if self._is_taken(run_id, away=away) and not strict else self.get(run_id)
        return start_run(
            self._deliveries[away],
            self.recorder,
            experiment=experiment,
            name=name,
            params=params,
            tags=tags,
            description=description,
            nested=nested,
            parent=inside,
            strict=strict,
            capture=capture,
            joins=joins,
        )

    def _is_taken(self, run_id: RunId, *, away: bool) -> bool:
        """Whether an id is taken as given: offline there is nobody to ask, and a server isn't waited for."""
        return away or bool(self._server and isinstance(run_id, str) and _FULL_ID.fullmatch(run_id))

    def search(
        self,
        filter: str = "",  # noqa: A002 - the word that MLflow's users know
        experiment: str | Sequence[str] | None = None,
        order_by: str | Sequence[str] = (),
        limit: int = 100,
        view: View = "active",
        offset: int = 0,
    ) -> RunList:
        """Find runs.

        Args:
            filter: MLflow's grammar, for example `metrics.auc > 0.8 and params.depth = '6' and status = 'FINISHED'`.
            experiment: a name or several. Default: every active experiment.
            order_by: for example `["metrics.auc desc"]`; runs without the value come last. Then, and by default, newest first.
            limit: the most runs to return, up to 50,000.
            view: active, deleted or all.

        Raises:
            InvalidInputError: the filter or the order has a fault (the message marks its place), or the limit is out of range.
            NotFoundError: no such experiment.
        """
        if not 0 < limit <= _MOST_RESULTS or offset < 0:
            msg = f"limit must be 1 to {_MOST_RESULTS} and offset 0 or more, not {limit} and {offset}"
            raise InvalidInputError(msg)
        names = [experiment] if isinstance(experiment, str) else experiment
        ids = None if names is None else [self.experiment(name).id for name in names]
        order = parse_order(order_by if isinstance(order_by, str) else tuple(order_by))
        found = self._stores.runs.search(RunQuery(parse_filter(filter), order, ids, view, limit, offset))
        return RunList(found, server=self._server)

    def get(self, run_id: RunId) -> Run:
        """One run, deleted or not. Raises NotFoundError, or InvalidInputError if several ids start like this."""
        return self._with_page(self._stores.runs.get([self.resolve(run_id)])[0])

    def _with_page(self, run: Run) -> Run:
        return replace(run, page=page_of(self._server, run.id)) if self._server else run

    def resolve(self, run_id: RunId) -> str:
        """The full id for the start of an id. Raises NotFoundError, or InvalidInputError if several ids start like this."""
        found = self._stores.runs.starting_with(run_id, _FEW) if run_id else []
        if run_id in found:
            return run_id
        if not found:
            msg = f"no run with id {run_id!r}; list the runs with: headrace runs list, or store.runs.search()"
            raise NotFoundError(msg)
        if len(found) > 1:
            shown = ", ".join(found[: _FEW - 1]) + (", …" if len(found) == _FEW else "")
            msg = f"several runs start with {run_id!r}: {shown}; give more digits"
            raise InvalidInputError(msg)
        return found[0]

    def metric_history(self, run_id: RunId, key: str) -> MetricHistory:
        """Every point of a metric, ordered by (time, step, value). Raises NotFoundError for the run or the metric."""
        run = self.get(run_id)
        if key not in run.latest:
            raise NotFoundError.of("metric", key, run.latest)
        return self._stores.metrics.history(run.id, key)

    def points(self, run_ids: Sequence[RunId], keys: Sequence[str]) -> pa.Table:
        """Every point of some metrics of some runs, as an Arrow table: run_id, metric, step, time (UTC), value, dataset.

        A run that lacks a metric has no rows of it. Raises NotFoundError for a run.
        """
        import pyarrow as pa

        tables: list[pa.Table] = []
        for run in self.stores.runs.get([self.resolve(run_id) for run_id in run_ids]):
            for key in keys:
                found = self.stores.metrics.history(run.id, key).to_arrow() if key in run.latest else None
                if found is not None:
                    named = [pa.array([name] * len(found), pa.string()) for name in (run.id, key)]
                    tables.append(found.add_column(0, "metric", named[1]).add_column(0, "run_id", named[0]))
        return pa.concat_tables(tables) if tables else _no_points()

    def summaries(self, run_id: RunId) -> dict[str, MetricSummary]:
        """Every metric of a run: how many points, the lowest and the highest value. Raises NotFoundError."""
        return self._stores.metrics.summaries(self.resolve(run_id))

    def compare(self, *run_ids: RunId, best_of: str = "") -> Comparison:
        """Put two or more runs side by side; print it to see what differs.

        Args:
            best_of: a metric; the comparison then also shows every metric at the step where this one was best. Whether that is
                its lowest or its highest value is guessed from its name; `auc:max` or `score:min` says it.

        Raises:
            NotFoundError: no such run, or none of them has that metric.
            InvalidInputError: fewer than two runs, or an id that several runs start with.
        """
        if len(run_ids) < 2:
            msg = "give the ids of two or more runs to compare"
            raise InvalidInputError(msg)
        runs = [self.get(run_id) for run_id in run_ids]
        return compare_runs(
            runs,
            [self.stores.metrics.summaries(run.id) for run in runs],
            [self.packages(run.id) for run in runs],
            [environment_facts(self.environment(run.id)) for run in runs],
            self._at_best(runs, best_of) if best_of else (),
        )

    def _at_best(self, runs: Sequence[Run], best_of: str) -> list[dict[str, str]]:
        key, _, goal = best_of.rpartition(":") if best_of.endswith((":min", ":max")) else (best_of, "", goal_of(best_of))
        if not any(key in run.latest for run in runs):
            raise NotFoundError.of("metric", key, {name for run in runs for name in run.latest})
        found: list[dict[str, str]] = []
        for run in runs:
            step = best_step(self.stores.metrics.history(run.id, key), goal) if key in run.latest else None
            found.append({} if step is None else {f"step of the best {key}": str(step), **self._values_at(run, key, step)})
        return found

    def _values_at(self, run: Run, best_of: str, step: int) -> dict[str, str]:
        keys = [key for key in sorted(run.latest) if not key.startswith(SYSTEM_METRICS)]  # whose steps are their own
        values = {key: value_at(self.stores.metrics.history(run.id, key), step) for key in keys}
        return {f"{key} (at best {best_of})": f"{value:.6g}" for key, value in values.items() if value is not None}

    def set_tag(self, run_id: RunId, key: str, value: Any) -> None:
        """Set a tag, also after the run has ended. Raises NotFoundError, ConflictError for a deleted run."""
        self.recorder.log(self.resolve(run_id), tags={key: value})

    def delete_tag(self, run_id: RunId, key: str) -> None:
        """Remove a tag. Raises NotFoundError for the run or the tag."""
        self._stores.runs.delete_tag(self.resolve(run_id), key)

    def delete(self, run_id: RunId) -> None:
        """Hide a run from searches; it can be restored."""
        self.recorder.set_run_stage(self.resolve(run_id), DELETED)

    def restore(self, run_id: RunId) -> None:
        """Bring a deleted run back."""
        self.recorder.set_run_stage(self.resolve(run_id), ACTIVE)

    def purge(self, *, older_than: Duration = "30d", dry_run: bool = False) -> Purged:
        """Remove for good the runs and experiments that were deleted a while ago, with all that they logged.

        Runs stay if a model version was made from them, or if an active run uses their models. The next `store.collect_artifacts`
        removes their files.

        Args:
            older_than: what was deleted within this time stays, and can be restored.
            dry_run: remove nothing, only tell what would be removed.
        """
        return self._stores.runs.purge(self.recorder.clock() - parse_duration(older_than), dry_run=dry_run)

    def experiments(self, view: View = "active") -> list[Experiment]:
        """The experiments, newest first."""
        return self._stores.experiments.list(view)

    def experiment(self, name: str) -> Experiment:
        """The experiment of this name, deleted or not. Raises NotFoundError."""
        found = self._stores.experiments.by_name(name)
        if found is None:
            raise NotFoundError.of("experiment", name, [item.name for item in self._stores.experiments.list("all")])
        return found

    def create_experiment(self, name: str, tags: Mapping[str, Any] | None = None) -> Experiment:
        """Make an experiment. Raises ConflictError if the name is taken, also by a deleted experiment."""
        return self.recorder.create_experiment(name, tags)

    def rename_experiment(self, name: str, to: str) -> None:
        """Rename an active experiment. Raises NotFoundError, ConflictError if it is deleted or the new name is taken."""
        self.recorder.rename_experiment(self.experiment(name).id, to)

    def set_experiment_tag(self, name: str, key: str, value: Any) -> None:
        """Set a tag of an experiment. Raises NotFoundError."""
        self.recorder.tag_experiment(self.experiment(name).id, key, value)

    def delete_experiment_tag(self, name: str, key: str) -> None:
        """Remove a tag of an experiment. Raises NotFoundError for the experiment or the tag."""
        self.stores.experiments.delete_tag(self.experiment(name).id, key)

    def delete_experiment(self, name: str) -> None:
        """Hide an experiment and its runs; they can be restored. Raises NotFoundError, also if it is deleted already."""
        self.recorder.set_experiment_stage(self.experiment(name).id, DELETED)

    def restore_experiment(self, name: str) -> None:
        """Bring a deleted experiment and its runs back. Raises NotFoundError, also if it isn't deleted."""
        self.recorder.set_experiment_stage(self.experiment(name).id, ACTIVE)

    def artifacts(self, run_id: RunId, below: str = "") -> list[ArtifactEntry]:
        """The files of a run, or those in its folder `below`, sorted by path."""
        entries = self._stores.artifacts.list(self.resolve(run_id))
        folder = below.rstrip("/")
        return [entry for entry in entries if not folder or entry.path == folder or entry.path.startswith(f"{folder}/")]

    def read_artifact(self, run_id: RunId, path: str) -> bytes:
        """The bytes of a file of a run, verified. Raises NotFoundError, IntegrityError."""
        entries = {entry.path: entry for entry in self.artifacts(run_id)}
        if path not in entries:
            raise NotFoundError.of("file", path, entries)
        return self._artifacts.get_bytes(entries[path].digest)

    def download(self, run_id: RunId, path: str = "", to: str | os.PathLike[str] = ".") -> Path:
        """Write a file or a folder of a run (by default all) into a folder; returns where it is. Files that exist are replaced.

        Raises:
            NotFoundError: no such file or folder.
            IntegrityError: the stored bytes are damaged; nothing is written for that file.
        """
        entries = self.artifacts(run_id, path)
        if path and not entries:
            raise NotFoundError.of("file", path, [entry.path for entry in self.artifacts(run_id)])
        folder = Path(to)
        for entry in entries:
            target = folder / entry.path
            target.parent.mkdir(parents=True, exist_ok=True)
            self._artifacts.get_file(entry.digest, target)
        return folder / path

    def models(self, run_id: RunId) -> list[LoggedModel]:
        """The models that a run logged, oldest first."""
        return self._stores.models.of_run(self.resolve(run_id))

    def model(self, model_id: str) -> LoggedModel:
        """One logged model by its id, `m-…`. Raises NotFoundError."""
        return self._stores.models.get(model_id)

    def load_model(self, model: LoggedModel | str, *, allow_pickle: bool = False) -> LoadedModel:
        """Load a logged model; every file is checked against its digest first.

        Args:
            model: what `run.log_model` returned, or its id, `m-…`.
            allow_pickle: load a pickled model, which runs whatever code it holds.

        Raises:
            UnsafeModelError: it is a pickle, or holds types that aren't known to be safe.
            IntegrityError: a stored file is gone or damaged.
            NotFoundError: no such model.
            InvalidInputError: `model` isn't a logged model.
        """
        held = model if isinstance(model, LoggedModel) else self.model(model_id_of(model))
        return load(held, self._artifacts, allow_pickle=allow_pickle)

    def environment(self, run_id: RunId) -> dict[str, Any]:
        """Where a run ran: python, platform, variables, process, host, packages; empty if that wasn't captured.

        Raises NotFoundError for the run.
        """
        found = self.resolve(run_id)
        if not any(entry.path == ENVIRONMENT_FILE for entry in self._stores.artifacts.list(found)):
            return {}
        return {**json.loads(self.read_artifact(found, ENVIRONMENT_FILE)), "packages": self.packages(found)}

    def describe(self, run_id: RunId, text: str) -> None:
        """Replace the note of a run, Markdown, also after it has ended. Raises NotFoundError, ConflictError for a deleted run."""
        self.set_tag(run_id, NOTE_TAG, text)

    def packages(self, run_id: RunId) -> dict[str, str]:
        """The packages that were installed where a run ran, with their versions; none if they weren't captured."""
        digests = {entry.path: entry.digest for entry in self.stores.artifacts.list(run_id)}
        if PACKAGES_FILE not in digests:
            return {}
        lines = self._artifacts.get_bytes(digests[PACKAGES_FILE]).decode().splitlines()
        return dict(line.split("==", 1) for line in lines if "==" in line)


def _known(run_id: str) -> Run:
    """A run of which only the id is known here."""
    return Run(id=run_id, name=run_id, experiment_id="", experiment="", status="RUNNING", start=0)


def _no_points() -> pa.Table:
    import pyarrow as pa

    none = pa.array([], pa.string())
    return MetricHistory("").to_arrow().add_column(0, "metric", none).add_column(0, "run_id", none)
