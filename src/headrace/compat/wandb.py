"""The part of the `wandb` module that training scripts use, over a Headrace run: a script moves by one import.

import headrace.compat.wandb as wandb
"""

from __future__ import annotations

import fnmatch
import glob
import numbers
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

from headrace.compat.wandb_media import Artifact, Audio, Histogram, Html, Image, Media, Table, Video
from headrace.errors import ConflictError, InvalidInputError, NotFoundError
from headrace.tracking.client.values import to_float

if TYPE_CHECKING:
    from headrace.tracking.client.run import ActiveRun

__all__ = [
    "Artifact",
    "Audio",
    "Config",
    "Histogram",
    "Html",
    "Image",
    "Run",
    "Settings",
    "Summary",
    "Table",
    "Video",
    "alert",
    "config",
    "define_metric",
    "finish",
    "init",
    "log",
    "log_artifact",
    "login",
    "run",
    "save",
    "summary",
    "unwatch",
    "watch",
]

Settings = SimpleNamespace
"""Takes what scripts set; nothing of it is needed here."""
MODES = ("online", "offline", "disabled", "shared", "dryrun")
_NAME_TAG = "mlflow.runName"

run: Run | None = None
"""The run that `init` began; None before it and after `finish`."""


class Config(Mapping[str, Any]):
    """What `init(config=…)` got: by key or as attribute. What is set becomes a param of the run."""

    def __init__(self) -> None:
        self.__dict__["_held"] = {}

    def update(self, values: Mapping[str, Any] | Any, allow_val_change: bool | None = None) -> None:
        """Set several. A param of a run never changes: with `allow_val_change` the new value is a tag, `config.KEY`.

        Raises:
            ConflictError: a value differs from the one that is there; nothing is set then.
        """
        given = dict(values) if isinstance(values, Mapping) else dict(vars(values))
        flat, before = _flat(given), _flat(self._held)
        changed = {key: value for key, value in flat.items() if key in before and str(before[key]) != str(value)}
        if changed and not allow_val_change:
            key, value = next(iter(changed.items()))
            call = f"config.update({{{key!r}: {value!r}}}, allow_val_change=True)"
            msg = f"config.{key} is {before[key]!r} already, and {value!r} is another value; if it is to change: {call}"
            raise ConflictError(msg)
        self._held.update(given)
        if run is not None:
            run.active.log_params({key: value for key, value in flat.items() if key not in changed})
            if changed:
                run.active.set_tags({f"config.{key}": value for key, value in changed.items()})

    def setdefaults(self, values: Mapping[str, Any]) -> None:
        """Set those that aren't there."""
        self.update({key: value for key, value in values.items() if key not in self._held})

    def as_dict(self) -> dict[str, Any]:
        """A copy of all."""
        return dict(self._held)

    def __getitem__(self, key: str) -> Any:
        return self._held[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __getattr__(self, key: str) -> Any:
        try:
            return self.__dict__["_held"][key]
        except KeyError:
            raise AttributeError(key) from None

    def __setattr__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)


class Summary(dict[str, Any]):
    """The last value of everything that was logged. What is set here is logged at the end: a number as metric, else as tag."""

    def __init__(self) -> None:
        super().__init__()
        self.own: set[str] = set()

    def __setitem__(self, key: str, value: Any) -> None:
        self.own.add(key)
        super().__setitem__(key, value)

    def update(self, *args: Any, **values: Any) -> None:
        """Set several."""
        for key, value in dict(*args, **values).items():
            self[key] = value


config = Config()
summary = Summary()


class _Nothing:
    """What a disabled run logs to: takes every call and does nothing."""

    id, name, experiment, url = "disabled", "disabled", "disabled", None

    def __getattr__(self, name: str) -> Any:
        return lambda *_args, **_kwargs: None


