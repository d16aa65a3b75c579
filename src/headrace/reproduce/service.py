"""`headrace reproduce`: from a run to a run that does the same, and what came out."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from headrace.clock import system_clock
from headrace.errors import ConflictError, InvalidInputError
from headrace.features.training import PINNED
from headrace.ids import new_id
from headrace.progress import Progress, silent
from headrace.reproduce.checkout import check_out
from headrace.reproduce.data import Restored, restore_data
from headrace.reproduce.environment import Environment, build_environment, present_environment
from headrace.reproduce.outcome import Difference, compare_outcomes
from headrace.reproduce.recipe import Recipe, inside, read_recipe
from headrace.settings import STATE_FOLDER
from headrace.store import Store
from headrace.tracking.client.origin import REPRODUCES, REPRODUCES_TAG
from headrace.tracking.run import Run

__all__ = ["TOLERANCE", "Reproduction", "reproduce"]

TOLERANCE = 1e-6
_VARIABLES = (
    "CUBLAS_WORKSPACE_CONFIG",
    "LANG",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
    "PYTORCH_CUDA_ALLOC_CONF",
    "TF_DETERMINISTIC_OPS",
    "TZ",
)
"""The recorded variables that change what a program computes."""
_STORES = ("catalog", "lake", "artifacts", "online", "events", "engine")

Verdict = Literal["same", "differs", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """What running a run again showed.

    Attributes:
        verdict: same: every metric, param and data set; differs; failed: the command did, or logged no run.
        run_id, again: the run, and the run that reproduces it; empty if there is none.
        folder: where its code was run.
        command: what was run.
        exit_code: of the command.
        missing: what of the code wasn't kept.
        environment: how the environment differs from the run's.
        data: what became of each data set.
        differences: what came out otherwise.
        metrics: how many metrics were compared.
    """

    verdict: Verdict
    run_id: str
    again: str = ""
    folder: str
    command: tuple[str, ...]
    exit_code: int
    missing: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    data: Sequence[Restored] = ()
    differences: Sequence[Difference] = field(default_factory=list)
    metrics: int = 0

    def __bool__(self) -> bool:
        return self.verdict == "same"

    def to_dict(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return asdict(self)


def reproduce(
    store: Store,
    run_id: str,
    *,
    into: Path | None = None,
    repository: Path | None = None,
    build: bool = True,
    tolerance: float = TOLERANCE,
    tolerances: Mapping[str, float] | None = None,
    progress: Progress = silent,
) -> Reproduction:
    """Run a run again: its commit with its diff, its packages, its data, its command; compare what it logs.

    Args:
        into: an empty or new folder for the code and the environment. Default: one below the project's state.
        repository: where the commit is. Default: where it was, here, or its origin.
        build: make an environment of the recorded packages; else take the one that is here.
        tolerance: how far numbers may lie apart, as a share of the larger one.
        tolerances: the same for single metrics.

    Raises:
        NotFoundError: no such run, or nobody has its commit any more.
        InvalidInputError: it kept too little to be run again; the message says what is missing.
        StorageError: git or pip can't do what they must.
    """
    recipe = read_recipe(store.runs, run_id)
    folder = _folder(store, recipe, into)
    steps = 5
    progress("code", 0, steps)
    check_out(recipe, folder / "code", repository)
    progress("packages", 1, steps)
    environment = build_environment(recipe, folder / "venv") if build else present_environment(recipe)
    progress("data", 2, steps)
    command, place = _command(recipe, folder / "code", environment)
    data = restore_data(store, recipe.run, place, Path(recipe.folder))
    progress("command", 3, steps)
    began = system_clock()
    code = _execute(command, place, _environment(store, recipe, folder / "code", data))
    progress("comparison", 4, steps)
    again = _child(store, recipe.run, began)
    result = _judge(store, recipe.run, again, code, tolerance, tolerances or {})
    progress("comparison", steps, steps)
    return Reproduction(
        run_id=recipe.run.id,
        folder=str(folder),
        command=tuple(command),
        exit_code=code,
        missing=recipe.missing,
        environment=environment.notes,
        data=data,
        **result,
    )


def _folder(store: Store, recipe: Recipe, into: Path | None) -> Path:
    if into is None:
        return Path(store.settings.project) / STATE_FOLDER / "reproduced" / f"{recipe.run.id[:12]}-{new_id()[-6:]}"
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        msg = f"{into} isn't an empty folder; name a new one"
        raise ConflictError(msg)
    return into.resolve()


def _command(recipe: Recipe, code: Path, environment: Environment) -> tuple[list[str], Path]:
    """The command line, and where it is run: in the checkout, at the place where it was in the repository."""
    root = recipe.root or str(_guessed_root(recipe))
    below = inside(recipe.folder, root)
    place = code / below if below is not None else Path(recipe.folder)
    place = place if place.is_dir() else code
    arguments = list(recipe.arguments[1:])
    if recipe.entry == "module":
        return [str(environment.python), "-m", recipe.source, *arguments], place
    script = inside(recipe.source, root)
    if script is None or not (code / script).is_file():
        msg = f"the script {recipe.source} isn't in the repository at that commit, so it can't be run again"
        raise InvalidInputError(msg)
    return [str(environment.python), str(code / script), *arguments], place


def _guessed_root(recipe: Recipe) -> Path:
    """Of a run that didn't keep its repository's folder: the nearest folder of the script that is one now."""
    source = Path(recipe.source)
    return next((folder for folder in source.parents if (folder / ".git").exists()), Path(recipe.folder))


def _environment(store: Store, recipe: Recipe, code: Path, data: Sequence[Restored]) -> dict[str, str]:
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    recorded = {name: recipe.variables[name] for name in _VARIABLES if name in recipe.variables}
    for name in _VARIABLES:
        variables.pop(name, None)
    paths = recipe.variables.get("PYTHONPATH", "").split(os.pathsep)
    below = [code / found if (found := inside(path, recipe.root)) is not None else Path(path) for path in paths if path]
    settings = store.settings
    stores = {f"HEADRACE_{name.upper()}": str(getattr(settings, name)) for name in _STORES}
    pins = [restored.pin for restored in data if restored.pin]
    return {
        **variables,
        **recorded,
        **({"HEADRACE_SERVER": settings.catalog} if settings.catalog.startswith("http") else stores),
        **({"PYTHONPATH": os.pathsep.join(map(str, below))} if below else {}),
        REPRODUCES: recipe.run.id,
        PINNED: ",".join(pins),
    }


def _execute(command: Sequence[str], place: Path, variables: Mapping[str, str]) -> int:
    """Run the command; what it says goes to standard error, for standard output is the answer's."""
    try:
        return subprocess.run(command, cwd=place, env=dict(variables), stdout=sys.stderr, check=False).returncode  # noqa: S603
    except OSError as error:
        msg = f"{command[0]} can't be started: {error.strerror}"
        raise InvalidInputError(msg) from error


def _judge(store: Store, run: Run, again: Run | None, code: int, tolerance: float, own: Mapping[str, float]) -> dict[str, Any]:
    if again is None:
        return {"verdict": "failed"}
    summaries = store.runs.summaries(run.id), store.runs.summaries(again.id)
    found, metrics = compare_outcomes(run, again, summaries, tolerance, own)
    verdict: Verdict = "failed" if code != 0 or again.status != "FINISHED" else "differs" if found else "same"
    return {"verdict": verdict, "again": again.id, "differences": found, "metrics": metrics}


def _child(store: Store, run: Run, began: int) -> Run | None:
    """The run that the command logged; of several the one of the same experiment and name, else the first."""
    found = store.runs.search(f"tags.{REPRODUCES_TAG} = '{run.id}'", limit=1000)
    new = sorted((item for item in found if item.start >= began and item.parent == run.id), key=lambda item: item.start)
    same = [item for item in new if (item.experiment, item.name) == (run.experiment, run.name)]
    return next(iter([*same, *new]), None)
