"""The run that training code holds: what `hr.start_run` returns."""

from __future__ import annotations

import os
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import replace
from numbers import Real
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from headrace.capture.redact import redact_text
from headrace.display import facts_html, show_page
from headrace.errors import ConflictError, InvalidInputError, StorageError
from headrace.shapes import plain
from headrace.tracking.client import values
from headrace.tracking.client.delivery import END_SECONDS, HURRIED_SECONDS, READ_SECONDS, START_SECONDS
from headrace.tracking.client.guard import Guard
from headrace.tracking.client.model import write_model
from headrace.tracking.client.origin import OriginCapture
from headrace.tracking.client.output import OutputCapture
from headrace.tracking.client.system_metrics import SystemMetrics
from headrace.tracking.client.termination import Terminated, unwatch, watch
from headrace.tracking.client.writer import MOST_POINTS, NOWHERE, POINT, Origin, RunWriter
from headrace.tracking.recorder import Recorder
from headrace.tracking.rules import (
    check_artifact_path,
    check_key,
    check_pairs,
    clean_params,
    clean_tags,
    model_id_of,
)
from headrace.tracking.run import (
    NO_PAGE,
    STATUSES,
    DatasetInput,
    LoggedModel,
    Run,
    Status,
    page_of,
)

__all__ = ["ActiveRun", "current_run"]

_FAR = 2**63
TRACEBACK_FILE = "traceback.txt"
ERROR_TAG = "headrace.error"

_pack = POINT.pack

_stack: ContextVar[tuple[ActiveRun, ...]] = ContextVar("headrace_runs", default=())


def current_run() -> ActiveRun | None:
    """The innermost run that this thread (or task) started and that is still open."""
    open_runs = [run for run in _stack.get() if not run.ended]
    return open_runs[-1] if open_runs else None