class Run:
    """What `init` returns.

    Attributes:
        active: the Headrace run behind it.
    """

    def __init__(self, active: ActiveRun, tags: tuple[str, ...] = ()) -> None:
        self.active = active
        self.id, self.project = active.id, active.experiment
        self.config, self.summary = config, summary
        self.step = 0
        self._name, self._tags = active.name, tags
        self._folder: Path | None = None
        self._kinds: list[tuple[str, str]] = []

    @property
    def name(self) -> str:
        """What the run is called; may be set."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        """Call the run so."""
        self._name = name
        self.active.set_tag(_NAME_TAG, name)

    @property
    def tags(self) -> tuple[str, ...]:
        """Its labels; may be set, which adds those that are new."""
        return self._tags

    @tags.setter
    def tags(self, tags: tuple[str, ...]) -> None:
        """Give it these labels too."""
        self._tags = tuple(tags)
        self.active.set_tags(dict.fromkeys(self._tags, "true"))

    @property
    def url(self) -> str | None:
        """The address of the run's page, if it goes to a server."""
        return self.active.url

    def get_url(self) -> str | None:
        """The same."""
        return self.url

    @property
    def dir(self) -> str:
        """A folder whose files are kept with the run when it ends."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="headrace-wandb-"))
        return str(self._folder)

    def log(self, data: Mapping[str, Any], step: int | None = None, commit: bool | None = None, **_ignored: Any) -> None:
        """Log numbers, and what becomes files: pictures, tables, histograms, figures. Texts are tags.

        Args:
            step: where on the axis. Default: each call is one further step.
            commit: False stays on the step.

        Raises:
            InvalidInputError: `data` isn't a mapping.
        """
        if not isinstance(data, Mapping):
            msg = f"log takes a mapping of names to values, such as {{'loss': 0.5}}, not a {type(data).__name__}"
            raise InvalidInputError(msg)
        at = self.step if step is None else int(step)
        found: dict[str, float] = {}
        for key, value in _flat(data).items():
            if _is_number(value):
                found[key] = to_float(value)
                self._sum_up(key, found[key])
            elif value is not None:
                self._keep(key, value, at)
            dict.__setitem__(summary, key, value)
        self.active.log_metrics(found, step=at)
        self.step = max(self.step, at + (commit is not False))

    def define_metric(self, name: str, *_ignored: Any, summary: str | None = None, **_also: Any) -> None:
        """How a metric is summed up: `summary="min"` or "max" (or both, with a comma) logs NAME.min, NAME.max at the end."""
        self._kinds += [(name, kind.strip()) for kind in (summary or "").split(",") if kind.strip() in ("min", "max")]

    def log_artifact(
        self,
        artifact_or_path: Artifact | str | Path,
        name: str | None = None,
        type: str = "",  # noqa: A002 - the word of the interface
        **_ignored: Any,
    ) -> Artifact:
        """Keep files under a name, below `artifacts/`."""
        if isinstance(artifact_or_path, Artifact):
            made = artifact_or_path
        else:
            path = Path(artifact_or_path)
            made = Artifact(name or path.name, type)
            made.add_dir(path) if path.is_dir() else made.add_file(path)
        made.keep(self.active)
        return made

    def save(self, glob_str: str | Path | None = None, *_ignored: Any, **_also: Any) -> None:
        """Keep a file, or all that a pattern such as `*.pt` names."""
        if glob_str is None:
            return
        for path in sorted(glob.glob(str(glob_str))) or [str(glob_str)]:  # noqa: PTH207 - Path.glob takes no absolute pattern
            self.active.log_artifact(path)

    def alert(self, title: str, text: str = "", *_ignored: Any, **_also: Any) -> None:
        """Keep it as a tag, `alert.TITLE`: nobody is sent anything."""
        self.active.set_tag("alert." + re.sub(r"[^\w.\- ]", "_", title)[:200], text or title)

    def watch(self, *_ignored: Any, **_also: Any) -> None:
        """Nothing: gradients aren't logged."""

    unwatch = log_code = mark_preempting = watch

    def finish(self, exit_code: int | None = None, **_ignored: Any) -> None:
        """End the run."""
        global run  # noqa: PLW0603 - that is the interface of the module it stands for
        for key in sorted(summary.own):
            value = summary[key]
            if _is_number(value):
                self.active.log_metric(key, to_float(value), step=self.step)
            elif value is not None:
                self.active.set_tag(key, value)
        if self._folder is not None:
            for entry in sorted(self._folder.iterdir()):
                self.active.log_artifact(entry)
            shutil.rmtree(self._folder, ignore_errors=True)
        self.active.end("FAILED" if exit_code else "FINISHED")
        run = None

    def __getattr__(self, name: str) -> Any:
        raise _missing("a run of headrace.compat.wandb", name, (key for key in vars(Run) if not key.startswith("_")))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, _error: object, _trace: object) -> None:
        self.finish(exit_code=0 if kind is None else 1)

    def _sum_up(self, key: str, value: float) -> None:
        for pattern, kind in self._kinds:
            if fnmatch.fnmatchcase(key, pattern.replace("/*", "[./]*")):
                held = summary.get(f"{key}.{kind}", value)
                summary[f"{key}.{kind}"] = min(held, value) if kind == "min" else max(held, value)

    def _keep(self, key: str, value: Any, step: int) -> None:
        place = f"media/{key}_{step}"
        if isinstance(value, Media):
            value.keep(self.active, place)
        elif hasattr(value, "savefig") or hasattr(value, "to_html"):
            self.active.log_figure(f"{place}.{'png' if hasattr(value, 'savefig') else 'html'}", value)
        elif isinstance(value, list | tuple) and any(isinstance(item, Media) for item in value):
            for number, item in enumerate(value):
                self._keep(f"{key}/{number}", item, step)
        elif isinstance(value, list | tuple) or hasattr(value, "tolist"):
            self.active.log_dict(f"{place}.json", value)
        else:
            self.active.set_tag(key, value)


