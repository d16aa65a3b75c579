"""The part of the `wandb` module that training scripts use, over a Headrace run: a script moves by one import.

import headrace.compat.wandb as wandb
"""

from __future__ import annotations

import numbers
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from headrace.errors import ConflictError
from headrace.tracking.client.values import to_float

if TYPE_CHECKING:
    from headrace.tracking.client.run import ActiveRun

__all__ = ["Config", "Image", "Run", "Summary", "config", "finish", "init", "log", "run", "save", "summary", "watch"]

run: Run | None = None
"""The run that `init` began; None before it and after `finish`."""


class Image:
    """A picture to be logged: a PIL image, an array of shape (height, width[, channels]), a matplotlib figure or a path."""

    def __init__(self, data_or_path: Any, caption: str | None = None, **_ignored: Any) -> None:
        self.data = data_or_path
        self.caption = caption


class Config(Mapping[str, Any]):
    """What `init(config=…)` got: by key or as attribute. What is set becomes a param of the run."""

    def __init__(self) -> None:
        self.__dict__["_held"] = {}

    def update(self, values: Mapping[str, Any] | Any, allow_val_change: bool | None = None) -> None:
        """Set several."""
        del allow_val_change
        given = values if isinstance(values, Mapping) else vars(values)
        self._held.update(given)
        if run is not None:
            run.active.log_params(_flat(given))

    def setdefaults(self, values: Mapping[str, Any]) -> None:
        """Set those that aren't there."""
        self.update({key: value for key, value in values.items() if key not in self._held})

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


class Run:
    """What `init` returns.

    Attributes:
        active: the Headrace run behind it.
    """

    def __init__(self, active: ActiveRun) -> None:
        self.active = active
        self.id, self.name, self.project = active.id, active.name, active.experiment
        self.config, self.summary = config, summary
        self._step, self._began = 0, time.monotonic()

    def log(self, data: Mapping[str, Any], step: int | None = None, commit: bool | None = None) -> None:
        """Log numbers and pictures. Without a step, each call is one further step; `commit=False` stays on it."""
        at = self._step if step is None else int(step)
        numbers_: dict[str, float] = {}
        for key, value in _flat(data).items():
            if isinstance(value, Image):
                self._picture(key, value, at)
            elif isinstance(value, numbers.Number) or hasattr(value, "item"):
                numbers_[key] = to_float(value)
            else:
                self.active.set_tag(key, value)
            dict.__setitem__(summary, key, value)
        self.active.log_metrics(numbers_, step=at)
        self._step = at + (commit is not False)

    def finish(self, exit_code: int | None = None, **_ignored: Any) -> None:
        """End the run."""
        global run  # noqa: PLW0603 - that is the interface of the module it stands for
        for key in sorted(summary.own):
            value = summary[key]
            if isinstance(value, numbers.Number) or hasattr(value, "item"):
                self.active.log_metric(key, to_float(value), step=self._step)
            else:
                self.active.set_tag(key, value)
        self.active.end("FAILED" if exit_code else "FINISHED")
        run = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, _error: object, _trace: object) -> None:
        self.finish(exit_code=0 if kind is None else 1)

    def _picture(self, key: str, image: Image, step: int) -> None:
        path = f"media/{key}_{step}.png"
        if isinstance(image.data, str | Path):
            self.active.log_artifact(image.data, f"media/{key}_{step}")
        elif hasattr(image.data, "savefig"):
            self.active.log_figure(path, image.data)
        else:
            self.active.log_image(path, image.data)


def init(
    project: str | None = None,
    name: str | None = None,
    config: Mapping[str, Any] | Any | None = None,  # noqa: A002, RUF100 - the word of the interface
    tags: Any = None,
    notes: str | None = None,
    group: str | None = None,
    job_type: str | None = None,
    mode: str | None = None,
    reinit: Any = None,
    **_ignored: Any,
) -> Run:
    """Begin a run: `project` is its experiment, `config` its params. It goes where `hr.start_run` logs to.

    Raises:
        ConflictError: a run is there already, and `reinit` isn't given.
    """
    global run  # noqa: PLW0603 - that is the interface of the module it stands for
    if run is not None:
        if not reinit:
            msg = f"a run was begun already ({run.id}); end it with wandb.finish(), or give reinit=True"
            raise ConflictError(msg)
        run.finish()
    from headrace.project import start_run

    labels = {
        **dict.fromkeys(tags or (), "true"),
        **({"group": group} if group else {}),
        **({"job_type": job_type} if job_type else {}),
    }
    active = start_run(
        experiment=project, name=name, tags=labels, description=notes, offline=True if mode in ("offline", "dryrun") else None
    )
    held: dict[str, Any] = globals()["config"]._held  # noqa: SLF001 - of this module
    held.clear()
    summary.clear()
    summary.own.clear()
    run = Run(active)
    if config is not None:
        globals()["config"].update(config)
    return run


def log(data: Mapping[str, Any], step: int | None = None, commit: bool | None = None) -> None:
    """Log to the run that `init` began; see `Run.log`."""
    _require().log(data, step, commit)


def save(path: str | Path, *_ignored: Any, **_also: Any) -> None:
    """Keep a file of the run."""
    _require().active.log_artifact(path)


def watch(*_ignored: Any, **_also: Any) -> None:
    """Nothing: gradients aren't logged."""


def finish(exit_code: int | None = None, **_ignored: Any) -> None:
    """End the run that `init` began, if one is there."""
    if run is not None:
        run.finish(exit_code)


def _require() -> Run:
    if run is None:
        msg = "there is no run yet; call wandb.init() first"
        raise ConflictError(msg)
    return run


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found