class ActiveRun:
    """A run in progress. Use it with `with`; it can be used from several threads.

    What can't be logged becomes one `TrackingWarning` for each kind of failure, never an exception, unless the run was started
    with strict=True. A second, different value for a param always raises, since it would change what the run means.

    Attributes:
        id: 32 hex digits.
        name: its name; its id if another process started it at a server.
        experiment: the name of its experiment; empty if another process started it at a server.
    """

    def __init__(
        self, writer: RunWriter, recorder: Recorder, run: Run, guard: Guard, origin: OriginCapture | None = None
    ) -> None:
        self.id = run.id
        self.name = run.name
        self.experiment = run.experiment
        self.ended = False
        self._run = run
        self._writer = writer
        self._recorder = recorder
        self._clock = recorder.clock
        self._guard = guard
        self._params = dict(run.params)
        self._keys: dict[str, int] = {}  # the series of keys that were logged plainly
        self._origin = origin
        self._owner = os.getpid()
        self._ending = threading.Lock()
        self._inputs: dict[str, DatasetInput] = {}
        _stack.set((*_stack.get(), self))
        watch(self)
        self._watchers: tuple[SystemMetrics | OutputCapture, ...] = ()
        if origin is not None:
            origin.start()
            self._watchers = (SystemMetrics(writer, self._clock), OutputCapture(writer))
            for watcher in self._watchers:
                watcher.start()

    def __repr__(self) -> str:
        return f"ActiveRun({self.name!r}, {self.id}, {'ended' if self.ended else 'running'})"

    def _repr_html_(self) -> str:
        facts = [("state", "ended" if self.ended else "running"), ("experiment", self.experiment), *sorted(self._params.items())]
        return facts_html(f"{self.name} ({self.id})", facts, self.url or "")

    @property
    def url(self) -> str | None:
        """Its page in the web app of the server that it is logged to; None if there is no server."""
        server = self._writer.delivery.server
        return page_of(server, self.id) if server else None

    def show(self) -> None:
        """Show its live page: embedded in a notebook, elsewhere as an address. Raises InvalidInputError if it isn't logged to a
        server."""
        if self.url is None:
            raise InvalidInputError(NO_PAGE)
        show_page(self.url, f"{self.name} ({self.id})")

    @property
    def urn(self) -> str:
        """Its name in the lineage graph."""
        return f"run:{self.id}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end_with(error)

    def end_with(self, error: BaseException | None) -> None:
        """End with the status that the exception means (None: FINISHED), and keep its traceback."""
        if not isinstance(error, BaseException | None):
            msg = f"end_with: error must be an exception or None, not of type {type(error).__name__}"
            raise InvalidInputError(msg)
        if isinstance(error, Terminated | KeyboardInterrupt):
            self.end("KILLED")
        elif error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
            self.end("FINISHED")
        else:
            try:
                if not self.ended and self._owner == os.getpid():
                    self._keep_traceback(error)
            finally:  # also if the traceback can't be kept
                self.end("FAILED")

    def end(self, status: Status = "FINISHED") -> None:
        """End the run. Ending it again changes nothing; a forked child can't end its parent's run, only send what it logged."""
        if status not in STATUSES:
            msg = f"no status {status!r}; a run ends as FINISHED, FAILED or KILLED"
            raise InvalidInputError(msg)
        with self._ending:
            if self.ended:
                return
            if self._owner != os.getpid():
                with self._guard("what was logged"):
                    self._writer.drain(HURRIED_SECONDS)
                return
            hurry = status == "KILLED"
            for watcher in self._watchers:
                watcher.stop()
            if self._origin is not None:
                self._origin.wait(hurry=hurry)
            with self._guard("the run's end"):
                self._close(status, HURRIED_SECONDS if hurry else END_SECONDS)
            self.ended = True
        _stack.set(tuple(run for run in _stack.get() if run is not self))
        unwatch(self)

    def flush(self, seconds: float = END_SECONDS) -> bool:
        """Wait until everything that was logged is in the catalog, or nothing moves for so many seconds; returns whether it is.
        Reading a run in the process that writes it does this by itself."""
        if not isinstance(seconds, Real) or seconds != seconds:  # noqa: PLR0124 - NaN
            given = seconds if isinstance(seconds, Real) else f"of type {type(seconds).__name__}"
            msg = f"flush: seconds must be a number, not {given}"
            raise InvalidInputError(msg)
        with self._guard("what was logged"):
            done = self._writer.flush(min(seconds, _FAR), patient=True)
            self._guard.speak()
            return done
        return False

    def log_param(self, key: str, value: Any) -> None:
        """Log one param; its value becomes text. A param never changes; logging the same value again is fine.

        Raises:
            InvalidInputError: it has another value already.
        """
        self.log_params(self._pair("param", key, value))

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log several params in one step. Raises InvalidInputError if one has another value already; then none is logged."""
        valid = self._texts("param", params)
        new: dict[str, str] = {}
        with self._guard("a param", let_through=InvalidInputError):
            for key, value in clean_params(valid).items():
                held = self._params.get(key, value)
                if held != value:
                    msg = (
                        f"Changing param values is not allowed. Param with key='{key}' was already logged with value='{held}' "
                        f"for run ID='{self.id}'. Attempted logging new value '{value}'."
                    )
                    raise InvalidInputError(msg)
                new[key] = value
            self._put("params", new)
            self._params |= new

    def log_metric(
        self, key: str, value: Any, step: int | None = None, *, dataset: Any = None, model: LoggedModel | str | None = None
    ) -> None:
        """Log one number. Takes microseconds, whatever the disk, the network and the server do. Arguments as in `log_metrics`."""
        plain_step = step is None or (type(step) is int and -_FAR < step < _FAR)
        number = self._keys.get(key) if type(key) is str and dataset is None and model is None else None
        if number is not None and type(value) is float and plain_step:
            points = self._writer.points
            points.append(_pack(number, self._clock(), step or 0, value))
            if len(points) > MOST_POINTS or self._guard.waiting:
                self._look()
        else:
            self.log_metrics(self._pair("metric", key, value), step, dataset=dataset, model=model)

    def log_metrics(
        self, metrics: Mapping[str, Any], step: int | None = None, *, dataset: Any = None, model: LoggedModel | str | None = None
    ) -> None:
        """Log several numbers in one step. NaN and infinities are kept; steps may come in any order.

        Args:
            step: the position on the caller's own axis. Default: 0.
            dataset: the data that they were measured on: a training set, what `use` returned, or the name of a dataset that this
                run uses.
            model: the logged model that they were measured on: what `log_model` returned, or its id, `m-…`.
        """
        now = self._clock()
        data: DatasetInput | None = None
        if dataset is not None:
            with self._guard("a metric's dataset"):
                data = self._dataset(dataset)
        model_id = ""
        if model is not None:
            with self._guard("a metric's model"):
                model_id = model_id_of(model)
        origin = (model_id, data.name if data else "", data.digest if data else "")
        points: list[bytes] = []
        for key, value in self._pairs("metric", metrics):
            with self._guard("a metric"):
                number = value if type(value) is float else values.to_float(value)
                points.append(_pack(self._series(key, origin), now, values.to_step(step), number))
        with self._guard("a metric"):
            self._require_open()
            self._writer.points.extend(points)
            self._look()

    def set_tag(self, key: str, value: Any) -> None:
        """Set one tag; its value becomes text. A tag may be set again."""
        self.set_tags(self._pair("tag", key, value))

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set several tags in one step."""
        with self._guard("a tag"):
            self._put("tags", clean_tags(self._texts("tag", tags)))

    def log_text(self, path: str, text: str) -> None:
        """Keep text as a file of the run."""
        self._put_file(path, lambda: str(text).encode(errors="replace"))

    def log_dict(self, path: str, value: Any) -> None:
        """Keep a dict or a list as a JSON file of the run."""
        self._put_file(path, lambda: values.dict_bytes(value, path))

    def log_table(self, path: str, frame: Any) -> None:
        """Keep a frame as a .csv, .parquet or .json file of the run."""
        self._put_file(path, lambda: values.table_bytes(frame, path))

    def log_figure(self, path: str, figure: Any) -> None:
        """Keep a matplotlib figure in the format of the path's ending, or a plotly figure as .html."""
        self._put_file(path, lambda: values.figure_bytes(figure, path))

    def log_image(self, path: str, image: Any) -> None:
        """Keep a PIL image or an array of shape (height, width[, channels]); floats are in 0..1."""
        self._put_file(path, lambda: values.image_bytes(image, path))

    def log_artifact(self, source: str | os.PathLike[str], artifact_path: str | None = None) -> None:
        """Keep a file, or a folder with everything in it, under its own name.

        Args:
            artifact_path: the folder among the run's files to put it in. Default: the top.
        """
        with self._guard("an artifact"):
            self._require_open()
            self._writer.put_files(Recorder.files_of(Path(source), artifact_path or ""))
            self._look()

    def use(
        self, data: Any, context: str = "training", *, name: str | None = None, source: str | None = None
    ) -> DatasetInput | None:
        """Record which data this run reads: a training set, a pandas, polars or Arrow frame, or a path.

        Args:
            context: what it is used for: training, validation, …
            name: what to call it; a frame needs a name.
            source: where a frame came from.

        Returns:
            The record, which metrics take as `dataset=`; None if it couldn't be made (a warning says why).
        """
        with self._guard("a dataset"):
            found = values.dataset_input(data, context, name, source)
            self._inputs[found.name] = found
            self._put("inputs", [plain(found)])
            self._writer.flush(START_SECONDS)
            return found
        return None

    def log_model(
        self,
        model: Any,
        name: str,
        *,
        view: str | None = None,
        example: Any = None,
        serializer: str | None = None,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> LoggedModel:
        """Save a model and keep it as an output of this run. Unlike the other methods it raises what fails: its result is needed.

        Args:
            view: the feature view that it reads, `ranking` or pinned, `ranking:3`. It is kept pinned.
            example: a few rows of its input. The signature is inferred from these and the model's predictions for them.
            serializer: the format. Default: the safe one for this kind of model; pickle only if it is named here.
            params, tags: of the logged model.

        Raises:
            UnsafeModelError: no safe format can hold it; the message says how to allow pickle.
            InvalidInputError: it has no predict method, can't be saved, or can't predict the example.
            NotFoundError: no such view.
        """
        with tempfile.TemporaryDirectory(prefix="headrace-model-") as folder:
            now = self._recorder.clock()
            draft = write_model(model, Path(folder), run=self._run, name=name, example=example, serializer=serializer, now=now)
            labelled = replace(draft, view=view or "", params=clean_params(params or {}), tags=clean_tags(tags or {}))
            return self._keep_model(labelled, Path(folder))

    def _keep_model(self, model: LoggedModel, folder: Path) -> LoggedModel:
        self._require_open()
        with suppress(StorageError):  # a server that isn't there pins the view when it takes the model in
            model = self._recorder.pinned(model)
        files = {item.relative_to(folder).as_posix(): item for item in sorted(folder.rglob("*")) if item.is_file()}
        kept = replace(model, files=tuple(self._writer.keep_bytes(files)))
        refused = len(self._writer.refused)
        self._writer.put("model", plain(kept))
        if not self._writer.flush(READ_SECONDS):
            return kept
        if len(self._writer.refused) > refused:
            raise self._writer.refused.pop()
        return self._recorder.model(kept.id)

    def _put(self, kind: str, body: Any) -> None:
        if body:
            self._require_open()
            self._writer.put(kind, body)
            self._look()

    def _look(self) -> None:
        """Keep memory bounded and give the warnings that wait. A strict run sends everything now and raises what is refused."""
        if len(self._writer.points) > MOST_POINTS:
            self._writer.overflow()
        if self._guard.strict:
            self._writer.flush(END_SECONDS, patient=True)
            self._guard.waiting.clear()
            if self._writer.refused:
                raise self._writer.refused.pop()
        self._guard.speak()

    def _require_open(self) -> None:
        if self.ended:
            msg = f"run {self.id} has ended; start another one, or go on with it: start_run(run_id=…)"
            raise ConflictError(msg)

    def _series(self, key: Any, origin: Origin) -> int:
        number = self._keys.get(key) if type(key) is str and origin == NOWHERE else None
        if number is None:
            number = self._writer.series(check_key("metric", key), origin)
            if origin == NOWHERE and not self._guard.strict:
                self._keys[key] = number
        return number

    def _close(self, status: Status, seconds: float) -> None:
        writer, delivery = self._writer, self._writer.delivery
        if writer.owner:
            writer.put("end", {"status": status, "time": self._clock()})
        settled = writer.flush(seconds, patient=True)
        self._keys.clear()  # so that logging to it leaves the fast path and raises
        where = writer.spool.folder if writer.spool is not None else None
        delivery.close(writer)
        self._guard.speak()
        if not settled and not delivery.offline:
            reason = f" ({delivery.failing})" if delivery.failing else ""
            place = (
                f"waits in {where} for the next run here, or for: headrace sync" if where else "is lost when this process ends"
            )
            self._guard.warn("end", f"a part of run {self.id} couldn't be sent yet{reason}; it {place}")

    def _texts(self, kind: str, pairs: Mapping[str, Any]) -> dict[str, str]:
        valid: dict[str, str] = {}
        for key, value in self._pairs(kind, pairs):
            with self._guard(f"a {kind}"):
                valid[check_key(kind, key)] = str(value)
        return valid

    def _pair(self, kind: str, key: Any, value: Any) -> dict[str, Any]:
        """One key, which may be of a kind that no mapping holds, and its value."""
        with self._guard(f"a {kind}"):
            return {check_key(kind, key): value}
        return {}

    def _pairs(self, kind: str, pairs: Any) -> list[tuple[Any, Any]]:
        with self._guard(f"a {kind}"):
            return list(check_pairs(kind, pairs).items())
        return []

    def _put_file(self, path: str, make: Callable[[], bytes]) -> None:
        with self._guard("an artifact"):
            self._require_open()
            self._writer.put_files({check_artifact_path(path): make()})
            self._look()

    def _dataset(self, dataset: Any) -> DatasetInput | None:
        if dataset is None or isinstance(dataset, DatasetInput):
            return dataset
        if isinstance(dataset, str) and dataset in self._inputs:
            return self._inputs[dataset]
        return values.dataset_input(dataset, "")

    def _keep_traceback(self, error: BaseException) -> None:
        text = redact_text("".join(traceback.format_exception(error)))
        with self._guard("the traceback"):
            self._writer.put_files({TRACEBACK_FILE: text.encode()})
            self._writer.put("tags", clean_tags({ERROR_TAG: redact_text(f"{type(error).__name__}: {error}")}))