def init(
    project: str | None = None,
    name: str | None = None,
    config: Mapping[str, Any] | Any | None = None,
    tags: Any = None,
    notes: str | None = None,
    group: str | None = None,
    job_type: str | None = None,
    mode: str | None = None,
    reinit: Any = None,
    id: str | None = None,  # noqa: A002 - the word of the interface
    resume: Any = None,
    **_ignored: Any,
) -> Run:
    """Begin a run: `project` is its experiment, `config` its params. It goes where `hr.start_run` logs to.

    Args:
        mode: "offline" keeps it until `headrace sync`; "disabled" keeps nothing. Default: what WANDB_MODE says, else "online".
        reinit: True, or "finish_previous", ends the run that is there already. Otherwise that one is returned.
        id, resume: go on with the run that has this id; "must" raises if there is none, otherwise a new one begins.

    Raises:
        InvalidInputError: an unknown mode.
        NotFoundError: `resume="must"`, and no run has the id.
    """
    global run  # noqa: PLW0603 - that is the interface of the module it stands for
    mode = mode or os.environ.get("WANDB_MODE") or "online"
    if mode not in MODES:
        msg = f"no mode {mode!r}; give one of {', '.join(MODES)}"
        raise InvalidInputError(msg)
    if run is not None:
        if reinit not in (True, "finish_previous"):
            return run
        run.finish()
    labels = tuple([tags] if isinstance(tags, str) else tags or ())
    told = {
        **dict.fromkeys(labels, "true"),
        **({"group": group} if group else {}),
        **({"job_type": job_type} if job_type else {}),
    }
    given = {
        "experiment": project or os.environ.get("WANDB_PROJECT"),
        "name": name or os.environ.get("WANDB_NAME"),
        "tags": told,
        "description": notes,
    }
    active: Any = _Nothing() if mode == "disabled" else _begun(given, id if resume else None, resume, mode)
    held: dict[str, Any] = globals()["config"]._held  # noqa: SLF001 - of this module
    held.clear()
    summary.clear()
    summary.own.clear()
    run = Run(active, labels)
    if config is not None:
        globals()["config"].update(config)
    return run


def _begun(given: dict[str, Any], run_id: str | None, resume: Any, mode: str) -> ActiveRun:
    from headrace.project import start_run

    offline = True if mode in ("offline", "dryrun") else None
    if run_id is not None:
        try:
            return start_run(run_id=run_id, offline=offline)
        except (NotFoundError, InvalidInputError):
            if resume == "must":
                raise
    return start_run(**given, offline=offline)


def log(data: Mapping[str, Any], step: int | None = None, commit: bool | None = None, **_ignored: Any) -> None:
    """Log to the run that `init` began; see `Run.log`."""
    _require().log(data, step, commit)


def define_metric(name: str, *_ignored: Any, **options: Any) -> None:
    """How a metric is summed up; see `Run.define_metric`."""
    _require().define_metric(name, **options)


def log_artifact(artifact_or_path: Artifact | str | Path, name: str | None = None, **options: Any) -> Artifact:
    """Keep files under a name; see `Run.log_artifact`."""
    return _require().log_artifact(artifact_or_path, name, **options)


def save(glob_str: str | Path | None = None, *_ignored: Any, **_also: Any) -> None:
    """Keep a file of the run, or all that a pattern names."""
    _require().save(glob_str)


def alert(title: str, text: str = "", *_ignored: Any, **_also: Any) -> None:
    """Keep it as a tag; see `Run.alert`."""
    _require().alert(title, text)


def login(*_ignored: Any, **_also: Any) -> bool:
    """True: HEADRACE_TOKEN says who asks, if the server wants to know."""
    return True


def watch(*_ignored: Any, **_also: Any) -> None:
    """Nothing: gradients aren't logged."""


unwatch = watch


def finish(exit_code: int | None = None, **_ignored: Any) -> None:
    """End the run that `init` began, if one is there."""
    if run is not None:
        run.finish(exit_code)


def __getattr__(name: str) -> Any:
    raise _missing("headrace.compat.wandb", name, __all__)


def _missing(what: str, name: str, there: Iterable[str]) -> AttributeError:
    return AttributeError(f"{what} has no {name!r}; it has {', '.join(there)}. wandb.run.active is the Headrace run")


def _require() -> Run:
    if run is None:
        msg = "there is no run yet; call wandb.init() first"
        raise ConflictError(msg)
    return run


def _is_number(value: Any) -> bool:
    """Whether it is a number, or an array or a tensor of one."""
    if isinstance(value, numbers.Number):
        return True
    if not hasattr(value, "item"):
        return False
    count = value.numel() if hasattr(value, "numel") else getattr(value, "size", 1)
    return bool(count == 1)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found
