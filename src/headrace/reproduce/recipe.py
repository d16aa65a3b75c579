"""What a run kept of its origin, as what is needed to run it again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.capture.redact import REDACTED
from headrace.errors import InvalidInputError
from headrace.tracking.client.origin import DIFF_FILE, ENVIRONMENT_FILE, PACKAGES_FILE
from headrace.tracking.run import Run
from headrace.tracking.service import Runs

__all__ = ["Recipe", "inside", "read_recipe"]

COMMIT_TAG, REMOTE_TAG = "mlflow.source.git.commit", "mlflow.source.git.repoURL"
DIRTY_TAG, SKIPPED_TAG, REDACTED_TAG, ROOT_TAG = (
    "headrace.git.dirty",
    "headrace.git.skipped",
    "headrace.git.redacted",
    "headrace.git.root",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A run's origin.

    Attributes:
        run: the run itself.
        commit: 40 hex digits; empty if the code wasn't in git.
        remote: where the repository came from; empty if it had no origin.
        root: where the repository was; empty if the run didn't keep that.
        diff: from the commit to the code that ran.
        missing: what of the code wasn't kept, in words.
        python: version, 3.11.9.
        packages: pip requirements, one a line.
        entry, source, arguments, folder: how the process was started.
        variables: the environment variables that were recorded.
    """

    run: Run
    commit: str
    remote: str
    root: str
    diff: str
    missing: tuple[str, ...]
    python: str
    packages: str
    entry: str
    source: str
    arguments: tuple[str, ...]
    folder: str
    variables: dict[str, str]


def read_recipe(runs: Runs, run_id: str) -> Recipe:
    """The recipe of a run. Raises NotFoundError for the run, InvalidInputError if it kept no command that can be run again."""
    run = runs.get(run_id)
    files = {entry.path for entry in runs.artifacts(run.id)}
    if ENVIRONMENT_FILE not in files:
        msg = f"run {run.id} kept nothing of how it was started: it was logged with capture=False, by another tool, or cut off"
        raise InvalidInputError(msg)

    def text(path: str) -> str:
        return runs.read_artifact(run.id, path).decode("utf-8", "surrogateescape") if path in files else ""

    facts: dict[str, Any] = json.loads(text(ENVIRONMENT_FILE))
    process = facts["process"]
    recipe = Recipe(
        run=run,
        commit=run.tags.get(COMMIT_TAG, ""),
        remote=run.tags.get(REMOTE_TAG, ""),
        root=run.tags.get(ROOT_TAG, ""),
        diff=text(DIFF_FILE),
        missing=tuple(_missing(run, kept_diff=DIFF_FILE in files)),
        python=facts["python"],
        packages=text(PACKAGES_FILE),
        entry=process["entry"],
        source=process["source"],
        arguments=tuple(process["arguments"]),
        folder=process["folder"],
        variables=facts.get("variables", {}),
    )
    _require_command(recipe)
    return recipe


def _missing(run: Run, *, kept_diff: bool) -> list[str]:
    found = []
    skipped = json.loads(run.tags.get(SKIPPED_TAG) or "[]")
    dirty = run.tags.get(DIRTY_TAG) == "true"
    if dirty and not kept_diff:
        found.append("the code had changes that weren't committed, and no diff of them was kept")
    if skipped:
        found.append(
            f"the kept diff leaves out {', '.join(skipped)}: large, binary or secret files, changes inside of submodules"
        )
    if run.tags.get(REDACTED_TAG) == "true":
        found.append("secrets were taken out of the kept diff")
    return found


def _require_command(recipe: Recipe) -> None:
    run = recipe.run
    if recipe.entry not in ("script", "module"):
        where = f"a notebook ({recipe.source})" if recipe.entry == "notebook" else "a prompt"
        msg = f"run {run.id} was started from {where}, so there is no command to run again; move its code to a script"
        raise InvalidInputError(msg)
    hidden = [argument for argument in recipe.arguments[1:] if REDACTED in argument]
    if hidden:
        msg = f"run {run.id} was started with a secret that wasn't kept ({hidden[0]}); hand secrets over in environment variables"
        raise InvalidInputError(msg)


def inside(path: str, root: str) -> Path | None:
    """The path below the root; None if it lies elsewhere."""
    if not root or not Path(path).is_relative_to(root):
        return None
    return Path(path).relative_to(root)
