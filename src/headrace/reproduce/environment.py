"""The packages of a run in a virtual environment of its own."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from headrace.errors import StorageError
from headrace.reproduce.recipe import Recipe

__all__ = ["Environment", "build_environment", "present_environment"]

_MISSING = re.compile(r"(?:No matching distribution found for|satisfies the requirement) ([\w.\-]+)==")
_MOST_MISSING = 25


@dataclass(frozen=True, slots=True)
class Environment:
    """An interpreter with packages.

    Attributes:
        notes: how it differs from what the run had, in words.
    """

    python: Path
    notes: tuple[str, ...]


def present_environment(recipe: Recipe) -> Environment:
    """The environment that this runs in, and how it differs from the run's."""
    wanted = _wanted(recipe)
    here = {_normal(found.metadata["Name"]): found.version for found in metadata.distributions() if found.metadata["Name"]}
    other = sorted(name for name, version in wanted.items() if here.get(name) != version)
    notes = _python_notes(recipe, platform.python_version())
    shown = [f"{name} {wanted[name]} → {here.get(name, 'not installed')}" for name in other]
    return Environment(Path(sys.executable), (*notes, *shown))


def build_environment(recipe: Recipe, folder: Path) -> Environment:
    """Make a virtual environment with the recorded packages, in their recorded versions and no others.

    Raises:
        StorageError: it can't be made. Packages that no index has are left out, and noted.
    """
    python = _interpreter(recipe.python)
    _run([str(python), "-m", "venv", str(folder)], "the virtual environment can't be made")
    inside = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    lines = [f"{name}=={version}" for name, version in _wanted(recipe).items() if name not in ("pip", "setuptools")]
    missing = _install(inside, folder, lines)
    version = _run([str(inside), "-c", "import platform; print(platform.python_version())"], "its Python doesn't start").strip()
    notes = [*_python_notes(recipe, version), *(f"{line}: no index here has it" for line in missing)]
    if any(line.startswith("headrace==") for line in missing) or not any(line.startswith("headrace==") for line in lines):
        _link_headrace(inside)
        notes = [note for note in notes if not note.startswith("headrace==")]
        notes.append(f"headrace: the one that runs this, {metadata.version('headrace')}, because no index here has the run's")
    return Environment(inside, tuple(notes))


def _install(python: Path, folder: Path, lines: list[str]) -> list[str]:
    """Install the lines, without those that can't be found; returns these."""
    missing: list[str] = []
    requirements = folder / "requirements.txt"
    while True:
        wanted = [line for line in lines if line not in missing]
        requirements.write_text("".join(f"{line}\n" for line in wanted), encoding="utf-8")
        if not wanted:
            return missing
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        done = subprocess.run([*command, "-r", str(requirements)], capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode == 0:
            return missing
        named = {_normal(name) for name in _MISSING.findall(done.stderr)}
        new = [line for line in wanted if _normal(line.partition("==")[0]) in named]
        if not new or len(missing) > _MOST_MISSING:
            reason = next((line for line in reversed(done.stderr.splitlines()) if line.startswith("ERROR")), "pip told no reason")
            msg = f"the run's packages can't be installed: {reason}; --no-env takes the environment that is here"
            raise StorageError(msg)
        missing += new


def _link_headrace(python: Path) -> None:
    """Let the environment import the Headrace that runs this."""
    here = Path(__file__).resolve().parents[1]
    where = _run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], "its Python doesn't start")
    place = Path(where.strip()) / "headrace"
    if not place.exists():
        place.symlink_to(here, target_is_directory=True)


def _interpreter(version: str) -> Path:
    """A Python of the same minor version, if there is one, else this one."""
    minor = ".".join(version.split(".")[:2])
    if version and not platform.python_version().startswith(f"{minor}."):
        found = shutil.which(f"python{minor}")
        if found is not None:
            return Path(found)
    return Path(sys.executable)


def _python_notes(recipe: Recipe, version: str) -> list[str]:
    return [f"Python {recipe.python} → {version}"] if recipe.python != version else []


def _wanted(recipe: Recipe) -> dict[str, str]:
    pairs = (line.split("==", 1) for line in recipe.packages.splitlines() if "==" in line)
    return {_normal(name): version for name, version in pairs}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _run(command: list[str], trouble: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
    if done.returncode != 0:
        reason = (done.stderr.strip() or done.stdout.strip() or "no reason told").splitlines()[-1]
        msg = f"{trouble}: {reason}"
        raise StorageError(msg)
    return done.stdout
