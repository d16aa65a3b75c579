"""The code of a run in a folder of its own: the commit, and what wasn't committed on top. No repository is changed."""

from __future__ import annotations

import subprocess
from pathlib import Path

from headrace.errors import InvalidInputError, NotFoundError, StorageError
from headrace.reproduce.recipe import Recipe

__all__ = ["check_out"]

_PATIENCE = 600.0


def check_out(recipe: Recipe, folder: Path, repository: Path | None) -> Path:
    """Make the code of the run in the folder, which doesn't exist yet; returns the repository that it came from.

    Args:
        repository: where to look first. Default: where it was when the run ran, here, then its origin.

    Raises:
        InvalidInputError: the run's code wasn't in git.
        NotFoundError: no repository that can be reached has the commit.
        StorageError: git can't do it.
    """
    if not recipe.commit:
        way = f"what it kept is told by: headrace runs show {recipe.run.id}"
        msg = f"run {recipe.run.id} kept no commit: its code wasn't in a git repository, or nothing was committed yet; {way}"
        raise InvalidInputError(msg)
    places = [repository] if repository is not None else [Path(recipe.root) if recipe.root else None, Path.cwd()]
    origin = next((place for place in places if place is not None and _has(place, recipe.commit)), None)
    source = str(origin) if origin is not None else _remote(recipe, repository)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _git(None, "clone", "--quiet", "--no-checkout", *(["--shared"] if origin else []), "--", source, str(folder))
    if not _has(folder, recipe.commit):
        _git_try(folder, "fetch", "--quiet", "origin", recipe.commit)
    if not _has(folder, recipe.commit):
        raise _gone(recipe, source)
    _git(folder, "-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", recipe.commit)
    if recipe.diff:
        _apply(folder, recipe)
    _fetch_submodules(folder, origin)
    return origin or folder


def _remote(recipe: Recipe, asked: Path | None) -> str:
    if asked is not None or not recipe.remote:
        raise _gone(recipe, str(asked) if asked is not None else "any repository here")
    return recipe.remote


def _gone(recipe: Recipe, where: str) -> NotFoundError:
    return NotFoundError(
        f"the commit {recipe.commit} of run {recipe.run.id} isn't in {where}: it was never pushed, or its branch is gone; "
        "name a repository that has it with --repository DIR"
    )


def _fetch_submodules(folder: Path, origin: Path | None) -> None:
    """Check submodules out, those in them too: each from where the run had it, else from the address that it has."""
    said = _run(folder, ["config", "-z", "-f", ".gitmodules", "--get-regexp", r"^submodule\..*\.path$"]).stdout
    for name, path in (entry.split("\n", 1) for entry in said.split("\0") if entry):
        there = None if origin is None else origin / path
        own = there is not None and (there / ".git").exists()
        _git(folder, "submodule", "--quiet", "init", "--", path)
        if own:
            _git(folder, "config", name.removesuffix("path") + "url", str(there))
        allowed = ["-c", "protocol.file.allow=always"] if own else []  # git refuses submodules from this machine by default
        _git(folder, *allowed, "submodule", "--quiet", "update", "--", path)
        _fetch_submodules(folder / path, there if own else None)


def _apply(folder: Path, recipe: Recipe) -> None:
    done = _run(folder, ["apply", "--index", "--whitespace=nowarn", "-"], recipe.diff)
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()[0] if done.stderr.strip() else "no reason told"
        msg = f"the kept diff of run {recipe.run.id} doesn't apply to its commit: {reason}"
        if recipe.run.tags.get("headrace.git.redacted") == "true":
            msg += "; something that looks like a password or a key was taken out of it before it was kept"
        raise StorageError(msg)


def _has(place: Path, commit: str) -> bool:
    return place.is_dir() and _run(place, ["cat-file", "-e", f"{commit}^{{commit}}"]).returncode == 0


def _git_try(folder: Path, *arguments: str) -> None:
    _run(folder, list(arguments))


def _git(folder: Path | None, *arguments: str) -> None:
    done = _run(folder, list(arguments))
    if done.returncode != 0:
        reason = " ".join(done.stderr.split())
        msg = f"git {' '.join(arguments)} failed: {reason or 'no reason told'}"
        raise StorageError(msg)


def _run(folder: Path | None, arguments: list[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = ["git", "--no-pager", *(["-C", str(folder)] if folder is not None else []), *arguments]
    try:
        return subprocess.run(  # noqa: S603 - no shell
            command,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=_PATIENCE,
            check=False,
        )
    except FileNotFoundError as error:
        msg = "git isn't installed here, and the code of a run is in git"
        raise StorageError(msg) from error
    except subprocess.TimeoutExpired as error:
        msg = f"git {arguments[0]} took longer than {_PATIENCE:.0f} s"
        raise StorageError(msg) from error
